# SPDX-License-Identifier: Apache-2.0 OR MIT

# Q-1, Q-2, Q-3 both ways: what root's exceptions, stage-2 refills and entries do
# to GSTAT.PGM (docs/lvz.md section 12).
#@ reading root-exception-pgm=clear
#@ reading refill-pgm=keep
#@ reading entry-pgm=clear
#@ reading refill-pgm=keep,entry-pgm=clear

.include "test.inc"
.include "lvz.inc"
.include "readings.inc"

    BY      root_exception_pgm, AFTER_EXCEPTION, GSTAT_PGM, 0
    # Entered with PGM clear, by a return from refill.
    BY      refill_pgm, REFILL_WITHOUT, GSTAT_PGM, 0
    # Entered with PGM set, by a return from a general exception.
    .ifdef  OTHER_entry_pgm
    .equ    REFILL_WITH, REFILL_WITHOUT
    .else
    .equ    REFILL_WITH, GSTAT_PGM
    .endif

    GUEST_CODE
guest:
    li.d    $a0, DATA_GPA
    ld.d    $a1, $a0, 0
    hvcl    1
by_refill:
    hvcl    2

    .text
# Refill hook: notes GSTAT as the refill left it.
note_refill:
    csrrd   $t1, GSTAT
    la.pcrel $t0, noted
    st.d    $t1, $t0, 0
    la.pcrel $t1, refill_walk
    jr      $t1

# Exception hook: notes GSTAT, and clears PGM so that the return stays in root.
note_exception:
    csrrd   $t1, GSTAT
    la.pcrel $t0, noted
    st.d    $t1, $t0, 0
    li.d    $t1, GSTAT_PGM
    csrxchg $zero, $t1, GSTAT
    la.pcrel $t0, trap_area
    b       trap_resume

# As enter_guest, but by the refill's return and with GSTAT.PGM clear. $a0:
# address in the guest.
enter_by_refill:
    la.pcrel $t0, host_gprs
    st.d    $ra, $t0, 0
    st.d    $sp, $t0, 8
    st.d    $fp, $t0, 16
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7
    st.d    $s\n, $t0, 24 + 8 * \n
    .endr
    la.pcrel $t0, exit_entry
    csrwr   $t0, EENTRY
    la.pcrel $t0, tables_a
    PHYS    $t0
    csrwr   $t0, PGDL
    li.d    $t0, 5 << 16
    li.d    $t1, 0xff << 16
    csrxchg $t0, $t1, GTLBC
    ori     $a0, $a0, 1
    csrwr   $a0, TLBRERA
    CSRW    TLBRPRMD, 8 | 4
    ertn

.macro CHECK_NOTED name:req, want:req
    la.pcrel $s8, noted
    ld.d    $s8, $s8, 0
    andi    $s8, $s8, 3
    CHECK   "\name", $s8, \want
.endm

    .globl main
main:
    HV_START
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    HOOK    TR_RHOOK, note_refill
    RUN     guest
    CHECK_HVC "entered", 1
    CHECK_NOTED "refill.entered_by_ertn", REFILL_WITH
    # General exits set it in every reading.
    EX      $s0, EX_GSTAT
    andi    $s0, $s0, 3
    CHECK   "exit", $s0, GSTAT_PGM

    invtlb  0x12, $zero, $zero
    GPA     $a0, by_refill
    bl      enter_by_refill
    CHECK_HVC "by_refill", 2
    CHECK_NOTED "refill.entered_by_refill", REFILL_WITHOUT
    EX      $s0, EX_GSTAT
    andi    $s0, $s0, 3
    CHECK   "by_refill.exit", $s0, GSTAT_PGM

    # An exception of root's own between setting PGM and the entry.
    HOOK    TR_HOOK, note_exception
    TRY     1f
    li.d    $t0, GSTAT_PGM
    move    $t1, $t0
    csrxchg $t0, $t1, GSTAT
    syscall 0
1:  CHECK_NOTED "root_exception", AFTER_EXCEPTION
    HOOK    TR_HOOK
    b       finish

    .bss
    .balign 8
noted: .space 8
