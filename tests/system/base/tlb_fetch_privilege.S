# SPDX-License-Identifier: Apache-2.0 OR MIT

# A fetch from a page of another privilege level (manual 5.4.4); loads and stores
# are in tlb_permissions.S.
#
#@ only sim: it is about this machine's answer alone
#@ apart it is about lvz-sim's answer alone

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
do_fetch:
    jr      $s0

    .globl main
main:
    PERM    "plv0.user_fetch", PTE_RW, 3, fetch, EXC_PPI
    PERM    "rplv3.kernel_fetch", PTE_RW | PTE_PLV3 | PTE_RPLV, 0, fetch, EXC_PPI
    PERM    "plv0.user_fetch.again", PTE_RW, 3, fetch, EXC_PPI
    CHECK_TR "badv", TR_BADV, VA + 0x120
    CHECK_TR "era", TR_ERA, VA + 0x120
    CHECK_TR "tlbehi", TR_TLBEHI, VA
    CHECK_TR "prmd", TR_PRMD, 3
    b       finish
