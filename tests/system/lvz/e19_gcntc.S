# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-19 (L-29): guest rdtime is root's value plus GCNTC plus the guest's CNTC, without
# an exit; root's is not affected (docs/lvz.md 9.1, Q-17).

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
guest:
    rdtime.d $a1, $a2
    rdtime.d $a3, $zero
    rdtimel.w $a4, $zero
    rdtimeh.w $a5, $zero
    hvcl    1

    .text
    .globl main
main:
    HV_START
    # Nothing set: root's counter, between two readings of it.
    rdtime.d $s0, $zero
    RUN     guest
    rdtime.d $s1, $zero
    CHECK_HVC "plain", 1
    GREG    $s2, 5
    sltu    $s3, $s2, $s0
    CHECK   "plain.lower", $s3, 0
    sltu    $s3, $s1, $s2
    CHECK   "plain.upper", $s3, 0
    # GCNTC = -now: starts near zero and increases.
    rdtime.d $s0, $zero
    sub.d   $t0, $zero, $s0
    csrwr   $t0, GCNTC
    GW      TID, 0x4711
    RUN     guest
    GREG    $s1, 5
    li.d    $s2, 100000000
    sltu    $s3, $s1, $s2
    CHECK   "zero", $s3, 1
    GREG    $s2, 7
    sltu    $s3, $s2, $s1
    CHECK   "zero.increases", $s3, 0
    GREG    $s2, 6
    CHECK   "tid", $s2, 0x4711
    rdtime.d $s1, $zero
    sltu    $s1, $s1, $s0
    CHECK   "root", $s1, 0
    # The halves have it too: offset one in the high word.
    csrrd   $s0, GCNTC
    li.d    $t0, 5 << 32
    add.d   $t0, $t0, $s0
    csrwr   $t0, GCNTC
    RUN     guest
    GREG    $s1, 9
    CHECK   "high", $s1, 5
    # The guest's own CNTC on top of it.
    GW      CNTC, 7 << 32
    RUN     guest
    GREG    $s1, 9
    CHECK   "guest_cntc", $s1, 12
    # Root's CNTC is part of what the guest sees (T-1).
    gcsrwr  $zero, CNTC
    csrwr   $zero, GCNTC
    rdtime.d $s0, $zero
    li.d    $t0, 9 << 40
    csrwr   $t0, CNTC
    RUN     guest
    csrwr   $zero, CNTC
    GREG    $s1, 5
    sub.d   $s1, $s1, $s0
    srli.d  $s1, $s1, 40
    CHECK   "root_cntc", $s1, 9
    b       finish
