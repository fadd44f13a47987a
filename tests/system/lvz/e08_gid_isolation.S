# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-8 (L-19): two guests, GID 5 and 6, map the same GVA to the same GPA and that
# to different host pages: alternating between them without any invtlb never
# mixes them (docs/lvz.md 6.3, R-9).

.include "test.inc"
.include "lvz.inc"

    .equ GVA, 0x70000000
    .equ GPTE, PTE_V | PTE_D | PTE_MAT_CC

    GUEST_CODE
# Maps GVA to DATA_GPA in the guest's TLB, turns translation on; the code is
# reached through a window.
setup:
    li.d    $t0, GVA
    csrwr   $t0, TLBEHI
    li.d    $t0, DATA_GPA | GPTE
    csrwr   $t0, TLBELO0
    li.d    $t0, (DATA_GPA + PAGE) | GPTE
    csrwr   $t0, TLBELO1
    li.d    $t0, 14 << 24
    csrwr   $t0, TLBIDX
    tlbfill
    GUEST_MAPPED
    hvcl    1
read:
    li.d    $a0, GVA
    ld.d    $a1, $a0, 0
    ld.d    $a2, $a0, 8
    addi.d  $a2, $a2, 1
    st.d    $a2, $a0, 8
    hvcl    2

    .text
# Runs `read` of the current guest in its window.
.macro READ
    GPA     $a0, read
    li.d    $t0, CACHED
    or      $a0, $a0, $t0
    bl      enter_guest
.endm

    .globl main
main:
    HV_START
    la.pcrel $a0, tables_b
    bl      s2_init
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    S2_MAP  tables_b, DATA_GPA, (DATA_HPA + 0x100000) | S2_RW
    POKE    DATA_HPA, 0xaaaa
    POKE    DATA_HPA + 8, 0
    POKE    DATA_HPA + 0x100000, 0xbbbb
    POKE    DATA_HPA + 0x100008, 0x1000
    RUN     setup
    CHECK_HVC "setup5", 1
    # The guest CSR file is one: the second guest starts from reset again.
    USE_GUEST 6, tables_b
    GW      CRMD, CRMD_DA
    RUN     setup
    CHECK_HVC "setup6", 1
    li.d    $s0, 10
    move    $s1, $zero
    move    $s2, $zero
1:  USE_GUEST 5, tables_a
    READ
    GREG    $t0, 5
    li.d    $t1, 0xaaaa
    xor     $t0, $t0, $t1
    or      $s1, $s1, $t0
    USE_GUEST 6, tables_b
    READ
    GREG    $t0, 5
    li.d    $t1, 0xbbbb
    xor     $t0, $t0, $t1
    or      $s2, $s2, $t0
    addi.d  $s0, $s0, -1
    bnez    $s0, 1b
    CHECK_HVC "last", 2
    CHECK   "gid5", $s1, 0
    CHECK   "gid6", $s2, 0
    PEEK    $s0, DATA_HPA + 8
    CHECK   "gid5.stores", $s0, 10
    PEEK    $s0, DATA_HPA + 0x100008
    CHECK   "gid6.stores", $s0, 0x100a

    # A GID that was never used has no translation of the others: the guest's
    # own TLB misses, which the guest's handler reports.
    USE_GUEST 7, tables_a
    GPA     $t1, missed
    gcsrwr  $t1, TLBRENTRY
    READ
    CHECK_HVC "fresh", 3
    GREG    $s0, 5
    CHECK   "fresh.nothing_read", $s0, 0xbbbb
    # Back to the first one: still there.
    gcsrwr  $zero, TLBRERA
    GW      CRMD, CRMD_RUN
    USE_GUEST 5, tables_a
    READ
    GREG    $s0, 5
    CHECK   "back", $s0, 0xaaaa
    b       finish

    GUEST_CODE
    .balign 4096
missed:
    hvcl    3
    .text
