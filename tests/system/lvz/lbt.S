# SPDX-License-Identifier: Apache-2.0 OR MIT

# Binary translation in a guest: disabled by root it exits with BTD, disabled by the guest
# it is the guest's own exception, and the registers are shared (docs/lvz.md 10.1).
#@ needs lbt
#@ sim --cpu la664

.include "test.inc"
.include "lvz.inc"

.equ EXC_BTD, 20

    GUEST_CODE
set:
    movgr2scr $scr1, $a0
    hvcl    1
get:
    movscr2gr $a1, $scr1
    hvcl    2
    .balign 4096
handler:
    csrrd   $a2, ESTAT
    hvcl    9

    .text
    .globl main
main:
    HV_START
    GPA     $t1, handler
    gcsrwr  $t1, EENTRY
    CSRW    EUEN, 8
    li.d    $t0, 0x1111
    movgr2scr $scr1, $t0
    # Root off, guest on: exits, at the instruction, without an effect.
    GW      EUEN, 15
    CSRW    EUEN, 7
    SET_GREG 4, 0x2222
    RUN     set
    CHECK_EXIT "root", EXC_BTD, set
    CSRW    EUEN, 8
    movscr2gr $s0, $scr1
    CHECK   "no_effect", $s0, 0x1111
    # Both on: runs.
    RESUME  0
    CHECK_HVC "retry", 1
    movscr2gr $s0, $scr1
    CHECK   "retry.scr1", $s0, 0x2222
    RUN     get
    GREG    $s0, 5
    CHECK   "shared", $s0, 0x2222
    # Guest off: its own exception, whatever root says.
    .irp    root, 0, 8
    CSRW    EUEN, \root
    GW      EUEN, 7
    RUN     get
    CHECK_HVC "guest\root", 9
    GREG    $s0, 6
    bstrpick.d $s0, $s0, 21, 16
    CHECK   "guest\root\().btd", $s0, EXC_BTD
    .endr
    b       finish
