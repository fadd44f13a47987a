# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-14 (L-27): root sets and clears single bits of the guest's ESTAT by gcsrxchg,
# merged with the guest's own value; the guest sees and takes them (docs/lvz.md
# 8.2, G-2).

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
take:
    li.d    $t0, CRMD_DA | CRMD_IE
    csrwr   $t0, CRMD
    nop
    hvcl    1
write:
    li.d    $t0, -1
    csrwr   $t0, ESTAT
    csrrd   $a1, ESTAT
    csrwr   $zero, ESTAT
    csrrd   $a2, ESTAT
    hvcl    2
    .balign 4096
handler:
    csrrd   $a1, ESTAT
    hvcl    3

    .text
# gcsrxchg of ESTAT; $s0 = old value.
.macro EXCHANGE value:req, mask:req
    li.d    $s0, \value
    li.d    $t1, \mask
    gcsrxchg $s0, $t1, ESTAT
.endm

    .globl main
main:
    HV_START
    GPA     $t1, handler
    gcsrwr  $t1, EENTRY
    # Root's ESTAT differs from the guest's.
    CSRW    ESTAT, 2
    GW      ESTAT, 1
    EXCHANGE -1, 1 << 12
    CHECK   "old", $s0, 1
    CHECK_GCSR "ipi", ESTAT, -1, (1 << 12) | 1
    EXCHANGE 0, 1
    CHECK   "old2", $s0, (1 << 12) | 1
    CHECK_GCSR "clear_swi", ESTAT, -1, 1 << 12
    .irp    bit, 0, 1, 10, 11
    EXCHANGE 1 << \bit, 1 << \bit
    CHECK_GCSR "set\bit", ESTAT, -1, (1 << 12) | (1 << \bit)
    EXCHANGE 0, 1 << \bit
    CHECK_GCSR "cleared\bit", ESTAT, -1, 1 << 12
    .endr
    CHECK_CSR "root", ESTAT, 0x1fff, 2
    # Ecode and EsubCode too (G-1).
    EXCHANGE (13 << 16) | (1 << 22), 0x7fff << 16
    CHECK_GCSR "ecode", ESTAT, -1, (13 << 16) | (1 << 22) | (1 << 12)
    # The guest itself writes bits 1:0 only.
    RUN     write
    CHECK_HVC "guest_write", 2
    GREG    $s0, 5
    CHECK   "guest_write.ones", $s0, (13 << 16) | (1 << 22) | (1 << 12) | 3
    GREG    $s0, 6
    CHECK   "guest_write.zeros", $s0, (13 << 16) | (1 << 22) | (1 << 12)
    # It takes an injected IPI; the code field becomes the interrupt's.
    GW      ECFG, 1 << 12
    RUN     take
    CHECK_HVC "taken", 3
    GREG    $s0, 5
    CHECK   "taken.estat", $s0, 1 << 12
    # Not when root has withdrawn it.
    EXCHANGE 0, 1 << 12
    GW      CRMD, CRMD_DA
    RUN     take
    CHECK_HVC "withdrawn", 1
    # IPI and TI in the guest's ESTAT are no interrupts of root's.
    EXCHANGE (1 << 12) | (1 << 11), (1 << 12) | (1 << 11)
    CHECK_CSR "root_again", ESTAT, 0x1fff, 2
    gcsrwr  $zero, ESTAT
    csrwr   $zero, ESTAT
    b       finish
