# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-18: a periodic guest timer fires again and again, its count never above the
# period, with root and guest taking turns (docs/lvz.md T-7).

.include "test.inc"
.include "lvz.inc"

    .equ PERIOD, 20000

    GUEST_CODE
# Counts five interrupts of its timer, by polling.
guest:
    li.d    $a0, PERIOD
    li.d    $a1, 0
    li.d    $a2, 0
    li.d    $t3, 5
    li.d    $t4, 1
1:  csrrd   $t0, TVAL
    sltu    $t1, $a0, $t0
    or      $a2, $a2, $t1
    csrrd   $t0, ESTAT
    bstrpick.d $t0, $t0, IS_TI, IS_TI
    beqz    $t0, 1b
    li.d    $t0, 1
    csrwr   $t0, TICLR
    addi.d  $a1, $a1, 1
    bltu    $a1, $t3, 1b
    hvcl    1

    .text
    .globl main
main:
    HV_START
    GW      TCFG, PERIOD | 3
    move    $s0, $zero
    move    $s1, $zero
    li.d    $s3, 100000000
1:  gcsrrd  $t0, TVAL
    li.d    $t1, PERIOD
    sltu    $t0, $t1, $t0
    or      $s1, $s1, $t0
    gcsrrd  $t0, ESTAT
    bstrpick.d $t0, $t0, IS_TI, IS_TI
    beqz    $t0, 2f
    GW      TICLR, 1
    addi.d  $s0, $s0, 1
2:  addi.d  $s3, $s3, -1
    beqz    $s3, 3f
    li.d    $t1, 5
    bltu    $s0, $t1, 1b
3:  CHECK   "root.count", $s0, 5
    CHECK   "root.tval", $s1, 0
    RUN     guest
    CHECK_HVC "guest", 1
    GREG    $s0, 5
    CHECK   "guest.count", $s0, 5
    GREG    $s0, 6
    CHECK   "guest.tval", $s0, 0
    CHECK_GCSR "tcfg", TCFG, -1, PERIOD | 3
    gcsrwr  $zero, TCFG
    b       finish
