# SPDX-License-Identifier: Apache-2.0 OR MIT

# Every invtlb operation, tlbclr and tlbflush, on entries that differ in ASID, G
# and address, in both parts of the TLB (manual 4.2.4.5 to 4.2.4.7).

.include "test.inc"

    .equ VA, 0x40000000
    .equ PA, 0x04000000
    .equ G, PTE_G

# MTLB entries 2048 to 2051 and, with the STLB's page size, 1 and 257 (set 1):
#   bit 0  2048  ASID 1       VA
#   bit 1  2049  ASID 2       VA
#   bit 2  2050  ASID 3  G    VA + 0x10000
#   bit 3  2051  ASID 1       VA + 0x20000, 4 MiB pages
#   bit 4  1     ASID 1       VA + 0x40008000
#   bit 5  257   ASID 2  G    VA + 0x60008000
fill_all:
    move    $s7, $ra
    invtlb  0, $zero, $zero
    CSRW    ASID, 1
    TLBW    2048, VA, 12, PA | PTE_RW, PA | PTE_RW
    TLBW    2051, VA + 0x800000, 22, PA | PTE_RW, PA | PTE_RW
    TLBW    1, VA + 0x40008000, 14, PA | PTE_RW, PA | PTE_RW
    CSRW    ASID, 2
    TLBW    2049, VA, 12, PA | PTE_RW, PA | PTE_RW
    TLBW    257, VA + 0x60008000, 14, PA | PTE_RW | G, PA | PTE_RW | G
    CSRW    ASID, 3
    TLBW    2050, VA + 0x10000, 12, PA | PTE_RW | G, PA | PTE_RW | G
    CSRW    ASID, 1
    jr      $s7

# $s0 = which of them are present.
present:
    move    $s0, $zero
    .irp    index, 257, 1, 2051, 2050, 2049, 2048
    CSRW    TLBIDX, \index
    tlbrd
    csrrd   $t0, TLBIDX
    bstrpick.d $t0, $t0, 31, 31
    xori    $t0, $t0, 1
    slli.d  $s0, $s0, 1
    or      $s0, $s0, $t0
    .endr
    ret

.macro INV name:req, op:req, asid:req, va:req, want:req
    bl      fill_all
    li.d    $s1, \asid
    li.d    $s2, \va
    invtlb  \op, $s1, $s2
    bl      present
    CHECK   "\name", $s0, \want
.endm

    .globl main
main:
    bl      fill_all
    bl      present
    CHECK   "all", $s0, 0x3f
    INV     "op0", 0, 0, 0, 0
    INV     "op1", 1, 0, 0, 0
    INV     "op2", 2, 0, 0, 0x1b
    INV     "op3", 3, 0, 0, 0x24
    INV     "op4.asid1", 4, 1, 0, 0x26
    INV     "op4.asid2", 4, 2, 0, 0x3d
    INV     "op4.asid3", 4, 3, 0, 0x3f
    INV     "op5.asid1", 5, 1, VA, 0x3e
    INV     "op5.asid2", 5, 2, VA, 0x3d
    INV     "op5.odd", 5, 1, VA + 0x1ff8, 0x3e
    INV     "op5.other_va", 5, 1, VA + 0x2000, 0x3f
    INV     "op5.other_asid", 5, 7, VA, 0x3f
    INV     "op5.global", 5, 3, VA + 0x10000, 0x3f
    INV     "op5.huge", 5, 1, VA + 0x800000 + 0x5a5a58, 0x37
    INV     "op5.stlb", 5, 1, VA + 0x4000f000, 0x2f
    INV     "op6.asid1", 6, 1, VA, 0x3e
    INV     "op6.global", 6, 9, VA + 0x10000, 0x3b
    INV     "op6.stlb_global", 6, 9, VA + 0x60008000, 0x1f
    INV     "op6.other_asid", 6, 9, VA, 0x3f
    # The address space in the operand, not the current one.
    bl      fill_all
    CSRW    ASID, 9
    li.d    $s1, 2
    li.d    $s2, VA
    invtlb  5, $s1, $s2
    bl      present
    CHECK   "op5.operand", $s0, 0x3d

    # An access after invalidation misses; one to an entry that stays does not.
    bl      fill_all
    li.d    $s3, VA
    li.d    $s4, VA + 0x10000
    ld.d    $s1, $s3, 0
    ld.d    $s1, $s4, 0
    li.d    $s1, 1
    invtlb  5, $s1, $s3
    TRY     1f
    ld.d    $s1, $s4, 0
1:  CHECK_NO_EXC "access.stays"
    TRY     1f
    ld.d    $s1, $s3, 0
1:  la.pcrel $s1, trap_area
    ld.d    $s1, $s1, TR_RCOUNT
    CHECK   "access.gone", $s1, 1

    # tlbclr: the set of the index (STLB) or the whole MTLB, G=0 and this ASID.
    bl      fill_all
    CSRW    TLBIDX, 0x601
    tlbclr
    bl      present
    CHECK   "tlbclr.stlb", $s0, 0x2f
    bl      fill_all
    CSRW    TLBIDX, 0x602
    tlbclr
    bl      present
    CHECK   "tlbclr.other_set", $s0, 0x3f
    bl      fill_all
    CSRW    TLBIDX, 2063
    tlbclr
    bl      present
    CHECK   "tlbclr.mtlb", $s0, 0x36
    # tlbflush: the same places, every entry.
    bl      fill_all
    CSRW    TLBIDX, 0x601
    tlbflush
    bl      present
    CHECK   "tlbflush.stlb", $s0, 0x0f
    bl      fill_all
    CSRW    TLBIDX, 2063
    tlbflush
    bl      present
    CHECK   "tlbflush.mtlb", $s0, 0x30
    invtlb  0, $zero, $zero
    csrwr   $zero, ASID
    b       finish
