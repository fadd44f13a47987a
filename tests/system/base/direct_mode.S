# SPDX-License-Identifier: Apache-2.0 OR MIT

# Direct address translation: the physical address is the low PALEN bits, the
# whole address space is legal, no TLB and no window plays a part (manual 5.2).

.include "test.inc"

    .equ PA, 0x04000000

    .text
    .globl main
main:
    # A TLB entry and a window that would lead elsewhere.
    li.d    $s0, CACHED | PA
    li.d    $s1, 0x1111
    st.d    $s1, $s0, 0
    TLBW    2048, PA, 12, (PA + 0x10000) | PTE_RW, (PA + 0x10000) | PTE_RW
    li.d    $s0, PA
    TRY     1f
    li.d    $t0, CRMD_DA
    csrwr   $t0, CRMD
    ld.d    $s1, $s0, 0
    # Upper bits of the address are dropped, in loads, stores and fetches.
    li.d    $s2, 0x1234000000000000 | PA
    ld.d    $s3, $s2, 0
    li.d    $s4, 0xffff000000000000 | PA
    li.d    $s5, 0x2222
    st.d    $s5, $s4, 8
    ld.d    $s5, $s0, 8
    la.pcrel $t0, 2f
    PHYS    $t0
    li.d    $t1, 0x7777000000000000
    or      $t0, $t0, $t1
    jirl    $s6, $t0, 0
2:  pcaddi  $s7, 0
    # Back to the window, then to mapped mode.
    la.pcrel $t0, 3f
    PHYS    $t0
    li.d    $t1, CACHED
    or      $t0, $t0, $t1
    jr      $t0
3:  li.d    $t0, CRMD_RUN
    csrwr   $t0, CRMD
1:  CHECK_NO_EXC "quiet"
    CHECK   "load", $s1, 0x1111
    CHECK   "load.high_bits", $s3, 0x1111
    CHECK   "store.high_bits", $s5, 0x2222
    # The program counter keeps all its bits.
    la.pcrel $s6, 2b
    PHYS    $s6
    li.d    $t0, 0x7777000000000000
    or      $s6, $s6, $t0
    CHECKR  "pc", $s7, $s6

    # An exception in direct mode: the entry address is truncated too, CRMD.DA
    # stays, ERA is the whole program counter.
    TRY     2f
    li.d    $t0, CRMD_DA
    csrwr   $t0, CRMD
1:  syscall 0
2:  CHECK_EXC "exception", EXC_SYS, 1b
    CHECK_TR "exception.crmd", TR_CRMD, CRMD_DA

    # PLV3 in direct mode may access everything.
    TRY     2f
    li.d    $t0, 3
    csrwr   $t0, PRMD
    la.pcrel $t0, 1f
    csrwr   $t0, ERA
    li.d    $t0, CRMD_DA
    csrwr   $t0, CRMD
    li.d    $s0, PA
    ertn
1:  ld.d    $s1, $s0, 0
3:  syscall 0
2:  CHECK_EXC "user", EXC_SYS, 3b
    CHECK   "user.load", $s1, 0x1111
    CHECK_TR "user.crmd", TR_CRMD, CRMD_DA
    b       finish
