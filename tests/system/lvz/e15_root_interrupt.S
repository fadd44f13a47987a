# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-15 (L-12): root's interrupt exits from a guest with interrupts off, with code
# 0, the line still pending, ERA in the guest; not with root's IE=0 (docs/lvz.md
# 5.7, W-7, W-11).

.include "test.inc"
.include "lvz.inc"

    .equ TICKS, 100000

    GUEST_CODE
loop:
    b       loop
# Waits a given time by its own clock, then hvcl.
wait:
    rdtime.d $a1, $zero
1:  rdtime.d $a2, $zero
    sub.d   $a2, $a2, $a1
    bltu    $a2, $a0, 1b
    hvcl    5
    .balign 4096
handler:
    hvcl    9

    .text
    .globl main
main:
    HV_START
    GPA     $t1, handler
    gcsrwr  $t1, EENTRY
    CSRW    ECFG, 1 << IS_TI
    RESET_COUNTS
    CSRW    TCFG, TICKS | 1
    RUN     loop
    CHECK_EXIT "timer", EXC_INT, loop
    EX      $s0, EX_ESTAT
    bstrpick.d $s0, $s0, 14, 0
    CHECK   "timer.is", $s0, 1 << IS_TI
    CHECK_EX "timer.exits", EX_COUNT, 1
    CHECK_EX "timer.prmd", EX_PRMD, 4
    # Nothing acknowledged it; the guest saw nothing of it.
    CHECK_CSR "timer.pending", ESTAT, 1 << IS_TI, 1 << IS_TI
    CHECK_GCSR "timer.gestat", ESTAT, -1, 0
    # Pending at entry: the guest does not get to run an instruction.
    RUN     wait
    CHECK_EXIT "at_entry", EXC_INT, wait
    # After the exit root takes it through its own vector.
    TRY     2f
    li.d    $t0, CRMD_RUN | CRMD_IE
    csrwr   $t0, CRMD
1:  nop
2:  CHECK_EXC "root_takes_it", EXC_INT, 1b
    CSRW    TICLR, 1

    # With guest interrupts on and one of the guest's pending, too: root first.
    GW      ECFG, 1
    GW      ESTAT, 1
    GW      CRMD, CRMD_DA | CRMD_IE
    CSRW    ESTAT, 1
    CSRW    ECFG, 1
    RUN     loop
    CHECK_EXIT "root_first", EXC_INT, loop
    csrwr   $zero, ESTAT
    RUN     loop
    CHECK_HVC "then_guest", 9
    gcsrwr  $zero, ESTAT
    gcsrwr  $zero, ECFG

    # At guest PLV3 and in the guest's refill context it is the same.
    GW      CRMD, CRMD_DA | 3
    CSRW    ESTAT, 2
    CSRW    ECFG, 2
    RUN     loop
    CHECK_EXIT "plv3", EXC_INT, loop
    GW      CRMD, CRMD_DA
    GW      TLBRERA, 1
    RUN     loop
    CHECK_EXIT "in_refill", EXC_INT, loop
    CHECK_GCSR "in_refill.istlbr", TLBRERA, 1, 1
    gcsrwr  $zero, TLBRERA

    # Entered with PRMD.PIE=0: no exit for it.
    la.pcrel $t0, exit_area
    st.d    $zero, $t0, EX_ENTRY_PRMD
    SET_GREG 4, 20000
    RUN     wait
    CHECK_HVC "pie0", 5
    CHECK_EX "pie0.prmd", EX_PRMD, 0
    # Not enabled in ECFG: no exit either.
    la.pcrel $t0, exit_area
    li.d    $t1, 4
    st.d    $t1, $t0, EX_ENTRY_PRMD
    csrwr   $zero, ECFG
    RUN     wait
    CHECK_HVC "lie0", 5
    csrwr   $zero, ESTAT
    b       finish
