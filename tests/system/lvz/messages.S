# SPDX-License-Identifier: Apache-2.0 OR MIT

# L-36: a guest's message interrupts are its own registers, which root fills as Linux's
# KVM does; the guest reads MSGIR without an exit, and root's are apart from them
# (docs/lvz.md 8.2, 8.3; Q-29, Q-36).
#@ needs messages
#@ board it enables the chip's message controller
#@ sim --cpu la664,avec=on
#@ reading guest-msgint=derived

.include "test.inc"
.include "lvz.inc"
.include "readings.inc"
.include "message.inc"

    # Whether what root writes into MSGIS shows without a write to ESTAT.
    BY      guest_msgint, FOLLOWS, 0, 1

    GUEST_CODE
# Enables the interrupt; the handler takes vectors until there is none.
guest:
    li.d    $t0, 1 << IS_MESSAGE
    csrwr   $t0, ECFG
    li.d    $t0, CRMD_DA | CRMD_IE
    csrwr   $t0, CRMD
after_enable:
    nop
    nop
    hvcl    1
# What a guest can do with its registers.
registers:
    csrwr   $zero, MSGIS0
    csrrd   $a1, MSGIS0
    li.d    $t0, -1
    csrwr   $t0, MSGIE
    csrrd   $a2, MSGIE
    csrrd   $a3, ESTAT
    csrwr   $zero, MSGIE
    csrrd   $a4, ESTAT
    hvcl    2
    .balign 4096
handler:
    move    $a1, $zero
    csrrd   $a3, ERA
1:  csrrd   $a2, MSGIR
    bstrpick.d $t0, $a2, 31, 31
    bnez    $t0, 2f
    slli.d  $a1, $a1, 8
    or      $a1, $a1, $a2
    b       1b
2:  csrrd   $a4, ESTAT
    hvcl    3

    .text
    .globl main
main:
    HV_START
    GPA     $t1, handler
    gcsrwr  $t1, EENTRY
    CHECK_GCSR "reset.is0", MSGIS0, -1, 0
    CHECK_GCSR "reset.request", MSGIR, -1, NO_MESSAGE
    # As KVM injects: vectors into MSGIS, then ESTAT.
    GW      MSGIS0, 1 << 3
    GW      MSGIS3, 1 << 8
    CHECK_GCSR "written", ESTAT, 1 << IS_MESSAGE, FOLLOWS << IS_MESSAGE
    li.d    $t0, 1 << IS_MESSAGE
    move    $t1, $t0
    gcsrxchg $t0, $t1, ESTAT
    CHECK_GCSR "shown", ESTAT, 1 << IS_MESSAGE, 1 << IS_MESSAGE
    CHECK_CSR "root.estat", ESTAT, 1 << IS_MESSAGE, 0
    CHECK_CSR "root.is0", MSGIS0, -1, 0
    RESET_COUNTS
    RUN     guest
    CHECK_HVC "taken", 3
    CHECK_EX "taken.exits", EX_COUNT, 1
    GREG    $s0, 5
    CHECK   "taken.vectors", $s0, (200 << 8) | 3
    GREG    $s0, 6
    CHECK   "taken.none", $s0, NO_MESSAGE
    GREG    $s0, 7
    GPA     $s1, after_enable
    CHECKR  "taken.era", $s0, $s1
    GREG    $s0, 8
    bstrpick.d $s0, $s0, 14, 14
    CHECK   "taken.estat", $s0, 0
    CHECK_GCSR "taken.is0", MSGIS0, -1, 0
    CHECK_GCSR "taken.is3", MSGIS3, -1, 0

    # The guest's own accesses: MSGIS keeps what is recorded, MSGIE holds it back.
    GW      CRMD, CRMD_DA
    GW      ECFG, 0
    GW      MSGIS0, 1 << 20
    GW      ESTAT, 1 << IS_MESSAGE
    RUN     registers
    CHECK_HVC "registers", 2
    GREG    $s0, 5
    CHECK   "registers.is0", $s0, 1 << 20
    GREG    $s0, 6
    CHECK   "registers.ie", $s0, 0xff
    GREG    $s0, 7
    bstrpick.d $s0, $s0, 14, 14
    CHECK   "registers.below", $s0, 0
    GREG    $s0, 8
    bstrpick.d $s0, $s0, 14, 14
    CHECK   "registers.above", $s0, 1

    # Saved and written back, as for a move to another CPU.
    gcsrrd  $s0, ESTAT
    gcsrrd  $s1, MSGIS0
    gcsrwr  $zero, ESTAT
    gcsrwr  $zero, MSGIS0
    CHECK_GCSR "away", ESTAT, 1 << IS_MESSAGE, 0
    gcsrwr  $s1, MSGIS0
    gcsrwr  $s0, ESTAT
    RUN     guest
    CHECK_HVC "back", 3
    GREG    $s0, 5
    CHECK   "back.vectors", $s0, 20

    # A message of the chip is root's, be it in guest mode, where it exits.
    li.d    $t0, IOCSR_MISC
    iocsrrd.d $t1, $t0
    li.d    $t2, AVEC_EN
    or      $t1, $t1, $t2
    iocsrwr.d $t1, $t0
    SEND    0, 77
    CHECK_CSR "chip.root", ESTAT, 1 << IS_MESSAGE, 1 << IS_MESSAGE
    CHECK_GCSR "chip.guest", ESTAT, 1 << IS_MESSAGE, 0
    GW      CRMD, CRMD_DA
    CSRW    ECFG, 1 << IS_MESSAGE
    RUN     guest
    CHECK_EXIT "chip.exit", EXC_INT, guest
    csrwr   $zero, ECFG
    csrrd   $s0, MSGIR
    CHECK   "chip.vector", $s0, 77
    b       finish
