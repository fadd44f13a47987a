# SPDX-License-Identifier: Apache-2.0 OR MIT

# Performance counters: what each event counts at which privilege level, exactly;
# overflow; reading them at PLV3 (Volume 1, 7.7; docs/simulator.md).
#@ only sim: QEMU has no performance counters
#@ needs counters
#@ sim --cpu la664

.include "test.inc"
.include "counters.inc"

# What counter 0 has counted since COUNT; the read is one more cycle and instruction.
.macro COUNTED name:req, want:req
    csrrd   $s1, PERFCNTR0
    CHECK   "\name", $s1, \want
.endm

# Counts two events at PLV3 until the code at `label` ends by an exception.
.macro USER name:req, label:req, event0:req, want0:req, event1:req, want1:req
    COUNT   0, \event0 | AT_PLV3
    COUNT   1, \event1 | AT_PLV3
    RUN_AT  3, \label, .Lback\@
.Lback\@:
    CHECK_CSR "\name\().0", PERFCNTR0, -1, \want0
    CHECK_CSR "\name\().1", PERFCNTR0 + 2, -1, \want1
.endm

    .text
    .globl main
main:
    li.d    $t0, 6
    cpucfg  $s0, $t0
    CHECK   "cpucfg.6", $s0, 0x7f31
    csrwr   $zero, PERFCTRL0
    li.d    $t0, -1
    csrwr   $t0, PERFCTRL0
    CHECK_CSR "control", PERFCTRL0, -1, 0x7f03ff
    CHECK_CSR "no_fifth", PERFCTRL0 + 8, -1, 0
    la.pcrel $s0, buffer

    COUNT   0, CYCLES | AT_PLV0
    .rept   10
    nop
    .endr
    COUNTED "cycles", 11
    COUNT   0, INSTRUCTIONS | AT_PLV0
    .rept   10
    nop
    .endr
    COUNTED "instructions", 11
    COUNT   0, 0x06 | AT_PLV0
    .rept   3
    nop
    .endr
    COUNTED "icache", 4
    # No level enabled, or another one.
    COUNT   0, CYCLES
    COUNT   1, CYCLES | AT_PLV1 | AT_PLV2 | AT_PLV3
    nop
    CHECK_CSR "no_level", PERFCNTR0, -1, 0
    CHECK_CSR "other_levels", PERFCNTR0 + 2, -1, 0
    # It stays while it is off, and goes on from there.
    COUNT   0, CYCLES | AT_PLV0
    nop
    csrwr   $zero, PERFCTRL0
    nop
    CHECK_CSR "off", PERFCNTR0, -1, 2
    CSRW    PERFCTRL0, CYCLES | AT_PLV0
    csrrd   $s1, PERFCNTR0
    CHECK   "on_again", $s1, 3
    # All four at once.
    .irp    n, 3, 2, 1, 0
    COUNT   \n, CYCLES | AT_ALL
    .endr
    csrrd   $s1, PERFCNTR0
    csrrd   $s2, PERFCNTR0 + 2
    csrrd   $s3, PERFCNTR0 + 4
    csrrd   $s4, PERFCNTR0 + 6
    CHECK   "four.0", $s1, 1
    sub.d   $s5, $s2, $s1
    sub.d   $s6, $s3, $s2
    sub.d   $s7, $s4, $s3
    # COUNT is four instructions.
    CHECK   "four.1", $s5, 5
    CHECKR  "four.2", $s6, $s5
    CHECKR  "four.3", $s7, $s5

    # Branches: a loop of five is wrong once, at its end; one that goes on is right
    # if it is not taken.
    li.d    $s2, 5
    COUNT   0, BRANCHES | AT_PLV0
1:  addi.d  $s2, $s2, -1
    bnez    $s2, 1b
    COUNTED "loop.branches", 5
    li.d    $s2, 5
    COUNT   0, MISPREDICTED | AT_PLV0
1:  addi.d  $s2, $s2, -1
    bnez    $s2, 1b
    COUNTED "loop.mispredicted", 1
    COUNT   0, MISPREDICTED | AT_PLV0
    bnez    $zero, 1f
1:
    COUNTED "forward.not_taken", 0
    COUNT   0, MISPREDICTED | AT_PLV0
    beqz    $zero, 1f
1:
    COUNTED "forward.taken", 1
    COUNT   0, BRANCHES | AT_PLV0
    beqz    $zero, 1f
1:  bnez    $zero, 2f
2:  beq     $s0, $s0, 3f
3:
    COUNTED "forward.branches", 3
    COUNT   0, BRANCHES | AT_PLV0
    b       1f
1:  bl      2f
2:  addi.d  $ra, $ra, 8
    jr      $ra
    COUNTED "jumps.branches", 3
    COUNT   0, MISPREDICTED | AT_PLV0
    b       1f
1:  bl      2f
2:  addi.d  $ra, $ra, 8
    jr      $ra
    COUNTED "jumps.mispredicted", 0
    COUNT   0, BRANCHES | AT_PLV0
    nop
    ld.d    $s2, $s0, 0
    COUNTED "no_branches", 0

    # Loads, stores and atomics; prefetches are none. No cache has misses.
    COUNT   0, DATA | AT_PLV0
    ld.b    $s2, $s0, 0
    st.d    $zero, $s0, 8
    ldx.w   $s2, $s0, $zero
    ldptr.d $s2, $s0, 0
    amadd.w $s2, $zero, $s0
    COUNTED "data", 5
    COUNT   0, DATA | AT_PLV0
    ld.d    $s2, $s0, 1
    st.w    $zero, $s0, 3
    COUNTED "data.unaligned", 2
    COUNT   0, 0x04 | AT_PLV0
    ld.d    $s2, $s0, 0
    COUNTED "data.dtlb", 1
    COUNT   0, DATA | AT_PLV0
    preld   0, $s0, 0
    nop
    b       1f
1:
    COUNTED "data.none", 0
    COUNT   0, DATA_MISSES | AT_PLV0
    ld.d    $s2, $s0, 0
    COUNTED "data.misses", 0
    COUNT   0, 0x3ff | AT_PLV0
    nop
    COUNTED "unknown", 0

    # At PLV3: what raises an exception takes a cycle, and is no instruction.
    USER    "user", user, CYCLES, 11, INSTRUCTIONS, 10
    USER    "user.branches", user, BRANCHES, 0, DATA, 0
    USER    "user.bad_access", user_unaligned, DATA, 1, INSTRUCTIONS, 2
    USER    "user.data_refill", user_load, DATA_REFILLS, 1, FETCH_REFILLS, 0
    USER    "user.fetch_refill", user_jump, DATA_REFILLS, 0, FETCH_REFILLS, 1
    # The fetch that failed has taken its cycle too.
    USER    "user.fetch_refill.count", user_jump, CYCLES, 3, INSTRUCTIONS, 2

    # MISC.RPCNTL lets PLV3 read counters, not their controls.
    CSRW    PERFCTRL0, 0
    CSRW    PERFCNTR0, 0x1234
    RUN_AT  3, user_read, 1f
1:  CHECK_EXC "read.forbidden", EXC_IPE, user_read
    CSRW    MISC, 1 << 11
    move    $s2, $zero
    RUN_AT  3, user_read, 2f
2:  CHECK_EXC "read", EXC_SYS, user_read_end
    CHECK   "read.value", $s2, 0x1234
    RUN_AT  3, user_read_control, 3f
3:  CHECK_EXC "read.control", EXC_IPE, user_read_control
    RUN_AT  3, user_write, 4f
4:  CHECK_EXC "read.write", EXC_IPE, user_write
    csrwr   $zero, MISC

    # Overflow: bit 63, as long as it is there and the interrupt is enabled.
    COUNT_DOWN 0, CYCLES | AT_PLV0 | COUNTER_IE, 3
    csrrd   $s1, ESTAT
    nop
    csrrd   $s2, ESTAT
    csrrd   $s3, PERFCNTR0
    bstrpick.d $s1, $s1, 14, 0
    bstrpick.d $s2, $s2, 14, 0
    CHECK   "overflow.before", $s1, 0
    CHECK   "overflow.estat", $s2, 1 << IS_PMI
    CHECK   "overflow.counter", $s3, (1 << 63) + 1
    csrwr   $zero, PERFCTRL0
    CHECK_CSR "overflow.not_enabled", ESTAT, 0x7fff, 0
    CSRW    PERFCTRL0, COUNTER_IE
    CHECK_CSR "overflow.enabled", ESTAT, 0x7fff, 1 << IS_PMI
    # It ends a sleep.
    CSRW    ECFG, 1 << IS_PMI
    idle    0
    csrwr   $zero, PERFCNTR0
    CHECK_CSR "overflow.cleared", ESTAT, 0x7fff, 0

.macro INTERRUPT name:req, event:req, left:req, late:req, insn:vararg
    TRY     .Ltaken\@
    COUNT_DOWN 0, \event | AT_PLV0 | COUNTER_IE, \left
    CSRW    CRMD, CRMD_RUN | CRMD_IE
.Lagain\@:
    \insn
    b       .Lagain\@
.Ltaken\@:
    csrwr   $zero, PERFCTRL0
    TR      $s1, TR_ESTAT
    bstrpick.d $s1, $s1, 30, 0
    CHECK   "\name\().code", $s1, 1 << IS_PMI
    # Not before, and not later than the end of a block; what the handler does is
    # counted too.
    csrrd   $s1, PERFCNTR0
    li.d    $s2, (1 << 63) - 1
    sltu    $s3, $s2, $s1
    CHECK   "\name\().not_early", $s3, 1
    li.d    $s2, (1 << 63) + \late
    sltu    $s3, $s1, $s2
    CHECK   "\name\().not_late", $s3, 1
    csrwr   $zero, PERFCNTR0
.endm
    INTERRUPT "cycles", CYCLES, 1000, 164, nop
    INTERRUPT "instructions", INSTRUCTIONS, 100000, 164, nop
    INTERRUPT "branches", BRANCHES, 1000, 64, nop
    INTERRUPT "accesses", DATA, 1000, 64, ld.d $s4, $s0, 0
    INTERRUPT "mispredicted", MISPREDICTED, 10, 64, beqz $zero, . + 4

    # Again and again, as for samples of a program: 300 of 20,000 instructions each.
    HOOK    TR_HOOK, sample
    move    $s3, $zero
    li.d    $s4, 3000000
    COUNT_DOWN 0, INSTRUCTIONS | AT_PLV3 | COUNTER_IE, 20000
    TRY     1f
    CSRW    PRMD, 7
    la.pcrel $t0, user_loop
    csrwr   $t0, ERA
    ertn
1:  HOOK    TR_HOOK
    csrwr   $zero, PERFCTRL0
    CHECK   "samples", $s3, 300
    # All of them are counted but the interrupts' lateness.
    csrrd   $s1, PERFCNTR0
    li.d    $s2, (1 << 63) - 20000
    sub.d   $s1, $s1, $s2
    CHECK   "samples.rest", $s1, 0
    csrwr   $zero, ECFG
    b       finish

# Counts an overflow and goes on 20,000 instructions behind it, as Linux does; a
# system call ends it.
sample:
    csrrd   $t1, ESTAT
    bstrpick.d $t1, $t1, 21, 16
    bnez    $t1, 2f
    addi.d  $s3, $s3, 1
    csrrd   $t0, PERFCTRL0
    csrwr   $zero, PERFCTRL0
    csrrd   $t1, PERFCNTR0
    li.d    $s5, 20000
    sub.d   $t1, $t1, $s5
    csrwr   $t1, PERFCNTR0
    csrwr   $t0, PERFCTRL0
1:  csrrd   $t0, SAVE0
    csrrd   $t1, SAVE1
    ertn
2:  la.pcrel $t1, trap_area
    ld.d    $t1, $t1, TR_RESUME
    csrwr   $t1, ERA
    li.d    $t1, 0
    csrwr   $t1, PRMD
    b       1b

user_loop:
    addi.d  $s4, $s4, -1
    bnez    $s4, user_loop
    syscall 0
user:
    .rept   10
    nop
    .endr
    syscall 0
user_unaligned:
    ld.d    $s2, $s0, 0
    addi.d  $s3, $s0, 1
    amadd.w $s2, $zero, $s3
user_load:
    ld.d    $s2, $zero, 0x100
user_jump:
    nop
    jr      $zero
user_read:
    csrrd   $s2, PERFCNTR0
user_read_end:
    syscall 0
user_read_control:
    csrrd   $s2, PERFCTRL0
user_write:
    csrwr   $s2, PERFCNTR0

    .bss
    .balign 64
buffer: .space 64
