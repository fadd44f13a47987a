# SPDX-License-Identifier: Apache-2.0 OR MIT

# GCFG.TOCI: which cache operations of a guest exit (docs/lvz.md 2.4, 7.4, Q-22).

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
ops:
    cacop   0x00, $a0, 0            # index store tag
    cacop   0x08, $a0, 0            # index invalidate and write back
    cacop   0x10, $a0, 0            # hit invalidate and write back
    cacop   0x18, $a0, 0            # implementation's own
    hvcl    1

    .text
# Runs all four; $s3 gets a bit for each that exits.
.macro OPS
    move    $s3, $zero
    GPA     $a0, ops
.Lnext\@:
    bl      enter_guest
    EX      $s4, EX_ESTAT
    bstrpick.d $s4, $s4, 30, 16
    li.d    $t0, EXC_GSPR
    bne     $s4, $t0, .Ldone\@
    EX      $s5, EX_BADI
    bstrpick.d $s5, $s5, 4, 3
    li.d    $t0, 1
    sll.d   $t0, $t0, $s5
    or      $s3, $s3, $t0
    EX      $a0, EX_ERA
    addi.d  $a0, $a0, 4
    b       .Lnext\@
.Ldone\@:
.endm
.macro TOCI value:req
    li.d    $t0, (\value) << 20
    li.d    $t1, GCFG_TOCI
    csrxchg $t0, $t1, GCFG
.endm

    .globl main
main:
    HV_START
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    SET_GREG 4, DATA_GPA
    TOCI    0
    OPS
    CHECK   "toci0", $s3, 0xf
    CHECK_HVC "toci0.end", 1
    # All but hit operations.
    TOCI    1
    OPS
    CHECK   "toci1", $s3, 0xb
    # All but hit and index-invalidate-writeback.
    TOCI    2
    OPS
    CHECK   "toci2", $s3, 9
    # A value that is not in the list of allowed ones leaves the field alone
    # (R-12).
    TOCI    3
    CHECK_CSR "toci3", GCFG, GCFG_TOCI, 2 << 20
    b       finish
