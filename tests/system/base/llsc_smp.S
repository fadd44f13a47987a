# SPDX-License-Identifier: Apache-2.0 OR MIT

# LL/SC and atomics between two CPUs: another CPU's store takes the reservation
# away, counters add up (manual 2.2.7.6).
#
#@ cpus 2
#@ qemu store.same_value: QEMU compares memory with what ll read; the LL bit is cleared
#@   by any store of another core to the line (2.2.7.6).

.include "test.inc"
.include "smp.inc"

    .equ ROUNDS, 20000

# CPU 1 executes command `n` and acknowledges it.
.macro COMMAND n:req
    SIGNAL  command, \n
    AWAIT   done, \n
.endm

    .text
    .globl main
main:
    START_CPU1 cpu1
    AWAIT   done, 1
    la.pcrel $s0, target
    # A store of another value between ll and sc.
    st.d    $zero, $s0, 0
    ll.d    $s1, $s0, 0
    COMMAND 2
    li.d    $s1, 0x55
    sc.d    $s1, $s0, 0
    CHECK   "store.other_value", $s1, 0
    ld.d    $s1, $s0, 0
    CHECK   "store.kept", $s1, 0x99
    # A store of the same value: the reservation is of the line, not of what it
    # holds.
    li.d    $s1, 0x99
    st.d    $s1, $s0, 0
    ll.d    $s1, $s0, 0
    COMMAND 3
    li.d    $s1, 0x55
    sc.d    $s1, $s0, 0
    CHECK   "store.same_value", $s1, 0
    # Another CPU's sc and am* are stores.
    ll.d    $s1, $s0, 0
    COMMAND 4
    li.d    $s1, 0x55
    sc.d    $s1, $s0, 0
    CHECK   "amadd", $s1, 0
    ll.d    $s1, $s0, 0
    COMMAND 5
    li.d    $s1, 0x55
    sc.d    $s1, $s0, 0
    CHECK   "other_sc", $s1, 0
    # A load by another CPU is harmless.
    ll.d    $s1, $s0, 0
    COMMAND 6
    li.d    $s1, 0x66
    sc.d    $s1, $s0, 0
    CHECK   "load", $s1, 1

    # Both count with ll/sc and with amadd: nothing is lost.
    la.pcrel $s0, counter
    SIGNAL  command, 7
    li.d    $s3, ROUNDS
1:  ll.d    $t0, $s0, 0
    addi.d  $t0, $t0, 1
    sc.d    $t0, $s0, 0
    beqz    $t0, 1b
    li.d    $t1, 1
    addi.d  $t2, $s0, 8
    amadd.d $t0, $t1, $t2
    addi.d  $s3, $s3, -1
    bnez    $s3, 1b
    AWAIT   done, 7
    ld.d    $s1, $s0, 0
    CHECK   "count.llsc", $s1, 2 * ROUNDS
    ld.d    $s1, $s0, 8
    CHECK   "count.amadd", $s1, 2 * ROUNDS
    b       finish

cpu1:
    CPU1_SETUP
    la.pcrel $s0, target
    SIGNAL  done, 1
    AWAIT   command, 2
    li.d    $s1, 0x99
    st.d    $s1, $s0, 0
    SIGNAL  done, 2
    AWAIT   command, 3
    st.d    $s1, $s0, 0
    SIGNAL  done, 3
    AWAIT   command, 4
    li.d    $s1, 1
    amadd.d $s2, $s1, $s0
    SIGNAL  done, 4
    AWAIT   command, 5
1:  ll.d    $s1, $s0, 0
    addi.d  $s1, $s1, 1
    sc.d    $s1, $s0, 0
    beqz    $s1, 1b
    SIGNAL  done, 5
    AWAIT   command, 6
    ld.d    $s1, $s0, 0
    SIGNAL  done, 6
    AWAIT   command, 7
    la.pcrel $s0, counter
    li.d    $s3, ROUNDS
1:  ll.d    $t0, $s0, 0
    addi.d  $t0, $t0, 1
    sc.d    $t0, $s0, 0
    beqz    $t0, 1b
    li.d    $t1, 1
    addi.d  $t2, $s0, 8
    amadd.d $t0, $t1, $t2
    addi.d  $s3, $s3, -1
    bnez    $s3, 1b
    SIGNAL  done, 7
1:  idle    0
    b       1b

    # Each in a line of its own.
    .bss
    .balign 128
target:  .space 128
counter: .space 128
command: .space 128
done:    .space 128
