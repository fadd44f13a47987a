# SPDX-License-Identifier: Apache-2.0 OR MIT

# Q-27, M-21, M-25: stage-2 NX and NR by root's rules, accesses that cross into an
# absent page, stage 1 before stage 2 (docs/lvz.md 6.5).

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
load:
    ld.d    $a1, $a0, 0
    hvcl    1
store:
    st.d    $a1, $a0, 0
    hvcl    2
fetch:
    jirl    $ra, $a0, 0
    hvcl    3

    .text
.macro CODE name:req, want:req
    EX      $s8, EX_ESTAT
    bstrpick.d $s8, $s8, 30, 16
    CHECK   "\name", $s8, \want
.endm

    .globl main
main:
    HV_START
    SET_GREG 4, DATA_GPA
    POKE    DATA_HPA, 0x4c000020
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW | PTE_NX
    RUN     fetch
    CODE    "nx.fetch", EXC_PNX
    CHECK_EX "nx.badv", EX_BADV, DATA_GPA
    RUN     load
    CHECK_HVC "nx.load", 1
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW | PTE_NR
    S2_FLUSH 5, DATA_GPA
    RUN     load
    CODE    "nr.load", EXC_PNR
    CHECK_EX "nr.badv", EX_BADV, DATA_GPA
    RUN     fetch
    CHECK_HVC "nr.fetch", 3
    # Page PLV 3 with RPLV: root's level is 0.
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW | PTE_PLV3 | PTE_RPLV
    S2_FLUSH 5, DATA_GPA
    RUN     load
    CODE    "rplv3.load", EXC_PPI

    # Across a page border: the absent page is the one that is reported, nothing
    # is stored in the other.
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    S2_MAP  tables_a, DATA_GPA + PAGE, 0
    S2_FLUSH 5, DATA_GPA
    POKE    DATA_HPA + PAGE - 8, 0x1122334455667788
    SET_GREG 4, DATA_GPA + PAGE - 4
    SET_GREG 5, -1
    RUN     store
    CODE    "cross.store", EXC_PIS
    CHECK_EX "cross.store.badv", EX_BADV, DATA_GPA + PAGE
    PEEK    $s0, DATA_HPA + PAGE - 8
    CHECK   "cross.store.nothing", $s0, 0x1122334455667788
    RUN     load
    CODE    "cross.load", EXC_PIL
    CHECK_EX "cross.load.badv", EX_BADV, DATA_GPA + PAGE
    # Both there, not neighbours in the host.
    S2_MAP  tables_a, DATA_GPA + PAGE, (DATA_HPA + 0x40000) | S2_RW
    S2_FLUSH 5, DATA_GPA
    POKE    DATA_HPA + 0x40000, 0x99aabbcc
    RUN     load
    CHECK_HVC "cross.both", 1
    GREG    $s0, 5
    CHECK   "cross.value", $s0, 0x99aabbcc11223344
    # The first page absent, the second there.
    S2_MAP  tables_a, DATA_GPA, 0
    S2_FLUSH 5, DATA_GPA
    RUN     load
    CODE    "cross.first", EXC_PIL
    CHECK_EX "cross.first.badv", EX_BADV, DATA_GPA + PAGE - 4

    # A GPA beyond every directory: stage-2 page invalid, not an address error.
    SET_GREG 4, 0x00007ffffffffff8
    RUN     load
    CODE    "highest", EXC_PIL
    CHECK_EX "highest.badv", EX_BADV, 0x00007ffffffffff8
    b       finish
