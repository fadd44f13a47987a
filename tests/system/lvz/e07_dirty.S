# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-7 (L-17): a store to a stage-2 page with D=0 exits with PME; loads work; after
# setting D and flushing it succeeds (docs/lvz.md 6.5, 6.7).

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
guest:
    ld.d    $a1, $a0, 8
store:
    st.d    $a1, $a0, 0x10
    hvcl    1
conditional:
    ll.d    $a1, $a0, 0
    addi.d  $a1, $a1, 1
sc_insn:
    sc.d    $a1, $a0, 0
    hvcl    2

    .text
    .globl main
main:
    HV_START
    SET_GREG 4, DATA_GPA
    POKE    DATA_HPA + 8, 0xabcd
    POKE    DATA_HPA + 0x10, 0
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RO
    RUN     guest
    CHECK_EXIT "store", EXC_PME, store
    CHECK_EX "store.badv", EX_BADV, DATA_GPA + 0x10
    CHECK_EX "store.badi", EX_BADI, 0x29c04085
    GREG    $s0, 5
    CHECK   "load", $s0, 0xabcd
    PEEK    $s0, DATA_HPA + 0x10
    CHECK   "not_stored", $s0, 0
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    S2_FLUSH 5, DATA_GPA
    RESUME  0
    CHECK_HVC "retry", 1
    PEEK    $s0, DATA_HPA + 0x10
    CHECK   "stored", $s0, 0xabcd
    # Write-protected again, as for dirty logging; sc needs D as well.
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RO
    S2_FLUSH 5, DATA_GPA
    RUN     conditional
    CHECK_EXIT "sc", EXC_PME, sc_insn
    CHECK_EX "sc.badv", EX_BADV, DATA_GPA
    b       finish
