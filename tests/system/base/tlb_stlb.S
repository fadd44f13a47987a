# SPDX-License-Identifier: Apache-2.0 OR MIT

# Geometry of the STLB: 256 sets chosen by the address bits above the page pair,
# 8 ways, index = way * 256 + set; what overflows and what does not (manual
# 4.2.4.1, 5.4.1).

.include "test.inc"

    .equ VA, 0x40000000
    .equ PAIR, 0x8000
    .equ PA, 0x04000000

# Fills the pair at the address in $s0 (16 KiB pages, the STLB's size).
fill:
    csrwr   $s0, TLBEHI
    # csrwr swapped: bring $s0 back.
    csrrd   $s0, TLBEHI
    CSRW    TLBELO0, PA | PTE_RW
    CSRW    TLBELO1, (PA + 0x4000) | PTE_RW
    CSRW    TLBIDX, 14 << 24
    tlbfill
    ret

# Searches $s0; $s1 = index, or -1.
search:
    move    $t0, $s0
    csrwr   $t0, TLBEHI
    CSRW    TLBIDX, 0
    tlbsrch
    csrrd   $t0, TLBIDX
    bstrpick.d $s1, $t0, 11, 0
    bstrpick.d $t0, $t0, 31, 31
    beqz    $t0, 1f
    li.d    $s1, -1
1:  ret

    .globl main
main:
    # Set number: address bits 22:15 for 16 KiB pages.
    .irp    n, 0, 1, 2, 127, 128, 255
    li.d    $s0, VA + \n * PAIR
    bl      fill
    bl      search
    bstrpick.d $s2, $s1, 7, 0
    CHECK   "set\n", $s2, \n
    bstrpick.d $s2, $s1, 11, 11
    CHECK   "set\n\().in_stlb", $s2, 0
    .endr
    # The same set again beyond 256 pairs.
    li.d    $s0, VA + 256 * PAIR
    bl      fill
    bl      search
    bstrpick.d $s2, $s1, 7, 0
    CHECK   "set256", $s2, 0

    # Eight pairs of one set fit (a free way is taken before one is replaced;
    # what is replaced is then the hardware's choice).
    invtlb  0, $zero, $zero
    li.d    $s3, 8
    li.d    $s0, VA
1:  bl      fill
    li.d    $t0, 256 * PAIR
    add.d   $s0, $s0, $t0
    addi.d  $s3, $s3, -1
    bnez    $s3, 1b
    bl      count
    CHECK   "eight_ways", $s4, 8
    # A ninth replaces one.
    li.d    $s0, VA + 8 * 256 * PAIR
    bl      fill
    bl      search
    addi.d  $s2, $s1, 1
    sltu    $s2, $zero, $s2
    CHECK   "ninth.present", $s2, 1
    bl      count
    CHECK   "ninth.replaces_one", $s4, 7

    # tlbwr into a way by index, tlbrd reads the page size of STLBPS.
    invtlb  0, $zero, $zero
    TLBW    3 * 256 + 1, VA + PAIR, 14, PA | PTE_RW, (PA + 0x4000) | PTE_RW
    li.d    $s0, VA + PAIR
    bl      search
    CHECK   "way3", $s1, 3 * 256 + 1
    CSRW    TLBIDX, 3 * 256 + 1
    tlbrd
    CHECK_CSR "way3.ps", TLBIDX, 0x3f << 24, 14 << 24
    CHECK_CSR "way3.ehi", TLBEHI, -1, VA + PAIR
    # The whole TLB: 2048 pairs in the STLB, each found again.
    invtlb  0, $zero, $zero
    li.d    $s0, VA
    li.d    $s3, 2048
1:  bl      fill
    li.d    $t0, PAIR
    add.d   $s0, $s0, $t0
    addi.d  $s3, $s3, -1
    bnez    $s3, 1b
    li.d    $s0, VA
    li.d    $s3, 2048
    move    $s4, $zero
1:  bl      search
    addi.d  $t0, $s1, 1
    sltu    $t0, $zero, $t0
    add.d   $s4, $s4, $t0
    li.d    $t0, PAIR
    add.d   $s0, $s0, $t0
    addi.d  $s3, $s3, -1
    bnez    $s3, 1b
    CHECK   "all_sets", $s4, 2048

    # 64 entries of another size fit in the MTLB.
    invtlb  0, $zero, $zero
    li.d    $s0, VA
    li.d    $s3, 64
1:  move    $t1, $s0
    csrwr   $t1, TLBEHI
    CSRW    TLBELO0, PA | PTE_RW
    CSRW    TLBELO1, PA | PTE_RW
    CSRW    TLBIDX, 21 << 24
    tlbfill
    li.d    $t0, 0x400000
    add.d   $s0, $s0, $t0
    addi.d  $s3, $s3, -1
    bnez    $s3, 1b
    li.d    $s0, VA
    li.d    $s3, 64
    move    $s4, $zero
    move    $s5, $zero
1:  bl      search
    addi.d  $t0, $s1, 1
    sltu    $t0, $zero, $t0
    add.d   $s4, $s4, $t0
    li.d    $t0, 2048
    sltu    $t0, $s1, $t0
    or      $s5, $s5, $t0
    li.d    $t0, 0x400000
    add.d   $s0, $s0, $t0
    addi.d  $s3, $s3, -1
    bnez    $s3, 1b
    CHECK   "mtlb.all", $s4, 64
    CHECK   "mtlb.index", $s5, 0
    invtlb  0, $zero, $zero
    b       finish

# How many of the eight pairs of set 0 are present: $s4.
count:
    move    $s6, $ra
    li.d    $s0, VA
    li.d    $s3, 8
    move    $s4, $zero
1:  bl      search
    addi.d  $t0, $s1, 1
    sltu    $t0, $zero, $t0
    add.d   $s4, $s4, $t0
    li.d    $t0, 256 * PAIR
    add.d   $s0, $s0, $t0
    addi.d  $s3, $s3, -1
    bnez    $s3, 1b
    jr      $s6
