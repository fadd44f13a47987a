# SPDX-License-Identifier: Apache-2.0 OR MIT

# V, D, NR, NX, PLV and RPLV of a page against load, store and fetch at PLV0 and
# PLV3, and their priority (manual 5.4.3.1, 5.4.4).
#
#@ qemu plv_before_nr: QEMU checks NR before PLV; 5.4.4 has PPI before PNR, and
#@   5.4.3.1 wants a legal privilege level for PNR.
#@ qemu dwpl0.kernel: QEMU has no MISC register; DWPL0 takes the D check away from
#@   PLV0 (7.4.4, 5.4.4).

.include "test.inc"

    .equ VA, 0x40000000
    .equ PA, 0x04000000
    .equ INDEX, 2048

# Maps the test page with `flags`, does `access` at `plv` and checks the code;
# EXC_SYS means that the access went through.
.macro PERM name:req, flags:req, plv:req, access:req, code:req
    TLBW    INDEX, VA, 12, PA | (\flags), 0
    li.d    $s0, VA + 0x120
    li.d    $s1, 0
    RUN_AT  \plv, do_\access, .Lback\@
.Lback\@:
    TR      $s2, TR_ESTAT
    bstrpick.d $s2, $s2, 30, 16
    CHECK   "\name", $s2, \code
.endm

    .text
do_load:
    ld.d    $s1, $s0, 8
    syscall 0
do_store:
    st.d    $s1, $s0, 0x10
    syscall 0
do_fetch:
    jr      $s0

    .globl main
main:
    # The page holds a syscall where do_fetch jumps to.
    li.d    $t0, CACHED | (PA + 0x120)
    li.d    $t1, 0x002b0000
    st.w    $t1, $t0, 0
    ibar    0

    # Everything allowed.
    PERM    "rwx.load", PTE_RW, 0, load, EXC_SYS
    PERM    "rwx.store", PTE_RW, 0, store, EXC_SYS
    PERM    "rwx.fetch", PTE_RW, 0, fetch, EXC_SYS
    PERM    "rwx.user_load", PTE_RW | PTE_PLV3, 3, load, EXC_SYS
    PERM    "rwx.user_store", PTE_RW | PTE_PLV3, 3, store, EXC_SYS
    PERM    "rwx.user_fetch", PTE_RW | PTE_PLV3, 3, fetch, EXC_SYS
    # V=0, whatever else is set.
    PERM    "v0.load", PTE_D, 0, load, EXC_PIL
    CHECK_TR "v0.load.badv", TR_BADV, VA + 0x128
    CHECK_TR "v0.load.tlbehi", TR_TLBEHI, VA
    CHECK_TR "v0.load.badi", TR_BADI, 0x28c022f8
    PERM    "v0.store", PTE_D, 0, store, EXC_PIS
    CHECK_TR "v0.store.badv", TR_BADV, VA + 0x130
    PERM    "v0.fetch", PTE_D, 0, fetch, EXC_PIF
    CHECK_TR "v0.fetch.badv", TR_BADV, VA + 0x120
    CHECK_TR "v0.fetch.era", TR_ERA, VA + 0x120
    PERM    "v0.user_load", PTE_D, 3, load, EXC_PIL
    PERM    "v0.nr", PTE_D | PTE_NR, 0, load, EXC_PIL
    PERM    "v0.nx", PTE_D | PTE_NX, 0, fetch, EXC_PIF
    # D=0: stores only.
    PERM    "d0.load", PTE_V, 0, load, EXC_SYS
    PERM    "d0.store", PTE_V, 0, store, EXC_PME
    CHECK_TR "d0.store.badv", TR_BADV, VA + 0x130
    CHECK_TR "d0.store.tlbehi", TR_TLBEHI, VA
    PERM    "d0.fetch", PTE_V, 0, fetch, EXC_SYS
    PERM    "d0.user_store", PTE_V | PTE_PLV3, 3, store, EXC_PME
    # NR: loads only. NX: fetches only.
    PERM    "nr.load", PTE_RW | PTE_NR, 0, load, EXC_PNR
    PERM    "nr.store", PTE_RW | PTE_NR, 0, store, EXC_SYS
    PERM    "nr.fetch", PTE_RW | PTE_NR, 0, fetch, EXC_SYS
    PERM    "nx.load", PTE_RW | PTE_NX, 0, load, EXC_SYS
    PERM    "nx.store", PTE_RW | PTE_NX, 0, store, EXC_SYS
    PERM    "nx.fetch", PTE_RW | PTE_NX, 0, fetch, EXC_PNX
    CHECK_TR "nx.fetch.badv", TR_BADV, VA + 0x120
    # PLV of the page below the user's.
    PERM    "plv0.user_load", PTE_RW, 3, load, EXC_PPI
    CHECK_TR "plv0.user_load.badv", TR_BADV, VA + 0x128
    PERM    "plv0.user_store", PTE_RW, 3, store, EXC_PPI
    PERM    "plv2.user_load", PTE_RW | (2 << 2), 3, load, EXC_PPI
    PERM    "plv3.kernel_load", PTE_RW | PTE_PLV3, 0, load, EXC_SYS
    # RPLV: only that level.
    PERM    "rplv3.kernel_load", PTE_RW | PTE_PLV3 | PTE_RPLV, 0, load, EXC_PPI
    PERM    "rplv3.kernel_store", PTE_RW | PTE_PLV3 | PTE_RPLV, 0, store, EXC_PPI
    PERM    "rplv3.user_load", PTE_RW | PTE_PLV3 | PTE_RPLV, 3, load, EXC_SYS
    PERM    "rplv0.kernel_load", PTE_RW | PTE_RPLV, 0, load, EXC_SYS
    PERM    "rplv0.user_load", PTE_RW | PTE_RPLV, 3, load, EXC_PPI
    # Priorities: NX before PLV before NR and D (manual 5.4.4).
    PERM    "nx_before_plv", PTE_RW | PTE_NX, 3, fetch, EXC_PNX
    PERM    "plv_before_nr", PTE_RW | PTE_NR, 3, load, EXC_PPI
    PERM    "plv_before_d", PTE_V, 3, store, EXC_PPI

    # The other half of the pair has its own bits: V=0 there.
    TLBW    INDEX, VA, 12, PA | PTE_RW, PA | PTE_D
    li.d    $s0, VA + 0x1000
    TRY     2f
1:  ld.d    $s1, $s0, 0
2:  CHECK_EXC "odd_half", EXC_PIL, 1b
    CHECK_TR "odd_half.badv", TR_BADV, VA + 0x1000
    CHECK_TR "odd_half.tlbehi", TR_TLBEHI, VA

    # MISC.DWPL0 takes the D check away from PLV0, not from PLV3.
    TRY     1f
    li.d    $t0, 1 << 16
    csrwr   $t0, MISC
1:  PERM    "dwpl0.kernel", PTE_V, 0, store, EXC_SYS
    PERM    "dwpl0.user", PTE_V | PTE_PLV3, 3, store, EXC_PME
    TRY     1f
    csrwr   $zero, MISC
1:
    # preld to an unmapped or invalid page does nothing.
    TLBW    INDEX, VA, 12, PA, PA
    li.d    $s0, VA
    TRY     1f
    preld   0, $s0, 0
    li.d    $s0, VA + 0x10000000
    preld   0, $s0, 0
1:  CHECK_NO_EXC "preld"
    b       finish
