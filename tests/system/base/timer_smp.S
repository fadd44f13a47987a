# SPDX-License-Identifier: Apache-2.0 OR MIT

# A timer does not expire before its ticks of the stable counter, on whichever CPU
# the counter is read: one starts the other's timer with a reading of its own
# (manual 2.2.10.4 and 7.6: the timers count with the counter that all cores share).
#
#@ cpus 2

.include "test.inc"
.include "smp.inc"

    .equ ROUNDS, 400
    .equ TICKS, 400

    .text
    .globl main
main:
    START_CPU1 cpu1
    AWAIT   done, 1
    la.pcrel $s0, start
    la.pcrel $s1, end
    li.d    $s3, ROUNDS
    move    $s5, $zero
    # Reads the counter, has the other CPU start its timer, and counts in $s5 how
    # often that ended before its ticks after the reading.
1:  rdtime.d $s2, $zero
    st.d    $s2, $s0, 0
2:  ld.d    $s4, $s1, 0
    beqz    $s4, 2b
    st.d    $zero, $s1, 0
    sub.d   $s4, $s4, $s2
    sltui   $s4, $s4, TICKS
    add.d   $s5, $s5, $s4
    # Turns end at another point each time.
    slli.d  $s4, $s3, 3
    andi    $s4, $s4, 0xfff
3:  addi.d  $s4, $s4, -1
    bgez    $s4, 3b
    addi.d  $s3, $s3, -1
    bnez    $s3, 1b
    CHECK   "early.read_by_the_other", $s5, 0
    b       finish

    # Waits for a start, runs the timer, and answers with the counter at its end.
cpu1:
    CPU1_SETUP
    la.pcrel $s0, start
    la.pcrel $s1, end
    SIGNAL  done, 1
1:  ld.d    $t0, $s0, 0
    beqz    $t0, 1b
    st.d    $zero, $s0, 0
    CSRW    TICLR, 1
    CSRW    TCFG, TICKS | 1
2:  csrrd   $t0, ESTAT
    bstrpick.d $t0, $t0, IS_TI, IS_TI
    beqz    $t0, 2b
    rdtime.d $t0, $zero
    st.d    $t0, $s1, 0
    b       1b

    .bss
    .balign 128
start:   .space 128
end:     .space 128
done:    .space 128
