# SPDX-License-Identifier: Apache-2.0 OR MIT

# M-1, M-2: the guest's own windows, reduced and 32-bit addresses and MISC apply to
# it, and root's do not (docs/lvz.md 6.1).

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
# Mapped mode in the window of DMW0; runs the load at `op`.
start:
    pcaddi  $t0, 4
    li.d    $t1, CACHED
    or      $t0, $t0, $t1
    jr      $t0
    li.d    $t0, CRMD_RUN
    csrwr   $t0, CRMD
    ld.d    $a1, $a0, 0
    hvcl    1
user:
    rdtime.d $a1, $zero
    hvcl    2
to_user:
    ertn
    .balign 4096
handler:
    csrrd   $a2, ESTAT
    csrrd   $a3, BADV
    hvcl    3
    .balign 4096
refill:
    csrrd   $a3, TLBRBADV
    hvcl    4

    .text
# Loads from `address` in mapped mode; checks which hvcl is reached.
.macro LOAD name:req, address:req, number:req
    gcsrwr  $zero, TLBRERA
    GW      CRMD, CRMD_DA
    SET_GREG 4, \address
    SET_GREG 5, 0
    RUN     start
    CHECK_HVC "\name", \number
.endm

    .globl main
main:
    HV_START
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    POKE    DATA_HPA, 0x2468
    GPA     $t1, handler
    li.d    $t0, CACHED
    or      $t1, $t1, $t0
    gcsrwr  $t1, EENTRY
    GPA     $t1, refill
    gcsrwr  $t1, TLBRENTRY
    GW      DMW0, CACHED | (1 << 4) | 1
    # Root's windows are not the guest's: 0x8000... is root's alone.
    LOAD    "root_window", UNCACHED | DATA_GPA, 3
    GREG    $s0, 6
    bstrpick.d $s0, $s0, 30, 16
    CHECK   "root_window.code", $s0, EXC_ADEM
    # The guest's are.
    LOAD    "dmw0", CACHED | DATA_GPA, 1
    GREG    $s0, 5
    CHECK   "dmw0.value", $s0, 0x2468
    GW      DMW3, 0x0000000000000001
    LOAD    "dmw3", DATA_GPA, 1
    GREG    $s0, 5
    CHECK   "dmw3.value", $s0, 0x2468
    gcsrwr  $zero, DMW3
    LOAD    "no_window", DATA_GPA, 4
    GREG    $s0, 7
    CHECK   "no_window.badv", $s0, DATA_GPA
    # Reduced addresses: the guest's RVACFG.
    GW      RVACFG, 8
    LOAD    "reduced", 0x0000400000000000, 3
    gcsrwr  $zero, RVACFG
    LOAD    "full", 0x0000400000000000, 4
    CSRW    RVACFG, 8
    LOAD    "root_reduced", 0x0000400000000000, 4
    csrwr   $zero, RVACFG
    # rdtime at guest PLV3 forbidden by the guest's MISC, not by root's.
    GW      CRMD, CRMD_DA
    gcsrwr  $zero, TLBRERA
    GPA     $t1, handler
    gcsrwr  $t1, EENTRY
    .macro USER_RDTIME name:req, code:req
    GW      CRMD, CRMD_DA
    GPA     $t1, user
    gcsrwr  $t1, ERA
    GW      PRMD, 3
    RUN     to_user
    CHECK_HVC "\name", 3
    GREG    $s0, 6
    bstrpick.d $s0, $s0, 30, 16
    CHECK   "\name\().code", $s0, \code
    .endm
    # Allowed, it reaches the hvcl, which is a guest's IPE at PLV3, like rdtime
    # when forbidden: the return addresses differ.
    USER_RDTIME "rdtime", EXC_IPE
    gcsrrd  $s0, ERA
    GPA     $s1, user
    addi.d  $s1, $s1, 4
    CHECKR  "rdtime.allowed", $s0, $s1
    GW      MISC, 1 << 7
    USER_RDTIME "drdtl3", EXC_IPE
    gcsrrd  $s0, ERA
    GPA     $s1, user
    CHECKR  "drdtl3.refused", $s0, $s1
    gcsrwr  $zero, MISC
    CSRW    MISC, 1 << 7
    USER_RDTIME "root_drdtl3", EXC_IPE
    csrwr   $zero, MISC
    gcsrrd  $s0, ERA
    GPA     $s1, user
    addi.d  $s1, $s1, 4
    CHECKR  "root_drdtl3.allowed", $s0, $s1
    b       finish
