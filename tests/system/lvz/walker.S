# SPDX-License-Identifier: Apache-2.0 OR MIT

# The hardware page table walker on both stages, on and off for host and guest in
# all four combinations (docs/lvz.md 6.9).
#@ needs walker
#@ sim --cpu la664

.include "test.inc"
    .equ S2_CODE, PTE_NEW | PTE_V | PTE_W | PTE_D
.include "lvz.inc"

    .equ GVA, (3 << 36) | (5 << 25) | (6 << 14)
    # Guest-physical addresses of its tables.
    .equ G_PGD, DATA_GPA
    .equ G_PMD, DATA_GPA + 2 * PAGE
    .equ G_PTE, DATA_GPA + 4 * PAGE
    .equ G_PAGE, DATA_GPA + 6 * PAGE
    # Where they are.
    .equ PGD_H, DATA_HPA
    .equ PMD_H, DATA_HPA + 0x8000
    .equ PTE_H, DATA_HPA + 0x10000
    .equ PAGE_H, DATA_HPA + 0x18000
    # Stage-2 flags: with V not set, the hardware has not used the page.
    .equ S2_NEW, PTE_NEW | PTE_W
    .equ S2_USED, S2_NEW | PTE_V
    .equ S2_WRITTEN, S2_USED | PTE_D
    .equ S2_READ, PTE_NEW

    GUEST_CODE
# In direct mode: $a0 is the address.
load:
    ld.d    $a1, $a0, 8
    hvcl    1
store:
    st.d    $a0, $a0, 8
    hvcl    2
fetch:
    jr      $a0

# In mapped mode: a load from GVA, then a store.
mapped:
    GUEST_MAPPED
    li.d    $a0, GVA
mapped_load:
    ld.d    $a1, $a0, 8
    hvcl    3
    li.d    $a0, GVA
mapped_store:
    st.d    $a0, $a0, 8
    hvcl    4
    li.d    $a0, GVA + PAGE
absent:
    ld.d    $a1, $a0, 8
    hvcl    5

    .balign 4096
refilled:
    csrwr   $t0, TLBRSAVE
    csrrd   $t0, PGD
    lddir   $t0, $t0, 3
    lddir   $t0, $t0, 1
    ldpte   $t0, 0
    ldpte   $t0, 1
    tlbfill
    csrrd   $t0, TLBRSAVE
    addi.d  $s1, $s1, 1
    ertn
    .balign 4096
excepted:
    csrrd   $s2, ESTAT
    csrrd   $s3, BADV
    hvcl    6

    .text
# Root's and the guest's walker: HPTW_EN or 0.
.macro WALKERS root:req, guest:req
    CSRW    PWCH, PWCH_16K | (\root)
    GW      PWCH, PWCH_16K | (\guest)
    invtlb  0x12, $zero, $zero
    RESET_COUNTS
.endm

# Checks the stage-2 flags of a guest-physical page that is at `hpa`.
.macro CHECK_S2 name:req, gpa:req, want:req
    la.pcrel $s8, tables_a
    li.d    $t0, S2_PTE + ((\gpa) >> 14) * 8
    ldx.d   $s8, $s8, $t0
    CHECK   "\name", $s8, \want
.endm

# Checks a stage-2 fault of the last exit that is not at guest code.
.macro CHECK_S2_FAULT name:req, code:req, badv:req
    EX      $s8, EX_ESTAT
    bstrpick.d $s8, $s8, 30, 16
    CHECK   "\name\().code", $s8, \code
    CHECK_EX "\name\().badv", EX_BADV, \badv
.endm

.macro CHECK_PEEK name:req, pa:req, want:req
    PEEK    $s8, \pa
    CHECK   "\name", $s8, \want
.endm

# The guest in its own tables: entered, left after each access. Checks values, the
# counts of refills in root and guest, and what is in the guest's table then.
.macro GUEST_TABLES name:req, root:req, guest:req, refills:req, flags:req, entry:req, written:req
    POKE    PTE_H + 6 * 8, G_PAGE | (\flags)
    POKE    PTE_H + 7 * 8, 0
    POKE    PAGE_H + 8, 0x1234
    .irp    page, 0, 2, 4, 6
    S2_MAP  tables_a, DATA_GPA + \page * PAGE, (DATA_HPA + \page * PAGE) | S2_CODE
    .endr
    WALKERS \root, \guest
    GW      CRMD, CRMD_DA
    SET_GREG 24, 0
    RUN     mapped
    CHECK_HVC "\name\().load", 3
    GREG    $s0, 5
    CHECK   "\name\().value", $s0, 0x1234
    CHECK_PEEK "\name\().entry", PTE_H + 6 * 8, G_PAGE | (\entry)
    RESUME  4
    CHECK_HVC "\name\().store", 4
    CHECK_PEEK "\name\().stored", PAGE_H + 8, GVA
    CHECK_PEEK "\name\().written", PTE_H + 6 * 8, G_PAGE | (\written)
    # A page that is absent in the guest's tables is the guest's affair.
    RESUME  4
    CHECK_HVC "\name\().absent", 6
    GREG    $s0, 25
    bstrpick.d $s0, $s0, 21, 16
    CHECK   "\name\().absent.code", $s0, EXC_PIL
    GREG    $s0, 26
    CHECK   "\name\().absent.badv", $s0, GVA + PAGE + 8
    GREG    $s0, 24
    CHECK   "\name\().guest_refills", $s0, \refills
    CHECK_EX "\name\().exits", EX_COUNT, 3
    REFILLS $s0
    sltu    $s0, $zero, $s0
    CHECK   "\name\().root_refills", $s0, (\root) == 0
.endm

    .globl main
main:
    HV_START
    # GCSR.PWCH has the bit too.
    WALKERS HPTW_EN, HPTW_EN
    CHECK_GCSR "pwch", PWCH, -1, PWCH_16K | HPTW_EN

    # Stage 2, of a guest in direct mode. A load: no exit, no refill; V is set.
    WALKERS HPTW_EN, 0
    POKE    PAGE_H + 8, 0x1111
    S2_MAP  tables_a, G_PAGE, PAGE_H | S2_NEW
    SET_GREG 4, G_PAGE
    RUN     load
    CHECK_HVC "direct.load", 1
    GREG    $s0, 5
    CHECK   "direct.value", $s0, 0x1111
    CHECK_S2 "direct.used", G_PAGE, PAGE_H | S2_USED
    RUN     store
    CHECK_HVC "direct.store", 2
    CHECK_S2 "direct.written", G_PAGE, PAGE_H | S2_WRITTEN
    CHECK_EX "direct.exits", EX_COUNT, 2
    REFILLS $s0
    CHECK   "direct.refills", $s0, 0
    # Root's registers for refills are as they were: nothing was told.
    # A page that is not there: an exit by page invalid, with nothing to invalidate.
    WALKERS HPTW_EN, 0
    S2_MAP  tables_a, G_PAGE, 0
    RUN     load
    CHECK_EXIT "absent.load", EXC_PIL, load
    CHECK_EX "absent.load.badv", EX_BADV, G_PAGE + 8
    EX      $s0, EX_BADI
    la.pcrel $t0, load
    ld.wu   $s1, $t0, 0
    CHECKR  "absent.load.badi", $s0, $s1
    CHECK_EX "absent.istlbr", EX_TLBRERA, 0
    RUN     store
    CHECK_EXIT "absent.store", EXC_PIS, store
    S2_MAP  tables_a, G_PAGE, PAGE_H | S2_NEW
    RESUME
    CHECK_HVC "absent.made", 2
    CHECK_S2 "absent.written", G_PAGE, PAGE_H | S2_WRITTEN
    SET_GREG 4, G_PAGE + 2 * PAGE
    RUN     fetch
    CHECK_S2_FAULT "absent.fetch", EXC_PIF, G_PAGE + 2 * PAGE
    REFILLS $s0
    CHECK   "absent.refills", $s0, 0
    # Without W: loads are served, a store is a page modification fault (dirty
    # logging); the entry stays as it is.
    WALKERS HPTW_EN, 0
    SET_GREG 4, G_PAGE
    S2_MAP  tables_a, G_PAGE, PAGE_H | S2_READ
    RUN     load
    CHECK_HVC "clean.load", 1
    RUN     store
    CHECK_EXIT "clean.store", EXC_PME, store
    CHECK_EX "clean.badv", EX_BADV, G_PAGE + 8
    CHECK_S2 "clean.entry", G_PAGE, PAGE_H | S2_READ | PTE_V
    S2_MAP  tables_a, G_PAGE, PAGE_H | S2_WRITTEN
    S2_FLUSH 5, G_PAGE
    RESUME
    CHECK_HVC "dirty.store", 2
    # A page made old, as by KVM: the hardware makes it young without an exit.
    S2_MAP  tables_a, G_PAGE, PAGE_H | S2_NEW
    S2_FLUSH 5, G_PAGE
    RUN     load
    CHECK_HVC "old.load", 1
    CHECK_S2 "old.young", G_PAGE, PAGE_H | S2_USED
    # A huge page.
    la.pcrel $s0, tables_a
    li.d    $t0, S2_PMD
    add.d   $s0, $s0, $t0
    li.d    $t0, 0x08000000 | S2_NEW | PTE_HUGE
    st.d    $t0, $s0, 8
    POKE    0x09000018, 0x3333
    SET_GREG 4, 0x3000010
    RUN     load
    CHECK_HVC "huge.load", 1
    GREG    $s1, 5
    CHECK   "huge.value", $s1, 0x3333
    ld.d    $s1, $s0, 8
    CHECK   "huge.used", $s1, 0x08000000 | S2_USED | PTE_HUGE

    # The guest's own tables.
    GPA     $t1, refilled
    gcsrwr  $t1, TLBRENTRY
    GPA     $t1, excepted
    li.d    $t0, CACHED
    or      $t1, $t1, $t0
    gcsrwr  $t1, EENTRY
    GW      PGDL, G_PGD
    POKE    PGD_H + 3 * 8, G_PMD
    POKE    PMD_H + 5 * 8, G_PTE
    GUEST_TABLES "host_off.guest_off", 0, 0, 1, PTE_RW, PTE_RW, PTE_RW
    GUEST_TABLES "host_on.guest_off", HPTW_EN, 0, 1, PTE_RW, PTE_RW, PTE_RW
    GUEST_TABLES "host_off.guest_on", 0, HPTW_EN, 0, PTE_NEW | PTE_W, S2_USED, S2_WRITTEN
    GUEST_TABLES "host_on.guest_on", HPTW_EN, HPTW_EN, 0, PTE_NEW | PTE_W, S2_USED, S2_WRITTEN

    # A walk of the guest's tables meets what stage 2 has not: an exit each, at the
    # instruction, with the guest-physical address of the entry that was wanted.
    WALKERS HPTW_EN, HPTW_EN
    .irp    page, 0, 2, 4, 6
    S2_MAP  tables_a, DATA_GPA + \page * PAGE, 0
    .endr
    POKE    PTE_H + 6 * 8, G_PAGE | PTE_NEW | PTE_W
    GW      CRMD, CRMD_DA
    RUN     mapped
    CHECK_S2_FAULT "walk.dir3", EXC_PIL, G_PGD + 3 * 8
    GPA     $s0, mapped_load
    li.d    $t0, CACHED
    or      $s0, $s0, $t0
    EX      $s1, EX_ERA
    CHECKR  "walk.era", $s1, $s0
    S2_MAP  tables_a, G_PGD, PGD_H | S2_NEW
    RESUME
    CHECK_S2_FAULT "walk.dir1", EXC_PIL, G_PMD + 5 * 8
    S2_MAP  tables_a, G_PMD, PMD_H | S2_NEW
    RESUME
    CHECK_S2_FAULT "walk.pte", EXC_PIL, G_PTE + 6 * 8
    # To set V in a table that may not be written is a store.
    S2_MAP  tables_a, G_PTE, PTE_H | S2_READ
    RESUME
    CHECK_S2_FAULT "walk.mark", EXC_PME, G_PTE + 6 * 8
    CHECK_PEEK "walk.unmarked", PTE_H + 6 * 8, G_PAGE | PTE_NEW | PTE_W
    CHECK_S2 "walk.read", G_PTE, PTE_H | S2_READ | PTE_V
    S2_MAP  tables_a, G_PTE, PTE_H | S2_NEW
    S2_FLUSH 5, G_PTE
    RESUME
    CHECK_S2_FAULT "walk.access", EXC_PIL, G_PAGE + 8
    CHECK_S2 "walk.table_written", G_PTE, PTE_H | S2_WRITTEN
    CHECK_PEEK "walk.marked", PTE_H + 6 * 8, G_PAGE | S2_USED
    S2_MAP  tables_a, G_PAGE, PAGE_H | S2_NEW
    RESUME
    CHECK_HVC "walk.done", 3
    REFILLS $s0
    CHECK   "walk.refills", $s0, 0
    b       finish
