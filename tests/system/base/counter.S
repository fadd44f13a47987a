# SPDX-License-Identifier: Apache-2.0 OR MIT

# The stable counter: rdtime in its three forms, its identity and compensation
# (manual 2.2.10.4, 7.6.1, 7.6.4), and its frequency in CPUCFG.
#
#@ qemu cntc: QEMU stores CNTC without using it; "the final readout value will be
#@   the original timer count value plus the timer compensation value" (7.6.4).

.include "test.inc"

    .text
    .globl main
main:
    rdtime.d $s0, $zero
    li.d    $t1, 10000
1:  addi.d  $t1, $t1, -1
    bnez    $t1, 1b
    rdtime.d $s1, $zero
    sltu    $s2, $s0, $s1
    CHECK   "increases", $s2, 1
    # The halves, sign-extended, frame the whole: high, whole, high again.
2:  rdtimeh.w $s0, $zero
    rdtime.d $s1, $zero
    rdtimeh.w $s2, $zero
    bne     $s0, $s2, 2b
    srai.d  $s3, $s1, 32
    CHECKR  "high", $s0, $s3
    rdtime.d $s0, $zero
    rdtimel.w $s1, $zero
    # Low word: at most a second later.
    sub.w   $s2, $s1, $s0
    li.d    $s3, 100000000
    sltu    $s2, $s2, $s3
    CHECK   "low", $s2, 1
    addi.w  $s2, $s1, 0
    CHECKR  "low.sign", $s1, $s2

    # The second result is TID, also sign-extended.
    CSRW    TID, 0x12345678
    rdtime.d $s0, $s1
    CHECK   "tid.d", $s1, 0x12345678
    rdtimel.w $s0, $s1
    CHECK   "tid.l", $s1, 0x12345678
    rdtimeh.w $s0, $s1
    CHECK   "tid.h", $s1, 0x12345678
    csrwr   $zero, TID
    rdtime.d $zero, $zero
    CHECK   "r0", $zero, 0

    # CNTC is added to what software reads.
    rdtime.d $s0, $zero
    li.d    $s1, 1 << 50
    csrwr   $s1, CNTC
    rdtime.d $s1, $zero
    csrwr   $zero, CNTC
    sub.d   $s1, $s1, $s0
    srli.d  $s1, $s1, 50
    CHECK   "cntc", $s1, 1
    # Negated by the current value it restarts near zero.
    rdtime.d $s0, $zero
    sub.d   $s0, $zero, $s0
    csrwr   $s0, CNTC
    rdtime.d $s1, $zero
    csrwr   $zero, CNTC
    li.d    $s2, 100000000
    sltu    $s1, $s1, $s2
    CHECK   "cntc.zero", $s1, 1

    # CPUCFG 4 is the crystal frequency, 5 multiplier and divisor: 100 MHz.
    li.d    $s0, 4
    cpucfg  $s1, $s0
    SHOW    "cpucfg4", $s1
    li.d    $s0, 5
    cpucfg  $s2, $s0
    bstrpick.d $s3, $s2, 15, 0
    bstrpick.d $s4, $s2, 31, 16
    mul.d   $s1, $s1, $s3
    div.du  $s1, $s1, $s4
    CHECK   "frequency", $s1, 100000000
    b       finish
