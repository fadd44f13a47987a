# SPDX-License-Identifier: Apache-2.0 OR MIT

# invtlb 0x9 to 0x16: what each takes of stage 1 and stage 2 of two GIDs (docs/lvz.md
# 4.5), seen by the misses that follow. Where over-flushing is allowed only what
# has to go is checked.

.include "test.inc"
.include "lvz.inc"

    .equ V1, 0x70000000
    .equ VG, 0x78000000
    .equ GPTE, PTE_V | PTE_D | PTE_MAT_CC

    GUEST_CODE
.macro MAP va:req, g:req
    li.d    $t0, \va
    csrwr   $t0, TLBEHI
    li.d    $t0, DATA_GPA | GPTE | (\g)
    csrwr   $t0, TLBELO0
    li.d    $t0, \g
    csrwr   $t0, TLBELO1
    li.d    $t0, 14 << 24
    csrwr   $t0, TLBIDX
    tlbfill
.endm
# ASID 2, one entry of that ASID and one global.
setup:
    li.d    $t0, 2
    csrwr   $t0, ASID
    invtlb  0, $zero, $zero
    MAP     V1, 0
    MAP     VG, PTE_G
    GUEST_MAPPED
    li.d    $a0, V1
    ld.d    $a1, $a0, 0
    hvcl    1
# Reads both: $a2 and $a3 count the refills of each.
read:
    li.d    $s0, 0
    li.d    $a0, V1
    ld.d    $a1, $a0, 0
    move    $a2, $s0
    li.d    $s0, 0
    li.d    $a0, VG
    ld.d    $a1, $a0, 0
    move    $a3, $s0
    hvcl    2
    .balign 4096
refill:
    csrwr   $t0, TLBRSAVE
    addi.d  $s0, $s0, 1
    li.d    $t0, DATA_GPA | GPTE
    csrwr   $t0, TLBRELO0
    csrwr   $zero, TLBRELO1
    csrrd   $t0, TLBREHI
    bstrins.d $t0, $zero, 12, 0
    ori     $t0, $t0, 14
    csrwr   $t0, TLBREHI
    tlbfill
    csrrd   $t0, TLBRSAVE
    ertn

    .text
.macro IN_WINDOW label:req
    GPA     $a0, \label
    li.d    $t0, CACHED
    or      $a0, $a0, $t0
    bl      enter_guest
.endm

# Fills everything for GID 5 and 6.
fill:
    move    $s6, $ra
    invtlb  0x12, $zero, $zero
    .irp    gid, 6, 5
    USE_GUEST \gid, tables_a
    GW      CRMD, CRMD_DA
    RUN     setup
    .endr
    jr      $s6

# Runs the operation with rj = operand, rk = address, then reads in `gid`. Checks
# the guest refills for the ASID's entry and for the global one, and whether root
# had to refill (0 or 1; `any` does not care).
.macro OPERATION name:req, op:req, operand:req, address:req, gid:req, asid_entry, global_entry, stage2
    bl      fill
    li.d    $s1, \operand
    li.d    $s2, \address
    invtlb  \op, $s1, $s2
    USE_GUEST \gid, tables_a
    GW      CRMD, CRMD_RUN
    RESET_COUNTS
    IN_WINDOW read
    CHECK_HVC "\name", 2
    .ifnb \asid_entry
    GREG    $s0, 6
    CHECK   "\name\().asid", $s0, \asid_entry
    .endif
    .ifnb \global_entry
    GREG    $s0, 7
    CHECK   "\name\().global", $s0, \global_entry
    .endif
    .ifnb \stage2
    REFILLS $s0
    sltu    $s0, $zero, $s0
    CHECK   "\name\().stage2", $s0, \stage2
    .endif
.endm

    .equ GID5, 5 << 16
    .equ GID6, 6 << 16

    .globl main
main:
    HV_START
    GPA     $t1, refill
    gcsrwr  $t1, TLBRENTRY
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    # Nothing but entering again: all there.
    bl      fill
    USE_GUEST 5, tables_a
    GW      CRMD, CRMD_RUN
    RESET_COUNTS
    IN_WINDOW read
    GREG    $s0, 6
    CHECK   "filled.asid", $s0, 0
    GREG    $s0, 7
    CHECK   "filled.global", $s0, 0
    REFILLS $s0
    CHECK   "filled.stage2", $s0, 0
    # Stage 1 of a GID: all, global ones, others, one ASID, one address.
    OPERATION "op9", 9, GID5, 0, 5, 1, 1
    OPERATION "op9.other", 9, GID6, 0, 5, 0, 0
    OPERATION "opa", 0xa, GID5, 0, 5, , 1
    OPERATION "opb", 0xb, GID5, 0, 5, 1,
    OPERATION "opc", 0xc, GID5 | 2, 0, 5, 1,
    OPERATION "opc.other", 0xc, GID6 | 2, 0, 5, 0, 0
    OPERATION "opd", 0xd, GID5 | 2, V1, 5, 1,
    OPERATION "opd.other", 0xd, GID6 | 2, V1, 5, 0, 0
    OPERATION "ope", 0xe, GID5 | 9, VG, 5, , 1
    OPERATION "ope.asid", 0xe, GID5 | 2, V1, 5, 1,
    # Stage 1 and stage 2 of all GIDs.
    OPERATION "op10", 0x10, 0, 0, 5, 1, 1
    OPERATION "op10.gid6", 0x10, 0, 0, 6, 1, 1
    OPERATION "op11", 0x11, 0, 0, 5, , , 1
    OPERATION "op11.gid6", 0x11, 0, 0, 6, , , 1
    OPERATION "op12", 0x12, 0, 0, 5, 1, 1, 1
    OPERATION "op12.gid6", 0x12, 0, 0, 6, 1, 1, 1
    # Stage 1, stage 2, both, of one GID.
    OPERATION "op13", 0x13, GID5, 0, 5, 1, 1
    OPERATION "op13.other", 0x13, GID6, 0, 5, 0, 0
    OPERATION "op14", 0x14, GID5, 0, 5, , , 1
    OPERATION "op14.other", 0x14, GID6, 0, 5, , , 0
    OPERATION "op15", 0x15, GID5, 0, 5, 1, 1, 1
    OPERATION "op15.other", 0x15, GID6, 0, 5, 0, 0, 0
    # One guest-physical address.
    OPERATION "op16", 0x16, GID5, DATA_GPA, 5, , , 1
    OPERATION "op16.other_gid", 0x16, GID6, DATA_GPA, 5, , , 0
    OPERATION "op16.other_gpa", 0x16, GID5, DATA_GPA + 0x100000, 5, , , 0
    # Numbers that nothing has.
    .irp    op, 7, 8, 0xf, 0x17, 0x1f
    TRY     2f
1:  invtlb  \op, $zero, $zero
2:  CHECK_EXC "undefined\op", EXC_INE, 1b
    .endr
    b       finish
