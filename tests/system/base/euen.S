# SPDX-License-Identifier: Apache-2.0 OR MIT

# Disabled units: FPD, SXD and ASXD, and that the instruction had no effect
# (manual 7.4.3).

.include "test.inc"

.macro DISABLED name:req, code:req, insn:vararg
    TRY     .Lback\@
.Linsn\@:
    \insn
.Lback\@:
    CHECK_EXC "\name", \code, .Linsn\@
.endm
.macro ENABLED name:req, insn:vararg
    TRY     .Lback\@
    \insn
.Lback\@:
    CHECK_NO_EXC "\name"
.endm

    .text
    .globl main
main:
    la.pcrel $s0, buffer
    csrwr   $zero, EUEN
    DISABLED "fadd", EXC_FPD, fadd.d $f0, $f1, $f2
    DISABLED "fld", EXC_FPD, fld.d $f0, $s0, 0
    DISABLED "fst", EXC_FPD, fst.s $f0, $s0, 0
    DISABLED "movgr2fr", EXC_FPD, movgr2fr.d $f0, $s0
    DISABLED "movfcsr2gr", EXC_FPD, movfcsr2gr $s1, $fcsr0
    DISABLED "movgr2cf", EXC_FPD, movgr2cf $fcc0, $s0
    DISABLED "fcmp", EXC_FPD, fcmp.ceq.d $fcc0, $f0, $f1
    DISABLED "fsel", EXC_FPD, fsel $f0, $f1, $f2, $fcc0
    DISABLED "bceqz", EXC_FPD, bceqz $fcc0, .
    DISABLED "vadd", EXC_SXD, vadd.b $vr0, $vr1, $vr2
    DISABLED "vld", EXC_SXD, vld $vr0, $s0, 0
    DISABLED "vfadd", EXC_SXD, vfadd.d $vr0, $vr1, $vr2
    # Disabled comes before the access: the address does not matter.
    li.d    $s1, 0x0001000000000000
    DISABLED "fld.before_ade", EXC_FPD, fld.d $f0, $s1, 0
    DISABLED "vst.before_ade", EXC_SXD, vst $vr0, $s1, 0

    # FPE alone does not enable vectors.
    CSRW    EUEN, 1
    ENABLED "fpe.fadd", fadd.d $f0, $f1, $f2
    ENABLED "fpe.fld", fld.d $f0, $s0, 0
    DISABLED "fpe.vadd", EXC_SXD, vadd.b $vr0, $vr1, $vr2
    # SXE alone does not enable scalars.
    CSRW    EUEN, 2
    ENABLED "sxe.vadd", vadd.b $vr0, $vr1, $vr2
    DISABLED "sxe.fadd", EXC_FPD, fadd.d $f0, $f1, $f2
    CSRW    EUEN, 3
    ENABLED "both.vadd", vadd.b $vr0, $vr1, $vr2
    ENABLED "both.fadd", fadd.d $f0, $f1, $f2

    # LASX: disabled, or not there at all, as CPUCFG says.
    li.d    $s2, 2
    cpucfg  $s2, $s2
    bstrpick.d $s2, $s2, 7, 7
    TRY     2f
1:  .word   0x740a0820              # xvadd.b $xr0, $xr1, $xr2
2:  TR      $s3, TR_ESTAT
    bstrpick.d $s3, $s3, 21, 16
    li.d    $s4, EXC_ASXD
    bnez    $s2, 3f
    li.d    $s4, EXC_INE
3:  CHECKR  "lasx", $s3, $s4

    # Switching off keeps the registers: shared file, low half of $vr3 is $f3.
    li.d    $s1, 0x123456789abcdef0
    movgr2fr.d $f3, $s1
    csrwr   $zero, EUEN
    DISABLED "off", EXC_FPD, movgr2fr.d $f3, $zero
    CSRW    EUEN, 3
    movfr2gr.d $s2, $f3
    CHECKR  "kept.f", $s2, $s1
    vpickve2gr.d $s2, $vr3, 0
    CHECKR  "kept.v", $s2, $s1
    # At PLV3 the same enables count.
    csrwr   $zero, EUEN
    RUN_AT  3, 1f, 2f
1:  fadd.s  $f0, $f1, $f2
    syscall 0
2:  CHECK_EXC "user", EXC_FPD, 1b
    b       finish

    .bss
    .balign 16
buffer: .space 64
