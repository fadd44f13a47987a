# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-30 (L-34, W-12): PGDL and directory entries as physical addresses or as a
# kernel's direct-mapped ones: the stage-2 walk is the same.

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
guest:
    li.d    $a0, DATA_GPA
    ld.d    $a1, $a0, 0
    hvcl    1
far:
    li.d    $a0, 0x800000000000 | DATA_GPA
    ld.d    $a1, $a0, 0
    hvcl    2

    .text
    .globl main
main:
    HV_START
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    POKE    DATA_HPA, 0x1234
    RUN     guest
    CHECK_HVC "physical", 1
    GREG    $s0, 5
    CHECK   "physical.value", $s0, 0x1234
    csrrd   $s1, TLBRELO0
    # The root table by its window address.
    la.pcrel $t0, tables_a
    la.pcrel $t1, exit_area
    st.d    $t0, $t1, EX_PGDL
    invtlb  0x12, $zero, $zero
    SET_GREG 5, 0
    RUN     guest
    CHECK_HVC "window", 1
    GREG    $s0, 5
    CHECK   "window.value", $s0, 0x1234
    csrrd   $s2, TLBRELO0
    CHECKR  "window.elo0", $s2, $s1
    # Directory entries, too.
    la.pcrel $t0, tables_a
    li.d    $t1, S2_PMD
    add.d   $t1, $t0, $t1
    st.d    $t1, $t0, 0
    li.d    $t2, S2_PTE
    add.d   $t2, $t0, $t2
    st.d    $t2, $t1, 0
    invtlb  0x12, $zero, $zero
    SET_GREG 5, 0
    RUN     guest
    CHECK_HVC "entries", 1
    GREG    $s0, 5
    CHECK   "entries.value", $s0, 0x1234
    # PGD in the handler was PGDL's value.
    CSRW    TLBRBADV, DATA_GPA
    CSRW    PGDH, 0x7777000
    CSRW    TLBRERA, 1
    csrrd   $s0, PGD
    csrwr   $zero, TLBRERA
    csrrd   $s1, PGDL
    CHECKR  "pgd", $s0, $s1
    # Also for a guest-physical address with bit 47 set, which is no upper half
    # (M-11, Q-6).
    CSRW    TLBRBADV, 0x0000800000400000
    CSRW    TLBRERA, 1
    csrrd   $s0, PGD
    csrwr   $zero, TLBRERA
    CHECKR  "pgd.bit47", $s0, $s1
    # The guest's access there ends in its own tables or in an exit, never in
    # PGDH's.
    SET_GREG 4, 0
    RUN     far
    CHECK_HVC "far", 2
    GREG    $s0, 5
    CHECK   "far.aliases", $s0, 0x1234
    b       finish
