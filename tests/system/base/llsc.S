# SPDX-License-Identifier: Apache-2.0 OR MIT

# LL/SC on one CPU: success, loss by ertn, KLO, LLBCTL (manual 2.2.7.6, 7.4.16).
#
#@ qemu klo klo.cleared rollb.set wcllb: QEMU has no LL bit, it compares memory with
#@   what ll read; LLBCTL shows and clears the bit, KLO keeps it over one ertn
#@   (7.4.16).
#@ qemu refill: QEMU drops the reservation at every ertn; "ERET in tlb refill exception
#@   does not clear LLBCTL register" (Linux arch/loongarch/kvm/main.c,
#@   kvm_check_vpid).

.include "test.inc"

    .text
    .globl main
main:
    la.pcrel $s0, word
    # A pair succeeds and stores; sc returns 1.
    li.d    $s1, 0x123456789
    ll.d    $s2, $s0, 0
    sc.d    $s1, $s0, 0
    CHECK   "pair", $s1, 1
    ld.d    $s1, $s0, 0
    CHECK   "pair.stored", $s1, 0x123456789
    # The bit is used up: a second sc fails and stores nothing.
    li.d    $s1, 0x55
    sc.d    $s1, $s0, 0
    CHECK   "second", $s1, 0
    ld.d    $s1, $s0, 0
    CHECK   "second.kept", $s1, 0x123456789
    # Words are sign-extended.
    li.d    $s1, 0x80000001
    st.d    $s1, $s0, 8
    ll.w    $s2, $s0, 8
    CHECK   "ll.w", $s2, 0xffffffff80000001
    li.d    $s1, 7
    sc.w    $s1, $s0, 8
    CHECK   "sc.w", $s1, 1
    ld.d    $s1, $s0, 8
    CHECK   "sc.w.stored", $s1, 7

    # ertn clears the bit ...
    TRY     1f
    ll.d    $s2, $s0, 0
    syscall 0
1:  li.d    $s1, 0x66
    sc.d    $s1, $s0, 0
    CHECK   "ertn", $s1, 0
    # ... unless KLO is set, which holds for one ertn.
    HOOK    TR_HOOK, keep
    TRY     1f
    ll.d    $s2, $s0, 0
    syscall 0
1:  li.d    $s1, 0x77
    sc.d    $s1, $s0, 0
    CHECK   "klo", $s1, 1
    CHECK_CSR "klo.cleared", LLBCTL, 4, 0
    HOOK    TR_HOOK
    TRY     1f
    ll.d    $s2, $s0, 0
    syscall 0
1:  li.d    $s1, 0x88
    sc.d    $s1, $s0, 0
    CHECK   "klo.once", $s1, 0
    # A refill return leaves it alone.
    HOOK    TR_RHOOK, fill
    li.d    $s3, 0x40000000
    ll.d    $s2, $s0, 0
    ld.d    $s3, $s3, 0
    li.d    $s1, 0x99
    sc.d    $s1, $s0, 0
    CHECK   "refill", $s1, 1
    HOOK    TR_RHOOK

    # ROLLB shows the bit, WCLLB clears it.
    ll.d    $s2, $s0, 0
    csrrd   $s3, LLBCTL
    andi    $s3, $s3, 1
    CHECK   "rollb.set", $s3, 1
    li.d    $s3, 2
    csrwr   $s3, LLBCTL
    csrrd   $s3, LLBCTL
    andi    $s3, $s3, 1
    CHECK   "rollb.cleared", $s3, 0
    li.d    $s1, 0xaa
    sc.d    $s1, $s0, 0
    CHECK   "wcllb", $s1, 0
    # Writing zero to it does nothing.
    ll.d    $s2, $s0, 0
    csrwr   $zero, LLBCTL
    li.d    $s1, 0xbb
    sc.d    $s1, $s0, 0
    CHECK   "wcllb0", $s1, 1

    # ll and sc fault like loads and stores; a store is what sc needs.
    TLBW    2048, 0x40000000, 12, 0x04000000 | PTE_V, 0
    li.d    $s3, 0x40000000
    TRY     2f
    ll.d    $s2, $s3, 0
1:  sc.d    $s1, $s3, 0
2:  CHECK_EXC "sc_d0", EXC_PME, 1b
    CHECK_TR "sc_d0.badv", TR_BADV, 0x40000000
    li.d    $s3, 0x40001000
    TRY     2f
1:  ll.d    $s2, $s3, 0
2:  CHECK_EXC "ll_v0", EXC_PIL, 1b
    # am* needs D as well.
    li.d    $s3, 0x40000000
    TRY     2f
1:  amadd.d $s2, $s1, $s3
2:  CHECK_EXC "am_d0", EXC_PME, 1b
    b       finish

# Sets KLO before the return.
keep:
    CSRW    LLBCTL, 4
    la.pcrel $t0, trap_area
    b       trap_resume

fill:
    li.d    $t0, 0x04000000 | PTE_RW
    move    $t1, $t0
    csrwr   $t1, TLBRELO0
    csrwr   $t0, TLBRELO1
    csrrd   $t0, TLBREHI
    bstrins.d $t0, $zero, 12, 0
    ori     $t0, $t0, 12
    csrwr   $t0, TLBREHI
    tlbfill
    csrrd   $t1, SAVE2
    csrrd   $t0, TLBRSAVE
    ertn

    .bss
    .balign 64
word:   .space 64
