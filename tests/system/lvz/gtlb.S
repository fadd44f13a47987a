# SPDX-License-Identifier: Apache-2.0 OR MIT

# gtlb*: root acts on a guest's stage-1 entries by the guest's TLB registers, and
# TRGP (docs/lvz.md 4.3, Q-20).

.include "test.inc"
.include "lvz.inc"

    .equ GVA, 0x70000000
    .equ GPTE, PTE_V | PTE_D | PTE_MAT_CC

    GUEST_CODE
setup:
    GUEST_MAPPED
read:
    li.d    $a0, GVA
    ld.d    $a1, $a0, 0
    hvcl    1
    .balign 4096
missed:
    hvcl    2

    .text
.macro SET_TGID gid:req
    li.d    $t0, (\gid) << 16
    li.d    $t1, 0xff << 16
    csrxchg $t0, $t1, GTLBC
.endm
.macro IN_WINDOW label:req
    gcsrwr  $zero, TLBRERA
    GW      CRMD, CRMD_RUN
    GPA     $a0, \label
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
    POKE    DATA_HPA, 0x1111
    RUN     setup
    CHECK_HVC "empty", 2
    gcsrwr  $zero, TLBRERA
    # gtlbfill makes an entry for the guest, from its registers.
    CSRW    TLBEHI, 0
    CSRW    TLBELO0, 0
    GW      TLBEHI, GVA
    GW      TLBELO0, DATA_GPA | GPTE
    gcsrwr  $zero, TLBELO1
    GW      TLBIDX, 14 << 24
    SET_TGID 5
    GTLBFILL
    SET_TGID 0
    IN_WINDOW read
    CHECK_HVC "filled", 1
    GREG    $s0, 5
    CHECK   "filled.value", $s0, 0x1111
    # gtlbsrch finds it and says so in the guest's TLBIDX, not in root's.
    CSRW    TLBIDX, 0x55
    GW      TLBIDX, TLBIDX_NE
    GW      TLBEHI, GVA
    SET_TGID 5
    GTLBSRCH
    SET_TGID 0
    CHECK_GCSR "search", TLBIDX, TLBIDX_NE, 0
    CHECK_CSR "search.root", TLBIDX, 0xfff, 0x55
    # gtlbrd reads it into the guest's registers.
    GW      TLBEHI, 0
    GW      TLBELO0, 0
    SET_TGID 5
    GTLBRD
    SET_TGID 0
    CHECK_GCSR "read.ehi", TLBEHI, -1, GVA
    CHECK_GCSR "read.elo0", TLBELO0, -1, DATA_GPA | GPTE
    CHECK_CSR "read.root", TLBEHI, -1, 0
    # gtlbwr with NE removes it.
    gcsrrd  $t0, TLBIDX
    li.d    $t1, TLBIDX_NE
    or      $t0, $t0, $t1
    gcsrwr  $t0, TLBIDX
    SET_TGID 5
    GTLBWR
    SET_TGID 0
    IN_WINDOW read
    CHECK_HVC "removed", 2
    # gtlbflush and gtlbclr: every set.
    .irp    op, GTLBFLUSH, GTLBCLR
    gcsrwr  $zero, TLBRERA
    GW      TLBEHI, GVA
    GW      TLBELO0, DATA_GPA | GPTE
    gcsrwr  $zero, TLBELO1
    GW      TLBIDX, 14 << 24
    SET_TGID 5
    GTLBFILL
    GW      TLBEHI, GVA
    GTLBSRCH
    \op
    SET_TGID 0
    IN_WINDOW read
    CHECK_HVC "\op", 2
    .endr
    b       finish
