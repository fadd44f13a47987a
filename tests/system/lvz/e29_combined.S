# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-29 (M-8, M-9): two guest-virtual aliases of one guest-physical page: unmapping
# the page and one flush by its address takes it from both (docs/lvz.md 6.3).

.include "test.inc"
.include "lvz.inc"

    .equ V1, 0x70000000
    .equ V2, 0x78000000
    .equ GPTE, PTE_V | PTE_D | PTE_MAT_CC

    GUEST_CODE
.macro MAP va:req
    li.d    $t0, \va
    csrwr   $t0, TLBEHI
    li.d    $t0, DATA_GPA | GPTE
    csrwr   $t0, TLBELO0
    li.d    $t0, (DATA_GPA + 4 * PAGE) | GPTE
    csrwr   $t0, TLBELO1
    li.d    $t0, 14 << 24
    csrwr   $t0, TLBIDX
    tlbfill
.endm
setup:
    MAP     V1
    MAP     V2
    GUEST_MAPPED
    hvcl    1
read1:
    li.d    $a0, V1
    ld.d    $a1, $a0, 0
    hvcl    2
read2:
    li.d    $a0, V2
    ld.d    $a1, $a0, 0
    hvcl    3
direct:
    li.d    $a0, CACHED | DATA_GPA
    ld.d    $a1, $a0, 0
    hvcl    4
# The guest moves its own mapping: overwrites, then invalidates.
remap:
    li.d    $t0, V1
    csrwr   $t0, TLBEHI
    li.d    $t0, 14 << 24
    csrwr   $t0, TLBIDX
    tlbsrch
    li.d    $t0, (DATA_GPA + 4 * PAGE) | GPTE
    csrwr   $t0, TLBELO0
    tlbwr
    li.d    $a0, V1
    ld.d    $a1, $a0, 0
    hvcl    5
invalidate:
    li.d    $a0, V1
    invtlb  5, $zero, $a0
    ld.d    $a1, $a0, 0
    hvcl    6
asid:
    li.d    $a0, V2
    ld.d    $a1, $a0, 0
    li.d    $t0, 3
    csrwr   $t0, ASID
    ld.d    $a1, $a0, 0
    hvcl    7
    .balign 4096
missed:
    hvcl    9

    .text
.macro IN_WINDOW label:req
    GPA     $a0, \label
    li.d    $t0, CACHED
    or      $a0, $a0, $t0
    bl      enter_guest
.endm
.macro CHECK_FAULT name:req
    EX      $s0, EX_ESTAT
    bstrpick.d $s0, $s0, 30, 16
    CHECK   "\name\().code", $s0, EXC_PIL
    CHECK_EX "\name\().badv", EX_BADV, DATA_GPA
.endm

    .globl main
main:
    HV_START
    GPA     $t1, missed
    gcsrwr  $t1, TLBRENTRY
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    S2_MAP  tables_a, DATA_GPA + 4 * PAGE, (DATA_HPA + 0x40000) | S2_RW
    POKE    DATA_HPA, 0x1111
    POKE    DATA_HPA + 0x20000, 0x2222
    POKE    DATA_HPA + 0x40000, 0x4444
    RUN     setup
    IN_WINDOW read1
    CHECK_HVC "v1", 2
    GREG    $s0, 5
    CHECK   "v1.value", $s0, 0x1111
    IN_WINDOW read2
    GREG    $s0, 5
    CHECK   "v2.value", $s0, 0x1111
    IN_WINDOW direct
    GREG    $s0, 5
    CHECK   "direct.value", $s0, 0x1111
    # Unmapped.
    S2_MAP  tables_a, DATA_GPA, 0
    S2_FLUSH 5, DATA_GPA
    IN_WINDOW read1
    CHECK_FAULT "v1.unmapped"
    IN_WINDOW read2
    CHECK_FAULT "v2.unmapped"
    IN_WINDOW direct
    CHECK_FAULT "direct.unmapped"
    # Moved to another host page.
    S2_MAP  tables_a, DATA_GPA, (DATA_HPA + 0x20000) | S2_RW
    S2_FLUSH 5, DATA_GPA
    IN_WINDOW read2
    GREG    $s0, 5
    CHECK   "v2.moved", $s0, 0x2222
    IN_WINDOW read1
    GREG    $s0, 5
    CHECK   "v1.moved", $s0, 0x2222
    IN_WINDOW direct
    GREG    $s0, 5
    CHECK   "direct.moved", $s0, 0x2222
    # The guest's own changes of stage 1.
    IN_WINDOW remap
    CHECK_HVC "remap", 5
    GREG    $s0, 5
    CHECK   "remap.value", $s0, 0x4444
    IN_WINDOW invalidate
    CHECK_HVC "invalidate", 9
    gcsrwr  $zero, TLBRERA
    GW      CRMD, CRMD_RUN
    IN_WINDOW asid
    CHECK_HVC "asid", 9
    GREG    $s0, 5
    CHECK   "asid.before", $s0, 0x2222
    # Root changes the guest's ASID, CRMD and windows: in force at entry (G-9).
    gcsrwr  $zero, TLBRERA
    GW      CRMD, CRMD_RUN
    gcsrwr  $zero, ASID
    IN_WINDOW read2
    CHECK_HVC "root_asid0", 3
    GW      ASID, 5
    IN_WINDOW read2
    CHECK_HVC "root_asid5", 9
    gcsrwr  $zero, TLBRERA
    gcsrwr  $zero, ASID
    # V2's number as a window instead: the guest's DMW1.
    GW      CRMD, CRMD_RUN
    GW      DMW1, 1
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    IN_WINDOW read2
    EX      $s0, EX_ESTAT
    bstrpick.d $s0, $s0, 30, 16
    CHECK   "root_dmw", $s0, EXC_PIL
    CHECK_EX "root_dmw.badv", EX_BADV, V2
    b       finish
