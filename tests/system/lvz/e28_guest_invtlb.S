# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-28 (I-2, I-3, I-4, I-7): the guest's TLB instructions act on its own entries:
# its invtlb, tlbflush and tlbclr take nothing from root or other guests, and its
# tlbsrch and tlbrd show nothing of theirs (docs/lvz.md 4.4, 4.5).

.include "test.inc"
.include "lvz.inc"

    .equ GVA, 0x70000000
    .equ HOST_VA, 0x60000000
    .equ GPTE, PTE_V | PTE_D | PTE_MAT_CC

    GUEST_CODE
setup:
    GUEST_FILL GVA, DATA_GPA | GPTE
    GUEST_MAPPED
read:
    li.d    $a0, GVA
    ld.d    $a1, $a0, 0
    hvcl    1
flush:
    invtlb  0, $zero, $zero
    li.d    $a0, GVA
    ld.d    $a1, $a0, 0
    hvcl    2
search:
    li.d    $t0, HOST_VA
    csrwr   $t0, TLBEHI
    csrwr   $zero, TLBIDX
    tlbsrch
    csrrd   $a2, TLBIDX
    li.d    $t0, DATA_GPA
    csrwr   $t0, TLBEHI
    csrwr   $zero, TLBIDX
    tlbsrch
    csrrd   $a3, TLBIDX
    # Every entry: how many are not its own one.
    li.d    $a4, 0
    li.d    $a5, 0
1:  csrwr   $a5, TLBIDX
    csrrd   $a5, TLBIDX
    bstrpick.d $a5, $a5, 15, 0
    tlbrd
    csrrd   $t0, TLBIDX
    bstrpick.d $t0, $t0, 31, 31
    bnez    $t0, 2f
    csrrd   $t0, TLBEHI
    li.d    $t1, GVA
    beq     $t0, $t1, 2f
    addi.d  $a4, $a4, 1
2:  addi.d  $a5, $a5, 1
    li.d    $t0, 2112
    bltu    $a5, $t0, 1b
    hvcl    4
all_ops:
    invtlb  1, $zero, $zero
    invtlb  2, $zero, $zero
    invtlb  3, $zero, $zero
    invtlb  4, $zero, $zero
    invtlb  5, $zero, $zero
    invtlb  6, $zero, $zero
    csrwr   $zero, TLBIDX
    tlbflush
    tlbclr
    li.d    $t0, 2100
    csrwr   $t0, TLBIDX
    tlbflush
    tlbclr
    hvcl    5
undefined:
    invtlb  0x12, $zero, $zero
    hvcl    6
    .balign 4096
missed:
    hvcl    3
    .balign 4096
handler:
    csrrd   $a2, ESTAT
    hvcl    7

    .text
.macro IN_WINDOW label:req
    GPA     $a0, \label
    li.d    $t0, CACHED
    or      $a0, $a0, $t0
    bl      enter_guest
.endm

    .globl main
main:
    HV_START
    GPA     $t1, missed
    gcsrwr  $t1, TLBRENTRY
    # The guest takes it in mapped mode: by its window.
    GPA     $t1, handler
    li.d    $t0, CACHED
    or      $t1, $t1, $t0
    gcsrwr  $t1, EENTRY
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    POKE    DATA_HPA, 0xaaaa
    POKE    DATA_HPA + 0x10000, 0xcccc
    # Root, guest 5 and guest 6 each have an entry.
    TLBW    2048, HOST_VA, 14, (DATA_HPA + 0x10000) | PTE_RW, 0
    RUN     setup
    CHECK_HVC "setup5", 1
    USE_GUEST 6, tables_a
    GW      CRMD, CRMD_DA
    RUN     setup
    CHECK_HVC "setup6", 1
    IN_WINDOW search
    CHECK_HVC "search", 4
    GREG    $s0, 6
    bstrpick.d $s0, $s0, 31, 31
    CHECK   "search.host", $s0, 1
    GREG    $s0, 7
    bstrpick.d $s0, $s0, 31, 31
    CHECK   "search.stage2", $s0, 1
    GREG    $s0, 8
    CHECK   "read.foreign", $s0, 0
    # Guest 6 flushes: its own entry is gone.
    IN_WINDOW flush
    CHECK_HVC "flush", 3
    gcsrwr  $zero, TLBRERA
    GW      CRMD, CRMD_RUN
    IN_WINDOW all_ops
    CHECK_HVC "all_ops", 5
    # Guest 5 still has its entry, root has its own.
    USE_GUEST 5, tables_a
    IN_WINDOW read
    CHECK_HVC "guest5", 1
    GREG    $s0, 5
    CHECK   "guest5.value", $s0, 0xaaaa
    HOOK    TR_RHOOK
    li.d    $s1, HOST_VA
    TRY     1f
    ld.d    $s0, $s1, 0
1:  CHECK   "host.value", $s0, 0xcccc
    HOOK    TR_RHOOK, refill_walk
    # Operations that root has do not exist for the guest (Q-24).
    IN_WINDOW undefined
    CHECK_HVC "undefined", 7
    GREG    $s0, 6
    bstrpick.d $s0, $s0, 21, 16
    CHECK   "undefined.ine", $s0, EXC_INE
    b       finish
