# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-3 (L-11): GSTAT.PGM decides where ertn goes, is set by an exit and cleared by
# software only (docs/lvz.md R-8, Q-1, Q-3).

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
guest:
    hvcl    1
    hvcl    2

    .text
    .globl main
main:
    HV_START
    RUN     guest
    CHECK_HVC "first", 1
    # With PGM clear an ertn stays in root.
    CHECK_CSR "cleared", GSTAT, GSTAT_PGM, 0
    la.pcrel $t0, 1f
    csrwr   $t0, ERA
    csrwr   $zero, PRMD
    ertn
1:  CHECK_CSR "in_root", GSTAT, 3, 0
    # A root exception and its return, too.
    TRY     1f
    syscall 0
1:  CHECK_CSR "after_syscall", GSTAT, 3, 0

    # With PGM set the ertn enters the guest.
    la.pcrel $t0, sticky
    csrwr   $t0, EENTRY
    li.d    $t0, 5 << 16
    li.d    $t1, 0xff << 16
    csrxchg $t0, $t1, GTLBC
    la.pcrel $t0, tables_a
    PHYS    $t0
    csrwr   $t0, PGDL
    GPA     $t1, guest
    csrwr   $t1, ERA
    CSRW    PRMD, 4
    move    $s0, $zero
    li.d    $t0, GSTAT_PGM
    move    $t1, $t0
    csrxchg $t0, $t1, GSTAT
    ertn

    # Exit without clearing PGM: PGM reads 1, and the next ertn enters again.
    .balign 4096
sticky:
    addi.d  $s0, $s0, 1
    csrrd   $t0, GSTAT
    andi    $t0, $t0, 3
    li.d    $t1, 2
    beq     $s0, $t1, 2f
    move    $s1, $t0
    csrrd   $s2, ESTAT
    csrrd   $t0, ERA
    addi.d  $t0, $t0, 4
    csrwr   $t0, ERA
    ertn
2:  move    $s3, $t0
    csrrd   $s4, BADI
    li.d    $t0, GSTAT_PGM
    csrxchg $zero, $t0, GSTAT
    li.d    $t0, 0xff << 16
    csrxchg $zero, $t0, GTLBC
    la.pcrel $t0, trap_entry
    csrwr   $t0, EENTRY
    CHECK   "sticky.pgm", $s1, GSTAT_PGM
    CHECK   "sticky.count", $s0, 2
    CHECK   "sticky.pgm_again", $s3, GSTAT_PGM
    CHECK   "sticky.second", $s4, 0x002b8002
    b       finish
