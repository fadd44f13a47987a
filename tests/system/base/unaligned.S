# SPDX-License-Identifier: Apache-2.0 OR MIT

# Unaligned accesses, which this model does in hardware: every width and offset,
# across page borders, with a fault in the second page, and the check that MISC
# turns on (manual 2.1.8, 7.4.4, 6.2.2).
#
#@ qemu alcl0.*: QEMU has no MISC register; ALCL0 turns the check on at PLV0 (7.4.4).

.include "test.inc"

    .equ PA, 0x04000000
    .equ VA, 0x40000000

    .text
    .globl main
main:
    la.pcrel $s0, bytes
    .irp    offset, 1, 3, 5, 7
    ld.h    $s1, $s0, \offset
    CHECK   "ld.h.\offset", $s1, ((\offset + 1) << 8) | \offset
    .endr
    ld.w    $s1, $s0, 1
    CHECK   "ld.w.1", $s1, 0x04030201
    ld.wu   $s1, $s0, 0x7f
    CHECK   "ld.wu.sign", $s1, 0x8281807f
    ld.w    $s1, $s0, 0x7f
    CHECK   "ld.w.sign", $s1, 0xffffffff8281807f
    .irp    offset, 1, 2, 3, 4, 5, 6, 7
    ld.d    $s1, $s0, \offset
    CHECK   "ld.d.\offset", $s1, 0x0706050403020100 + 0x0101010101010101 * \offset
    .endr
    la.pcrel $s2, buffer
    li.d    $s1, 0x1122334455667788
    st.d    $s1, $s2, 3
    ld.d    $s3, $s2, 0
    CHECK   "st.d.low", $s3, 0x4455667788000000 + 0x0
    ld.d    $s3, $s2, 8
    CHECK   "st.d.high", $s3, 0x112233
    st.h    $s1, $s2, 15
    ld.d    $s3, $s2, 8
    CHECK   "st.h.low", $s3, 0x8800000000112233
    ld.d    $s3, $s2, 16
    CHECK   "st.h.high", $s3, 0x77
    CSRW    EUEN, 3
    vld     $vr0, $s0, 1
    vpickve2gr.d $s3, $vr0, 0
    CHECK   "vld.low", $s3, 0x0807060504030201
    vpickve2gr.d $s3, $vr0, 1
    CHECK   "vld.high", $s3, 0x100f0e0d0c0b0a09
    fld.d   $f1, $s0, 2
    movfr2gr.d $s3, $f1
    CHECK   "fld.d", $s3, 0x0908070605040302

    # Across the border of two pages that are not neighbours in memory.
    TLBW    2048, VA, 12, PA | PTE_RW, (PA + 0x10000) | PTE_RW
    li.d    $s0, VA + 0xffd
    li.d    $s1, 0x1122334455667788
    st.d    $s1, $s0, 0
    ld.d    $s2, $s0, 0
    CHECK   "border.ld", $s2, 0x1122334455667788
    li.d    $s2, CACHED | (PA + 0xff8)
    ld.d    $s2, $s2, 0
    srli.d  $s2, $s2, 40
    CHECK   "border.first", $s2, 0x667788
    li.d    $s2, CACHED | (PA + 0x10000)
    ld.d    $s2, $s2, 0
    bstrpick.d $s2, $s2, 39, 0
    CHECK   "border.second", $s2, 0x1122334455
    # The second page has D=0, then V=0: the store changes nothing.
    TLBW    2048, VA, 12, PA | PTE_RW, (PA + 0x10000) | PTE_V
    li.d    $s1, -1
    TRY     2f
1:  st.d    $s1, $s0, 0
2:  CHECK_EXC "fault_d0", EXC_PME, 1b
    li.d    $s2, CACHED | (PA + 0xff8)
    ld.d    $s2, $s2, 0
    srli.d  $s2, $s2, 40
    CHECK   "fault_d0.first", $s2, 0x667788
    TR      $s2, TR_BADV
    SHOW    "fault_d0.badv", $s2
    TLBW    2048, VA, 12, PA | PTE_RW, 0
    li.d    $s1, 77
    TRY     2f
1:  ld.w    $s1, $s0, 1
2:  CHECK_EXC "fault_v0", EXC_PIL, 1b
    CHECK   "fault_v0.rd", $s1, 77
    TR      $s2, TR_BADV
    SHOW    "fault_v0.badv", $s2
    # The first page faults first.
    TLBW    2048, VA, 12, 0, 0
    TRY     2f
1:  ld.d    $s1, $s0, 0
2:  CHECK_EXC "fault_first", EXC_PIL, 1b
    CHECK_TR "fault_first.badv", TR_BADV, VA + 0xffd

    # MISC.ALCL0: plain accesses are checked at PLV0.
    la.pcrel $s0, bytes
    TRY     1f
    li.d    $t0, 1 << 12
    csrwr   $t0, MISC
1:  TRY     2f
1:  ld.w    $s1, $s0, 2
2:  CHECK_EXC "alcl0", EXC_ALE, 1b
    addi.d  $s2, $s0, 2
    TR      $s3, TR_BADV
    CHECKR  "alcl0.badv", $s3, $s2
    TRY     2f
    ld.w    $s1, $s0, 4
2:  CHECK_NO_EXC "alcl0.aligned"
    # Not at PLV3.
    RUN_AT  3, 1f, 2f
1:  ld.w    $s1, $s0, 2
3:  syscall 0
2:  CHECK_EXC "alcl0.user", EXC_SYS, 3b
    TRY     1f
    csrwr   $zero, MISC
1:  b       finish

    .data
    .balign 256
bytes:
    .set    n, 0
    .rept   256
    .byte   n
    .set    n, n + 1
    .endr
    .bss
    .balign 64
buffer: .space 64
