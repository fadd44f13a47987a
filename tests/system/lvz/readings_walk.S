# SPDX-License-Identifier: Apache-2.0 OR MIT

# Q-31, Q-32, Q-33 both ways: flags in the base of a page table, where a store
# finds W, the code of a stage-2 fault on a guest's table (docs/lvz.md section 12).
#@ needs walker
#@ sim --cpu la664
#@ reading walk-base=raw
#@ reading walk-dirty=entry
#@ reading walk-fault=access
#@ memory 0x06200000

.include "test.inc"
    .equ S2_CODE, PTE_NEW | PTE_V | PTE_W | PTE_D
.include "lvz.inc"
.include "readings.inc"

    BY      walk_base, BASE_VALUE, 0x1111, 0x2222
    BY      walk_dirty, STORE_FAULTS, 0, 1
    BY      walk_fault, STORE_CODE, EXC_PIL, EXC_PIS
    BY      walk_fault, FETCH_CODE, EXC_PIL, EXC_PIF

    .equ T, 0x05000000
    .equ PGD_T, T
    .equ PMD_T, T + 0x10000
    .equ PTE_T, T + 0x20000
    .equ VA, (3 << 36) | (5 << 25) | (6 << 14)
    .equ P0, 0x06000000

    GUEST_CODE
load:
    GUEST_MAPPED
    li.d    $a0, VA
    ld.d    $a1, $a0, 0
    hvcl    1
store:
    GUEST_MAPPED
    li.d    $a0, VA
    st.d    $a1, $a0, 0
    hvcl    1
fetch:
    GUEST_MAPPED
    li.d    $a0, VA
    jr      $a0

    .text
# What code the guest's table, absent in stage 2, exits with.
.macro FAULT name:req, entry:req, code:req
    GW      CRMD, CRMD_DA
    RUN     \entry
    EX      $s8, EX_ESTAT
    bstrpick.d $s8, $s8, 30, 16
    CHECK   "\name", $s8, \code
    CHECK_EX "\name\().badv", EX_BADV, DATA_GPA + 3 * 8
.endm

    .globl main
main:
    HV_START
    POKE    PGD_T + 3 * 8, PMD_T
    POKE    PMD_T + 5 * 8, PTE_T
    POKE    PTE_T + 6 * 8, P0 | PTE_NEW | PTE_V
    # 0x800 from its beginning a table has the entries of another page.
    POKE    PTE_T + 0x800 + 6 * 8, (P0 + 0x4000) | PTE_NEW | PTE_V
    POKE    PTE_T + 7 * 8, 0
    POKE    PTE_T + 0x800 + 7 * 8, 0
    POKE    P0, 0x1111
    POKE    P0 + 0x4000, 0x2222
    CSRW    PGDL, PGD_T

    # lddir, ldpte, and the walker, with a base without and with a flag.
    .macro  WALKS name, value
    CSRW    PWCH, PWCH_16K
    CSRW    TLBRBADV, VA
    li.d    $s0, PGD_T
    lddir   $s0, $s0, 3
    lddir   $s0, $s0, 1
    ldpte   $s0, 0
    csrrd   $s1, TLBRELO0
    bstrpick.d $s1, $s1, 47, 12
    slli.d  $s1, $s1, 12
    li.d    $t0, CACHED
    or      $s1, $s1, $t0
    ld.d    $s1, $s1, 0
    CHECK   "\name\().ldpte", $s1, \value
    CSRW    PWCH, PWCH_16K | HPTW_EN
    invtlb  0, $zero, $zero
    TRY     9f
    li.d    $s0, VA
    ld.d    $s1, $s0, 0
9:  CHECK_NO_EXC "\name\().quiet"
    CHECK   "\name\().walker", $s1, \value
    .endm
    WALKS   "base.clean", 0x1111
    POKE    PMD_T + 5 * 8, PTE_T | 0x800
    WALKS   "base.pte", BASE_VALUE
    # In a directory, and in lddir's register.
    POKE    PMD_T + 5 * 8, PTE_T
    POKE    PMD_T + 0x800 + 5 * 8, PTE_T + 0x800
    POKE    PTE_T + 0x1000 + 6 * 8, 0
    POKE    PGD_T + 3 * 8, PMD_T | 0x800
    CSRW    TLBRBADV, VA
    li.d    $s0, PMD_T | 0x800
    lddir   $s0, $s0, 1
    andi    $s0, $s0, 0x800
    li.d    $s1, BASE_VALUE == 0x2222
    slli.d  $s1, $s1, 11
    CHECKR  "base.lddir", $s0, $s1
    POKE    PGD_T + 3 * 8, PMD_T

    # A page is read, then software allows stores without an invalidation.
    invtlb  0, $zero, $zero
    TRY     1f
    li.d    $s0, VA
    ld.d    $s1, $s0, 0
    POKE    PTE_T + 6 * 8, P0 | PTE_NEW | PTE_V | PTE_W
    st.d    $zero, $s0, 0
1:  TR      $s1, TR_COUNT
    CHECK   "dirty.faults", $s1, STORE_FAULTS
    # In every reading an invalidation helps.
    invtlb  0x6, $zero, $s0
    TRY     1f
    st.d    $zero, $s0, 0
1:  CHECK_NO_EXC "dirty.invalidated"

    # A guest's table that stage 2 lacks.
    CSRW    PWCH, PWCH_16K | HPTW_EN
    GW      PWCH, PWCH_16K | HPTW_EN
    GW      PGDL, DATA_GPA
    FAULT   "fault.load", load, EXC_PIL
    FAULT   "fault.store", store, STORE_CODE
    FAULT   "fault.fetch", fetch, FETCH_CODE
    b       finish
