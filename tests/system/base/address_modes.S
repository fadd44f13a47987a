# SPDX-License-Identifier: Apache-2.0 OR MIT

# Reduced virtual addresses (RVACFG) and 32-bit addresses (MISC.VA32L3) (manual 5.2.2,
# 5.2.3, 7.4.4, 7.5.11).
#
#@ only sim: QEMU stores RVACFG and MISC without using them.

.include "test.inc"

    .equ PA, 0x04000000

# Loads from `va` at PLV0 and checks what happens: a refill (1) or ADEM (0).
.macro LOAD name:req, va:req, refill:req
    li.d    $s0, \va
    TRY     .Lback\@
    ld.d    $s1, $s0, 0
.Lback\@:
    TR      $s2, TR_RCOUNT
    CHECK   "\name\().refill", $s2, \refill
    TR      $s2, TR_COUNT
    CHECK   "\name\().ade", $s2, 1 - (\refill)
.endm

    .text
    .globl main
main:
    LOAD    "full.bit46", 0x0000400000000000, 1
    LOAD    "full.bit47", 0x0000800000000000, 0
    LOAD    "full.high", 0xffff800000000000, 1
    # RBits = 8: bits 63:40 repeat bit 39.
    CSRW    RVACFG, 8
    LOAD    "reduced.bit38", 0x0000004000000000, 1
    LOAD    "reduced.bit39", 0x0000008000000000, 0
    LOAD    "reduced.bit46", 0x0000400000000000, 0
    LOAD    "reduced.high", 0xffffff8000000000, 1
    LOAD    "reduced.low_high", 0xffff800000000000, 0
    # Windows are checked before.
    li.d    $s0, CACHED | PA
    TRY     1f
    ld.d    $s1, $s0, 0
1:  CHECK_NO_EXC "reduced.window"
    CSRW    RVACFG, 1
    LOAD    "reduced1.bit46", 0x0000400000000000, 0
    LOAD    "reduced1.bit45", 0x0000200000000000, 1
    csrwr   $zero, RVACFG
    LOAD    "full.again", 0x0000400000000000, 1

    # 32-bit addresses at PLV3: the upper half of an address plays no part, and
    # what is recorded has it zero.
    TLBW    2048, 0x40000000, 12, PA | PTE_RW | PTE_PLV3, PA | PTE_RW | PTE_PLV3
    li.d    $s0, CACHED | PA
    li.d    $s1, 0x1357
    st.d    $s1, $s0, 0
    # The code: ld.d $s1, $s0, 0; syscall 0, at 0x40000100.
    li.d    $t0, 0x28c002f8
    li.d    $s1, CACHED | (PA + 0x100)
    st.w    $t0, $s1, 0
    li.d    $t0, 0x002b0000
    st.w    $t0, $s1, 4
    ibar    0
    CSRW    MISC, 8
    .macro USER32 address:req
    TRY     .Lback\@
    li.d    $s0, \address
    move    $s1, $zero
    CSRW    PRMD, 3
    CSRW    ERA, 0x40000100
    ertn
.Lback\@:
    .endm
    USER32  0x1234567840000000
    CHECK   "va32.load", $s1, 0x1357
    CHECK_TR "va32.era", TR_ERA, 0x40000104
    USER32  0xffffffff50000008
    TR      $s2, TR_RBADV
    CHECK   "va32.badv", $s2, 0x50000008
    # The program counter is 32 bits wide too: a jump drops the upper half, and
    # what bl, jirl and pcadd* write is sign-extended from the lower. The code is
    # at 0x80000000 minus 16, so that it goes on in the upper 2 GiB:
    #   bl +8; nop; pcaddi $s2, 0; jirl $s3, $s0, 0
    #   0x80000000: pcaddi $s4, 0; bl +8; nop; pcalau12i $s5, 0; syscall 0
    TLBW    2049, 0x7fffe000, 12, PA | PTE_RW | PTE_PLV3, PA | PTE_RW | PTE_PLV3
    TLBW    2050, 0x80000000, 12, PA | PTE_RW | PTE_PLV3, PA | PTE_RW | PTE_PLV3
    li.d    $s6, CACHED | (PA + 0xff0)
    li.d    $s7, CACHED | PA
    .macro PUT reg:req, offset:req, word:req
    li.d    $t0, \word
    st.w    $t0, \reg, \offset
    .endm
    PUT     $s6, 0, 0x54000800
    PUT     $s6, 4, 0x03400000
    PUT     $s6, 8, 0x18000019
    PUT     $s6, 12, 0x4c0002fa
    PUT     $s7, 0, 0x1800001b
    PUT     $s7, 4, 0x54000800
    PUT     $s7, 8, 0x03400000
    PUT     $s7, 12, 0x1a00001c
    PUT     $s7, 16, 0x002b0000
    ibar    0
    move    $s1, $zero
    TRY     1f
    # The target's upper half is dropped.
    li.d    $s0, 0x1234567880000000
    CSRW    PRMD, 3
    CSRW    ERA, 0xabcd00007ffffff0
    ertn
1:  move    $s1, $ra
    CHECK   "va32.pcaddi_low", $s2, 0x7ffffff8
    CHECK   "va32.jirl_link", $s3, 0xffffffff80000000
    CHECK   "va32.pcaddi_high", $s4, 0xffffffff80000000
    CHECK   "va32.pcalau12i", $s5, 0xffffffff80000000
    CHECK   "va32.bl_link", $s1, 0xffffffff80000008
    CHECK_TR "va32.syscall_era", TR_ERA, 0x80000010
    # PLV0 has the whole address.
    LOAD    "va32.plv0", 0x1234567840000000, 0
    csrwr   $zero, MISC
    USER32  0x1234567840000000
    TR      $s2, TR_ESTAT
    bstrpick.d $s2, $s2, 30, 16
    CHECK   "va32.off", $s2, EXC_ADEM
    b       finish
