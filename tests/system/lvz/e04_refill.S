# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-4 (L-13, L-14): a stage-2 miss takes root's refill vector with the GPA; the
# handler, which knows nothing of guests, returns to the guest by itself
# (docs/lvz.md 5.5, 6.4).

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
guest:
    li.d    $a0, DATA_GPA
    ld.d    $a1, $a0, 0x10
    li.d    $a0, DATA_GPA + 2 * PAGE
    ld.d    $a2, $a0, 0x18
    li.d    $a0, DATA_GPA + 4 * PAGE
touch:
    st.d    $a1, $a0, 0x20
    hvcl    1
    # The odd pages of the same pairs are there already.
    li.d    $a0, DATA_GPA + PAGE
    ld.d    $a3, $a0, 0
    hvcl    2

    .text
    .globl main
main:
    HV_START
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    S2_MAP  tables_a, DATA_GPA + PAGE, (DATA_HPA + 0x10000) | S2_RW
    S2_MAP  tables_a, DATA_GPA + 2 * PAGE, (DATA_HPA + 0x20000) | S2_RW
    S2_MAP  tables_a, DATA_GPA + 4 * PAGE, (DATA_HPA + 0x40000) | S2_RW
    POKE    DATA_HPA + 0x10, 0x1111
    POKE    DATA_HPA + 0x10000, 0x2222
    POKE    DATA_HPA + 0x20018, 0x3333
    POKE    DATA_HPA + 0x40020, 0
    CSRW    ESTAT, 0
    invtlb  0x12, $zero, $zero
    RESET_COUNTS
    CSRW    PRMD, 0
    HOOK    TR_RHOOK, keep_badi
    RUN     guest
    CHECK_HVC "guest", 1
    # One refill for the code's page, three for the data.
    REFILLS $s0
    CHECK   "refills", $s0, 4
    CHECK_EX "exits", EX_COUNT, 1
    GREG    $s0, 5
    CHECK   "first", $s0, 0x1111
    GREG    $s0, 6
    CHECK   "second", $s0, 0x3333
    PEEK    $s0, DATA_HPA + 0x40020
    CHECK   "third", $s0, 0x1111
    # The last refill: GPA in TLBRBADV and TLBREHI, the guest's PC in TLBRERA,
    # root's background PLV and IE and PGM in TLBRPRMD, direct mode.
    TR      $s0, TR_RBADV
    CHECK   "badv", $s0, DATA_GPA + 4 * PAGE + 0x20
    TR      $s0, TR_REHI
    bstrpick.d $s0, $s0, 47, 13
    CHECK   "vppn", $s0, (DATA_GPA + 4 * PAGE) >> 13
    TR      $s0, TR_RERA
    GPA     $s1, touch
    ori     $s1, $s1, 1
    CHECKR  "era", $s0, $s1
    TR      $s0, TR_RPRMD
    CHECK   "prmd", $s0, 8 | 4
    TR      $s0, TR_RCRMD
    CHECK   "crmd", $s0, CRMD_DA | (1 << 5) | (1 << 7)
    # Root's BADI has the instruction of the guest (X-1).
    la.pcrel $t0, badi
    ld.d    $s0, $t0, 0
    la.pcrel $t0, touch
    ld.w    $s1, $t0, 0
    CHECKR  "badi", $s0, $s1
    HOOK    TR_RHOOK, refill_walk
    # General exception state was hvcl's only; the refill flag is down again.
    CHECK_CSR "istlbr.now", TLBRERA, 1, 0
    # No refill for the other half of a pair; entries survive the exits.
    RESET_COUNTS
    RESUME  4
    CHECK_HVC "again", 2
    REFILLS $s0
    CHECK   "again.refills", $s0, 0
    GREG    $s0, 7
    CHECK   "again.value", $s0, 0x2222
    # A refill of root's own with PGM set returns to root: TLBRPRMD.PGM alone
    # decides (Q-2).
    HOOK    TR_RHOOK
    li.d    $t0, GSTAT_PGM
    move    $t1, $t0
    csrxchg $t0, $t1, GSTAT
    li.d    $s0, 0x70000000
    TRY     1f
    ld.d    $s0, $s0, 0
1:  CHECK_CSR "root_refill.gstat", GSTAT, 3, GSTAT_PGM
    li.d    $t0, GSTAT_PGM
    csrxchg $zero, $t0, GSTAT
    CHECK_TR "root_refill.prmd", TR_RPRMD, 0
    HOOK    TR_RHOOK, refill_walk
    # The guest's own refill registers are untouched.
    CHECK_GCSR "grera", TLBRERA, 1, 0
    b       finish

# Refill hook: keeps BADI, since the exit by hvcl overwrites it.
keep_badi:
    csrrd   $t1, BADI
    la.pcrel $t0, badi
    st.d    $t1, $t0, 0
    b       refill_walk

    .bss
    .balign 8
badi:
    .skip   8
