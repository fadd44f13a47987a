# SPDX-License-Identifier: Apache-2.0 OR MIT

# csrrd, csrwr, csrxchg and what the constant CSRs say (manual 4.2.1, 7.4).

.include "test.inc"

    .text
    .globl main
main:
    # csrwr returns the old value, csrxchg writes under the mask only.
    CSRW    SAVE3, 0x1111222233334444
    li.d    $s0, 0xaaaabbbbccccdddd
    csrwr   $s0, SAVE3
    CHECK   "csrwr.old", $s0, 0x1111222233334444
    CHECK_CSR "csrwr.new", SAVE3, -1, 0xaaaabbbbccccdddd
    li.d    $s0, 0x5555555555555555
    li.d    $s1, 0xffff00000000ff00
    csrxchg $s0, $s1, SAVE3
    CHECK   "csrxchg.old", $s0, 0xaaaabbbbccccdddd
    CHECK_CSR "csrxchg.new", SAVE3, -1, 0x5555bbbbcccc55dd
    # A mask of zero writes nothing.
    li.d    $s0, -1
    li.d    $s1, 0
    csrxchg $s0, $s1, SAVE3
    CHECK_CSR "csrxchg.nothing", SAVE3, -1, 0x5555bbbbcccc55dd
    # r0 as the source and as the destination.
    csrwr   $zero, SAVE3
    CHECK_CSR "csrwr.r0", SAVE3, -1, 0
    CHECK   "r0", $zero, 0
    CSRW    SAVE3, -1
    csrrd   $zero, SAVE3
    CHECK   "csrrd.r0", $zero, 0
    # csrxchg on a register with read-only parts: ESTAT's software bits.
    li.d    $s0, 3
    li.d    $s1, 2
    csrxchg $s0, $s1, ESTAT
    CHECK_CSR "csrxchg.estat", ESTAT, 0x1fff, 2
    csrwr   $zero, ESTAT

    # Registers that do not exist read zero and ignore writes, without an
    # exception (manual 4.2.1).
    TRY     2f
    li.d    $s0, 0x55
    csrwr   $s0, 0x3ffe
    CHECK   "undefined.csrwr", $s0, 0
    li.d    $s0, 0x55
    csrrd   $s0, 0x3ffe
    CHECK   "undefined.csrrd", $s0, 0
    li.d    $s0, 0x55
    li.d    $s1, -1
    csrxchg $s0, $s1, 0x3ffe
    CHECK   "undefined.csrxchg", $s0, 0
    CHECK_NO_EXC "undefined.quiet"
2:
    # Constants of the model.
    CHECK_CSR "cpuid", CPUID, -1, 0
    # 8 save registers, 48 timer bits, vector spacing to 7.
    CHECK_CSR "prcfg1.timer_bits", PRCFG1, 0xff0, 47 << 4
    CHECK_CSR "prcfg1.vsmax", PRCFG1, 0x7000, 7 << 12
    CHECK_CSR "prcfg1.saves", PRCFG1, 0xf, 8
    # Pages of 4 KiB to 512 MiB.
    CHECK_CSR "prcfg2", PRCFG2, -1, 0x3ffff000
    # STLB and MTLB; 64 MTLB entries; 8 ways of 2^8 sets.
    CHECK_CSR "prcfg3", PRCFG3, -1, 2 | (63 << 4) | (7 << 12) | (8 << 20)
    CHECK_CSR "asidbits", ASID, 0xff0000, 10 << 16

    # PGD follows the bad address: BADV outside a refill, TLBRBADV inside.
    CSRW    PGDL, 0x11111000
    CSRW    PGDH, 0x22222000
    CSRW    BADV, 0x0000123456789000
    CHECK_CSR "pgd.low", PGD, -1, 0x11111000
    CSRW    BADV, 0xffff923456789000
    CHECK_CSR "pgd.high", PGD, -1, 0x22222000
    CSRW    TLBRBADV, 0x0000123456789000
    CSRW    TLBRERA, 1
    csrrd   $s0, PGD
    csrwr   $zero, TLBRERA
    CHECK   "pgd.refill_low", $s0, 0x11111000
    CSRW    BADV, 0
    CSRW    TLBRBADV, 0xffff923456789000
    CSRW    TLBRERA, 1
    csrrd   $s0, PGD
    csrwr   $zero, TLBRERA
    CHECK   "pgd.refill_high", $s0, 0x22222000

    # CPUCFG words that system software relies on.
    li.d    $s0, 1
    cpucfg  $s1, $s0
    bstrpick.d $s2, $s1, 1, 0
    CHECK   "cpucfg1.arch", $s2, 2
    bstrpick.d $s2, $s1, 2, 2
    CHECK   "cpucfg1.pgmmu", $s2, 1
    bstrpick.d $s2, $s1, 3, 3
    CHECK   "cpucfg1.iocsr", $s2, 1
    bstrpick.d $s2, $s1, 11, 4
    CHECK   "cpucfg1.palen", $s2, 47
    bstrpick.d $s2, $s1, 19, 12
    CHECK   "cpucfg1.valen", $s2, 47
    bstrpick.d $s2, $s1, 20, 20
    CHECK   "cpucfg1.ual", $s2, 1
    bstrpick.d $s2, $s1, 23, 21
    CHECK   "cpucfg1.ri_ep_rplv", $s2, 7
    li.d    $s0, 2
    cpucfg  $s1, $s0
    andi    $s2, $s1, 0x3f
    SHOW    "cpucfg2.fp", $s2
    bstrpick.d $s2, $s1, 6, 6
    CHECK   "cpucfg2.lsx", $s2, 1
    bstrpick.d $s2, $s1, 14, 14
    CHECK   "cpucfg2.llftp", $s2, 1
    # Words past the last read zero.
    li.d    $s0, 0x1000
    cpucfg  $s1, $s0
    CHECK   "cpucfg.none", $s1, 0
    b       finish
