# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-31 (L-28, W-15): a guest with interrupts off arms its timer and idles: the
# idle exits, root lets the time pass and restores an overdue timer with TVAL=0,
# and the guest reads TI as soon as it goes on (docs/lvz.md 9.3).

.include "test.inc"
.include "lvz.inc"

    .equ TICKS, 20000

    GUEST_CODE
guest:
    li.d    $t0, TICKS | 1
    csrwr   $t0, TCFG
wait:
    idle    0
    csrrd   $a1, ESTAT
    hvcl    1

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
    # By hardware alone: time passes in root, then the guest goes on.
    RUN     guest
    CHECK_EXIT "idle", EXC_GSPR, wait
    CHECK_EX "idle.badi", EX_BADI, 0x06488000
    CHECK_GCSR "idle.ti", ESTAT, 1 << IS_TI, 0
    SPIN    2 * TICKS
    RESUME  4
    CHECK_HVC "awake", 1
    GREG    $s0, 5
    CHECK   "awake.estat", $s0, 1 << IS_TI
    GW      TICLR, 1
    # As KVM does it when the thread was away: state saved, restored overdue.
    RUN     guest
    CHECK_EXIT "idle2", EXC_GSPR, wait
    gcsrrd  $s1, TCFG
    gcsrrd  $s2, ESTAT
    gcsrwr  $zero, TCFG
    SPIN    2 * TICKS
    move    $t0, $s2
    gcsrwr  $t0, ESTAT
    move    $t0, $s1
    gcsrwr  $t0, TCFG
    gcsrwr  $zero, TVAL
    RESUME  4
    CHECK_HVC "restored", 1
    GREG    $s0, 5
    CHECK   "restored.estat", $s0, 1 << IS_TI
    # An injected interrupt that is pending does not keep idle from exiting
    # (Q-30).
    GW      TICLR, 1
    gcsrwr  $zero, TCFG
    CSRW    GINTC, 1
    RUN     guest
    CHECK_EXIT "pending", EXC_GSPR, wait
    csrwr   $zero, GINTC
    b       finish
