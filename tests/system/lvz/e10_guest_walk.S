# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-10 (M-26): the guest's own refill handler walks its tables with lddir and
# ldpte; their reads are guest-physical and may fault in stage 2, at their own
# PC, with the guest's refill state intact (docs/lvz.md 6.6).
#@ memory 0x0a000000

.include "test.inc"
.include "lvz.inc"

    .equ GVA, (3 << 36) | (5 << 25) | (6 << 14)
    .equ GPTE, PTE_V | PTE_D | PTE_MAT_CC
    # Guest-physical addresses of its tables.
    .equ G_PGD, DATA_GPA
    .equ G_PMD, DATA_GPA + 2 * PAGE
    .equ G_PTE, DATA_GPA + 4 * PAGE
    .equ G_PAGE, DATA_GPA + 6 * PAGE
    .equ HUGE_VA, (3 << 36) | (7 << 25)

    GUEST_CODE
guest:
    li.d    $t0, CACHED | (1 << 4) | 1
    csrwr   $t0, DMW0
    li.d    $t0, G_PGD
    csrwr   $t0, PGDL
    pcaddi  $t0, 4
    li.d    $t1, CACHED
    or      $t0, $t0, $t1
    jr      $t0
    li.d    $t0, CRMD_RUN
    csrwr   $t0, CRMD
    li.d    $a0, GVA
    li.d    $s0, 0x50
    ld.d    $a1, $a0, 8
    ldx.d   $a2, $a0, $s0
    hvcl    1
huge:
    li.d    $a0, HUGE_VA + 0x1000010
    ld.d    $a1, $a0, 0
    hvcl    2

    .balign 4096
handler:
    csrwr   $t0, TLBRSAVE
    csrrd   $t0, PGD
dir3:
    lddir   $t0, $t0, 3
dir1:
    lddir   $t0, $t0, 1
pte0:
    ldpte   $t0, 0
    ldpte   $t0, 1
    tlbfill
    csrrd   $t0, TLBRSAVE
    addi.d  $s1, $s1, 1
    ertn

    .text
    .globl main
main:
    HV_START
    GPA     $t1, handler
    gcsrwr  $t1, TLBRENTRY
    # The guest's tables; stage 2 lacks all of them at first.
    POKE    DATA_HPA + 3 * 8, G_PMD
    POKE    DATA_HPA + 0x8000 + 5 * 8, G_PTE
    POKE    DATA_HPA + 0x8000 + 7 * 8, 0x2000000 | GPTE | PTE_HUGE
    POKE    DATA_HPA + 0x10000 + 6 * 8, G_PAGE | GPTE
    POKE    DATA_HPA + 0x10000 + 7 * 8, (G_PAGE + PAGE) | GPTE
    POKE    DATA_HPA + 0x18008, 0x1111
    POKE    DATA_HPA + 0x18050, 0x2222
    SET_GREG 24, 0
    RUN     guest
    CHECK_EXIT "dir3", EXC_PIL, dir3
    CHECK_EX "dir3.badv", EX_BADV, G_PGD + 3 * 8
    EX      $s0, EX_BADI
    bstrpick.d $s0, $s0, 31, 18
    CHECK   "dir3.badi", $s0, 0x06400000 >> 18
    CHECK_GCSR "dir3.istlbr", TLBRERA, 1, 1
    CHECK_GCSR "dir3.badv_guest", TLBRBADV, -1, GVA + 8
    CHECK_GCSR "dir3.crmd", CRMD, 0x18, CRMD_DA
    S2_MAP  tables_a, G_PGD, DATA_HPA | S2_RW
    S2_FLUSH 5, G_PGD
    RESUME  0
    CHECK_EXIT "dir1", EXC_PIL, dir1
    CHECK_EX "dir1.badv", EX_BADV, G_PMD + 5 * 8
    S2_MAP  tables_a, G_PMD, (DATA_HPA + 0x8000) | S2_RW
    S2_FLUSH 5, G_PMD
    RESUME  0
    CHECK_EXIT "pte", EXC_PIL, pte0
    CHECK_EX "pte.badv", EX_BADV, G_PTE + 6 * 8
    CHECK_GCSR "pte.istlbr", TLBRERA, 1, 1
    # A read-only page is enough for a walk.
    S2_MAP  tables_a, G_PTE, (DATA_HPA + 0x10000) | S2_RO
    S2_FLUSH 5, G_PTE
    RESUME  0
    # Now the access itself: its page is absent in stage 2, the PC is the
    # guest-virtual one.
    EX      $s0, EX_ESTAT
    bstrpick.d $s0, $s0, 30, 16
    CHECK   "access.code", $s0, EXC_PIL
    CHECK_EX "access.badv", EX_BADV, G_PAGE + 8
    CHECK_GCSR "access.istlbr", TLBRERA, 1, 0
    CHECK_GCSR "access.crmd", CRMD, 0x18, CRMD_PG
    S2_MAP  tables_a, G_PAGE, (DATA_HPA + 0x18000) | S2_RW
    S2_FLUSH 5, G_PAGE
    RESUME  0
    CHECK_HVC "done", 1
    GREG    $s0, 5
    CHECK   "value", $s0, 0x1111
    GREG    $s0, 6
    CHECK   "value2", $s0, 0x2222
    # The handler ran to its end once.
    GREG    $s0, 24
    CHECK   "handler", $s0, 1
    # A huge page of the guest over small pages of the host: the second half
    # at 16 MiB. GPA 0x3000010 is in the second 32 MiB: a table of its own.
    la.pcrel $s0, tables_a
    li.d    $t0, S2_PMD
    add.d   $s0, $s0, $t0
    li.d    $t0, (0x08000000) | S2_RW | PTE_HUGE
    st.d    $t0, $s0, 8
    POKE    0x09000010, 0x3333
    GPA     $a0, huge
    li.d    $t0, CACHED
    or      $a0, $a0, $t0
    bl      enter_guest
    CHECK_HVC "huge", 2
    GREG    $s0, 5
    CHECK   "huge.value", $s0, 0x3333
    b       finish
