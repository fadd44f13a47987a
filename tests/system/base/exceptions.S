# SPDX-License-Identifier: Apache-2.0 OR MIT

# One of each synchronous exception that needs no translation: code, ERA, BADI,
# BADV, and the mode before and after (manual 6.2, 7.4.1, 7.4.2, 7.4.6 to 7.4.9).
#
#@ qemu we.*: CRMD.WE and PRMD.PWE are not modelled by QEMU; the manual has them
#@   saved and cleared by every exception (6.2.3).
#@ qemu adef_align.*: QEMU fetches from addresses that are no multiple of four;
#@   there the manual wants ADEF with BADV = PC (7.4.10, 6.2.2).
#@ qemu bce_ldgt.badv: QEMU writes the PC to BADV; 7.4.10 lists BCE among the
#@   exceptions that record the bad address, and ADEF alone records the PC.

.include "test.inc"

    .equ PATTERN, 0x123456789abcdef0
    # Not the sign extension of bit 47, and in no direct-mapped window.
    .equ NON_CANONICAL, 0x0001000000000008

    .text
    .globl main
main:
    # SYS and BRK: ERA is the instruction itself, BADI its encoding; no bad
    # address, so BADV and TLBEHI keep their values.
    CSRW    BADV, PATTERN
    CSRW    TLBEHI, 0x40000000
    TRY     2f
1:  syscall 0x123
2:  CHECK_EXC "syscall", EXC_SYS, 1b
    CHECK_TR "syscall.badi", TR_BADI, 0x002b0123
    CHECK_TR "syscall.badv", TR_BADV, PATTERN
    CHECK_TR "syscall.tlbehi", TR_TLBEHI, 0x40000000
    CHECK_TR "syscall.prmd", TR_PRMD, 0
    CHECK_TR "syscall.crmd", TR_CRMD, CRMD_RUN
    CHECK_TR "syscall.count", TR_COUNT, 1

    TRY     2f
1:  break   0x7
2:  CHECK_EXC "break", EXC_BRK, 1b
    CHECK_TR "break.badi", TR_BADI, 0x002a0007

    # INE: an encoding that no extension has, and all ones.
    TRY     2f
1:  .word   0
2:  CHECK_EXC "ine0", EXC_INE, 1b
    CHECK_TR "ine0.badi", TR_BADI, 0
    TRY     2f
1:  .word   0xffffffff
2:  CHECK_EXC "ine1", EXC_INE, 1b
    TR      $s0, TR_BADI
    bstrpick.d $s0, $s0, 31, 0
    CHECK   "ine1.badi", $s0, 0xffffffff
    # amadd.d with rd = rj is not defined (manual 2.2.7.1).
    la.pcrel $s0, scratch
    li.d    $t1, 1
    TRY     2f
1:  .word   0x3861b6f7          # amadd.d $s0, $t1, $s0
2:  CHECK_EXC "am_rd_rj", EXC_INE, 1b

    # PRMD holds the mode before, CRMD.{PLV,IE,WE} are cleared, the rest stays.
    # CRMD.WE goes first, so that a machine without it fails one check only.
    TRY     2f
    li.d    $s0, CRMD_RUN | CRMD_IE
    csrwr   $s0, CRMD
1:  syscall 0
2:  CHECK_EXC "ie", EXC_SYS, 1b
    CHECK_TR "ie.prmd", TR_PRMD, 4
    CHECK_TR "ie.crmd", TR_CRMD, CRMD_RUN
    TRY     2f
    li.d    $s0, CRMD_RUN | (1 << 9)
    csrwr   $s0, CRMD
1:  syscall 0
2:  CHECK_TR "we.prmd", TR_PRMD, 8
    CHECK_TR "we.crmd", TR_CRMD, CRMD_RUN
    RUN_AT  3 | 4, 1f, 2f
1:  syscall 0
2:  CHECK_EXC "plv3", EXC_SYS, 1b
    CHECK_TR "plv3.prmd", TR_PRMD, 7
    CHECK_TR "plv3.crmd", TR_CRMD, CRMD_RUN

    # ADEM: a load and a store of a non-canonical address; the destination
    # register keeps its value.
    li.d    $s0, NON_CANONICAL
    li.d    $s1, PATTERN
    TRY     2f
1:  ld.d    $s1, $s0, 8
2:  CHECK_EXC "adem_ld", EXC_ADEM, 1b
    CHECK_TR "adem_ld.badv", TR_BADV, NON_CANONICAL + 8
    CHECK   "adem_ld.rd", $s1, PATTERN
    TRY     2f
1:  st.b    $s1, $s0, 1
2:  CHECK_EXC "adem_st", EXC_ADEM, 1b
    CHECK_TR "adem_st.badv", TR_BADV, NON_CANONICAL + 1
    TRY     2f
1:  ldx.d   $s1, $s0, $zero
2:  CHECK_EXC "adem_ldx", EXC_ADEM, 1b
    # The window is PLV0's and PLV3's, the uncached one PLV0's only: at PLV3 its
    # address is not canonical.
    li.d    $s0, UNCACHED
    RUN_AT  3, 1f, 2f
1:  ld.w    $s1, $s0, 4
2:  CHECK_EXC "adem_user", EXC_ADEM, 1b
    CHECK_TR "adem_user.badv", TR_BADV, UNCACHED + 4

    # ADEF: the jump completes, so ERA and BADV are the target.
    li.d    $s0, NON_CANONICAL
    TRY     2f
    jirl    $s1, $s0, 0
1:  nop
2:  TR      $s2, TR_ESTAT
    bstrpick.d $s2, $s2, 30, 16
    CHECK   "adef.code", $s2, EXC_ADEF
    CHECK_TR "adef.era", TR_ERA, NON_CANONICAL
    CHECK_TR "adef.badv", TR_BADV, NON_CANONICAL
    la.pcrel $s2, 1b
    CHECKR  "adef.link", $s1, $s2
    # A jump to an address that is no multiple of four.
    la.pcrel $s0, 3f
    addi.d  $s0, $s0, 2
    TRY     2f
    jr      $s0
2:  TR      $s2, TR_ESTAT
    bstrpick.d $s2, $s2, 30, 16
    CHECK   "adef_align.code", $s2, EXC_ADEF
    TR      $s2, TR_ERA
    CHECKR  "adef_align.era", $s2, $s0
    TR      $s2, TR_BADV
    CHECKR  "adef_align.badv", $s2, $s0
    b       4f
3:  nop
    nop
4:
    # BCE.
    li.d    $s0, 5
    li.d    $s1, 4
    TRY     2f
1:  asrtle.d $s0, $s1
2:  CHECK_EXC "bce_asrtle", EXC_BCE, 1b
    TRY     2f
1:  asrtgt.d $s1, $s0
2:  CHECK_EXC "bce_asrtgt", EXC_BCE, 1b
    TRY     2f
    asrtle.d $s1, $s0
    asrtgt.d $s0, $s1
2:  CHECK_NO_EXC "bce_none"
    # Bound-checking access: rj is the address, rk the bound.
    la.pcrel $s0, scratch
    li.d    $s2, PATTERN
    st.d    $s2, $s0, 0
    TRY     2f
1:  ldgt.d  $s3, $s0, $s0
2:  CHECK_EXC "bce_ldgt", EXC_BCE, 1b
    TR      $s2, TR_BADV
    CHECKR  "bce_ldgt.badv", $s2, $s0
    TRY     2f
1:  ldle.d  $s3, $s0, $s0
2:  CHECK_NO_EXC "ldle"
    CHECK   "ldle.value", $s3, PATTERN

    # FPE: division by zero with its enable (FCSR0 bit 3); the result register
    # keeps its value, Cause (bits 28:24) holds Z, Flags (20:16) stay.
    CSRW    EUEN, 1
    movgr2fcsr $fcsr0, $zero
    li.d    $s0, 8
    movgr2fcsr $fcsr0, $s0
    li.d    $s0, 0x3ff0000000000000
    movgr2fr.d $f0, $s0
    movgr2fr.d $f1, $zero
    movgr2fr.d $f2, $s0
    TRY     2f
1:  fdiv.d  $f2, $f0, $f1
2:  CHECK_EXC "fpe", EXC_FPE, 1b
    movfr2gr.d $s1, $f2
    CHECKR  "fpe.fd", $s1, $s0
    movfcsr2gr $s1, $fcsr0
    CHECK   "fpe.fcsr", $s1, (8 << 24) | 8
    movgr2fcsr $fcsr0, $zero
    csrwr   $zero, EUEN

    # An interrupt leaves BADI alone (manual 7.4.9) and sets Ecode 0.
    TRY     2f
    .word   0
2:  CSRW    ECFG, 1 << IS_SWI0
    TRY     2f
    CSRW    ESTAT, 1 << IS_SWI0
    li.d    $s0, CRMD_RUN | CRMD_IE
    csrwr   $s0, CRMD
1:  nop
    nop
2:  CHECK_EXC "int", EXC_INT, 1b
    CHECK_TR "int.badi", TR_BADI, 0
    csrwr   $zero, ESTAT
    csrwr   $zero, ECFG
    b       finish

    .bss
    .balign 64
scratch: .space 64
