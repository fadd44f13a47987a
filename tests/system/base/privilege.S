# SPDX-License-Identifier: Apache-2.0 OR MIT

# Which instructions need PLV0 (manual 4.1, 4.2): each raises IPE at PLV3, PLV1
# and PLV2; the others run there.
#
#@ qemu drdtl3.*: QEMU has no MISC register; 7.4.4 makes rdtime privileged at
#@   PLV3 with DRDTL3.
#@ qemu plv1.* plv2.*: QEMU's windows serve PLV0 and PLV3 only, and its privilege
#@   check is for PLV3 alone; 7.5.19 has a bit for each level, and only PLV0 may
#@   execute privileged instructions (4.1).

.include "test.inc"

# `insn` at `plv` raises IPE at itself.
.macro REFUSED name:req, plv:req, insn:vararg
    RUN_AT  \plv, .Luser\@, .Lback\@
.Luser\@:
    \insn
    syscall 0
.Lback\@:
    CHECK_EXC "\name", EXC_IPE, .Luser\@
.endm

# `insn` at `plv` runs, and the syscall after it is reached.
.macro ALLOWED name:req, plv:req, insn:vararg
    RUN_AT  \plv, .Luser\@, .Lback\@
.Luser\@:
    \insn
.Lsys\@:
    syscall 0
.Lback\@:
    CHECK_EXC "\name", EXC_SYS, .Lsys\@
.endm

    .text
    .globl main
main:
    # The window for every level.
    CSRW    DMW0, CACHED | (1 << 4) | 0xf
    REFUSED "csrrd", 3, csrrd $s1, CRMD
    CHECK_TR "csrrd.badi", TR_BADI, 0x04000018
    REFUSED "csrwr", 3, csrwr $s1, SAVE1
    REFUSED "csrxchg", 3, csrxchg $s1, $s2, SAVE1
    REFUSED "csrrd_undefined", 3, csrrd $s1, 0x3ffe
    REFUSED "iocsrrd", 3, iocsrrd.w $s1, $zero
    REFUSED "iocsrwr", 3, iocsrwr.w $s1, $zero
    REFUSED "iocsrrd_d", 3, iocsrrd.d $s1, $zero
    REFUSED "cacop", 3, cacop 0, $s1, 0
    REFUSED "tlbsrch", 3, tlbsrch
    REFUSED "tlbrd", 3, tlbrd
    REFUSED "tlbwr", 3, tlbwr
    REFUSED "tlbfill", 3, tlbfill
    REFUSED "tlbclr", 3, tlbclr
    REFUSED "tlbflush", 3, tlbflush
    REFUSED "invtlb", 3, invtlb 0, $zero, $zero
    REFUSED "lddir", 3, lddir $s1, $s1, 1
    REFUSED "ldpte", 3, ldpte $s1, 0
    REFUSED "ertn", 3, ertn
    REFUSED "idle", 3, idle 0

    ALLOWED "cpucfg", 3, cpucfg $s1, $zero
    ALLOWED "rdtime_d", 3, rdtime.d $s1, $s2
    ALLOWED "rdtimel_w", 3, rdtimel.w $s1, $s2
    ALLOWED "rdtimeh_w", 3, rdtimeh.w $s1, $s2
    ALLOWED "dbar", 3, dbar 0
    ALLOWED "ibar", 3, ibar 0

    # MISC.DRDTL3 makes the rdtime group privileged at PLV3 and nowhere else.
    TRY     1f
    li.d    $s0, 1 << 7
    csrwr   $s0, MISC
1:  REFUSED "drdtl3.rdtime_d", 3, rdtime.d $s1, $s2
    REFUSED "drdtl3.rdtimel_w", 3, rdtimel.w $s1, $s2
    TRY     1f
    rdtime.d $s1, $s2
1:  CHECK_NO_EXC "drdtl3.plv0"
    TRY     1f
    csrwr   $zero, MISC
1:
    REFUSED "plv1.csrrd", 1, csrrd $s1, CRMD
    REFUSED "plv1.ertn", 1, ertn
    REFUSED "plv2.csrrd", 2, csrrd $s1, CRMD
    REFUSED "plv2.tlbwr", 2, tlbwr
    ALLOWED "plv1.cpucfg", 1, cpucfg $s1, $zero
    ALLOWED "plv2.cpucfg", 2, cpucfg $s1, $zero
    RUN_AT  1, 1f, 2f
1:  syscall 0
2:  CHECK_TR "plv1.prmd", TR_PRMD, 1
    RUN_AT  2 | 4, 1f, 2f
1:  syscall 0
2:  CHECK_TR "plv2.prmd", TR_PRMD, 6

    # At PLV0: undefined invtlb operations raise INE (manual 4.2.4.7).
    .irp    op, 7, 31
    TRY     2f
1:  invtlb  \op, $zero, $zero
2:  CHECK_EXC "invtlb\op", EXC_INE, 1b
    .endr
    # With privilege too low, IPE or INE: both are detected in decoding and the
    # manual calls those exclusive, so the privilege check decides.
    b       finish
