# SPDX-License-Identifier: Apache-2.0 OR MIT

# A second CPU: waits after reset, starts where the mailbox says when an IPI
# arrives, has its own CPUID, CSRs, TLB and reset state, and shares memory
# (Linux arch/loongarch/kernel/smp.c, manual 6.3).
#
#@ cpus 2

.include "test.inc"
.include "smp.inc"

    .text
    .globl main
main:
    la.pcrel $s0, state
    ld.w    $s1, $s0, 0
    CHECK   "not_started", $s1, 0
    CSRW    SAVE5, 0x5555
    START_CPU1 cpu1
    AWAIT   state, 1
    ld.w    $s1, $s0, 0
    CHECK   "started", $s1, 1
    la.pcrel $s0, values
    ld.d    $s1, $s0, 0
    CHECK   "cpuid", $s1, 1
    # PLV0, IE=0, direct mode.
    ld.d    $s1, $s0, 8
    andi    $s1, $s1, 0x1f
    CHECK   "crmd", $s1, CRMD_DA
    ld.d    $s1, $s0, 16
    CHECK   "save", $s1, 0x1111
    CHECK_CSR "own_save", SAVE5, -1, 0x5555
    CHECK_CSR "own_cpuid", CPUID, -1, 0
    # CPU 1 has mapped VA in its TLB; ours knows nothing of it.
    li.d    $s1, 0x40000000
    TRY     1f
    ld.d    $s1, $s1, 0
1:  CHECK_TR "own_tlb", TR_RCOUNT, 1
    ld.d    $s1, $s0, 24
    CHECK   "cpu1_tlb", $s1, 0x7777
    # Both count.
    rdtime.d $s2, $zero
    ld.d    $s1, $s0, 32
    sltu    $s1, $s1, $s2
    CHECK   "counter", $s1, 1
    b       finish

cpu1:
    csrrd   $s1, CRMD
    CPU1_SETUP
    la.pcrel $s0, values
    csrrd   $t0, CPUID
    st.d    $t0, $s0, 0
    st.d    $s1, $s0, 8
    CSRW    SAVE5, 0x1111
    csrrd   $t0, SAVE5
    st.d    $t0, $s0, 16
    li.d    $t0, CACHED | 0x04000000
    li.d    $t1, 0x7777
    st.d    $t1, $t0, 0
    csrwr   $zero, ASID
    TLBW    2048, 0x40000000, 12, 0x04000000 | PTE_RW, 0x04000000 | PTE_RW
    li.d    $t0, 0x40000000
    ld.d    $t0, $t0, 0
    st.d    $t0, $s0, 24
    rdtime.d $t0, $zero
    st.d    $t0, $s0, 32
    SIGNAL  state, 1
1:  idle    0
    b       1b

    .bss
    .balign 8
state:  .space 8
values: .space 64
