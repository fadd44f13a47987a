# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-6 (L-5, M-4): after an absent page is mapped, invtlb 0x16 with the GID in
# bits 23:16 makes it visible, whatever root's ASID is (docs/lvz.md 4.5, 6.5).

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
load:
    ld.d    $a1, $a0, 0
    hvcl    1

    .text
    .globl main
main:
    HV_START
    SET_GREG 4, DATA_GPA
    POKE    DATA_HPA, 0x1234
    POKE    DATA_HPA + 0x10000, 0x5678
    CSRW    ASID, 3
    RUN     load
    CHECK_EXIT "absent", EXC_PIL, load
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    # Another ASID at the flush and another at entry.
    CSRW    ASID, 4
    S2_FLUSH 5, DATA_GPA
    CSRW    ASID, 6
    RUN     load
    CHECK_HVC "mapped", 1
    GREG    $s0, 5
    CHECK   "mapped.value", $s0, 0x1234
    # The odd page of the pair was absent in the entry that was just filled; an
    # address anywhere in the pair names it.
    SET_GREG 4, DATA_GPA + PAGE
    RUN     load
    CHECK_EXIT "odd", EXC_PIL, load
    S2_MAP  tables_a, DATA_GPA + PAGE, (DATA_HPA + 0x10000) | S2_RW
    S2_FLUSH 5, DATA_GPA + PAGE + 0x123
    RUN     load
    CHECK_HVC "odd.mapped", 1
    GREG    $s0, 5
    CHECK   "odd.value", $s0, 0x5678
    # Unmapped again: gone only for this GID's flush.
    S2_MAP  tables_a, DATA_GPA + PAGE, 0
    S2_FLUSH 9, DATA_GPA + PAGE
    SET_GREG 5, 0
    RUN     load
    CHECK_HVC "other_gid", 1
    GREG    $s0, 5
    CHECK   "other_gid.value", $s0, 0x5678
    S2_FLUSH 5, DATA_GPA + PAGE
    RUN     load
    CHECK_EXIT "unmapped", EXC_PIL, load
    csrwr   $zero, ASID
    b       finish
