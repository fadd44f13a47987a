# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-22 (L-24, L-25): root writes every guest CSR, read-only ones for the guest
# included, and they keep their values over exceptions, refills and interrupts of
# root and over visits of another GID (docs/lvz.md 3.2, 3.5).

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
guest:
    hvcl    1
# Reads what the guest cannot write.
constants:
    csrrd   $a0, CPUID
    csrrd   $a1, BADI
    csrrd   $a2, PRCFG1
    csrrd   $a3, PRCFG2
    csrrd   $a4, PRCFG3
    csrrd   $a5, PGD
    csrwr   $a0, CPUID
    li.d    $a6, 0x33
    csrwr   $a6, CPUID
    li.d    $a6, 0x44
    csrwr   $a6, BADI
    csrrd   $a6, CPUID
    csrrd   $a7, BADI
    hvcl    2

    .text
# Writes `value` to the guest CSR; verified by VERIFY.
.macro FOR_ALL action:req
    \action PRMD, 0x7
    \action EUEN, 0x3
    \action MISC, 0x70eee
    \action ECFG, 0x31ffc
    \action ERA, 0x123456789abcdef0
    \action BADV, 0x2222222222222222
    \action BADI, 0x33333333
    \action EENTRY, 0x9000000012345000
    \action TLBIDX, 0x0e000123
    \action TLBEHI, 0x0000123456786000
    \action TLBELO0, 0x6000000012345053
    \action TLBELO1, 0x8000000023456013
    \action PGDL, 0x34567000
    \action PGDH, 0x9000000045678000
    \action PWCL, PWCL_16K
    \action PWCH, PWCH_16K
    \action STLBPS, 14
    \action RVACFG, 3
    \action CPUID, 0x15
    \action SAVE0, 0x1000000000000001
    \action SAVE1, 0x1000000000000002
    \action SAVE2, 0x1000000000000003
    \action SAVE3, 0x1000000000000004
    \action SAVE4, 0x1000000000000005
    \action SAVE5, 0x1000000000000006
    \action SAVE6, 0x1000000000000007
    \action SAVE7, 0x1000000000000008
    \action TID, 0x12345
    \action CNTC, 0xfedcba9876543210
    \action TLBRENTRY, 0x56789000
    \action TLBRBADV, 0x4444444444444444
    \action TLBRSAVE, 0x5555555555555555
    \action TLBRELO0, 0x2000000034567013
    \action TLBRELO1, 0x4000000045678013
    \action TLBREHI, 0x000023456789600e
    \action TLBRPRMD, 0x7
    \action DMW0, 0x9000000000000011
    \action DMW1, 0x8000000000000001
    \action DMW2, 0xa000000000000008
    \action DMW3, 0xb00000000000003f
.endm
.macro SET csr, value
    GW      \csr, \value
.endm
.macro VERIFY csr, value
    gcsrrd  $s8, \csr
    li.d    $a2, \value
    xor     $s8, $s8, $a2
    # TLBRPRMD bit 3 would be PGM.
    addi.d  $s1, $s1, 1
    beqz    $s8, .Lsame\@
    bnez    $s0, .Lsame\@
    move    $s0, $s1
.Lsame\@:
.endm

    .globl main
main:
    HV_START
    FOR_ALL SET
    # Which register is wrong first, by its place in the list.
    move    $s0, $zero
    move    $s1, $zero
    FOR_ALL VERIFY
    CHECK   "written.first_wrong", $s0, 0
    CHECK   "written.count", $s1, 40
    # Root's own registers are others.
    csrrd   $s2, SAVE7
    li.d    $s3, 0x1000000000000008
    xor     $s2, $s2, $s3
    sltu    $s2, $zero, $s2
    CHECK   "root.save7", $s2, 1
    CHECK_CSR "root.cpuid", CPUID, -1, 0

    # Root is busy: exceptions, interrupts, refills, its own registers.
    TRY     1f
    syscall 0
1:  CSRW    ECFG, 1
    CSRW    ESTAT, 1
    TRY     1f
    li.d    $t0, CRMD_RUN | CRMD_IE
    csrwr   $t0, CRMD
    nop
1:  csrwr   $zero, ESTAT
    csrwr   $zero, ECFG
    HOOK    TR_RHOOK
    li.d    $t0, 0x40000000
    TRY     1f
    ld.d    $t0, $t0, 0
1:  HOOK    TR_RHOOK, refill_walk
    li.d    $t0, 0x0001000000000000
    TRY     1f
    ld.d    $t0, $t0, 0
1:  CSRW    SAVE7, 0
    CSRW    BADV, 0
    CSRW    ERA, 0
    CSRW    TLBRBADV, 0
    CSRW    TLBRELO0, 0
    CSRW    TLBEHI, 0
    invtlb  0, $zero, $zero
    invtlb  0x12, $zero, $zero
    move    $s0, $zero
    move    $s1, $zero
    FOR_ALL VERIFY
    CHECK   "kept.first_wrong", $s0, 0
    # A visit to the guest that exits at once (in direct mode).
    GW      CRMD, CRMD_DA
    RUN     guest
    CHECK_HVC "visit", 1
    move    $s0, $zero
    move    $s1, $zero
    FOR_ALL VERIFY
    CHECK   "visit.first_wrong", $s0, 0
    # GINTC and GSTAT stay as well.
    CSRW    GINTC, 0x5500
    USE_GUEST 9, tables_a
    TRY     1f
    syscall 0
1:  CHECK_CSR "gintc", GINTC, -1, 0x5500
    CHECK_CSR "gstat", GSTAT, -1, (9 << 16) | (8 << 4)
    csrwr   $zero, GINTC

    # What the guest reads of them, and that it cannot write them.
    GW      MISC, 0
    RUN     constants
    CHECK_HVC "constants", 2
    GREG    $s0, 4
    CHECK   "guest.cpuid_old", $s0, 0x15
    GREG    $s0, 5
    CHECK   "guest.badi", $s0, 0x33333333
    GREG    $s0, 10
    CHECK   "guest.cpuid", $s0, 0x15
    GREG    $s0, 11
    CHECK   "guest.badi_kept", $s0, 0x33333333
    # PRCFG1 to 3 are root's (L-33, G-5).
    GREG    $s0, 6
    csrrd   $s1, PRCFG1
    CHECKR  "guest.prcfg1", $s0, $s1
    GREG    $s0, 7
    csrrd   $s1, PRCFG2
    CHECKR  "guest.prcfg2", $s0, $s1
    GREG    $s0, 8
    csrrd   $s1, PRCFG3
    CHECKR  "guest.prcfg3", $s0, $s1
    # PGD is computed from the guest's BADV (bit 63 is 0).
    GREG    $s0, 9
    CHECK   "guest.pgd", $s0, 0x34567000
    CHECK_GCSR "root.pgd", PGD, -1, 0x34567000
    # gcsrwr and gcsrxchg return the guest's old value, not root's.
    CSRW    SAVE3, 0x99
    GW      SAVE3, 0x77
    li.d    $s0, 0x88
    gcsrwr  $s0, SAVE3
    CHECK   "gcsrwr.old", $s0, 0x77
    li.d    $s0, 0xff
    li.d    $s1, 0x0f
    gcsrxchg $s0, $s1, SAVE3
    CHECK   "gcsrxchg.old", $s0, 0x88
    CHECK_GCSR "gcsrxchg.new", SAVE3, -1, 0x8f
    # TVAL and ESTAT are root's to write.
    gcsrwr  $zero, TCFG
    GW      TVAL, 0x5678
    CHECK_GCSR "tval", TVAL, -1, 0x5678
    GW      ESTAT, (22 << 16) | (1 << 14) | (1 << 12) | 3
    CHECK_GCSR "estat", ESTAT, ~(1 << 14), (22 << 16) | (1 << 12) | 3
    gcsrwr  $zero, ESTAT
    b       finish
