# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-16 (L-28): the guest's timer runs while root executes and sets the guest's TI;
# root's own timer is another one (docs/lvz.md 9.2, T-5, T-6, T-9).

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
guest:
    csrrd   $a1, ESTAT
    csrrd   $a2, TVAL
    csrrd   $a3, TCFG
    hvcl    1
arm:
    li.d    $t0, 20000 | 1
    csrwr   $t0, TCFG
    hvcl    2
acknowledge:
    li.d    $t0, 1
    csrwr   $t0, TICLR
    csrrd   $a1, ESTAT
    hvcl    3

    .text
# Spins for a number of ticks. Uses $t0-$t2.
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
    # Armed by root.
    GW      TCFG, 40000 | 1
    gcsrrd  $s0, TVAL
    li.d    $s1, 40001
    sltu    $s1, $s0, $s1
    CHECK   "armed.tval", $s1, 1
    CHECK_GCSR "armed.ti", ESTAT, 1 << IS_TI, 0
    SPIN    80000
    CHECK_GCSR "fired.ti", ESTAT, 1 << IS_TI, 1 << IS_TI
    # The count has wrapped: above TCFG, just below 2^48.
    gcsrrd  $s0, TVAL
    li.d    $s1, 40001
    sltu    $s2, $s1, $s0
    CHECK   "fired.tval_high", $s2, 1
    bstrpick.d $s2, $s0, 63, 48
    CHECK   "fired.tval_48", $s2, 0
    bstrpick.d $s2, $s0, 47, 32
    CHECK   "fired.tval_near", $s2, 0xffff
    # TCFG stays as written (T-11).
    CHECK_GCSR "fired.tcfg", TCFG, -1, 40001
    CHECK_CSR "root.ti", ESTAT, 1 << IS_TI, 0
    # TICLR clears TI and nothing else.
    GW      TICLR, 1
    CHECK_GCSR "ticlr.ti", ESTAT, 1 << IS_TI, 0
    gcsrrd  $s0, TVAL
    li.d    $s1, 40001
    sltu    $s2, $s1, $s0
    CHECK   "ticlr.tval", $s2, 1
    SPIN    80000
    CHECK_GCSR "once", ESTAT, 1 << IS_TI, 0

    # Armed by the guest, fires in root, seen by the guest.
    RUN     arm
    CHECK_HVC "guest_arms", 2
    CHECK_GCSR "guest_arms.ti", ESTAT, 1 << IS_TI, 0
    SPIN    40000
    RUN     guest
    CHECK_HVC "guest", 1
    GREG    $s0, 5
    CHECK   "guest.estat", $s0, 1 << IS_TI
    GREG    $s0, 7
    CHECK   "guest.tcfg", $s0, 20001
    RUN     acknowledge
    GREG    $s0, 5
    CHECK   "guest.acknowledged", $s0, 0

    # Root's timer leaves the guest's ESTAT alone and the other way round.
    CSRW    TCFG, 1000 | 1
    SPIN    20000
    CHECK_CSR "root_fires", ESTAT, 1 << IS_TI, 1 << IS_TI
    CHECK_GCSR "root_fires.guest", ESTAT, 1 << IS_TI, 0
    CSRW    TICLR, 1
    # EN=0 stops it.
    GW      TCFG, 20000 | 1
    gcsrwr  $zero, TCFG
    SPIN    40000
    CHECK_GCSR "stopped", ESTAT, 1 << IS_TI, 0
    b       finish
