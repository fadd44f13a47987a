# SPDX-License-Identifier: Apache-2.0 OR MIT

# Direct-mapped windows: segment, privilege levels, precedence over the TLB, no
# canonical check, fetch only through the first two (manual 5.2.1, 7.5.19).
#
#@ qemu user_only.kernel.* no_level.* precedence.window plv3: QEMU keeps serving
#@   translations that it made before a write to DMW0 to DMW3; a window is in force
#@   when it is configured (5.2.1).
#@ qemu fetch.third: QEMU fetches through all windows; "the last two windows are used
#@   for load/store operations only" (5.2.1).
#@ qemu plv1.* plv2.*: QEMU's windows serve PLV0 and PLV3 only; 7.5.19 has a bit for
#@   each level.

.include "test.inc"

    .equ PA, 0x04000000

    .text
    .globl main
main:
    li.d    $s0, CACHED | PA
    li.d    $s1, 0x1111
    st.d    $s1, $s0, 0

    # A third window, for PLV0, at segment 0xa; any address bits between PALEN
    # and the segment are dropped.
    CSRW    DMW2, 0xa000000000000001
    TRY     1f
    li.d    $s0, 0xa000000000000000 | PA
    ld.d    $s2, $s0, 0
    li.d    $s0, 0xafed000000000000 | PA
    ld.d    $s3, $s0, 0
1:  CHECK_NO_EXC "third.quiet"
    CHECK   "third", $s2, 0x1111
    CHECK   "third.middle_bits", $s3, 0x1111
    # The same window is not PLV3's.
    li.d    $s0, 0xa000000000000000 | PA
    RUN_AT  3, 1f, 2f
1:  ld.d    $s2, $s0, 0
2:  CHECK_EXC "third.user", EXC_ADEM, 1b
    # PLV3's window is not PLV0's.
    CSRW    DMW2, 0xa000000000000008
    TRY     2f
1:  ld.d    $s2, $s0, 0
2:  CHECK_EXC "user_only.kernel", EXC_ADEM, 1b
    RUN_AT  3, 1f, 2f
1:  ld.d    $s2, $s0, 0
3:  syscall 0
2:  CHECK_EXC "user_only.user", EXC_SYS, 3b
    CHECK   "user_only.value", $s2, 0x1111
    # No level at all: no window.
    CSRW    DMW2, 0xa000000000000000
    TRY     2f
1:  ld.d    $s2, $s0, 0
2:  CHECK_EXC "no_level", EXC_ADEM, 1b

    # Segment 0 takes precedence over the TLB.
    TLBW    2048, PA, 12, (PA + 0x10000) | PTE_RW, (PA + 0x10000) | PTE_RW
    li.d    $s0, PA
    li.d    $s1, CACHED | (PA + 0x10000)
    li.d    $s2, 0x2222
    st.d    $s2, $s1, 0
    TRY     1f
    ld.d    $s2, $s0, 0
    CSRW    DMW3, 0x0000000000000001
    ld.d    $s3, $s0, 0
    csrwr   $zero, DMW3
    ld.d    $s4, $s0, 0
1:  CHECK_NO_EXC "precedence.quiet"
    CHECK   "precedence.tlb", $s2, 0x2222
    CHECK   "precedence.window", $s3, 0x1111
    CHECK   "precedence.tlb_again", $s4, 0x2222

    # Fetch through a window of each kind.
    li.d    $s0, CACHED | (PA + 0x100)
    li.d    $s1, 0x4c000020          # jirl $zero, $ra, 0
    st.w    $s1, $s0, 0
    ibar    0
    TRY     1f
    li.d    $s0, UNCACHED | (PA + 0x100)
    jirl    $ra, $s0, 0
1:  CHECK_NO_EXC "fetch.second"
    # DMW2 and DMW3 serve loads and stores only.
    CSRW    DMW2, 0xa000000000000001
    li.d    $s0, 0xa000000000000000 | (PA + 0x100)
    TRY     1f
    jirl    $ra, $s0, 0
1:  TR      $s2, TR_ESTAT
    bstrpick.d $s2, $s2, 30, 16
    CHECK   "fetch.third", $s2, EXC_ADEF
    csrwr   $zero, DMW2

    # Each level has its own bit: PLV1 and PLV2.
    CSRW    DMW0, CACHED | (1 << 4) | 7
    RUN_AT  1, 1f, 2f
1:  syscall 0
2:  CHECK_EXC "plv1", EXC_SYS, 1b
    RUN_AT  2, 1f, 2f
1:  syscall 0
2:  CHECK_EXC "plv2", EXC_SYS, 1b
    RUN_AT  3, 1f, 2f
1:  syscall 0
2:  TR      $s2, TR_ESTAT
    bstrpick.d $s2, $s2, 30, 16
    CHECK   "plv3", $s2, EXC_ADEF
    b       finish
