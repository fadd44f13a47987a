# SPDX-License-Identifier: Apache-2.0 OR MIT

# Binary translation: CPUCFG, EUEN.BTE, registers across exceptions, the x87 stack mode
# (docs/lbt.md).
#@ only sim: QEMU has no binary translation
#@ needs lbt
#@ sim --cpu la664

.include "test.inc"

.equ EXC_BTD, 20

.macro DISABLED name:req, insn:vararg
    TRY     .Lback\@
.Linsn\@:
    \insn
.Lback\@:
    CHECK_EXC "\name", EXC_BTD, .Linsn\@
.endm

    .text
    .globl main
main:
    li.d    $s0, 2
    cpucfg  $s0, $s0
    bstrpick.d $s0, $s0, 20, 18
    CHECK   "cpucfg", $s0, 7
    CSRW    EUEN, -1
    li.d    $s0, 7
    csrwr   $s0, EUEN
    CHECK   "euen", $s0, 15
    # Without BTE, whatever else is on.
    DISABLED "movgr2scr", movgr2scr $scr0, $s0
    DISABLED "movscr2gr", movscr2gr $s1, $scr0
    DISABLED "x86mfflag", x86mfflag $s1, 0x3f
    DISABLED "x86add", x86add.d $s0, $s0
    DISABLED "armadd", armadd.w $s0, $s0, 14
    DISABLED "adc", adc.d $s1, $s0, $s0
    DISABLED "x86mttop", x86mttop 1
    DISABLED "x86settm", x86settm
    DISABLED "jiscr0", jiscr0 4
    # With it alone.
    CSRW    EUEN, 8
    li.d    $s1, 0x1234
    movgr2scr $scr3, $s1
    li.d    $s1, 0x8d5
    x86mtflag $s1, 0x3f
    x86mttop 5
    # An exception and its return leave all of it alone.
    TRY     2f
    syscall 0
2:  movscr2gr $s1, $scr3
    CHECK   "scr3", $s1, 0x1234
    x86mfflag $s1, 0x3f
    CHECK   "eflags", $s1, 0x8d5
    x86mftop $s1
    CHECK   "top", $s1, 5
    # Off and on again too.
    csrwr   $zero, EUEN
    CSRW    EUEN, 9
    movscr2gr $s1, $scr3
    CHECK   "kept", $s1, 0x1234
    # A jump by a scratch register.
    la.pcrel $s1, 3f - 8
    movgr2scr $scr0, $s1
    li.d    $s2, 1
    jiscr0  8
    li.d    $s2, 2
3:  CHECK   "jiscr0", $s2, 1
    # Stack mode: f1 is f(1 + 5), f7 is f(7 + 5 - 8), f8 itself.
    li.d    $s1, 0xa1
    li.d    $s2, 0xa7
    li.d    $s3, 0xa8
    x86settm
    movgr2fr.d $f1, $s1
    movgr2fr.d $f7, $s2
    movgr2fr.d $f8, $s3
    fmov.d  $f0, $f1
    x86inctop
    movfr2gr.d $s4, $f0
    CHECK   "top_moved", $s4, 0xa1
    movfcsr2gr $s4, $fcsr0
    CHECK   "tm", $s4, 0x40
    # It is in force in the handler and afterwards.
    TRY     4f
    syscall 0
4:  movfr2gr.d $s4, $f6
    CHECK   "stack.f6", $s4, 0xa7
    movgr2fcsr $fcsr0, $zero
    movfcsr2gr $s4, $fcsr0
    CHECK   "tm_written", $s4, 0
    li.d    $s4, 0x40
    movgr2fcsr $fcsr0, $s4
    movfr2gr.d $s4, $f6
    CHECK   "tm_written.f6", $s4, 0xa7
    x86clrtm
    movfr2gr.d $s4, $f6
    CHECK   "f6", $s4, 0xa1
    movfr2gr.d $s4, $f5
    CHECK   "f5", $s4, 0xa1
    movfr2gr.d $s4, $f4
    CHECK   "f4", $s4, 0xa7
    movfr2gr.d $s4, $f8
    CHECK   "f8", $s4, 0xa8
    # A loop of comparisons as translated code has it.
    li.d    $s1, 1000
    li.d    $s2, 0
5:  addi.d  $s2, $s2, 3
    addi.d  $s1, $s1, -1
    x86sub.d $s1, $zero
    setx86j $s3, 5
    bnez    $s3, 5b
    CHECK   "loop", $s2, 3000
    b       finish
