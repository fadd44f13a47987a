# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-9 (L-4): invtlb 0x12 with r0, r0 removes the entries of every GID and both
# stages; a reused GID sees only the new tables (docs/lvz.md I-5, M-30).

.include "test.inc"
.include "lvz.inc"

    .equ GVA, 0x70000000
    .equ GPTE, PTE_V | PTE_D | PTE_MAT_CC

    GUEST_CODE
setup:
    GUEST_FILL GVA, DATA_GPA | GPTE
    GUEST_MAPPED
read:
    li.d    $a0, GVA
    ld.d    $a1, $a0, 0
    hvcl    2
    .balign 4096
missed:
    hvcl    3

    .text
.macro READ
    GPA     $a0, read
    li.d    $t0, CACHED
    or      $a0, $a0, $t0
    bl      enter_guest
.endm

    .globl main
main:
    HV_START
    GPA     $t1, missed
    gcsrwr  $t1, TLBRENTRY
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    POKE    DATA_HPA, 0xaaaa
    POKE    DATA_HPA + 0x100000, 0xbbbb
    # Entries of three GIDs.
    .irp    gid, 5, 6, 255
    USE_GUEST \gid, tables_a
    GW      CRMD, CRMD_DA
    RUN     setup
    CHECK_HVC "fill\gid", 2
    GREG    $s0, 5
    CHECK   "fill\gid\().value", $s0, 0xaaaa
    .endr
    # The same from the TLB: no refill of either stage.
    RESET_COUNTS
    USE_GUEST 5, tables_a
    READ
    CHECK_HVC "cached", 2
    REFILLS $s0
    CHECK   "cached.refills", $s0, 0

    # Other tables for the same GIDs, after 0x12: stage 1 is gone (the guest's
    # refill runs), stage 2 is refilled from the new tables.
    S2_MAP  tables_a, DATA_GPA, (DATA_HPA + 0x100000) | S2_RW
    li.d    $s0, -1
    invtlb  0x12, $zero, $zero
    .irp    gid, 5, 6, 255
    USE_GUEST \gid, tables_a
    GW      CRMD, CRMD_RUN
    gcsrwr  $zero, TLBRERA
    READ
    CHECK_HVC "gone\gid", 3
    gcsrwr  $zero, TLBRERA
    GW      CRMD, CRMD_DA
    RUN     setup
    CHECK_HVC "new\gid", 2
    GREG    $s0, 5
    CHECK   "new\gid\().value", $s0, 0xbbbb
    .endr
    b       finish
