# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-17 (L-28): gcsrwr TVAL sets the remaining ticks of a running timer, and is kept
# in a stopped one (docs/lvz.md T-8, T-10, T-12, 9.3).

.include "test.inc"
.include "lvz.inc"

    .text
.macro SPIN ticks:req
    rdtime.d $t0, $zero
    li.d    $t2, \ticks
.Lspin\@:
    rdtime.d $t1, $zero
    sub.d   $t1, $t1, $t0
    bltu    $t1, $t2, .Lspin\@
.endm

    .globl main
main:
    HV_START
    # Zero: within two ticks.
    GW      TCFG, 40000000 | 1
    gcsrwr  $zero, TVAL
    SPIN    3
    CHECK_GCSR "zero", ESTAT, 1 << IS_TI, 1 << IS_TI
    GW      TICLR, 1
    # 5000 ticks, not the 400000 of TCFG; TCFG keeps its value.
    GW      TCFG, 400000 | 1
    GW      TVAL, 5000
    gcsrrd  $s0, TVAL
    li.d    $s1, 5001
    sltu    $s0, $s0, $s1
    CHECK   "read_back", $s0, 1
    CHECK_GCSR "early", ESTAT, 1 << IS_TI, 0
    SPIN    10000
    CHECK_GCSR "fires", ESTAT, 1 << IS_TI, 1 << IS_TI
    CHECK_GCSR "tcfg", TCFG, -1, 400001
    GW      TICLR, 1
    # KVM's value for a timer that has fired and was acknowledged: a long count,
    # no interrupt.
    GW      TVAL, 0xfffffffffffc
    SPIN    10000
    CHECK_GCSR "long.ti", ESTAT, 1 << IS_TI, 0
    gcsrrd  $s0, TVAL
    srli.d  $s0, $s0, 32
    CHECK   "long.tval", $s0, 0xffff
    # Stopped: stored and read back as it is.
    gcsrwr  $zero, TCFG
    GW      TVAL, 0x123450
    SPIN    1000
    CHECK_GCSR "stopped", TVAL, -1, 0x123450
    CHECK_GCSR "stopped.ti", ESTAT, 1 << IS_TI, 0
    # KVM's order of a restore: TCFG=0, ESTAT, TCFG, TVAL. No TI comes up on
    # its own, and one that was saved is not lost.
    gcsrwr  $zero, TCFG
    GW      ESTAT, 0
    GW      TCFG, 40000000 | 1
    GW      TVAL, 20000000
    CHECK_GCSR "restore.quiet", ESTAT, 1 << IS_TI, 0
    gcsrwr  $zero, TCFG
    GW      ESTAT, 1 << IS_TI
    GW      TCFG, 40000000 | 1
    GW      TVAL, 20000000
    CHECK_GCSR "restore.kept", ESTAT, 1 << IS_TI, 1 << IS_TI
    gcsrwr  $zero, TCFG
    gcsrwr  $zero, ESTAT
    b       finish
