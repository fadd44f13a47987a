# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-27 (L-8): the exit's entry is root's EENTRY + code * 2^(VS+2); with VS=0 it is
# EENTRY (docs/lvz.md 5.4). L-38: EENTRY holds a whole direct-mapped address.

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
guest:
    hvcl    1
sensitive:
    cpucfg  $a0, $zero
loop:
    b       loop

    .text
# Enters `label` with EENTRY = vectors and ECFG = `ecfg`; the offset of the entry
# that was taken is in $s0.
.macro ENTER label:req, ecfg:req
    CSRW    ECFG, \ecfg
    la.pcrel $t0, vectors
    csrwr   $t0, EENTRY
    li.d    $t0, 5 << 16
    li.d    $t1, 0xff << 16
    csrxchg $t0, $t1, GTLBC
    la.pcrel $t0, tables_a
    PHYS    $t0
    csrwr   $t0, PGDL
    GPA     $t1, \label
    csrwr   $t1, ERA
    CSRW    PRMD, 4
    li.d    $t0, GSTAT_PGM
    move    $t1, $t0
    la.pcrel $s7, .Lback\@
    csrxchg $t0, $t1, GSTAT
    ertn
.Lback\@:
.endm

    .globl main
main:
    HV_START
    # L-38.
    CSRW    EENTRY, 0x9000000123456fff
    CHECK_CSR "eentry", EENTRY, -1, 0x9000000123456000
    ENTER   guest, 0
    CHECK   "vs0.hvcl", $s0, 0
    .irp    vs, 1, 3, 7
    ENTER   guest, \vs << 16
    CHECK   "vs\vs\().hvcl", $s0, 23 << (\vs + 2)
    ENTER   sensitive, \vs << 16
    CHECK   "vs\vs\().gspr", $s0, 22 << (\vs + 2)
    .endr
    # A root interrupt has its own entry: 64 + number.
    CSRW    ESTAT, 2
    ENTER   loop, (7 << 16) | 2
    CHECK   "vs7.swi1", $s0, 65 << 9
    csrwr   $zero, ESTAT
    # The guest's own VS is not root's.
    GW      ECFG, 5 << 16
    ENTER   guest, 0
    CHECK   "guest_vs", $s0, 0
    la.pcrel $t0, trap_entry
    csrwr   $t0, EENTRY
    csrwr   $zero, ECFG
    b       finish

# The guest has $s registers of root here: it changes none that we use.
vector_common:
    la.pcrel $t0, vectors + 8
    sub.d   $s0, $ra, $t0
    li.d    $t0, GSTAT_PGM
    csrxchg $zero, $t0, GSTAT
    li.d    $t0, 0xff << 16
    csrxchg $zero, $t0, GTLBC
    jr      $s7

    .balign 65536
vectors:
    .rept   77 * 64
    csrwr   $ra, SAVE3
    bl      vector_common
    .endr
