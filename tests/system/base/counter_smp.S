# SPDX-License-Identifier: Apache-2.0 OR MIT

# The stable counter does not go back between CPUs: what one reads after it has
# seen another's reading is not less (manual 2.2.10.4: one counter that all cores
# share).
#
#@ cpus 2

.include "test.inc"
.include "smp.inc"

    .equ ROUNDS, 2000

# Publishes readings of this CPU's own and counts, in $s5, those of the other CPU
# that are later than a reading taken after them.
.macro EXCHANGE mine:req, theirs:req
    li.d    $s3, ROUNDS
    move    $s5, $zero
1:  la.pcrel $t0, \theirs
    ld.d    $t1, $t0, 0
    dbar    0
    rdtime.d $t2, $zero
    sltu    $t3, $t2, $t1
    add.d   $s5, $s5, $t3
    la.pcrel $t0, \mine
    st.d    $t2, $t0, 0
    # Turns end at another point each time.
    andi    $t4, $s3, 0x3f
2:  addi.d  $t4, $t4, -1
    bgez    $t4, 2b
    addi.d  $s3, $s3, -1
    bnez    $s3, 1b
.endm

    .text
    .globl main
main:
    START_CPU1 cpu1
    AWAIT   done, 1
    SIGNAL  command, 2
    EXCHANGE mine0, mine1
    move    $s6, $s5
    AWAIT   done, 2
    CHECK   "cpu0.later_readings_of_cpu1", $s6, 0
    la.pcrel $s0, late1
    ld.d    $s1, $s0, 0
    CHECK   "cpu1.later_readings_of_cpu0", $s1, 0
    # Both have seen time pass.
    la.pcrel $s0, mine0
    ld.d    $s1, $s0, 0
    sltu    $s1, $zero, $s1
    CHECK   "cpu0.read", $s1, 1
    la.pcrel $s0, mine1
    ld.d    $s1, $s0, 0
    sltu    $s1, $zero, $s1
    CHECK   "cpu1.read", $s1, 1
    b       finish

cpu1:
    CPU1_SETUP
    SIGNAL  done, 1
    AWAIT   command, 2
    EXCHANGE mine1, mine0
    la.pcrel $t0, late1
    st.d    $s5, $t0, 0
    SIGNAL  done, 2
1:  idle    0
    b       1b

    .bss
    .balign 128
mine0:   .space 128
mine1:   .space 128
late1:   .space 128
command: .space 128
done:    .space 128
