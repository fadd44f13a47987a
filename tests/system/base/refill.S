# SPDX-License-Identifier: Apache-2.0 OR MIT

# The TLB refill exception: what it records, what it leaves alone, and the way
# back (manual 6.2.4, 7.5.13 to 7.5.18). BADI too has the instruction (7.4.9).
#
#@ qemu store.sign: QEMU leaves TLBREHI above VPPN zero; those bits repeat the top
#@   bit of VPPN (7.5.17).

.include "test.inc"

    .equ VA, 0x0000123456788000
    .equ HIGH, 0xffff923456788000
    .equ PA, 0x04000000

# Checks the record of one refill.
.macro CHECK_REFILL name:req, badv:req, era:req, prmd:req
    la.pcrel $s7, trap_area
    ld.d    $s6, $s7, TR_RCOUNT
    CHECK   "\name\().count", $s6, 1
    ld.d    $s6, $s7, TR_COUNT
    CHECK   "\name\().no_general", $s6, 0
    ld.d    $s6, $s7, TR_RBADV
    CHECK   "\name\().badv", $s6, \badv
    ld.d    $s6, $s7, TR_RERA
    la.pcrel $t0, \era
    ori     $t0, $t0, 1
    CHECKR  "\name\().era", $s6, $t0
    ld.d    $s6, $s7, TR_REHI
    bstrpick.d $s6, $s6, 47, 13
    CHECK   "\name\().vppn", $s6, ((\badv) & 0xffffffffffff) >> 13
    ld.d    $s6, $s7, TR_RPRMD
    CHECK   "\name\().prmd", $s6, \prmd
    # Direct mode, PLV0, IE=0; the memory types stay.
    ld.d    $s6, $s7, TR_RCRMD
    CHECK   "\name\().crmd", $s6, CRMD_DA | (1 << 5) | (1 << 7)
.endm

# BADI has the instruction at the label.
.macro CHECK_BADI name:req, label:req
    la.pcrel $s6, \label
    ld.w    $s6, $s6, 0
    csrrd   $s7, BADI
    CHECKR  "\name\().badi", $s7, $s6
.endm

    .text
    .globl main
main:
    # What general exceptions use stays as it was.
    CSRW    BADV, 0x1234
    CSRW    TLBEHI, 0x4000
    TRY     1f
    syscall 0
1:  CSRW    PRMD, 5
    csrrd   $s3, ERA
    csrrd   $s4, ESTAT
    csrrd   $s5, BADV

    li.d    $s0, VA + 0x123
    li.d    $s1, 77
    TRY     2f
1:  ld.b    $s1, $s0, 1
2:  CHECK   "load.rd", $s1, 77
    CHECK_CSR "load.general_prmd", PRMD, -1, 5
    csrrd   $s2, ERA
    CHECKR  "load.general_era", $s2, $s3
    csrrd   $s2, ESTAT
    CHECKR  "load.general_estat", $s2, $s4
    csrrd   $s2, BADV
    CHECKR  "load.general_badv", $s2, $s5
    CHECK_CSR "load.general_tlbehi", TLBEHI, -1, 0x4000
    CHECK_REFILL "load", VA + 0x124, 1b, 0
    CHECK_CSR "load.istlbr_cleared", TLBRERA, 1, 0
    CHECK_BADI "load", 1b

    li.d    $s0, HIGH
    TRY     2f
1:  st.d    $s1, $s0, 0x18
2:  CHECK_BADI "store", 1b
    CHECK_REFILL "store", HIGH + 0x18, 1b, 0
    la.pcrel $s7, trap_area
    ld.d    $s6, $s7, TR_REHI
    # Above VPPN is the sign.
    bstrpick.d $s6, $s6, 63, 48
    CHECK   "store.sign", $s6, 0xffff

    li.d    $s0, VA + 0x10
    TRY     2f
    jirl    $s1, $s0, 0
1:  nop
2:  la.pcrel $t0, 1b
    CHECKR  "fetch.link", $s1, $t0
    la.pcrel $s7, trap_area
    ld.d    $s6, $s7, TR_RBADV
    CHECK   "fetch.badv", $s6, VA + 0x10
    ld.d    $s6, $s7, TR_RERA
    CHECK   "fetch.era", $s6, VA + 0x11

    # From PLV3 with interrupts on.
    li.d    $s0, VA
    RUN_AT  3 | 4, 1f, 2f
1:  ld.d    $s1, $s0, 0
2:  CHECK_REFILL "user", VA, 1b, 7
    # An interrupt that is pending waits until the handler is done: the refill
    # clears IE. Here the handler fills the page and returns.
    HOOK    TR_RHOOK, fill
    li.d    $s1, CACHED | PA
    li.d    $s2, 0x600d
    st.d    $s2, $s1, 0
    TRY     2f
    li.d    $s0, VA
1:  ld.d    $s1, $s0, 0
2:  CHECK   "filled.value", $s1, 0x600d
    la.pcrel $s7, trap_area
    ld.d    $s6, $s7, TR_RCOUNT
    CHECK   "filled.count", $s6, 1
    CHECK_CSR "filled.crmd", CRMD, -1, CRMD_RUN
    # Now it hits.
    TRY     2f
    ld.d    $s1, $s0, 8
2:  CHECK_NO_EXC "hit"

    # V=0 after a refill: page invalid, not a second refill.
    HOOK    TR_RHOOK, fill_invalid
    li.d    $s0, VA + 0x100000
    TRY     2f
1:  ld.d    $s1, $s0, 0
2:  CHECK_EXC "invalid", EXC_PIL, 1b
    CHECK_TR "invalid.badv", TR_BADV, VA + 0x100000
    HOOK    TR_RHOOK

    b       finish

# Refill hooks: map the pair to PA, 16 KiB pages, or to nothing.
fill:
    li.d    $t0, PA | PTE_RW
    b       1f
fill_invalid:
    li.d    $t0, 0
1:  move    $t1, $t0
    csrwr   $t1, TLBRELO0
    csrwr   $t0, TLBRELO1
    csrrd   $t0, TLBREHI
    bstrins.d $t0, $zero, 12, 0
    ori     $t0, $t0, 14
    csrwr   $t0, TLBREHI
    tlbfill
    csrrd   $t1, SAVE2
    csrrd   $t0, TLBRSAVE
    ertn
