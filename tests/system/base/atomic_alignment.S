# SPDX-License-Identifier: Apache-2.0 OR MIT

# Atomics need natural alignment whatever the CPU does for plain accesses (manual
# 2.2.7, 6.2.2).
#
#@ only sim: it is about this machine's answer alone
#@ apart it is about lvz-sim's answer alone

.include "test.inc"

    .equ PATTERN, 0x123456789abcdef0
    .equ NON_CANONICAL, 0x0001000000000008

    .text
    .globl main
main:
    la.pcrel $s0, scratch
    addi.d  $s0, $s0, 2
    li.d    $s1, PATTERN
    TRY     2f
1:  ll.w    $s1, $s0, 0
2:  CHECK_EXC "ale_ll", EXC_ALE, 1b
    TR      $s2, TR_BADV
    CHECKR  "ale_ll.badv", $s2, $s0
    CHECK   "ale_ll.rd", $s1, PATTERN
    TRY     2f
1:  sc.d    $s1, $s0, 0
2:  CHECK_EXC "ale_sc", EXC_ALE, 1b
    li.d    $s3, 1
    TRY     2f
1:  amadd.w $s1, $s3, $s0
2:  CHECK_EXC "ale_am", EXC_ALE, 1b
    TR      $s2, TR_BADV
    CHECKR  "ale_am.badv", $s2, $s0
    # ALE comes before ADE (manual 6.2.2).
    li.d    $s0, NON_CANONICAL + 1
    TRY     2f
1:  amadd.w $s1, $s3, $s0
2:  CHECK_EXC "ale_before_ade", EXC_ALE, 1b
    # Nothing was written.
    la.pcrel $s0, scratch
    ld.d    $s1, $s0, 0
    CHECK   "memory", $s1, 0
    b       finish

    .bss
    .balign 64
scratch: .space 64
