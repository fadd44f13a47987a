# SPDX-License-Identifier: Apache-2.0 OR MIT

# idle: ends with an interrupt, taken with IE=1 and with ERA behind it, not taken
# with IE=0; not ended by what is not enabled (manual 4.2.6.3).
#
#@ cpus 2

.include "test.inc"
.include "smp.inc"

    .equ TICKS, 100000

    .text
    .globl main
main:
    # IE=1: the timer's interrupt is taken after idle.
    CSRW    ECFG, 1 << IS_TI
    rdtime.d $s0, $zero
    CSRW    TCFG, TICKS | 1
    TRY     2f
    li.d    $t0, CRMD_RUN | CRMD_IE
    csrwr   $t0, CRMD
    idle    0
1:  nop
2:  rdtime.d $s1, $zero
    CHECK_EXC "ie1", EXC_INT, 1b
    TR      $s2, TR_ESTAT
    bstrpick.d $s2, $s2, 12, 0
    CHECK   "ie1.is", $s2, 1 << IS_TI
    sub.d   $s1, $s1, $s0
    li.d    $s2, TICKS
    sltu    $s1, $s1, $s2
    CHECK   "ie1.waited", $s1, 0
    CSRW    TICLR, 1
    # IE=0: it ends, and execution goes on.
    CSRW    TCFG, TICKS | 1
    TRY     2f
    idle    0
1:  nop
2:  CHECK_NO_EXC "ie0"
    CHECK_CSR "ie0.pending", ESTAT, 1 << IS_TI, 1 << IS_TI
    # Pending already: it does not wait.
    TRY     2f
    idle    0
2:  CHECK_NO_EXC "pending"
    CSRW    TICLR, 1
    # A source that is not enabled does not end it: the timer does, later.
    CSRW    ESTAT, 3
    rdtime.d $s0, $zero
    CSRW    TCFG, TICKS | 1
    idle    0
    rdtime.d $s1, $zero
    sub.d   $s1, $s1, $s0
    li.d    $s2, TICKS
    sltu    $s1, $s1, $s2
    CHECK   "disabled_source", $s1, 0
    csrwr   $zero, ESTAT
    CSRW    TICLR, 1
    # Another CPU's IPI ends it.
    li.d    $t0, -1
    li.d    $t1, IPI_ENABLE
    iocsrwr.w $t0, $t1
    CSRW    ECFG, 1 << IS_IPI
    START_CPU1 cpu1
    idle    0
    CHECK_CSR "ipi", ESTAT, 1 << IS_IPI, 1 << IS_IPI
    li.d    $t0, -1
    li.d    $t1, IPI_CLEAR
    iocsrwr.w $t0, $t1
    csrwr   $zero, ECFG
    b       finish

cpu1:
    CPU1_SETUP
    li.d    $s0, 20000
1:  addi.d  $s0, $s0, -1
    bnez    $s0, 1b
    li.d    $t0, (1 << 31) | 2
    li.d    $t1, IPI_SEND
    iocsrwr.w $t0, $t1
1:  idle    0
    b       1b
