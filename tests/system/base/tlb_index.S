# SPDX-License-Identifier: Apache-2.0 OR MIT

# tlbwr, tlbrd, tlbsrch at explicit indices: what they read, write and leave
# alone (manual 4.2.4.1 to 4.2.4.3, 7.5.1 to 7.5.4).
#
#@ qemu read.asid: QEMU's tlbrd leaves ASID alone for a present entry; "the contents
#@   of the ASID field read from the TLB table entry [...] are recorded here"
#@   (7.5.4).
#@ qemu g.one g.one.read0: QEMU takes G from the even half and keeps both bits; the entry's G is 1 "only when the G
#@   bit in both TLBELO0 and TLBELO1 is 1" (7.5.3).

.include "test.inc"

    .equ VA, 0x40000000
    .equ PA, 0x04000000
    # In the MTLB, which starts after 2048 STLB entries.
    .equ INDEX, 2050

    .text
    .globl main
main:
    # An empty TLB: search fails, a read gives zeros and NE.
    CSRW    TLBEHI, VA
    CSRW    TLBIDX, INDEX
    tlbsrch
    CHECK_CSR "empty.search", TLBIDX, TLBIDX_NE, TLBIDX_NE
    CSRW    TLBEHI, VA
    CSRW    TLBELO0, PA | PTE_RW
    CSRW    TLBELO1, PA | PTE_RW
    CSRW    ASID, 5
    CSRW    TLBIDX, INDEX | (14 << 24)
    tlbrd
    CHECK_CSR "empty.read.ne", TLBIDX, TLBIDX_NE, TLBIDX_NE
    CHECK_CSR "empty.read.ps", TLBIDX, 0x3f << 24, 0
    CHECK_CSR "empty.read.ehi", TLBEHI, -1, 0
    CHECK_CSR "empty.read.elo0", TLBELO0, -1, 0
    CHECK_CSR "empty.read.elo1", TLBELO1, -1, 0
    CHECK_CSR "empty.read.asid", ASID, 0x3ff, 0

    # Written with ASID 5 and read back.
    CSRW    ASID, 5
    TLBW    INDEX, VA, 12, PA | PTE_RW | PTE_PLV3, (PA + 0x1000) | PTE_V | PTE_NX
    CSRW    TLBEHI, 0
    CSRW    TLBELO0, 0
    CSRW    TLBELO1, 0
    CSRW    ASID, 9
    CSRW    TLBIDX, INDEX
    tlbrd
    CHECK_CSR "read.ne", TLBIDX, TLBIDX_NE, 0
    CHECK_CSR "read.ps", TLBIDX, 0x3f << 24, 12 << 24
    CHECK_CSR "read.index", TLBIDX, 0xfff, INDEX
    CHECK_CSR "read.ehi", TLBEHI, -1, VA
    CHECK_CSR "read.elo0", TLBELO0, -1, PA | PTE_RW | PTE_PLV3
    CHECK_CSR "read.elo1", TLBELO1, -1, (PA + 0x1000) | PTE_V | PTE_NX
    CHECK_CSR "read.asid", ASID, 0x3ff, 5

    # The search matches with VA's ASID and gives the index.
    CSRW    ASID, 5
    CSRW    TLBIDX, TLBIDX_NE
    CSRW    TLBEHI, VA
    tlbsrch
    CHECK_CSR "search.ne", TLBIDX, TLBIDX_NE, 0
    CHECK_CSR "search.index", TLBIDX, 0xfff, INDEX
    # It writes Index and NE only (4.2.4.1).
    CSRW    TLBIDX, 21 << 24
    tlbsrch
    CHECK_CSR "search.ps", TLBIDX, 0x3f << 24, 21 << 24
    CSRW    ASID, 6
    tlbsrch
    CHECK_CSR "search.asid", TLBIDX, TLBIDX_NE, TLBIDX_NE
    CSRW    ASID, 5
    CSRW    TLBEHI, VA + 0x2000
    tlbsrch
    CHECK_CSR "search.va", TLBIDX, TLBIDX_NE, TLBIDX_NE
    # The search never reads V.
    TLBW    INDEX, VA, 12, 0, 0
    CSRW    TLBIDX, 0
    tlbsrch
    CHECK_CSR "search.invalid_page", TLBIDX, TLBIDX_NE | 0xfff, INDEX

    # G is set in the entry only if both halves have it.
    TLBW    INDEX, VA, 12, PA | PTE_RW | PTE_G, PA | PTE_RW
    CSRW    ASID, 6
    CSRW    TLBEHI, VA
    tlbsrch
    CHECK_CSR "g.one", TLBIDX, TLBIDX_NE, TLBIDX_NE
    # An entry has one G: what is read back is that, in both halves.
    CSRW    TLBIDX, INDEX
    tlbrd
    CHECK_CSR "g.one.read0", TLBELO0, PTE_G, 0
    CHECK_CSR "g.one.read1", TLBELO1, PTE_G, 0
    CSRW    ASID, 5
    TLBW    INDEX, VA, 12, PA | PTE_RW | PTE_G, PA | PTE_RW | PTE_G
    CSRW    ASID, 6
    CSRW    TLBEHI, VA
    tlbsrch
    CHECK_CSR "g.both", TLBIDX, TLBIDX_NE, 0
    CSRW    TLBIDX, INDEX
    tlbrd
    CHECK_CSR "g.read0", TLBELO0, PTE_G, PTE_G
    CHECK_CSR "g.read1", TLBELO1, PTE_G, PTE_G

    # NE=1 writes an absent entry.
    CSRW    TLBIDX, INDEX | TLBIDX_NE
    tlbwr
    CSRW    TLBEHI, VA
    tlbsrch
    CHECK_CSR "write_ne", TLBIDX, TLBIDX_NE, TLBIDX_NE

    # In a refill (IsTLBR=1) tlbwr takes TLBREHI and TLBRELO, E is set whatever
    # NE says, tlbsrch looks for TLBREHI; tlbrd still writes TLBEHI and TLBELO.
    CSRW    ASID, 7
    CSRW    TLBREHI, (VA + 0x10000000) | 14
    CSRW    TLBRELO0, (PA + 0x8000) | PTE_RW
    CSRW    TLBRELO1, (PA + 0xc000) | PTE_RW
    CSRW    TLBEHI, 0
    CSRW    TLBELO0, 0
    CSRW    TLBELO1, 0
    # Index 2051, NE=0.
    CSRW    TLBIDX, INDEX + 1
    CSRW    TLBRERA, 1
    tlbwr
    CSRW    TLBIDX, 0
    tlbsrch
    csrrd   $s0, TLBIDX
    CSRW    TLBIDX, INDEX + 1
    tlbrd
    csrwr   $zero, TLBRERA
    bstrpick.d $s0, $s0, 11, 0
    CHECK   "refill.search", $s0, INDEX + 1
    CHECK_CSR "refill.ehi", TLBEHI, -1, VA + 0x10000000
    CHECK_CSR "refill.elo0", TLBELO0, -1, (PA + 0x8000) | PTE_RW
    CHECK_CSR "refill.elo1", TLBELO1, -1, (PA + 0xc000) | PTE_RW
    CHECK_CSR "refill.ps", TLBIDX, 0x3f << 24, 14 << 24
    CHECK_CSR "refill.relo0", TLBRELO0, -1, (PA + 0x8000) | PTE_RW

    # The translation works: even and odd half by address bit PS.
    li.d    $s1, CACHED | (PA + 0x8000)
    li.d    $s2, 0x1111
    st.d    $s2, $s1, 0x18
    li.d    $s1, CACHED | (PA + 0xc000)
    li.d    $s2, 0x2222
    st.d    $s2, $s1, 0x18
    li.d    $s1, VA + 0x10000000
    TRY     1f
    ld.d    $s2, $s1, 0x18
    li.d    $s3, 0x4000
    add.d   $s3, $s3, $s1
    ld.d    $s3, $s3, 0x18
1:  CHECK_NO_EXC "translate"
    CHECK   "translate.even", $s2, 0x1111
    CHECK   "translate.odd", $s3, 0x2222

    # Overwriting the entry takes effect at once.
    TLBW    INDEX + 1, VA + 0x10000000, 14, (PA + 0xc000) | PTE_RW, (PA + 0x8000) | PTE_RW
    TRY     1f
    ld.d    $s2, $s1, 0x18
1:  CHECK   "overwrite", $s2, 0x2222
    CSRW    TLBIDX, (INDEX + 1) | TLBIDX_NE
    tlbwr
    TRY     1f
    ld.d    $s2, $s1, 0x18
1:  la.pcrel $s2, trap_area
    ld.d    $s2, $s2, TR_RCOUNT
    CHECK   "removed", $s2, 1
    csrwr   $zero, ASID
    b       finish
