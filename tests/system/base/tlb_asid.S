# SPDX-License-Identifier: Apache-2.0 OR MIT

# ASID and G in look-ups; changing ASID takes effect at once (manual 5.4.2, 7.5.4).
#
#@ qemu half9: QEMU takes G from the even half; the entry's G is 1 "only when the G
#@   bit in both TLBELO0 and TLBELO1 is 1" (7.5.3).

.include "test.inc"

    .equ VA, 0x40000000
    .equ PA, 0x04000000

# Reads the marker at VA under `asid`: 0 in $s1 stays if there is no mapping.
.macro READ name:req, asid:req, want:req, va=VA
    CSRW    ASID, \asid
    li.d    $s0, \va
    move    $s1, $zero
    TRY     .Lback\@
    ld.d    $s1, $s0, 0
.Lback\@:
    CHECK   "\name", $s1, \want
.endm

    .text
    .globl main
main:
    li.d    $s0, CACHED | PA
    li.d    $s1, 0xa5a5
    st.d    $s1, $s0, 0
    li.d    $s1, 0x1000
    add.d   $s0, $s0, $s1
    li.d    $s1, 0x5a5a
    st.d    $s1, $s0, 0
    # The same address in two address spaces.
    CSRW    ASID, 1
    TLBW    2048, VA, 12, PA | PTE_RW, PA | PTE_RW
    CSRW    ASID, 0x3ff
    TLBW    2049, VA, 12, (PA + 0x1000) | PTE_RW, PA | PTE_RW
    READ    "asid1", 1, 0xa5a5
    READ    "asid3ff", 0x3ff, 0x5a5a
    READ    "asid1.again", 1, 0xa5a5
    READ    "asid2", 2, 0
    READ    "asid0", 0, 0
    READ    "asid1.third", 1, 0xa5a5
    # A global page is in all of them.
    CSRW    ASID, 4
    TLBW    2050, VA + 0x10000, 12, PA | PTE_RW | PTE_G, PA | PTE_RW | PTE_G
    READ    "global4", 4, 0xa5a5, VA + 0x10000
    READ    "global9", 9, 0xa5a5, VA + 0x10000
    # One half with G is not global.
    CSRW    ASID, 4
    TLBW    2051, VA + 0x20000, 12, PA | PTE_RW | PTE_G, PA | PTE_RW
    READ    "half4", 4, 0xa5a5, VA + 0x20000
    READ    "half9", 9, 0, VA + 0x20000
    # In the STLB by tlbfill: two address spaces in one set.
    CSRW    ASID, 1
    CSRW    TLBEHI, VA + 0x40000000
    CSRW    TLBELO0, PA | PTE_RW
    CSRW    TLBELO1, PA | PTE_RW
    CSRW    TLBIDX, 14 << 24
    tlbfill
    CSRW    ASID, 2
    CSRW    TLBELO0, (PA + 0x4000) | PTE_RW
    tlbfill
    li.d    $s0, CACHED | (PA + 0x4000)
    li.d    $s1, 0x7777
    st.d    $s1, $s0, 0
    READ    "stlb1", 1, 0xa5a5, VA + 0x40000000
    READ    "stlb2", 2, 0x7777, VA + 0x40000000
    READ    "stlb3", 3, 0, VA + 0x40000000
    csrwr   $zero, ASID
    b       finish
