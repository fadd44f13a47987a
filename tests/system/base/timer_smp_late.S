# SPDX-License-Identifier: Apache-2.0 OR MIT

# A timer expires no later than the CPU's own readings of the stable counter say,
# however much another CPU reads it: all cores share one counter, and the timers
# count with it (manual 2.2.10.4 and 7.6).
#
#@ cpus 2
#@ only sim: QEMU's timers are events of the computer's clock, which come
#@   microseconds late.

.include "test.inc"
.include "smp.inc"

    .equ ROUNDS, 400
    .equ TICKS, 100
    # How much later than its ticks the timer may be.
    .equ LATE, 20

    .text
    .globl main
main:
    START_CPU1 cpu1
    # Reads the counter all the time.
    AWAIT   done, 1
    la.pcrel $t0, counts
    ld.d    $s1, $t0, 0
    ld.d    $s2, $t0, 8
    CHECK   "late.interrupt", $s1, 0
    CHECK   "late.tval", $s2, 0
    b       finish

    # Counts in $s1 how often the interrupt is not there after the ticks, and in $s2
    # how often TVAL has ticks left.
cpu1:
    CPU1_SETUP
    li.d    $s0, ROUNDS
    move    $s1, $zero
    move    $s2, $zero
1:  CSRW    TICLR, 1
    CSRW    TCFG, TICKS | 1
    rdtime.d $s3, $zero
    addi.d  $s3, $s3, TICKS + LATE
2:  rdtime.d $t0, $zero
    bltu    $t0, $s3, 2b
    csrrd   $t0, ESTAT
    csrrd   $t1, TVAL
    bstrpick.d $t0, $t0, IS_TI, IS_TI
    xori    $t0, $t0, 1
    add.d   $s1, $s1, $t0
    sltui   $t1, $t1, TICKS + 1
    add.d   $s2, $s2, $t1
    # Turns end at another point each time.
    slli.d  $s4, $s0, 3
    andi    $s4, $s4, 0xfff
3:  addi.d  $s4, $s4, -1
    bgez    $s4, 3b
    addi.d  $s0, $s0, -1
    bnez    $s0, 1b
    la.pcrel $t0, counts
    st.d    $s1, $t0, 0
    st.d    $s2, $t0, 8
    SIGNAL  done, 1
4:  idle    0
    b       4b

    .bss
    .balign 128
counts:  .space 128
done:    .space 128
