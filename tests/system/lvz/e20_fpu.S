# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-20 (L-30): a disabled unit is the guest's exception if the guest disabled it,
# an exit if root did, and runs if both enable it (docs/lvz.md 10.1).

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
scalar:
    fadd.d  $f0, $f1, $f2
    hvcl    1
vector:
    vadd.d  $vr0, $vr1, $vr2
    hvcl    2
move_in:
    movgr2fr.d $f3, $a0
    hvcl    3
move_out:
    movfr2gr.d $a1, $f3
    hvcl    4
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
    # Root off, guest on: exits, at the instruction.
    GW      EUEN, 7
    csrwr   $zero, EUEN
    RUN     scalar
    CHECK_EXIT "root.scalar", EXC_FPD, scalar
    CHECK_EX "root.badi", EX_BADI, 0x01010820
    RUN     vector
    CHECK_EXIT "root.vector", EXC_SXD, vector
    # Root enables FPE only.
    CSRW    EUEN, 1
    RUN     scalar
    CHECK_HVC "fpe.scalar", 1
    RUN     vector
    CHECK_EXIT "fpe.vector", EXC_SXD, vector
    # Guest off: its own exception, whatever root says.
    .irp    root, 0, 3
    CSRW    EUEN, \root
    gcsrwr  $zero, EUEN
    RESET_COUNTS
    RUN     scalar
    CHECK_HVC "guest\root\().scalar", 9
    CHECK_EX "guest\root\().exits", EX_COUNT, 1
    GREG    $s0, 6
    bstrpick.d $s0, $s0, 21, 16
    CHECK   "guest\root\().fpd", $s0, EXC_FPD
    RUN     vector
    GREG    $s0, 6
    bstrpick.d $s0, $s0, 21, 16
    CHECK   "guest\root\().sxd", $s0, EXC_SXD
    .endr
    # Both on: runs; the exit before had no effect (F-3), registers are shared
    # (F-4).
    GW      EUEN, 3
    CSRW    EUEN, 3
    li.d    $t0, 0x1111
    movgr2fr.d $f3, $t0
    csrwr   $zero, EUEN
    SET_GREG 4, 0x2222
    RUN     move_in
    CHECK_EXIT "no_effect", EXC_FPD, move_in
    CSRW    EUEN, 3
    movfr2gr.d $s0, $f3
    CHECK   "no_effect.f3", $s0, 0x1111
    RESUME  0
    CHECK_HVC "retry", 3
    movfr2gr.d $s0, $f3
    CHECK   "retry.f3", $s0, 0x2222
    RUN     move_out
    GREG    $s0, 5
    CHECK   "shared", $s0, 0x2222
    # Writing the guest's EUEN in root takes effect at the next entry, and root's
    # own is not the guest's.
    CHECK_GCSR "geuen", EUEN, 3, 3
    csrwr   $zero, EUEN
    CHECK_GCSR "geuen.kept", EUEN, 3, 3
    b       finish
