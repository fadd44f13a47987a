# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-12 (L-21, L-22, L-35, L-36): which instructions exit with GSPR, with the
# instruction in BADI and its PC in ERA; reading every guest CSR does not exit
# (docs/lvz.md 3.3, 7.4).
#@ without counters messages
#@ sim --cpu la464

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
# One exit each; `next_N` is the instruction that exits.
    .set    count, 0
.macro SENSITIVE insn:vararg
    \insn
    .set    count, count + 1
.endm
sensitive:
    SENSITIVE cpucfg $a1, $a2
    SENSITIVE iocsrrd.b $a1, $a2
    SENSITIVE iocsrrd.h $a1, $a2
    SENSITIVE iocsrrd.w $a1, $a2
    SENSITIVE iocsrrd.d $a1, $a2
    SENSITIVE iocsrwr.b $a1, $a2
    SENSITIVE iocsrwr.h $a1, $a2
    SENSITIVE iocsrwr.w $a1, $a2
    SENSITIVE iocsrwr.d $a1, $a2
    SENSITIVE idle 0
    SENSITIVE cacop 0, $a1, 0
    # LVZ's own registers.
    .irp    csr, GTLBC, TRGP, GSTAT, GCFG, GINTC, GCNTC
    SENSITIVE csrrd $a1, \csr
    .endr
    # Implementation control, machine errors, cache tag.
    .irp    csr, 0x80, 0x81, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x98
    SENSITIVE csrrd $a1, \csr
    .endr
    # Message interrupts without MSGINT; counters that are not lent; watchpoints;
    # debug; numbers that nothing has.
    .irp    csr, 0xa0, 0xa3, 0xa4, 0xa5, 0x200, 0x201, 0x207, 0x300, 0x301, 0x380, 0x500, 0x501, 0x502, 0xc0, 0x100, 0x3ff, 0x3fff
    SENSITIVE csrrd $a1, \csr
    .endr
    SENSITIVE csrwr $a1, GSTAT
    SENSITIVE csrwr $a1, 0x500
    SENSITIVE csrxchg $a1, $a2, GCFG
    SENSITIVE csrxchg $a1, $a2, 0x200
sensitive_end:
    hvcl    1

# Every register of the guest's file, read and exchanged with a mask of zero.
direct:
    li.d    $a2, 0
    .irp    csr, CRMD, PRMD, EUEN, MISC, ECFG, ESTAT, ERA, BADV, BADI, EENTRY, TLBIDX, TLBEHI, TLBELO0, TLBELO1, ASID, PGDL, PGDH, PGD, PWCL, PWCH, STLBPS, RVACFG, CPUID, PRCFG1, PRCFG2, PRCFG3, SAVE0, SAVE1, SAVE2, SAVE3, SAVE4, SAVE5, SAVE6, SAVE7, TID, TCFG, TVAL, CNTC, TICLR, LLBCTL, TLBRENTRY, TLBRBADV, TLBRERA, TLBRSAVE, TLBRELO0, TLBRELO1, TLBREHI, TLBRPRMD, DMW0, DMW1, DMW2, DMW3
    csrrd   $a1, \csr
    csrxchg $a1, $a2, \csr
    .endr
    # Neither do these.
    rdtime.d $a1, $a2
    tlbsrch
    dbar    0
    ibar    0
    preld   0, $a2, 0
    # Hit operations of cacop under TOCI = 2.
    cacop   0x11, $a3, 0
    hvcl    2

    .text
    .globl main
main:
    HV_START
    SET_GREG 6, 8
    # Each instruction exits at itself with itself in BADI.
    GPA     $s0, sensitive
    la.pcrel $s1, sensitive
    la.pcrel $s2, sensitive_end
    move    $s3, $zero
    move    $s4, $zero
    move    $s5, $zero
    move    $s6, $zero
1:  move    $a0, $s0
    bl      enter_guest
    EX      $t1, EX_ESTAT
    bstrpick.d $t1, $t1, 30, 16
    li.d    $t2, EXC_GSPR
    xor     $t1, $t1, $t2
    EX      $t2, EX_ERA
    xor     $t2, $t2, $s0
    EX      $t3, EX_BADI
    bstrpick.d $t3, $t3, 31, 0
    ld.wu   $t4, $s1, 0
    xor     $t3, $t3, $t4
    # The first that is wrong is shown by its encoding.
    or      $t0, $t1, $t2
    or      $t0, $t0, $t3
    beqz    $t0, 2f
    bnez    $s4, 2f
    move    $s4, $t4
2:  or      $s5, $s5, $t1
    or      $s6, $s6, $t2
    addi.d  $s3, $s3, 1
    addi.d  $s0, $s0, 4
    addi.d  $s1, $s1, 4
    bltu    $s1, $s2, 1b
    CHECK   "first_wrong", $s4, 0
    CHECK   "codes", $s5, 0
    CHECK   "eras", $s6, 0
    CHECK   "count", $s3, count
    # A GSPR exit leaves BADV and the destination alone.
    CSRW    BADV, 0x777
    SET_GREG 5, 0x55
    RUN     sensitive
    CHECK_EX "badv", EX_BADV, 0x777
    GREG    $s0, 5
    CHECK   "rd", $s0, 0x55
    # And the guest's exception state.
    CHECK_GCSR "gestat", ESTAT, -1, 0

    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    SET_GREG 7, DATA_GPA
    RESET_COUNTS
    RUN     direct
    CHECK_HVC "direct", 2
    CHECK_EX "direct.exits", EX_COUNT, 1
    b       finish
