# SPDX-License-Identifier: Apache-2.0 OR MIT

# L-21, L-28: the guest's own interrupts - software, timer, injected - are taken at
# its vectors by its own enables and priorities, and never exit; W-3: what is
# pending is taken right at entry (docs/lvz.md 8.1, 9.2).

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
# With vectors of 8 bytes; each handler appends its number to $s0.
priority:
    li.d    $t0, (1 << 16) | 0x1fff
    csrwr   $t0, ECFG
    li.d    $t0, CRMD_DA | CRMD_IE
    csrwr   $t0, CRMD
    nop
    li.d    $t0, CRMD_DA
    csrwr   $t0, CRMD
    hvcl    1
# Its own timer, in a loop and with idle-free waiting.
timer:
    li.d    $t0, (1 << 16) | (1 << IS_TI)
    csrwr   $t0, ECFG
    li.d    $t0, 20000 | 3
    csrwr   $t0, TCFG
    li.d    $t0, CRMD_DA | CRMD_IE
    csrwr   $t0, CRMD
    li.d    $t2, 3
1:  bltu    $s1, $t2, 1b
    csrwr   $zero, TCFG
    li.d    $t0, CRMD_DA
    csrwr   $t0, CRMD
    hvcl    2
entry:
    hvcl    3

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
    b       hwi0
    nop
    .rept   8
    nop
    nop
    .endr
    b       ti
    nop
    b       ipi
    nop
swi0:
    slli.d  $s0, $s0, 4
    ori     $s0, $s0, 1
    li.d    $t0, 1
    csrxchg $zero, $t0, ESTAT
    ertn
swi1:
    slli.d  $s0, $s0, 4
    ori     $s0, $s0, 2
    li.d    $t0, 2
    csrxchg $zero, $t0, ESTAT
    ertn
# The guest cannot clear it: it disables it.
hwi0:
    slli.d  $s0, $s0, 4
    ori     $s0, $s0, 3
    li.d    $t0, 4
    csrxchg $zero, $t0, ECFG
    ertn
ti:
    slli.d  $s0, $s0, 4
    ori     $s0, $s0, 4
    addi.d  $s1, $s1, 1
    li.d    $t0, 1
    csrwr   $t0, TICLR
    ertn
# Cleared by root only: disabled as well.
ipi:
    slli.d  $s0, $s0, 4
    ori     $s0, $s0, 5
    li.d    $t0, 1 << 12
    csrxchg $zero, $t0, ECFG
    ertn

    .text
    .globl main
main:
    HV_START
    GPA     $t1, vectors
    gcsrwr  $t1, EENTRY
    SET_GREG 23, 0
    SET_GREG 24, 0
    # All at once: IPI, TI, HWI0, SWI1, SWI0.
    GW      ESTAT, (1 << 12) | (1 << 11) | 3
    CSRW    GINTC, 1
    RESET_COUNTS
    RUN     priority
    CHECK_HVC "priority", 1
    CHECK_EX "priority.exits", EX_COUNT, 1
    GREG    $s0, 23
    CHECK   "priority.order", $s0, 0x54321
    csrwr   $zero, GINTC
    gcsrwr  $zero, ESTAT
    # Three periods of the guest's timer.
    SET_GREG 24, 0
    RESET_COUNTS
    RUN     timer
    CHECK_HVC "timer", 2
    CHECK_EX "timer.exits", EX_COUNT, 1
    GREG    $s0, 24
    CHECK   "timer.count", $s0, 3
    # Pending and enabled before entry: the handler runs before the first
    # instruction, then the instruction.
    SET_GREG 23, 0
    GW      ECFG, (1 << 16) | 1
    GW      ESTAT, 1
    GW      CRMD, CRMD_DA | CRMD_IE
    RUN     entry
    CHECK_HVC "entry", 3
    GREG    $s0, 23
    CHECK   "entry.first", $s0, 1
    b       finish
