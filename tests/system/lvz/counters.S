# SPDX-License-Identifier: Apache-2.0 OR MIT

# L-35, Q-37, Q-38: performance counters lent to a guest (P-1 to P-6): which accesses
# exit, what counts in which mode, whose interrupt an overflow is (docs/lvz.md 10.3).
#@ needs counters
#@ sim --cpu la664
#@ reading lent-counter=both
#@ reading root-counter=root

.include "test.inc"
.include "lvz.inc"
.include "readings.inc"
.include "counters.inc"

.equ GCFG_KVM, (1 << 4) | (2 << 20)
.equ LEND_SHIFT, 24

    # The host's part, at least 40 instructions, is counted or not.
    BY      lent_counter, HOST_COUNTED, 0, 1
    BY      root_counter, GUEST_CYCLES, 11, 0
    BY      root_counter, OVERFLOW_CODE, EXC_INT, EXC_HVC

.macro LEND n:req
    CSRW    GCFG, GCFG_KVM | (\n << LEND_SHIFT)
.endm

    GUEST_CODE
first_use:
    csrrd   $a1, PERFCNTR0
    hvcl    1
write_all:
    csrwr   $a1, PERFCNTR0
    csrwr   $a2, PERFCTRL0 + 2
    csrwr   $a3, PERFCNTR0 + 2
third:
    csrrd   $a1, PERFCTRL0 + 4
    hvcl    2
count:
    COUNT   0, CYCLES | AT_ALL
    COUNT   1, INSTRUCTIONS | AT_ALL
    .rept   5
    nop
    .endr
counting:
    hvcl    3
    .rept   5
    nop
    .endr
    csrrd   $a1, PERFCNTR0
    csrrd   $a2, PERFCNTR0 + 2
    hvcl    4
ten:
    .rept   10
    nop
    .endr
ten_end:
    cpucfg  $a1, $a2
overflow:
    COUNT_DOWN 0, CYCLES | AT_ALL | COUNTER_IE, 50
    csrrd   $a1, ESTAT
    b       .
spin:
    li.d    $a1, 1000
1:  addi.d  $a1, $a1, -1
    bnez    $a1, 1b
    hvcl    5
user_read:
    csrrd   $a1, PERFCNTR0
    cpucfg  $a1, $a2
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
    CHECK_CSR "gpmp", GCFG, 1 << 23, 1 << 23
    LEND    3
    CHECK_CSR "gpmnum", GCFG, 7 << 24, 3 << 24

    # Not lent: each access exits, and gcsr* reaches nothing.
    LEND    0
    CSRW    PERFCNTR0, 0x55
    RUN     first_use
    CHECK_EXIT "first_use", EXC_GSPR, first_use
    CHECK_GCSR "not_lent", PERFCNTR0, -1, 0
    GW      PERFCNTR0, 0x66
    CHECK_CSR "not_lent.write", PERFCNTR0, -1, 0x55

    # Two lent: they are the same registers as root's, and the third exits.
    LEND    2
    CHECK_GCSR "lent", PERFCNTR0, -1, 0x55
    SET_GREG 5, 0x10
    SET_GREG 6, CYCLES
    SET_GREG 7, 0x11
    RUN     write_all
    CHECK_EXIT "third", EXC_GSPR, third
    CHECK_GCSR "counter0", PERFCNTR0, -1, 0x10
    CHECK_GCSR "counter1", PERFCNTR0 + 2, -1, 0x11
    CHECK_CSR "root.counter1", PERFCNTR0 + 2, -1, 0x11
    CHECK_GCSR "third.gcsr", PERFCNTR0 + 4, -1, 0

    # What the guest executes is counted. hvcl takes a cycle and is no instruction.
    # The second COUNT is five instructions, the reads are two.
    RUN     count
    CHECK_EXIT "counting", EXC_HVC, counting
    RESUME  4
    CHECK_HVC "counted", 4
    GREG    $s0, 5
    GREG    $s1, 6
    li.d    $s2, 5 + 5 + 1 + 5 + 1
    sub.d   $s0, $s0, $s2
    li.d    $s2, 5 + 5 + 2
    sub.d   $s1, $s1, $s2
    sltui   $s2, $s0, 40
    sltui   $s3, $s1, 40
    CHECK   "lent.cycles", $s2, 1 - HOST_COUNTED
    CHECK   "lent.instructions", $s3, 1 - HOST_COUNTED
    .ifndef OTHER_lent_counter
    CHECK   "lent.cycles.exactly", $s0, 0
    CHECK   "lent.instructions.exactly", $s1, 0
    .endif
    LEND    0

    # Root's counter at PLV3, where nothing but the guest is.
    GW      CRMD, CRMD_DA | 3
    COUNT   3, CYCLES | AT_PLV3
    RUN     ten
    CHECK_EXIT "ten", EXC_GSPR, ten_end
    csrrd   $s0, PERFCNTR0 + 6
    CHECK   "root.in_guest", $s0, GUEST_CYCLES
    # The guest's user level reads a lent counter if the guest lets it.
    LEND    1
    RUN     user_read
    CHECK_HVC "user_read.forbidden", 9
    GW      MISC, 1 << 11
    GW      CRMD, CRMD_DA | 3
    RUN     user_read
    EX      $s0, EX_BADI
    bstrpick.d $s0, $s0, 31, 24
    CHECK   "user_read", $s0, 0
    LEND    0
    GW      CRMD, CRMD_DA

    # Overflow of a lent counter is the guest's interrupt alone.
    CSRW    ECFG, 1 << IS_PMI
    LEND    4
    GW      ECFG, 1 << IS_PMI
    GW      CRMD, CRMD_DA | CRMD_IE
    RUN     overflow
    CHECK_HVC "overflow", 9
    GREG    $s0, 5
    bstrpick.d $s0, $s0, 14, 0
    CHECK   "overflow.before", $s0, 0
    GREG    $s0, 6
    bstrpick.d $s0, $s0, 14, 0
    CHECK   "overflow.estat", $s0, 1 << IS_PMI
    CHECK_GCSR "overflow.gestat", ESTAT, 1 << IS_PMI, 1 << IS_PMI
    CHECK_CSR "overflow.root", ESTAT, 1 << IS_PMI, 0
    # It is a line, which a change of other bits does not latch.
    li.d    $t0, 1
    move    $t1, $t0
    gcsrxchg $t0, $t1, ESTAT
    # Taken back as KVM does.
    gcsrwr  $zero, PERFCTRL0
    CHECK_GCSR "taken_back", ESTAT, 3 | (1 << IS_PMI), 1
    gcsrwr  $zero, ESTAT
    LEND    0
    csrwr   $zero, PERFCNTR0

    # Overflow of root's counter in the guest is an exit.
    GW      CRMD, CRMD_DA
    COUNT_DOWN 2, CYCLES | AT_PLV0 | COUNTER_IE, 1000
    RUN     spin
    EX      $s0, EX_ESTAT
    bstrpick.d $s0, $s0, 30, 16
    CHECK   "root.overflow", $s0, OVERFLOW_CODE
    csrwr   $zero, PERFCTRL0 + 4
    b       finish
