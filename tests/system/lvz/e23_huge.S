# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-23 (L-20): a huge page of stage 2, 32 MiB in two halves of 16, then split into
# small pages (docs/lvz.md 6.7, M-27).
#@ memory 0x0a000000

.include "test.inc"
.include "lvz.inc"

    # The second 32 MiB of guest-physical space.
    .equ HUGE_GPA, 0x2000000
    .equ HUGE_HPA, 0x08000000

    GUEST_CODE
guest:
    ld.d    $a1, $a0, 0x10
    li.d    $t0, 0x1000000
    add.d   $t0, $t0, $a0
    ld.d    $a2, $t0, 0x20
    li.d    $t0, 0x1fffff8
    add.d   $t0, $t0, $a0
    st.d    $a2, $t0, 0
    hvcl    1
small:
    ld.d    $a1, $a0, 0x10
    hvcl    2
odd:
    li.d    $t0, PAGE
    add.d   $t0, $t0, $a0
    ld.d    $a1, $t0, 0
    hvcl    3

    .text
    .globl main
main:
    HV_START
    la.pcrel $s7, tables_a
    li.d    $t0, S2_PMD
    add.d   $s7, $s7, $t0
    li.d    $t0, HUGE_HPA | S2_RW | PTE_HUGE
    st.d    $t0, $s7, 8
    POKE    HUGE_HPA + 0x10, 0x1111
    POKE    HUGE_HPA + 0x1000020, 0x2222
    POKE    HUGE_HPA + 0x1fffff8, 0
    SET_GREG 4, HUGE_GPA
    RUN     guest
    CHECK_HVC "huge", 1
    GREG    $s0, 5
    CHECK   "even", $s0, 0x1111
    GREG    $s0, 6
    CHECK   "odd", $s0, 0x2222
    PEEK    $s0, HUGE_HPA + 0x1fffff8
    CHECK   "last", $s0, 0x2222
    # Page size 24, one refill for both halves: from the handler's record.
    CHECK_CSR "ps", TLBREHI, 0x3f, 24
    CHECK_CSR "lo0", TLBRELO0, -1, HUGE_HPA | S2_RW
    CHECK_CSR "lo1", TLBRELO1, -1, (HUGE_HPA + 0x1000000) | S2_RW
    RESET_COUNTS
    RUN     guest
    REFILLS $s0
    CHECK   "cached", $s0, 0

    # Split: a table of small pages elsewhere; a flush of any GPA in it, here of
    # the pair that the guest uses, takes the huge entry away.
    la.pcrel $s6, tables_b
    move    $t1, $s6
    li.d    $t2, 2048
1:  st.d    $zero, $t1, 0
    addi.d  $t1, $t1, 8
    addi.d  $t2, $t2, -1
    bnez    $t2, 1b
    li.d    $t0, DATA_HPA | S2_RW
    st.d    $t0, $s6, 0
    PHYS    $s6
    st.d    $s6, $s7, 8
    POKE    DATA_HPA + 0x10, 0x3333
    S2_FLUSH 5, HUGE_GPA
    RUN     small
    CHECK_HVC "split", 2
    GREG    $s0, 5
    CHECK   "split.value", $s0, 0x3333
    CHECK_CSR "split.ps", TLBREHI, 0x3f, 14
    # The neighbour in the pair is absent.
    RUN     odd
    EX      $s0, EX_ESTAT
    bstrpick.d $s0, $s0, 30, 16
    CHECK   "split.absent", $s0, EXC_PIL
    CHECK_EX "split.badv", EX_BADV, HUGE_GPA + PAGE
    # A flush by an address far from the pair's start, in the second half.
    li.d    $t0, HUGE_HPA | S2_RW | PTE_HUGE
    st.d    $t0, $s7, 8
    S2_FLUSH 5, HUGE_GPA
    RUN     guest
    CHECK_HVC "huge_again", 1
    st.d    $s6, $s7, 8
    S2_FLUSH 5, HUGE_GPA + 0x1ff0000
    RUN     small
    CHECK_HVC "split_again", 2
    GREG    $s0, 5
    CHECK   "split_again.value", $s0, 0x3333
    # A dirty-logged huge page: D=0.
    li.d    $t0, HUGE_HPA | S2_RO | PTE_HUGE
    st.d    $t0, $s7, 8
    S2_FLUSH 5, HUGE_GPA
    RUN     guest
    EX      $s0, EX_ESTAT
    bstrpick.d $s0, $s0, 30, 16
    CHECK   "protected", $s0, EXC_PME
    CHECK_EX "protected.badv", EX_BADV, HUGE_GPA + 0x1fffff8
    b       finish
