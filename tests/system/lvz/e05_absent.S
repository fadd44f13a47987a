# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-5 (L-15, L-16): an absent guest-physical page gives one refill and then an
# exit with PIL, PIS or PIF, the whole GPA in BADV and the instruction in BADI
# (docs/lvz.md 6.5).

.include "test.inc"
.include "lvz.inc"

    .equ ABSENT, DATA_GPA + 0x100000

    GUEST_CODE
load:
    ld.d    $a1, $a0, 0x18
    hvcl    1
store:
    st.b    $a1, $a0, 0x2b
    hvcl    2
fetch:
    jr      $a0
atomic:
    amadd.d $a1, $a2, $a0
    hvcl    4
narrow:
    ld.bu   $a1, $a0, 7
    hvcl    5
conditional:
    ll.w    $a1, $a0, 4
    hvcl    6

    .text
    .globl main
main:
    HV_START
    SET_GREG 4, ABSENT
    SET_GREG 5, 0x77
    GW      BADV, 0x1111
    GW      TLBEHI, 0x40000
    .macro FAULT name:req, code:req, offset:req, badi:req, label:req
    invtlb  0x12, $zero, $zero
    RUN     warm
    RESET_COUNTS
    RUN     \label
    CHECK_EXIT "\name", \code, \label
    CHECK_EX "\name\().badv", EX_BADV, ABSENT + \offset
    EX      $s0, EX_BADI
    bstrpick.d $s0, $s0, 31, 0
    CHECK   "\name\().badi", $s0, \badi
    REFILLS $s0
    CHECK   "\name\().refills", $s0, 1
    CHECK_EX "\name\().exits", EX_COUNT, 1
    .endm
    FAULT   "load", EXC_PIL, 0x18, 0x28c06085, load
    GREG    $s0, 5
    CHECK   "load.rd", $s0, 0x77
    FAULT   "store", EXC_PIS, 0x2b, 0x2900ac85, store
    FAULT   "amadd", EXC_PIS, 0, 0x38619885, atomic
    FAULT   "narrow", EXC_PIL, 7, 0x2a001c85, narrow
    FAULT   "ll", EXC_PIL, 4, 0x20000485, conditional
    # The guest's own registers know nothing (M-19).
    CHECK_GCSR "gbadv", BADV, -1, 0x1111
    CHECK_GCSR "gtlbehi", TLBEHI, -1, 0x40000
    CHECK_GCSR "gestat", ESTAT, -1, 0
    # A fetch: ERA and BADV are the address itself.
    RESET_COUNTS
    RUN     fetch
    EX      $s0, EX_ESTAT
    bstrpick.d $s0, $s0, 30, 16
    CHECK   "fetch.code", $s0, EXC_PIF
    CHECK_EX "fetch.era", EX_ERA, ABSENT
    CHECK_EX "fetch.badv", EX_BADV, ABSENT
    # Beyond the tables of small pages, through two invalid directories.
    SET_GREG 4, (5 << 36) | (7 << 25) | 0x123450
    RESET_COUNTS
    RUN     load
    CHECK_EXIT "far", EXC_PIL, load
    CHECK_EX "far.badv", EX_BADV, (5 << 36) | (7 << 25) | 0x123468
    REFILLS $s0
    CHECK   "far.refills", $s0, 1
    b       finish

    # Fetches the page of the code, so that only the data page misses.
    GUEST_CODE
warm:
    hvcl    0
    .text
