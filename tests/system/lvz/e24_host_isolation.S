# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-24 (R-1, R-2, I-1, I-8): root's translations and stage-2 entries with the same
# numbers are kept apart: a mapped access in root with TGID=0 uses root's, tlbsrch
# and tlbwr act for the GID of the USETGID rule (docs/lvz.md 2.1, 4.4).

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
guest:
    li.d    $a0, DATA_GPA
    ld.d    $a1, $a0, 0
    hvcl    1

    .text
# TGID for root's TLB instructions. Uses $t0, $t1.
.macro SET_TGID gid:req
    li.d    $t0, (\gid) << 16
    li.d    $t1, 0xff << 16
    csrxchg $t0, $t1, GTLBC
.endm

    .globl main
main:
    HV_START
    POKE    DATA_HPA, 0xaaaa
    POKE    DATA_HPA + 0x10000, 0xbbbb
    POKE    DATA_HPA + 0x20000, 0xcccc
    # Root maps the same number as virtual address.
    CSRW    ASID, 1
    TLBW    2048, DATA_GPA, 14, (DATA_HPA + 0x10000) | PTE_RW, (DATA_HPA + 0x10000) | PTE_RW
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    RUN     guest
    CHECK_HVC "guest", 1
    GREG    $s0, 5
    CHECK   "guest.value", $s0, 0xaaaa
    HOOK    TR_RHOOK
    li.d    $s1, DATA_GPA
    TRY     1f
    ld.d    $s0, $s1, 0
1:  CHECK_NO_EXC "root.quiet"
    CHECK   "root.value", $s0, 0xbbbb
    HOOK    TR_RHOOK, refill_walk
    RUN     guest
    GREG    $s0, 5
    CHECK   "guest.again", $s0, 0xaaaa
    # Stage 2's entry does not appear for root: without root's own entry there
    # is a refill.
    CSRW    TLBIDX, 2048 | TLBIDX_NE
    tlbwr
    HOOK    TR_RHOOK
    TRY     1f
    ld.d    $s0, $s1, 0
1:  REFILLS $s0
    CHECK   "root.own_only", $s0, 1

    # tlbsrch in root: TGID=0 finds nothing, TGID=5 finds stage 2's entry, TGID=6
    # nothing.
    CSRW    TLBEHI, DATA_GPA
    CSRW    TLBIDX, 0
    tlbsrch
    CHECK_CSR "search.tgid0", TLBIDX, TLBIDX_NE, TLBIDX_NE
    SET_TGID 5
    tlbsrch
    CHECK_CSR "search.tgid5", TLBIDX, TLBIDX_NE, 0
    SET_TGID 6
    csrrd   $s3, TLBIDX
    tlbsrch
    CHECK_CSR "search.tgid6", TLBIDX, TLBIDX_NE, TLBIDX_NE
    # tlbrd of that entry says whose it is (TRGP).
    csrwr   $s3, TLBIDX
    SET_TGID 5
    tlbrd
    SET_TGID 0
    CHECK_CSR "trgp.guest", TRGP, -1, (5 << 16) | 1
    CHECK_CSR "trgp.vppn", TLBEHI, -1, DATA_GPA
    TLBW    2048, 0x70000000, 14, DATA_HPA | PTE_RW, DATA_HPA | PTE_RW
    CSRW    TLBIDX, 2048
    tlbrd
    CHECK_CSR "trgp.host", TRGP, -1, 0

    # A stage-2 entry made by hand with tlbfill under TGID 5 (L-14); root's ASID
    # plays no part (M-4).
    invtlb  0x12, $zero, $zero
    CSRW    ASID, 77
    CSRW    TLBEHI, DATA_GPA
    CSRW    TLBELO0, (DATA_HPA + 0x20000) | S2_RW
    CSRW    TLBELO1, 0
    CSRW    TLBIDX, 14 << 24
    SET_TGID 5
    tlbfill
    SET_TGID 0
    CSRW    ASID, 78
    HOOK    TR_RHOOK, refill_walk
    RUN     guest
    GREG    $s0, 5
    CHECK   "by_hand", $s0, 0xcccc
    # Root's invtlb 1 to 6 leave stage 2's use to itself: after them the guest
    # still reads one of its own pages.
    invtlb  3, $zero, $zero
    li.d    $s0, 78
    invtlb  4, $s0, $zero
    RUN     guest
    CHECK_HVC "after_root_flush", 1
    csrwr   $zero, ASID
    b       finish
