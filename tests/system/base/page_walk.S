# SPDX-License-Identifier: Apache-2.0 OR MIT

# lddir and ldpte: three levels of 16 KiB tables as Linux sets them up, four
# levels of 4 KiB tables, huge pages, and what reaches the TLB (manual 4.2.5,
# 5.4.5).
#
#@ qemu 16k*.lo0 high_*.lo0: QEMU keeps software bits of the entry in TLBRELO; bits
#@   11:7 are constant zero (7.5.16), and P and W are "not filled in the TLB table
#@   entry" (5.4.5).
#@ memory 0x0a000000

.include "test.inc"
.include "walk.inc"

    # Tables in the middle of low memory, pages behind them.
    .equ T, 0x04000000
    .equ PGD_T, T
    .equ PMD_T, T + 0x10000
    .equ PTE_T, T + 0x20000
    .equ PUD_T, T + 0x30000
    .equ PAGE, 0x06000000

    # An address with a different index at every level (16 KiB tables).
    .equ VA, (3 << 36) | (5 << 25) | (6 << 14)
    .equ VA4, (3 << 39) | (4 << 30) | (5 << 21) | (6 << 12)

# One walk outside a refill, IsTLBR=1 by hand; $s0 = address. Leaves $s1, $s2,
# $s3 (results of the levels), and TLBRELO0/1, TLBREHI.
.macro WALK_16K pgd:req
    csrwr   $s0, TLBRBADV
    csrrd   $s0, TLBRBADV
    CSRW    TLBREHI, 0
    li.d    $s1, \pgd
    lddir   $s2, $s1, 3
    lddir   $s3, $s2, 1
    ldpte   $s3, 0
    ldpte   $s3, 1
.endm

    .text
    .globl main
main:
    CSRW    PWCL, PWCL_16K
    CSRW    PWCH, PWCH_16K
    POKE    PGD_T + 3 * 8, PMD_T
    POKE    PMD_T + 5 * 8, PTE_T
    # Software bits 7 to 11 (present, write, modified, ...) are not the TLB's.
    POKE    PTE_T + 6 * 8, PAGE | PTE_RW | 0xf80
    POKE    PTE_T + 7 * 8, (PAGE + 0x4000) | PTE_V | PTE_NX | PTE_NR | PTE_RPLV | PTE_PLV3 | PTE_G
    li.d    $s0, VA + 0x3ff8
    WALK_16K PGD_T
    CHECK   "16k.dir3", $s2, PMD_T
    CHECK   "16k.dir1", $s3, PTE_T
    CHECK_CSR "16k.lo0", TLBRELO0, -1, PAGE | PTE_RW
    CHECK_CSR "16k.lo1", TLBRELO1, -1, (PAGE + 0x4000) | PTE_V | PTE_NX | PTE_NR | PTE_RPLV | PTE_PLV3 | PTE_G
    CHECK_CSR "16k.ps", TLBREHI, 0x3f, 14
    # The odd page of the pair gives the same pair.
    li.d    $s0, VA + 0x4000
    WALK_16K PGD_T
    CHECK_CSR "16k.odd.lo0", TLBRELO0, -1, PAGE | PTE_RW
    CHECK_CSR "16k.odd.ps", TLBREHI, 0x3f, 14
    # A directory base with upper bits (a kernel's direct-mapped address) walks
    # the same: bits above PALEN are ignored.
    li.d    $s0, VA
    WALK_16K CACHED | PGD_T
    CHECK   "high_base.dir3", $s2, PMD_T
    CHECK_CSR "high_base.lo0", TLBRELO0, -1, PAGE | PTE_RW
    POKE    PGD_T + 3 * 8, CACHED | PMD_T
    WALK_16K CACHED | PGD_T
    CHECK   "high_entry.dir1", $s3, PTE_T
    CHECK_CSR "high_entry.lo0", TLBRELO0, -1, PAGE | PTE_RW

    # A huge page in a level 1 directory: 32 MiB, halves of 16 MiB. lddir loads
    # it like any entry, ldpte makes the two entries; HGLOBAL becomes G.
    POKE    PMD_T + 5 * 8, 0x08000000 | PTE_RW | PTE_HUGE | PTE_HGLOBAL | PTE_PLV3
    WALK_16K PGD_T
    CHECK   "huge.entry", $s3, 0x08000000 | PTE_RW | PTE_HUGE | PTE_HGLOBAL | PTE_PLV3
    CHECK_CSR "huge.lo0", TLBRELO0, -1, 0x08000000 | PTE_RW | PTE_PLV3 | PTE_G
    CHECK_CSR "huge.lo1", TLBRELO1, -1, 0x09000000 | PTE_RW | PTE_PLV3 | PTE_G
    CHECK_CSR "huge.ps", TLBREHI, 0x3f, 24
    # One in a level 3 directory: the lddir of the level below passes it on,
    # with its level in bits 14:13.
    POKE    PGD_T + 3 * 8, 0x09000000 | PTE_RW | PTE_HUGE
    li.d    $s0, VA
    csrwr   $s0, TLBRBADV
    li.d    $s1, PGD_T
    lddir   $s2, $s1, 3
    lddir   $s3, $s2, 1
    CHECK   "huge3.entry", $s2, 0x09000000 | PTE_RW | PTE_HUGE
    CHECK   "huge3.passed_on", $s3, 0x09000000 | PTE_RW | PTE_HUGE | (1 << 13)
    POKE    PGD_T + 3 * 8, PMD_T

    # Four levels of 4 KiB tables.
    CSRW    PWCL, PWCL_4K
    CSRW    PWCH, PWCH_4K
    POKE    PGD_T + 3 * 8, PUD_T
    POKE    PUD_T + 4 * 8, PMD_T
    POKE    PMD_T + 5 * 8, PTE_T
    POKE    PTE_T + 6 * 8, PAGE | PTE_RW
    POKE    PTE_T + 7 * 8, (PAGE + 0x1000) | PTE_RW
    li.d    $s0, VA4
    csrwr   $s0, TLBRBADV
    li.d    $s1, PGD_T
    lddir   $s1, $s1, 3
    CHECK   "4k.dir3", $s1, PUD_T
    lddir   $s1, $s1, 2
    CHECK   "4k.dir2", $s1, PMD_T
    lddir   $s1, $s1, 1
    CHECK   "4k.dir1", $s1, PTE_T
    ldpte   $s1, 0
    ldpte   $s1, 1
    CHECK_CSR "4k.lo0", TLBRELO0, -1, PAGE | PTE_RW
    CHECK_CSR "4k.lo1", TLBRELO1, -1, (PAGE + 0x1000) | PTE_RW
    CHECK_CSR "4k.ps", TLBREHI, 0x3f, 12
    # A 2 MiB page: halves of 1 MiB.
    POKE    PMD_T + 5 * 8, 0x08000000 | PTE_RW | PTE_HUGE
    li.d    $s0, VA4
    csrwr   $s0, TLBRBADV
    li.d    $s1, PMD_T
    lddir   $s1, $s1, 1
    ldpte   $s1, 0
    ldpte   $s1, 1
    CHECK_CSR "2m.lo1", TLBRELO1, -1, 0x08100000 | PTE_RW
    CHECK_CSR "2m.ps", TLBREHI, 0x3f, 20
    # A 1 GiB page at level 2: halves of 512 MiB.
    POKE    PUD_T + 4 * 8, 0x80000000 | PTE_RW | PTE_HUGE
    li.d    $s0, VA4
    csrwr   $s0, TLBRBADV
    li.d    $s1, PUD_T
    lddir   $s1, $s1, 2
    lddir   $s1, $s1, 1
    ldpte   $s1, 0
    ldpte   $s1, 1
    CHECK_CSR "1g.lo0", TLBRELO0, -1, 0x80000000 | PTE_RW
    CHECK_CSR "1g.lo1", TLBRELO1, -1, 0xa0000000 | PTE_RW
    CHECK_CSR "1g.ps", TLBREHI, 0x3f, 29

    # The whole refill handler, in both halves of the address space.
    CSRW    PWCL, PWCL_16K
    CSRW    PWCH, PWCH_16K
    CSRW    PGDL, PGD_T
    CSRW    PGDH, PUD_T
    POKE    PGD_T + 3 * 8, PMD_T
    POKE    PMD_T + 5 * 8, PTE_T
    POKE    PTE_T + 6 * 8, PAGE | PTE_RW
    POKE    PTE_T + 7 * 8, (PAGE + 0x4000) | PTE_RW
    # The upper half's directory has the same tables under index 2047 & 3.
    POKE    PUD_T + 0x7ff * 8, PMD_T
    POKE    PMD_T + 0x7ff * 8, PTE_T
    POKE    PTE_T + 0x7fe * 8, (PAGE + 0x8000) | PTE_RW
    POKE    PTE_T + 0x7ff * 8, (PAGE + 0xc000) | PTE_RW
    POKE    PAGE + 0x10, 0x11
    POKE    PAGE + 0x4010, 0x22
    POKE    PAGE + 0xc010, 0x33
    HOOK    TR_RHOOK, refill_walk
    TRY     1f
    li.d    $s0, VA + 0x10
    ld.d    $s1, $s0, 0
    li.d    $s0, VA + 0x4010
    ld.d    $s2, $s0, 0
    li.d    $s0, 0xffffffffffffc010
    ld.d    $s3, $s0, 0
1:  CHECK   "refill.even", $s1, 0x11
    CHECK   "refill.odd", $s2, 0x22
    CHECK   "refill.high", $s3, 0x33
    CHECK_TR "refill.count", TR_RCOUNT, 2
    CHECK_TR "refill.no_exception", TR_COUNT, 0
    # An empty directory entry would be followed to address 0; Linux keeps
    # tables of zeros there: a pair with V=0 and then page invalid.
    POKE    PMD_T + 8 * 8, PTE_T + 0x8000
    li.d    $s0, (3 << 36) | (8 << 25)
    TRY     2f
1:  ld.d    $s1, $s0, 0x18
2:  CHECK_EXC "empty", EXC_PIL, 1b
    CHECK_TR "empty.badv", TR_BADV, (3 << 36) | (8 << 25) | 0x18
    CHECK_TR "empty.refills", TR_RCOUNT, 1
    # A huge page by the handler.
    POKE    PMD_T + 9 * 8, 0x08000000 | PTE_RW | PTE_HUGE
    POKE    0x08000010, 0x44
    POKE    0x09000010, 0x55
    HOOK    TR_RHOOK, refill_walk
    TRY     1f
    li.d    $s0, (3 << 36) | (9 << 25) | 0x10
    ld.d    $s1, $s0, 0
    li.d    $s2, 0x1000000
    add.d   $s0, $s0, $s2
    ld.d    $s2, $s0, 0
1:  CHECK   "huge_refill.even", $s1, 0x44
    CHECK   "huge_refill.odd", $s2, 0x55
    CHECK_TR "huge_refill.count", TR_RCOUNT, 1
    HOOK    TR_RHOOK
    b       finish
