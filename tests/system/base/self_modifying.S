# SPDX-License-Identifier: Apache-2.0 OR MIT

# Code that changes: seen after ibar, in the same page, in the next instructions,
# through another window and through another mapping (manual 2.2.8.2).

.include "test.inc"

    .equ PA, 0x04000000
    .equ RET, 0x4c000020            # jirl $zero, $ra, 0

# Writes `addi.d $a0, $zero, value; ret` at the address in `reg`.
.macro EMIT reg:req, value:req
    li.d    $t0, 0x02c00004 | ((\value) << 10)
    st.w    $t0, \reg, 0
    li.d    $t0, RET
    st.w    $t0, \reg, 4
.endm

    .text
    .globl main
main:
    li.d    $s0, CACHED | PA
    EMIT    $s0, 1
    ibar    0
    jirl    $ra, $s0, 0
    CHECK   "first", $a0, 1
    EMIT    $s0, 2
    ibar    0
    jirl    $ra, $s0, 0
    CHECK   "second", $a0, 2
    # Many times: a decoder that keeps old code fails on one of these.
    li.d    $s3, 200
    li.d    $s4, 0
1:  slli.d  $t1, $s3, 10
    li.d    $t0, 0x02c00004
    or      $t0, $t0, $t1
    st.w    $t0, $s0, 0
    ibar    0
    jirl    $ra, $s0, 0
    xor     $t0, $a0, $s3
    or      $s4, $s4, $t0
    addi.d  $s3, $s3, -1
    bnez    $s3, 1b
    CHECK   "many", $s4, 0

    # An instruction right after the barrier, in the running code.
    la.pcrel $s1, 2f
    li.d    $t0, 0x02c0dc04         # addi.d $a0, $zero, 55
    st.w    $t0, $s1, 0
    ibar    0
2:  addi.d  $a0, $zero, 44
    CHECK   "ahead", $a0, 55
    # And again in a loop, where the same code runs for the third time.
    li.d    $s3, 3
3:  slli.d  $t1, $s3, 10
    li.d    $t0, 0x02c00004
    or      $t0, $t0, $t1
    la.pcrel $s1, 4f
    st.w    $t0, $s1, 0
    ibar    0
4:  addi.d  $a0, $zero, 44
    CHECKR  "ahead.loop", $a0, $s3
    addi.d  $s3, $s3, -1
    bnez    $s3, 3b

    # Written through the uncached window.
    li.d    $s1, UNCACHED | PA
    EMIT    $s1, 7
    dbar    0
    ibar    0
    jirl    $ra, $s0, 0
    CHECK   "uncached", $a0, 7
    # Written through a mapping, run through the window, and the other way.
    TLBW    2048, 0x40000000, 14, PA | PTE_RW, (PA + 0x4000) | PTE_RW
    li.d    $s2, 0x40000000
    EMIT    $s2, 8
    ibar    0
    jirl    $ra, $s0, 0
    CHECK   "mapping.write", $a0, 8
    EMIT    $s0, 9
    ibar    0
    jirl    $ra, $s2, 0
    CHECK   "mapping.run", $a0, 9
    # The mapping changes under the same address: other code there.
    li.d    $s1, CACHED | (PA + 0x4000)
    EMIT    $s1, 10
    ibar    0
    TLBW    2048, 0x40000000, 14, (PA + 0x4000) | PTE_RW, PA | PTE_RW
    jirl    $ra, $s2, 0
    CHECK   "mapping.swap", $a0, 10
    # Code over the end of a page: the second page changes.
    li.d    $s1, CACHED | (PA + 0x3ffc)
    EMIT    $s1, 11
    ibar    0
    jirl    $ra, $s1, 0
    CHECK   "page_end", $a0, 11
    li.d    $s2, CACHED | (PA + 0x4000)
    li.d    $t0, 0x02c03084         # addi.d $a0, $a0, 12
    st.w    $t0, $s2, 0
    li.d    $t0, RET
    st.w    $t0, $s2, 4
    ibar    0
    jirl    $ra, $s1, 0
    CHECK   "page_end.second", $a0, 23
    # An unaligned store that changes parts of two instructions.
    li.d    $s1, CACHED | (PA + 0x100)
    EMIT    $s1, 1
    ibar    0
    jirl    $ra, $s1, 0
    li.d    $t0, 0x02c00804         # addi.d $a0, $zero, 2, from its second byte
    srli.d  $t0, $t0, 8
    st.h    $t0, $s1, 1
    ibar    0
    jirl    $ra, $s1, 0
    CHECK   "unaligned", $a0, 2
    # Atomics and vector stores change code too.
    li.d    $t1, 0x02c00c04 - 0x02c00804
    amadd.w $t0, $t1, $s1
    ibar    0
    jirl    $ra, $s1, 0
    CHECK   "amadd", $a0, 3
    CSRW    EUEN, 3
    li.d    $t0, 0x02c01004 | (RET << 32)
    vreplgr2vr.d $vr0, $t0
    vst     $vr0, $s1, 0
    ibar    0
    jirl    $ra, $s1, 0
    CHECK   "vst", $a0, 4
    b       finish
