# SPDX-License-Identifier: Apache-2.0 OR MIT

# Which bits of each CSR software can write (manual chapter 7): reserved and
# read-only fields ignore a write of all ones, and zeros clear the rest.
#
#@ qemu *.ones crmd.reserved rvacfg stlbps llbctl.reserved: QEMU stores whole
#@   registers; fields that the manual marks R0 or R ignore software
#@   writes (7.2.1), and 32-bit registers ignore bits 63:32 (7.2.2).
#@ qemu tid.sign tlbehi.sign: QEMU returns what was written; 32-bit registers read
#@   sign-extended (7.2.2), TLBEHI above VPPN repeats its top bit (7.5.2).
#@ qemu *.readonly *.quiet: QEMU raises INE on a write to a read-only register;
#@   "software writes to these fields will not update their contents, and will
#@   have no side effects" (7.2.1).

.include "test.inc"

# Writes ones and zeros to `csr` with interrupts off and restores it; checks the
# bits under `mask` (all by default).
.macro MASK name:req, csr:req, want:req, mask=-1
    csrrd   $s0, \csr
    li.d    $s1, -1
    li.d    $s2, 0
    TRY     .Lback\@
    csrwr   $s1, \csr
    csrrd   $s1, \csr
    csrwr   $s2, \csr
    csrrd   $s2, \csr
    csrwr   $s0, \csr
.Lback\@:
    li.d    $t0, \mask
    and     $s1, $s1, $t0
    and     $s2, $s2, $t0
    CHECK   "\name\().ones", $s1, \want
    CHECK   "\name\().zeros", $s2, 0
.endm

# A register that ignores writes.
.macro READONLY name:req, csr:req
    csrrd   $s0, \csr
    nor     $s1, $s0, $zero
    TRY     .Lback\@
    csrwr   $s1, \csr
    csrrd   $s1, \csr
.Lback\@:
    CHECKR  "\name\().readonly", $s1, $s0
    CHECK_NO_EXC "\name\().quiet"
.endm

    .equ LOW32, 0xffffffff
    .equ ELO_BITS, 0xe000fffffffff07f

    .text
    .globl main
main:
    # CRMD must stay legal: ones only in the reserved bits.
    li.d    $s0, 0xfffffffffffffc00 | CRMD_RUN
    csrwr   $s0, CRMD
    csrrd   $s0, CRMD
    CHECK   "crmd.reserved", $s0, CRMD_RUN
    li.d    $s0, CRMD_RUN
    csrwr   $s0, CRMD
    MASK    "prmd", PRMD, 0xf
    # Extensions that a CPU may lack have no say here: FPE and SXE.
    MASK    "euen", EUEN, 3, ~12
    MASK    "misc", MISC, 0x7feee
    MASK    "ecfg", ECFG, 0x71fff, ~(1 << 14)
    MASK    "estat", ESTAT, 3, ~0x3fff1ffc
    MASK    "era", ERA, -1
    MASK    "badv", BADV, -1
    MASK    "eentry", EENTRY, ~0xfff
    MASK    "tlbidx", TLBIDX, 0xbf000fff, LOW32 & ~0xf000
    MASK    "tlbehi", TLBEHI, ~0x1fff
    MASK    "tlbelo0", TLBELO0, ELO_BITS
    MASK    "tlbelo1", TLBELO1, ELO_BITS
    MASK    "pgdl", PGDL, ~0xfff
    MASK    "pgdh", PGDH, ~0xfff
    MASK    "pwcl", PWCL, 0x3fffffff, 0x3fffffff
    # With a page walker its enable is writable too (walker, e01_caps).
    MASK    "pwch", PWCH, 0xffffff, LOW32 & ~HPTW_EN
    MASK    "save0", SAVE0, -1
    MASK    "save7", SAVE7, -1
    MASK    "tid", TID, LOW32, LOW32
    MASK    "cntc", CNTC, -1
    MASK    "tlbrentry", TLBRENTRY, 0xfffffffff000
    MASK    "tlbrbadv", TLBRBADV, -1
    MASK    "tlbrera", TLBRERA, ~2
    MASK    "tlbrsave", TLBRSAVE, -1
    MASK    "tlbrelo0", TLBRELO0, ELO_BITS
    MASK    "tlbrelo1", TLBRELO1, ELO_BITS
    MASK    "tlbrehi", TLBREHI, ~0x1fc0
    # Bit 3 is the virtualization extension's.
    MASK    "tlbrprmd", TLBRPRMD, 0x17, ~8
    MASK    "dmw2", DMW2, 0xf00000000000003f
    MASK    "dmw3", DMW3, 0xf00000000000003f

    # ASID: the width field is a constant 10.
    li.d    $s0, -1
    csrwr   $s0, ASID
    csrrd   $s0, ASID
    CHECK   "asid.ones", $s0, 0xa03ff
    csrwr   $zero, ASID
    csrrd   $s0, ASID
    CHECK   "asid.zeros", $s0, 0xa0000

    # TCFG with EN=0: 48 bits.
    li.d    $s0, -2
    csrwr   $s0, TCFG
    csrrd   $s0, TCFG
    CHECK   "tcfg.ones", $s0, 0xfffffffffffe
    csrwr   $zero, TCFG

    # Fields whose value matters: RVACFG up to 8, STLBPS the supported sizes.
    li.d    $s0, ~7
    csrwr   $s0, RVACFG
    csrrd   $s0, RVACFG
    CHECK   "rvacfg", $s0, 8
    csrwr   $zero, RVACFG
    li.d    $s0, ~0x3f | 12
    csrwr   $s0, STLBPS
    csrrd   $s0, STLBPS
    CHECK   "stlbps", $s0, 12
    li.d    $s0, 14
    csrwr   $s0, STLBPS

    # 32-bit registers read sign-extended (manual 7.2.2).
    li.d    $s0, 0x80000000
    csrwr   $s0, TID
    csrrd   $s0, TID
    CHECK   "tid.sign", $s0, 0xffffffff80000000
    csrwr   $zero, TID
    # TLBEHI above VPPN is the sign extension of bit 47.
    li.d    $s0, 0x800000000000
    csrwr   $s0, TLBEHI
    csrrd   $s0, TLBEHI
    CHECK   "tlbehi.sign", $s0, 0xffff800000000000

    # Write-one registers read zero.
    li.d    $s0, 1
    csrwr   $s0, TICLR
    csrrd   $s0, TICLR
    CHECK   "ticlr", $s0, 0
    # LLBCTL: KLO holds, WCLLB is an action.
    TRY     2f
    li.d    $s0, ~2
    csrwr   $s0, LLBCTL
2:  csrrd   $s0, LLBCTL
    andi    $s1, $s0, 4
    CHECK   "llbctl.klo", $s1, 4
    bstrpick.d $s1, $s0, 63, 3
    CHECK   "llbctl.reserved", $s1, 0
    csrwr   $zero, LLBCTL

    READONLY "badi", BADI
    READONLY "pgd", PGD
    READONLY "cpuid", CPUID
    READONLY "prcfg1", PRCFG1
    READONLY "prcfg2", PRCFG2
    READONLY "prcfg3", PRCFG3
    b       finish
