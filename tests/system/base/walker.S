# SPDX-License-Identifier: Apache-2.0 OR MIT

# The hardware page table walker: what a miss does while PWCH.HPTW_En is set, and
# which bits it sets in the tables (manual 5.4.5, 7.5.9; docs/lvz.md 6.9).
#
#@ qemu-cpu max
#@ needs walker
#@ sim --cpu la664
#@ qemu tlbrd.*: QEMU keeps the whole entry in the TLB; P and W are "not filled in the
#@   TLB table entry" (5.4.5) and bits 11:7 of TLBELO constant zero (7.5.3).
#@ qemu sc.entry am.entry: QEMU lets a page with W be written once it was read, so that
#@   a store after a load of the same page (an atomic is both) does not set D; its
#@   source says so itself (loongarch_cpu_tlb_fill).
#@ memory 0x0a000000

.include "test.inc"
.include "walk.inc"

    .equ T, 0x04000000
    .equ PGD_T, T
    .equ PMD_T, T + 0x10000
    .equ PTE_T, T + 0x20000
    .equ PUD_T, T + 0x30000
    .equ NONE_T, T + 0x40000
    .equ PAGE, 0x06000000

    .equ REGION, (3 << 36) | (5 << 25)
    .equ VA4, (3 << 39) | (4 << 30) | (5 << 21) | (6 << 12)
    .equ USED, PTE_NEW | PTE_V
    .equ WRITTEN, USED | PTE_W | PTE_D

# Sets the entry of page `n` of the region (16 KiB pages) to physical page `n` with
# these flags.
.macro ENTRY n:req, flags:req
    POKE    PTE_T + (\n) * 8, (PAGE + (\n) * 0x4000) | (\flags)
.endm

# Checks what is in the tables for page `n`.
.macro CHECK_ENTRY name:req, n:req, flags:req
    li.d    $s8, CACHED | (PTE_T + (\n) * 8)
    ld.d    $s8, $s8, 0
    CHECK   "\name", $s8, (PAGE + (\n) * 0x4000) | (\flags)
.endm

# Loads from offset 0x10 of page `n` into $s1. An exception goes on behind it.
.macro LOAD n:req
    TRY     .Lbehind\@
    li.d    $s0, REGION + (\n) * 0x4000 + 0x10
    move    $s1, $zero
    ld.d    $s1, $s0, 0
.Lbehind\@:
.endm

# Stores the number there.
.macro STORE n:req
    TRY     .Lbehind\@
    li.d    $s0, REGION + (\n) * 0x4000 + 0x10
    li.d    $s1, \n
    st.d    $s1, $s0, 0
.Lbehind\@:
.endm

# Calls the code at offset 0x20 there, which returns 0x77 in $s1.
.macro CALL n:req
    TRY     .Lbehind\@
    li.d    $s0, REGION + (\n) * 0x4000 + 0x20
    move    $s1, $zero
    jirl    $ra, $s0, 0
.Lbehind\@:
.endm

# Checks that there was one exception with this code for page `n`, and no refill.
.macro CHECK_FAULT name:req, code:req, n:req, offset=0x10
    CHECK_TR "\name\().count", TR_COUNT, 1
    CHECK_TR "\name\().refills", TR_RCOUNT, 0
    TR      $s8, TR_ESTAT
    bstrpick.d $s8, $s8, 30, 16
    CHECK   "\name\().code", $s8, \code
    CHECK_TR "\name\().badv", TR_BADV, REGION + (\n) * 0x4000 + \offset
    TR      $s8, TR_TLBEHI
    CHECK   "\name\().tlbehi", $s8, (REGION + (\n) * 0x4000) & ~0x1fff
.endm

    .text
    .globl main
main:
    # CPUCFG.2 says that there is one.
    li.d    $s0, 2
    cpucfg  $s0, $s0
    bstrpick.d $s0, $s0, 24, 24
    CHECK   "cpucfg", $s0, 1
    CSRW    PWCL, PWCL_16K
    CSRW    PWCH, PWCH_16K | HPTW_EN
    CHECK_CSR "pwch", PWCH, -1, PWCH_16K | HPTW_EN
    CSRW    PGDL, PGD_T
    CSRW    PGDH, PUD_T
    # What is absent leads to a table of zeros.
    li.d    $t0, CACHED | PTE_T
    li.d    $t1, CACHED | NONE_T
    li.d    $t2, 2048
1:  st.d    $zero, $t0, 0
    st.d    $zero, $t1, 0
    addi.d  $t0, $t0, 8
    addi.d  $t1, $t1, 8
    addi.d  $t2, $t2, -1
    bnez    $t2, 1b
    POKE    PGD_T + 3 * 8, PMD_T
    POKE    PMD_T + 5 * 8, PTE_T
    POKE    PMD_T + 6 * 8, CACHED | NONE_T
    # Each page has its number, and code.
    li.d    $s2, 0
1:  li.d    $t0, CACHED | PAGE
    slli.d  $t1, $s2, 14
    add.d   $t0, $t0, $t1
    st.d    $s2, $t0, 0x10
    la.pcrel $t1, returns
    ld.d    $t2, $t1, 0
    st.d    $t2, $t0, 0x20
    addi.d  $s2, $s2, 1
    li.d    $t0, 32
    blt     $s2, $t0, 1b
    ibar    0

    # A load: no refill, V is set and nothing else; the other page of the pair stays.
    ENTRY   2, PTE_NEW | PTE_W
    ENTRY   3, PTE_NEW | PTE_W
    LOAD    2
    CHECK_NO_EXC "load.quiet"
    CHECK   "load.value", $s1, 2
    CHECK_ENTRY "load.entry", 2, USED | PTE_W
    CHECK_ENTRY "load.neighbour", 3, PTE_NEW | PTE_W
    # What the TLB has of it.
    CSRW    TLBEHI, REGION + 2 * 0x4000
    tlbsrch
    tlbrd
    CHECK_CSR "tlbrd.ps", TLBIDX, 0xbf000000, 14 << 24
    CHECK_CSR "tlbrd.elo0", TLBELO0, -1, (PAGE + 2 * 0x4000) | PTE_V | PTE_MAT_CC
    CHECK_CSR "tlbrd.elo1", TLBELO1, -1, (PAGE + 3 * 0x4000) | PTE_MAT_CC
    # The pair is in the TLB, but its other page not used yet.
    LOAD    3
    CHECK_NO_EXC "neighbour.quiet"
    CHECK   "neighbour.value", $s1, 3
    CHECK_ENTRY "neighbour.entry", 3, USED | PTE_W
    # A store to a page that was read: D is set.
    STORE   2
    CHECK_NO_EXC "store_after.quiet"
    CHECK_ENTRY "store_after.entry", 2, WRITTEN
    CHECK_ENTRY "store_after.neighbour", 3, USED | PTE_W
    # A store to a page that was not: both are set.
    ENTRY   4, PTE_NEW | PTE_W
    STORE   4
    CHECK_NO_EXC "store.quiet"
    CHECK_ENTRY "store.entry", 4, WRITTEN
    # A fetch sets V.
    ENTRY   6, PTE_NEW | PTE_W
    CALL    6
    CHECK_NO_EXC "fetch.quiet"
    CHECK   "fetch.value", $s1, 0x77
    CHECK_ENTRY "fetch.entry", 6, USED | PTE_W
    # ll is a load, sc and am are stores.
    ENTRY   8, PTE_NEW | PTE_W
    ENTRY   9, PTE_NEW | PTE_W
    TRY     1f
    li.d    $s0, REGION + 8 * 0x4000 + 0x10
    ll.d    $s1, $s0, 0
    CHECK_ENTRY "ll.entry", 8, USED | PTE_W
    li.d    $s0, REGION + 8 * 0x4000 + 0x10
    ll.d    $s1, $s0, 0
    sc.d    $s1, $s0, 0
    CHECK_ENTRY "sc.entry", 8, WRITTEN
    li.d    $s0, REGION + 9 * 0x4000 + 0x10
    amadd.d $s1, $s2, $s0
    CHECK_ENTRY "am.entry", 9, WRITTEN
1:  CHECK_NO_EXC "atomics.quiet"
    # An unaligned access uses both pages.
    ENTRY   10, PTE_NEW | PTE_W
    ENTRY   11, PTE_NEW | PTE_W
    TRY     1f
    li.d    $s0, REGION + 11 * 0x4000 - 4
    ld.d    $s1, $s0, 0
1:  CHECK_NO_EXC "unaligned.quiet"
    CHECK_ENTRY "unaligned.first", 10, USED | PTE_W
    CHECK_ENTRY "unaligned.second", 11, USED | PTE_W

    # Without P there is no page, whatever V says: page invalid, no refill.
    LOAD    12
    CHECK_FAULT "absent.load", EXC_PIL, 12
    STORE   12
    CHECK_FAULT "absent.store", EXC_PIS, 12
    CALL    12
    CHECK_FAULT "absent.fetch", EXC_PIF, 12, 0x20
    ENTRY   14, PTE_V | PTE_D | PTE_W | PTE_MAT_CC
    LOAD    14
    CHECK_FAULT "v_alone", EXC_PIL, 14
    # It is not in the TLB: when software has made the page there is nothing to
    # invalidate.
    ENTRY   14, PTE_NEW
    LOAD    14
    CHECK_NO_EXC "made.quiet"
    CHECK   "made.value", $s1, 14
    # Nor is it if the other page of the pair is.
    LOAD    15
    CHECK_FAULT "absent_half", EXC_PIL, 15
    ENTRY   15, PTE_NEW
    LOAD    15
    CHECK_NO_EXC "made_half.quiet"
    CHECK   "made_half.value", $s1, 15
    # V alone in the other half does not count either.
    ENTRY   16, PTE_NEW
    ENTRY   17, PTE_V | PTE_MAT_CC
    LOAD    16
    LOAD    17
    CHECK_FAULT "v_alone_half", EXC_PIL, 17
    # A directory that leads to a table of zeros.
    TRY     2f
    li.d    $s0, (3 << 36) | (6 << 25)
1:  ld.d    $s1, $s0, 0x18
2:  CHECK_EXC "empty", EXC_PIL, 1b
    CHECK_TR "empty.badv", TR_BADV, (3 << 36) | (6 << 25) | 0x18
    CHECK_TR "empty.refills", TR_RCOUNT, 0

    # Without W a store is refused, whatever D says, and no bit is set.
    ENTRY   18, PTE_NEW | PTE_D
    STORE   18
    CHECK_FAULT "no_w", EXC_PME, 18
    CHECK_ENTRY "no_w.entry", 18, PTE_NEW | PTE_D
    # D without W is none in the TLB either.
    LOAD    18
    CHECK_ENTRY "no_w.read", 18, USED | PTE_D
    STORE   18
    CHECK_FAULT "no_w.after", EXC_PME, 18
    # With W now, and the TLB's entry gone.
    ENTRY   18, USED | PTE_W
    li.d    $s0, REGION + 18 * 0x4000
    invtlb  0x6, $zero, $s0
    STORE   18
    CHECK_NO_EXC "w.quiet"
    CHECK_ENTRY "w.entry", 18, WRITTEN

    # The other permissions; a page that refuses is not marked.
    ENTRY   20, PTE_NEW | PTE_NX
    CALL    20
    CHECK_FAULT "nx", EXC_PNX, 20, 0x20
    CHECK_ENTRY "nx.entry", 20, PTE_NEW | PTE_NX
    LOAD    20
    CHECK_NO_EXC "nx.load"
    CALL    20
    CHECK_FAULT "nx.hit", EXC_PNX, 20, 0x20
    ENTRY   22, PTE_NEW | PTE_NR
    LOAD    22
    CHECK_FAULT "nr", EXC_PNR, 22
    CHECK_ENTRY "nr.entry", 22, PTE_NEW | PTE_NR
    CALL    22
    CHECK_NO_EXC "nr.fetch"
    ENTRY   24, PTE_NEW | PTE_W
    li.d    $s0, REGION + 24 * 0x4000 + 0x10
    RUN_AT  3, user, 1f
1:  CHECK_FAULT "plv", EXC_PPI, 24
    CHECK_ENTRY "plv.entry", 24, PTE_NEW | PTE_W
    ENTRY   24, PTE_NEW | PTE_PLV3
    li.d    $s0, REGION + 24 * 0x4000 + 0x10
    RUN_AT  3, user, 1f
1:  CHECK_EXC "plv3", EXC_SYS, user_end
    CHECK   "plv3.value", $s1, 24
    CHECK_ENTRY "plv3.entry", 24, USED | PTE_PLV3
    ENTRY   26, PTE_NEW | PTE_PLV3 | PTE_RPLV
    LOAD    26
    CHECK_FAULT "rplv", EXC_PPI, 26

    # The TLB serves what it has: a changed entry is seen after an invalidation.
    ENTRY   28, PTE_NEW
    LOAD    28
    POKE    PTE_T + 28 * 8, (PAGE + 0x10000) | PTE_NEW
    LOAD    28
    CHECK   "cached", $s1, 28
    li.d    $s0, REGION + 28 * 0x4000
    invtlb  0x6, $zero, $s0
    LOAD    28
    CHECK   "invalidated", $s1, 4
    # G: a pair of global pages is found under another ASID.
    ENTRY   30, PTE_NEW | PTE_G
    ENTRY   31, PTE_NEW | PTE_G
    LOAD    30
    LOAD    31
    POKE    PTE_T + 30 * 8, 0
    POKE    PTE_T + 31 * 8, 0
    CSRW    ASID, 5
    LOAD    31
    CHECK_NO_EXC "global.quiet"
    CHECK   "global.value", $s1, 31
    CSRW    ASID, 0

    # A huge page is one entry with bits of its own, and two halves in the TLB.
    POKE    PMD_T + 8 * 8, 0x08000000 | PTE_NEW | PTE_W | PTE_HUGE | PTE_HGLOBAL
    POKE    0x08000010, 0x44
    POKE    0x09000010, 0x55
    TRY     1f
    li.d    $s0, (3 << 36) | (8 << 25) | 0x1000010
    ld.d    $s1, $s0, 0
    CSRW    ASID, 5
    li.d    $s0, (3 << 36) | (8 << 25) | 0x10
    ld.d    $s2, $s0, 0
1:  CHECK_NO_EXC "huge.quiet"
    CHECK   "huge.odd", $s1, 0x55
    CHECK   "huge.even", $s2, 0x44
    csrwr   $zero, ASID
    li.d    $s8, CACHED | (PMD_T + 8 * 8)
    ld.d    $s8, $s8, 0
    CHECK   "huge.entry", $s8, 0x08000000 | USED | PTE_W | PTE_HUGE | PTE_HGLOBAL
    CSRW    TLBEHI, (3 << 36) | (8 << 25)
    tlbsrch
    tlbrd
    CHECK_CSR "huge.ps", TLBIDX, 0xbf000000, 24 << 24
    CHECK_CSR "huge.mtlb", TLBIDX, 0x800, 0x800
    TRY     1f
    li.d    $s0, (3 << 36) | (8 << 25) | 0x10
    st.d    $s0, $s0, 0
1:  CHECK_NO_EXC "huge.store"
    li.d    $s8, CACHED | (PMD_T + 8 * 8)
    ld.d    $s8, $s8, 0
    CHECK   "huge.dirty", $s8, 0x08000000 | WRITTEN | PTE_HUGE | PTE_HGLOBAL
    # One that is not there.
    POKE    PMD_T + 9 * 8, 0x08000000 | PTE_V | PTE_HUGE
    TRY     2f
    li.d    $s0, (3 << 36) | (9 << 25)
1:  ld.d    $s1, $s0, 0
2:  CHECK_EXC "huge.absent", EXC_PIL, 1b

    # The upper half has tables of its own.
    POKE    PUD_T + 0x7ff * 8, PMD_T
    POKE    PMD_T + 0x7ff * 8, PTE_T
    ENTRY   0x7ff, PTE_NEW
    ENTRY   0x7fe, PTE_NEW
    POKE    PAGE + 0x7ff * 0x4000 + 0x10, 0x33
    TRY     1f
    li.d    $s0, 0xffffffffffffc010
    ld.d    $s1, $s0, 0
1:  CHECK_NO_EXC "high.quiet"
    CHECK   "high.value", $s1, 0x33

    # lddir and ldpte are as without the walker; they set no bits.
    ENTRY   2, PTE_NEW
    CSRW    TLBRBADV, REGION + 2 * 0x4000
    li.d    $s1, PGD_T
    lddir   $s1, $s1, 3
    CHECK   "lddir.3", $s1, PMD_T
    lddir   $s1, $s1, 1
    CHECK   "lddir.1", $s1, PTE_T
    ldpte   $s1, 0
    CHECK_CSR "ldpte", TLBRELO0, 0xfffffffff03f, (PAGE + 2 * 0x4000) | PTE_MAT_CC
    CHECK_ENTRY "ldpte.entry", 2, PTE_NEW

    # Four levels of 4 KiB pages.
    invtlb  0, $zero, $zero
    CSRW    STLBPS, 12
    CSRW    PWCL, PWCL_4K
    CSRW    PWCH, PWCH_4K | HPTW_EN
    POKE    PGD_T + 3 * 8, PUD_T
    POKE    PUD_T + 4 * 8, PMD_T
    POKE    PMD_T + 5 * 8, PTE_T
    POKE    PTE_T + 6 * 8, PAGE | PTE_NEW
    POKE    PTE_T + 7 * 8, (PAGE + 0x4000) | PTE_NEW
    TRY     1f
    li.d    $s0, VA4 + 0x1010
    ld.d    $s1, $s0, 0
1:  CHECK_NO_EXC "4k.quiet"
    CHECK   "4k.value", $s1, 1
    CSRW    TLBEHI, VA4
    tlbsrch
    tlbrd
    CHECK_CSR "4k.ps", TLBIDX, 0xbf000000, 12 << 24

    # Switched off, a miss is a refill again.
    CSRW    PWCH, PWCH_4K
    invtlb  0, $zero, $zero
    TRY     1f
    li.d    $s0, VA4
    ld.d    $s1, $s0, 0
1:  CHECK_TR "off.refills", TR_RCOUNT, 1
    CHECK_TR "off.exceptions", TR_COUNT, 0
    b       finish

user:
    ld.d    $s1, $s0, 0
user_end:
    syscall 0

    .balign 8
returns:
    ori     $s1, $zero, 0x77
    jr      $ra
