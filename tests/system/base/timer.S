# SPDX-License-Identifier: Apache-2.0 OR MIT

# The constant-frequency timer: one-shot, periodic, TICLR, TVAL, its interrupt
# and priority (manual 6.1, 7.6).
#
#@ qemu oneshot.tcfg: QEMU clears TCFG.EN when the count ends; 7.6.2 gives software
#@   alone the field and says only that the timer stops.

.include "test.inc"

    # Four milliseconds: a machine in real time may lose the CPU for a while, so
    # what has to happen before the end is tried until it took less.
    .equ TICKS, 400000

# Waits until ESTAT shows the timer interrupt; gives up after a hundred
# million rounds. Leaves 1 in `reg` if it came.
.macro WAIT_TI reg:req
    li.d    $t1, 100000000
.Lwait\@:
    csrrd   \reg, ESTAT
    bstrpick.d \reg, \reg, IS_TI, IS_TI
    bnez    \reg, .Ldone\@
    addi.d  $t1, $t1, -1
    bnez    $t1, .Lwait\@
.Ldone\@:
.endm

.macro CLEAR_TI
    CSRW    TICLR, 1
.endm

    .text
    .globl main
main:
    # Disabled: nothing happens.
    CSRW    TCFG, TICKS
    CHECK_CSR "off.ti", ESTAT, 1 << IS_TI, 0

    # One-shot. The count goes down; the interrupt comes no earlier than after
    # its ticks of the stable counter, which has the same frequency.
1:  CSRW    TICLR, 1
    rdtime.d $s0, $zero
    CSRW    TCFG, TICKS | 1
    csrrd   $s1, TVAL
    csrrd   $s4, ESTAT
    csrrd   $s6, TVAL
    rdtime.d $s5, $zero
    sub.d   $s5, $s5, $s0
    li.d    $s2, TICKS
    bgeu    $s5, $s2, 1b
    sltu    $s3, $s2, $s1
    CHECK   "oneshot.tval_start", $s3, 0
    bstrpick.d $s4, $s4, IS_TI, IS_TI
    CHECK   "oneshot.early", $s4, 0
    sltu    $s3, $s1, $s6
    CHECK   "oneshot.tval_falls", $s3, 0
    WAIT_TI $s3
    rdtime.d $s5, $zero
    CHECK   "oneshot.fires", $s3, 1
    sub.d   $s5, $s5, $s0
    sltu    $s3, $s5, $s2
    CHECK   "oneshot.not_early", $s3, 0
    # The configuration stays as written, the count is exhausted.
    CHECK_CSR "oneshot.tcfg", TCFG, -1, TICKS | 1
    # It stays until TICLR, and does not come back.
    CHECK_CSR "oneshot.sticky", ESTAT, 1 << IS_TI, 1 << IS_TI
    csrwr   $zero, TICLR
    CHECK_CSR "oneshot.ticlr0", ESTAT, 1 << IS_TI, 1 << IS_TI
    CSRW    ESTAT, 0
    CHECK_CSR "oneshot.estat", ESTAT, 1 << IS_TI, 1 << IS_TI
    CLEAR_TI
    CHECK_CSR "oneshot.ticlr1", ESTAT, 1 << IS_TI, 0
    rdtime.d $s0, $zero
1:  rdtime.d $s1, $zero
    sub.d   $s1, $s1, $s0
    li.d    $s2, 3 * TICKS
    bltu    $s1, $s2, 1b
    CHECK_CSR "oneshot.once", ESTAT, 1 << IS_TI, 0

    # Writing TCFG restarts with the new count.
    CSRW    TCFG, 0x3ffffffc | 1
    CSRW    TCFG, TICKS | 1
    WAIT_TI $s3
    CHECK   "restart", $s3, 1
    CLEAR_TI
    # EN=0 stops it.
1:  CLEAR_TI
    rdtime.d $s0, $zero
    CSRW    TCFG, TICKS | 1
    csrwr   $zero, TCFG
    rdtime.d $s1, $zero
    sub.d   $s1, $s1, $s0
    li.d    $s2, TICKS
    bgeu    $s1, $s2, 1b
1:  rdtime.d $s1, $zero
    sub.d   $s1, $s1, $s0
    li.d    $s2, 2 * TICKS
    bltu    $s1, $s2, 1b
    CHECK_CSR "stop", ESTAT, 1 << IS_TI, 0

    # Periodic: again and again, the count always within the period. A machine in
    # real time that was late for the next expiry is asked again.
    CSRW    TCFG, TICKS | 3
    li.d    $s6, 0
    li.d    $s7, 0
2:  rdtime.d $s4, $zero
    WAIT_TI $s3
    csrrd   $s0, TVAL
    rdtime.d $s5, $zero
    CLEAR_TI
    sub.d   $s5, $s5, $s4
    li.d    $s1, TICKS + TICKS / 2
    bgeu    $s5, $s1, 2b
    add.d   $s6, $s6, $s3
    li.d    $s1, TICKS
    sltu    $s0, $s1, $s0
    or      $s7, $s7, $s0
    li.d    $t0, 5
    bltu    $s6, $t0, 2b
    CHECK   "periodic.fires", $s6, 5
    CHECK   "periodic.tval", $s7, 0
    CHECK_CSR "periodic.tcfg", TCFG, -1, TICKS | 3
    csrwr   $zero, TCFG
    CLEAR_TI

    # The interrupt: taken in a loop, above software interrupts.
    CSRW    ECFG, (1 << IS_TI) | 3
    CSRW    TCFG, TICKS | 1
    TRY     2f
    li.d    $s0, CRMD_RUN | CRMD_IE
    csrwr   $s0, CRMD
1:  b       1b
2:  CHECK_EXC "interrupt", EXC_INT, 1b
    TR      $s0, TR_ESTAT
    bstrpick.d $s0, $s0, 12, 0
    CHECK   "interrupt.is", $s0, 1 << IS_TI
    CSRW    ESTAT, 3
    la.pcrel $t0, vectors
    csrwr   $t0, EENTRY
    CSRW    ECFG, (1 << 16) | (1 << IS_TI) | 3
    la.pcrel $t0, 1f
    csrwr   $t0, ERA
    CSRW    PRMD, 4
    move    $s3, $zero
    ertn
1:  nop
    li.d    $t0, CRMD_RUN
    csrwr   $t0, CRMD
    CHECK   "priority", $s3, 0x321
    csrwr   $zero, ECFG
    b       finish

    .balign 4096
vectors:
    .rept   64
    nop
    nop
    .endr
    b       3f
    nop
    b       4f
    nop
    .rept   9
    nop
    nop
    .endr
    b       5f
    nop
3:  slli.d  $s3, $s3, 4
    ori     $s3, $s3, 1
    li.d    $t0, 1
    csrxchg $zero, $t0, ESTAT
    ertn
4:  slli.d  $s3, $s3, 4
    ori     $s3, $s3, 2
    li.d    $t0, 2
    csrxchg $zero, $t0, ESTAT
    ertn
5:  slli.d  $s3, $s3, 4
    ori     $s3, $s3, 3
    CLEAR_TI
    ertn
