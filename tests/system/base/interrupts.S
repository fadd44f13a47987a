# SPDX-License-Identifier: Apache-2.0 OR MIT

# Software interrupts, their enables and priorities, and priority against
# exceptions (manual 6.1, 6.2.2, 7.4.5, 7.4.6).
#
#@ qemu lie.*: QEMU does not look for interrupts after a write to ECFG, so the
#@   interrupt comes some time later; by 6.1.4 it is to be taken from the moment
#@   that LIE and IS and IE agree.

.include "test.inc"

    .text
    .globl main
main:
    # Pending shows in ESTAT whatever is enabled; nothing is taken while IE or
    # the local enable is 0.
    TRY     1f
    CSRW    ESTAT, 3
    CHECK_CSR "pending", ESTAT, 0x1fff, 3
    CSRW    ECFG, 3
    nop
    csrwr   $zero, ECFG
    li.d    $t0, CRMD_RUN | CRMD_IE
    csrwr   $t0, CRMD
    nop
    nop
    li.d    $t0, CRMD_RUN
    csrwr   $t0, CRMD
1:  CHECK_NO_EXC "masked"

    # Taken at the instruction after the one that enables it.
    TRY     2f
    CSRW    ECFG, 1
    li.d    $s0, CRMD_RUN | CRMD_IE
    move    $s1, $zero
    csrwr   $s0, CRMD
1:  addi.d  $s1, $s1, 1
    addi.d  $s1, $s1, 1
2:  CHECK_EXC "enable", EXC_INT, 1b
    CHECK   "enable.before_next", $s1, 0
    CHECK_TR "enable.prmd", TR_PRMD, 4
    TR      $s0, TR_ESTAT
    andi    $s0, $s0, 0x3
    CHECK   "enable.still_pending", $s0, 3

    # By enabling the line while IE=1.
    csrwr   $zero, ECFG
    li.d    $s0, CRMD_RUN | CRMD_IE
    csrwr   $s0, CRMD
    TRY     2f
    li.d    $s0, 2
    li.d    $s1, CRMD_RUN | CRMD_IE
    csrwr   $s0, ECFG
1:  nop
    nop
    # A machine that is late takes it here at the latest.
    csrwr   $s1, CRMD
    nop
    nop
2:  CHECK_EXC "lie", EXC_INT, 1b

    # By raising it while IE=1 and it is enabled.
    csrwr   $zero, ESTAT
    CSRW    ECFG, 1
    li.d    $s0, CRMD_RUN | CRMD_IE
    csrwr   $s0, CRMD
    TRY     2f
    li.d    $s0, 1
    csrwr   $s0, ESTAT
1:  nop
    nop
2:  CHECK_EXC "raise", EXC_INT, 1b

    # By ertn with PIE=1: at its target, before the target's own exception.
    TRY     2f
    CSRW    PRMD, 4
    la.pcrel $t0, 1f
    csrwr   $t0, ERA
    ertn
1:  syscall 0
2:  CHECK_EXC "before_exception", EXC_INT, 1b

    # At PLV3 the enables work the same.
    RUN_AT  3 | 4, 1f, 2f
1:  syscall 0
2:  CHECK_EXC "user", EXC_INT, 1b
    CHECK_TR "user.prmd", TR_PRMD, 7

    # Level: taken again after a return that clears nothing; a handler that
    # clears it ends it.
    HOOK    TR_HOOK, count_three
    move    $s3, $zero
    TRY     2f
    CSRW    PRMD, 4
    la.pcrel $t0, 1f
    csrwr   $t0, ERA
    ertn
1:  move    $s4, $s3
    li.d    $t0, CRMD_RUN
    csrwr   $t0, CRMD
    HOOK    TR_HOOK
    CHECK   "level", $s4, 3
2:  csrwr   $zero, ECFG
    csrwr   $zero, ESTAT

    # Two at once: the higher number first, by its vector.
    la.pcrel $t0, vectors
    csrwr   $t0, EENTRY
    CSRW    ECFG, (1 << 16) | 3
    CSRW    ESTAT, 3
    move    $s3, $zero
    la.pcrel $s0, 1f
    csrwr   $s0, ERA
    CSRW    PRMD, 4
    ertn
1:  nop
    li.d    $t0, CRMD_RUN
    csrwr   $t0, CRMD
    # The handlers append their number (plus one): SWI1 is first.
    CHECK   "priority", $s3, 0x21
    la.pcrel $t0, trap_entry
    csrwr   $t0, EENTRY
    csrwr   $zero, ECFG
    b       finish

# Returns twice with the interrupt still pending, clears it the third time.
count_three:
    addi.d  $s3, $s3, 1
    li.d    $t1, 3
    bne     $s3, $t1, 1f
    csrwr   $zero, ESTAT
1:  csrrd   $t0, SAVE0
    csrrd   $t1, SAVE1
    ertn

# Vectors with VS=1: entries of 8 bytes; 64 and 65 are used.
    .balign 4096
vectors:
    .rept   64
    nop
    nop
    .endr
    b       swi0
    nop
    b       swi1
    nop
swi0:
    slli.d  $s3, $s3, 4
    ori     $s3, $s3, 1
    li.d    $t0, 1
    csrxchg $zero, $t0, ESTAT
    ertn
swi1:
    slli.d  $s3, $s3, 4
    ori     $s3, $s3, 2
    li.d    $t0, 2
    csrxchg $zero, $t0, ESTAT
    ertn
