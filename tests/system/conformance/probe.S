# SPDX-License-Identifier: Apache-2.0 OR MIT

# What the machine has, by which the runner of an image set chooses programs: one value
# for each feature, 0 where there is none (Volume 1, 2.2.10.5, 7.8.1; IOCSR: 3A5000
# manual, 10.3).

.include "test.inc"
.include "message.inc"

.equ MWPC, 0x300

# Shows bits of a CPUCFG word.
.macro FEATURE name:req, word:req, high:req, low:req
    li.d    $s0, \word
    cpucfg  $s0, $s0
    bstrpick.d $s0, $s0, \high, \low
    SHOW    "\name", $s0
.endm

    .text
    .globl main
main:
    FEATURE "lvz", 2, 10, 10
    FEATURE "lbt", 2, 20, 18
    FEATURE "walker", 2, 24, 24
    FEATURE "counters", 6, 0, 0
    # The core's messages are of use where its chip sends some.
    li.d    $s0, 1
    cpucfg  $s0, $s0
    bstrpick.d $s1, $s0, 26, 26
    move    $s2, $zero
    beqz    $s1, 1f
    li.d    $t0, IOCSR_FEATURES
    iocsrrd.w $s2, $t0
    bstrpick.d $s2, $s2, 15, 15
1:  SHOW    "messages", $s2
    # No CPUCFG word tells of watchpoints, and where there are none their registers may
    # not exist.
    TRY     2f
    move    $s0, $zero
    csrrd   $s0, MWPC
2:  bstrpick.d $s0, $s0, 5, 0
    SHOW    "watchpoints", $s0
    b       finish
