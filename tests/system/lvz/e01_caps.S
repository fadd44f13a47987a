# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-1 (L-1, L-2, L-3, L-37): the root CSRs of LVZ, their constant fields and what
# can be written (docs/lvz.md 1, 2).

.include "test.inc"
.include "lvz.inc"

    .text
    .globl main
main:
    # CPUCFG.2: LVZP, version 1; no message interrupts (D-1, D-5). If there is a page
    # walker it can be enabled, else not (D-6).
    li.d    $s0, 2
    cpucfg  $s1, $s0
    bstrpick.d $s2, $s1, 10, 10
    CHECK   "cpucfg2.lvzp", $s2, 1
    bstrpick.d $s2, $s1, 13, 11
    CHECK   "cpucfg2.lvzver", $s2, 1
    bstrpick.d $s2, $s1, 24, 24
    CSRW    PWCH, HPTW_EN
    csrrd   $s3, PWCH
    bstrpick.d $s3, $s3, 24, 24
    CHECKR  "cpucfg2.ptw", $s3, $s2
    csrwr   $zero, PWCH

    # Values after reset (R-6, R-10, R-16): everything but constants is zero.
    csrrd   $s5, GCFG
    csrrd   $s6, GSTAT
    csrrd   $s7, GTLBC
    CHECK_CSR "reset.gstat", GSTAT, ~(0x3f << 4), 0
    CHECK_CSR "reset.gcfg", GCFG, ~(GCFG_CAPS), 0
    CHECK_CSR "reset.gtlbc", GTLBC, ~0x3f, 0
    CHECK_CSR "reset.gintc", GINTC, -1, 0
    CHECK_CSR "reset.gcntc", GCNTC, -1, 0

    # GSTAT: GIDBIT is 8 and constant, VM reads 0; PGM and GID are written.
    bstrpick.d $s0, $s6, 9, 4
    CHECK   "gstat.gidbit", $s0, 8
    CSRW    GSTAT, -1
    CHECK_CSR "gstat.ones", GSTAT, -1, GSTAT_PGM | (8 << 4) | (0xff << 16)
    CSRW    GSTAT, 0
    CHECK_CSR "gstat.zeros", GSTAT, -1, 8 << 4
    # A saved value with VM=0 and PGM=0 changes only GID (L-37).
    CSRW    GSTAT, 8 << 4 | (0x5a << 16)
    CHECK_CSR "gstat.saved", GSTAT, -1, (8 << 4) | (0x5a << 16)
    CSRW    GSTAT, 0

    # GCFG: capabilities stay through a write of zero and of ones.
    CSRW    GCFG, 0
    csrrd   $s0, GCFG
    li.d    $s1, GCFG_CAPS
    and     $s2, $s5, $s1
    CHECKR  "gcfg.zeros", $s0, $s2
    CSRW    GCFG, -1
    csrrd   $s0, GCFG
    li.d    $s1, GCFG_CAPS
    and     $s0, $s0, $s1
    CHECKR  "gcfg.caps", $s0, $s2
    # A control whose capability is 0 reads 0 (TOPI, TOTI, TOE, TOP, TOHU).
    .irp    bit, 6, 8, 10, 12, 14
    li.d    $t0, -1
    csrwr   $t0, GCFG
    csrrd   $s0, GCFG
    bstrpick.d $s1, $s0, \bit, \bit
    bstrpick.d $s2, $s0, \bit + 1, \bit + 1
    CHECKR  "gcfg.control\bit", $s2, $s1
    .endr
    CHECK_CSR "gcfg.reserved", GCFG, 0xfffffffff8400000, 0
    # KVM's own setting: MATC root, TOCI secure (MATP bit 1, TOCIP bit 2).
    csrwr   $zero, GCFG
    CHECK_CSR "gcfg.matp_root", GCFG, 2, 2
    CHECK_CSR "gcfg.tocip_secure", GCFG, 4 << 16, 4 << 16
    CSRW    GCFG, (1 << 4) | (2 << 20)
    CHECK_CSR "gcfg.kvm", GCFG, GCFG_MATC | GCFG_TOCI, (1 << 4) | (2 << 20)
    # No counters are lent without GPMP.
    csrrd   $s0, GCFG
    bstrpick.d $s1, $s0, 23, 23
    bnez    $s1, 1f
    CSRW    GCFG, 7 << 24
    CHECK_CSR "gcfg.gpmnum", GCFG, 7 << 24, 0
1:  csrwr   $zero, GCFG

    # GTLBC: USETGID and TGID; the others are kept by an exchange (L-3). TGID is
    # read-only without USETGID.
    csrwr   $zero, GTLBC
    li.d    $s0, 0x2a
    csrwr   $s0, GTLBC
    li.d    $s0, GTLBC_USETGID
    move    $s1, $s0
    csrxchg $s0, $s1, GTLBC
    CHECK_CSR "gtlbc.usetgid", GTLBC, 0xffffff, GTLBC_USETGID | 0x2a
    li.d    $s0, 0x77 << 16
    li.d    $s1, 0xff << 16
    csrxchg $s0, $s1, GTLBC
    CHECK_CSR "gtlbc.tgid", GTLBC, 0xffffff, GTLBC_USETGID | 0x2a | (0x77 << 16)
    csrxchg $zero, $s1, GTLBC
    CHECK_CSR "gtlbc.tgid0", GTLBC, 0xffffff, GTLBC_USETGID | 0x2a
    CSRW    GTLBC, 0x33 << 16
    CHECK_CSR "gtlbc.no_usetgid", GTLBC, 0xff << 16, 0
    csrwr   $zero, GTLBC

    # TRGP is read-only.
    CSRW    TRGP, -1
    CHECK_CSR "trgp", TRGP, ~0xff0001, 0
    # GINTC: three fields of eight bits (R-14).
    CSRW    GINTC, -1
    CHECK_CSR "gintc.ones", GINTC, -1, 0xffffff
    CSRW    GINTC, 0x12
    CHECK_CSR "gintc.value", GINTC, -1, 0x12
    csrwr   $zero, GINTC
    # GCNTC: 64 bits.
    CSRW    GCNTC, -1
    CHECK_CSR "gcntc", GCNTC, -1, -1
    csrwr   $zero, GCNTC

    # LVZ's instructions at PLV3 of root: privileged. hvcl in root does not
    # exist (Q-9).
    TRY     2f
1:  hvcl    0
2:  CHECK_EXC "root.hvcl", EXC_INE, 1b
    RUN_AT  3, 1f, 2f
1:  gcsrrd  $s1, CRMD
    syscall 0
2:  CHECK_EXC "user.gcsrrd", EXC_IPE, 1b
    RUN_AT  3, 1f, 2f
1:  gcsrwr  $s1, SAVE0
    syscall 0
2:  CHECK_EXC "user.gcsrwr", EXC_IPE, 1b
    RUN_AT  3, 1f, 2f
1:  GTLBSRCH
    syscall 0
2:  CHECK_EXC "user.gtlbsrch", EXC_IPE, 1b
    b       finish
