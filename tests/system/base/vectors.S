# SPDX-License-Identifier: Apache-2.0 OR MIT

# Exception entry addresses: EENTRY + number * 2^(VS+2), interrupts numbered
# from 64; one entry for all with VS=0 (manual 6.2.1, 6.1.3).

.include "test.inc"

# Raises an exception with ECFG.VS = vs and checks the offset of its entry.
.macro VECTOR name:req, vs:req, number:req, insn:vararg
    CSRW    ECFG, (\vs) << 16
    TRY     .Lback\@
    \insn
.Lback\@:
    la.pcrel $s0, vector_offset
    ld.d    $s0, $s0, 0
    CHECK   "\name", $s0, (\number) << ((\vs) + 2)
.endm

# The same for software interrupt `n`.
.macro VECTOR_INT name:req, vs:req, n:req
    CSRW    ECFG, ((\vs) << 16) | (1 << (\n))
    CSRW    ESTAT, 1 << (\n)
    TRY     .Lback\@
    li.d    $t0, CRMD_RUN | CRMD_IE
    csrwr   $t0, CRMD
    nop
    nop
.Lback\@:
    li.d    $t0, CRMD_RUN
    csrwr   $t0, CRMD
    csrwr   $zero, ESTAT
    la.pcrel $s0, vector_offset
    ld.d    $s0, $s0, 0
    CHECK   "\name", $s0, (64 + (\n)) << ((\vs) + 2)
    TR      $s0, TR_ESTAT
    bstrpick.d $s0, $s0, 21, 16
    CHECK   "\name\().ecode", $s0, 0
.endm

    .text
    .globl main
main:
    la.pcrel $t0, vectors
    csrwr   $t0, EENTRY
    # VS=0: every exception and interrupt at the base.
    TRY     1f
    syscall 0
1:  la.pcrel $s0, vector_offset
    ld.d    $s0, $s0, 0
    CHECK   "vs0.syscall", $s0, 0
    CSRW    ECFG, 1 << IS_SWI1
    CSRW    ESTAT, 1 << IS_SWI1
    TRY     1f
    li.d    $t0, CRMD_RUN | CRMD_IE
    csrwr   $t0, CRMD
    nop
1:  csrwr   $zero, ESTAT
    la.pcrel $s0, vector_offset
    ld.d    $s0, $s0, 0
    CHECK   "vs0.swi1", $s0, 0

    .irp    vs, 1, 2, 3, 4, 5, 6, 7
    VECTOR  "vs\vs\().syscall", \vs, 11, syscall 0
    VECTOR  "vs\vs\().break", \vs, 12, break 0
    VECTOR  "vs\vs\().ine", \vs, 13, .word 0
    VECTOR_INT "vs\vs\().swi0", \vs, 0
    VECTOR_INT "vs\vs\().swi1", \vs, 1
    .endr
    # A refill does not use EENTRY.
    CSRW    ECFG, 7 << 16
    la.pcrel $s1, vector_offset
    li.d    $s0, -1
    st.d    $s0, $s1, 0
    li.d    $s0, 0x40000000
    TRY     1f
    ld.d    $s0, $s0, 0
1:  ld.d    $s0, $s1, 0
    CHECK   "refill.not_vectored", $s0, -1
    la.pcrel $s0, trap_area
    ld.d    $s0, $s0, TR_RCOUNT
    CHECK   "refill.count", $s0, 1
    csrwr   $zero, ECFG
    b       finish

# Where every entry goes: $ra tells which one it was.
vector_common:
    csrwr   $t0, SAVE0
    csrwr   $t1, SAVE1
    la.pcrel $t0, vectors + 8
    sub.d   $t0, $ra, $t0
    la.pcrel $t1, vector_offset
    st.d    $t0, $t1, 0
    csrrd   $ra, SAVE3
    b       trap_common

# Entries of two instructions, so that every spacing lands on one: 64 + 13
# numbers with the widest spacing of 512 bytes.
    .balign 65536
vectors:
    .rept   77 * 64
    csrwr   $ra, SAVE3
    bl      vector_common
    .endr

    .bss
    .balign 8
vector_offset: .space 8
