# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-25 (G-3): gcsr* on numbers that the guest file lacks read 0 and write nothing,
# in root without any exception.

.include "test.inc"
.include "lvz.inc"

    .text
    .globl main
main:
    HV_START
    .irp    csr, 0x9, 0x14, 0x17, 0x24, 0x45, 0x61, 0xc0, 0x1ff, 0x3ff, 0x3ffe
    TRY     2f
    li.d    $s0, 0x55
    gcsrrd  $s0, \csr
    li.d    $s1, 0x66
    gcsrwr  $s1, \csr
    li.d    $s2, 0x77
    li.d    $s3, -1
    gcsrxchg $s2, $s3, \csr
    li.d    $s3, 0x88
    gcsrrd  $s3, \csr
2:  CHECK_NO_EXC "csr\csr\().quiet"
    or      $s0, $s0, $s1
    or      $s0, $s0, $s2
    or      $s0, $s0, $s3
    CHECK   "csr\csr\().zero", $s0, 0
    .endr
    # Those that a guest access would trap do not trap root's gcsr* (A-8).
    .irp    csr, 0x80, 0x90, 0x98, 0x200, 0x300, 0x380, 0x500
    TRY     2f
    gcsrrd  $s0, \csr
    li.d    $s1, 0
    gcsrwr  $s1, \csr
    li.d    $s2, 0
    li.d    $s3, -1
    gcsrxchg $s2, $s3, \csr
2:  CHECK_NO_EXC "csr\csr\().quiet"
    .endr
    b       finish
