# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-26 (L-33): the width field of the guest's ASID is 10 whatever was written.

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
guest:
    csrrd   $a0, ASID
    li.d    $a1, -1
    csrwr   $a1, ASID
    csrrd   $a1, ASID
    csrwr   $zero, ASID
    csrrd   $a2, ASID
    hvcl    1

    .text
    .globl main
main:
    HV_START
    gcsrwr  $zero, ASID
    CHECK_GCSR "root.zero", ASID, -1, 10 << 16
    GW      ASID, 0x123
    CHECK_GCSR "root.value", ASID, -1, (10 << 16) | 0x123
    RUN     guest
    CHECK_HVC "guest", 1
    GREG    $s0, 4
    CHECK   "guest.read", $s0, (10 << 16) | 0x123
    GREG    $s0, 5
    CHECK   "guest.ones", $s0, (10 << 16) | 0x3ff
    GREG    $s0, 6
    CHECK   "guest.zero", $s0, 10 << 16
    # Root's ASID is another register.
    CHECK_CSR "root.own", ASID, 0x3ff, 0
    b       finish
