# SPDX-License-Identifier: Apache-2.0 OR MIT

# Q-4, Q-5, Q-6 both ways: root's ASID in the stage-2 look-up, whose entries root's
# own accesses use while TGID is not 0, the bit that chooses PGD (docs/lvz.md
# section 12).
#@ reading stage2-asid=match
#@ reading root-lookup=tgid
#@ reading pgd-bit=47

.include "test.inc"
.include "lvz.inc"
.include "readings.inc"

    BY      stage2_asid, OTHER_ASID_VALUE, 0xcccc, 0xaaaa
    BY      root_lookup, ROOT_VALUE, 0xbbbb, 0xaaaa
    BY      pgd_bit, PGD_BIT47, 0x10000, 0x20000

    GUEST_CODE
guest:
    li.d    $a0, DATA_GPA
    ld.d    $a1, $a0, 0
    hvcl    1

    .text
.macro SET_TGID gid:req
    li.d    $t0, (\gid) << 16
    li.d    $t1, 0xff << 16
    csrxchg $t0, $t1, GTLBC
.endm

# Fills a stage-2 entry for the data page by hand, under root's ASID 77.
.macro FILL attributes:req
    invtlb  0x12, $zero, $zero
    CSRW    ASID, 77
    CSRW    TLBEHI, DATA_GPA
    CSRW    TLBELO0, (DATA_HPA + 0x20000) | \attributes
    CSRW    TLBELO1, (DATA_HPA + 0x20000) | \attributes
    CSRW    TLBIDX, 14 << 24
    SET_TGID 5
    tlbfill
    SET_TGID 0
.endm

.macro PGD_FOR name:req, badv:req, want:req
    CSRW    BADV, \badv
    CHECK_CSR "\name", PGD, -1, \want
.endm

    .globl main
main:
    HV_START
    POKE    DATA_HPA, 0xaaaa
    POKE    DATA_HPA + 0x10000, 0xbbbb
    POKE    DATA_HPA + 0x20000, 0xcccc
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW

    # Under the ASID it was filled with, an entry is found in every reading.
    FILL    S2_RW
    RUN     guest
    GREG    $s0, 5
    CHECK   "same_asid", $s0, 0xcccc
    # Under another: found, or filled again from the tables.
    FILL    S2_RW
    CSRW    ASID, 78
    RUN     guest
    CHECK_HVC "other_asid.exit", 1
    GREG    $s0, 5
    CHECK   "other_asid", $s0, OTHER_ASID_VALUE
    # The ASID changes between two entries of a guest that has used its page.
    FILL    S2_RW
    RUN     guest
    CSRW    ASID, 78
    RUN     guest
    GREG    $s0, 5
    CHECK   "asid_changed", $s0, OTHER_ASID_VALUE
    # A global one is found.
    FILL    S2_RW | PTE_G
    CSRW    ASID, 78
    RUN     guest
    GREG    $s0, 5
    CHECK   "global", $s0, 0xcccc
    # invtlb 0x16 goes by GID and address in every reading.
    FILL    S2_RW
    CSRW    ASID, 78
    S2_FLUSH 5, DATA_GPA
    CSRW    ASID, 77
    RUN     guest
    GREG    $s0, 5
    CHECK   "flushed", $s0, 0xaaaa
    csrwr   $zero, ASID

    # Root's own mapped access while TGID is the guest's.
    invtlb  0x12, $zero, $zero
    RUN     guest
    HOOK    TR_RHOOK
    TLBW    2048, DATA_GPA, 14, (DATA_HPA + 0x10000) | PTE_RW, (DATA_HPA + 0x10000) | PTE_RW
    li.d    $s1, DATA_GPA
    move    $s0, $zero
    TRY     1f
    SET_TGID 5
    ld.d    $s0, $s1, 0
1:  SET_TGID 0
    CHECK   "root.with_tgid", $s0, ROOT_VALUE
    TRY     1f
    ld.d    $s0, $s1, 0
1:  CHECK   "root.without", $s0, 0xbbbb
    CHECK_NO_EXC "root.quiet"
    HOOK    TR_RHOOK, refill_walk

    # PGD: the same for every virtual address, not for a GPA with bit 47.
    CSRW    PGDL, 0x10000
    CSRW    PGDH, 0x20000
    PGD_FOR "pgd.low", 0x1000, 0x10000
    PGD_FOR "pgd.high", 0xffff900000000000, 0x20000
    PGD_FOR "pgd.gpa", 0x0000800000000000, PGD_BIT47
    b       finish
