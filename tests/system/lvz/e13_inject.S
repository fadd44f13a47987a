# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-13 (L-26): GINTC.VIP raises HWI lines in the guest's ESTAT: level-like, read
# back as written, cleared by root only, never latched (docs/lvz.md 2.5, 8.1).

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
# Enables line in $a0, then interrupts; the handler counts in $a1 and gives up
# after two.
guest:
    csrwr   $a0, ECFG
    li.d    $t0, CRMD_DA | CRMD_IE
    csrwr   $t0, CRMD
after_enable:
    nop
    nop
    hvcl    1
# Tries to clear it, reads ESTAT.
clear:
    csrwr   $zero, ESTAT
    li.d    $t0, 1
    csrwr   $t0, TICLR
    csrrd   $a2, ESTAT
    hvcl    2
    .balign 4096
handler:
    csrrd   $a2, ESTAT
    csrrd   $a3, ERA
    csrrd   $a4, CRMD
    hvcl    3

    .text
    .globl main
main:
    HV_START
    GPA     $t1, handler
    gcsrwr  $t1, EENTRY
    # Line 0 is bit 2. It shows before it is enabled.
    CSRW    GINTC, 1
    CHECK_GCSR "shown", ESTAT, -1, 1 << 2
    CHECK_CSR "root_estat", ESTAT, 0x1fff, 0
    SET_GREG 4, 1 << 2
    RESET_COUNTS
    RUN     guest
    CHECK_HVC "taken", 3
    CHECK_EX "taken.exits", EX_COUNT, 1
    GREG    $s0, 6
    CHECK   "taken.estat", $s0, 1 << 2
    GREG    $s0, 7
    GPA     $s1, after_enable
    CHECKR  "taken.era", $s0, $s1
    GREG    $s0, 8
    CHECK   "taken.crmd", $s0, CRMD_DA
    # Taking it changed nothing; the guest cannot clear it.
    CHECK_CSR "vip", GINTC, -1, 1
    RUN     clear
    CHECK_HVC "clear", 2
    GREG    $s0, 6
    CHECK   "clear.estat", $s0, 1 << 2
    # Root clears it.
    csrwr   $zero, GINTC
    CHECK_GCSR "gone", ESTAT, -1, 0
    RUN     clear
    GREG    $s0, 6
    CHECK   "gone.guest", $s0, 0
    GW      CRMD, CRMD_DA
    SET_GREG 4, 1 << 2
    RUN     guest
    CHECK_HVC "not_taken", 1

    # All eight lines, one at a time by read-modify-write.
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7
    li.d    $t0, 1 << \n
    move    $t1, $t0
    csrxchg $t0, $t1, GINTC
    .endr
    CHECK_CSR "all.vip", GINTC, -1, 0xff
    CHECK_GCSR "all.estat", ESTAT, -1, 0xff << 2
    li.d    $t1, 0x0f
    csrxchg $zero, $t1, GINTC
    CHECK_GCSR "upper.estat", ESTAT, -1, 0xf0 << 2
    # gcsrwr ESTAT does not latch these bits (N-2), nor clear them.
    csrrd   $s0, GINTC
    GW      ESTAT, (0xff << 2) | 1
    CHECK_GCSR "not_latched", ESTAT, -1, (0xf0 << 2) | 1
    csrwr   $zero, GINTC
    CHECK_GCSR "not_latched.gone", ESTAT, -1, 1
    gcsrwr  $zero, ESTAT

    # Highest number first, through the guest's vectors.
    GPA     $t1, vectors
    gcsrwr  $t1, EENTRY
    CSRW    GINTC, 0x82
    GW      CRMD, CRMD_DA
    SET_GREG 4, (0xff << 2) | (1 << 16)
    SET_GREG 5, 0
    RUN     guest
    CHECK_HVC "vector", 9
    csrwr   $zero, GINTC
    # PIP and HC bits are kept as written (Q-10, N-12).
    CSRW    GINTC, 0xa5c3 << 8
    CHECK_CSR "pip_hc", GINTC, -1, 0xa5c3 << 8
    CHECK_GCSR "pip_hc.estat", ESTAT, -1, 0
    csrwr   $zero, GINTC
    b       finish

    # VS=1: entries of eight bytes; number 64 + 2 + n.
    GUEST_CODE
    .balign 4096
vectors:
    .rept   66
    hvcl    0x3f
    nop
    .endr
    .set    n, 2
    .rept   8
    hvcl    n
    nop
    .set    n, n + 1
    .endr
    .text
