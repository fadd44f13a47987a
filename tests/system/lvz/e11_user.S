# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-11 (L-18, L-22): guest PLV3: root's stage-2 pages have PLV 0 and are usable
# all the same; privileged instructions are the guest's IPE, cpucfg is an exit
# (docs/lvz.md M-5, 7.4).

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
to_user:
    ertn
user:
    ld.d    $a1, $a0, 0
    st.d    $a1, $a0, 8
    syscall 0
privileged:
    csrrd   $a1, CRMD
iocsr:
    iocsrrd.w $a1, $zero
idle_insn:
    idle    0
config:
    cpucfg  $a1, $zero
    .balign 4096
handler:
    csrrd   $a2, ESTAT
    csrrd   $a3, ERA
    hvcl    7

    .text
# Runs guest code at guest PLV3.
.macro RUN_USER label:req
    GW      PRMD, 3
    GPA     $t1, \label
    gcsrwr  $t1, ERA
    RUN     to_user
.endm

    .globl main
main:
    HV_START
    GPA     $t1, handler
    gcsrwr  $t1, EENTRY
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    POKE    DATA_HPA, 0x4321
    SET_GREG 4, DATA_GPA
    RESET_COUNTS
    RUN_USER user
    # Straight to the guest's own handler of its syscall: one exit, its hvcl.
    CHECK_HVC "user", 7
    CHECK_EX "user.exits", EX_COUNT, 1
    GREG    $s0, 6
    bstrpick.d $s0, $s0, 21, 16
    CHECK   "user.syscall", $s0, EXC_SYS
    PEEK    $s0, DATA_HPA + 8
    CHECK   "user.store", $s0, 0x4321
    CHECK_GCSR "user.prmd", PRMD, 3, 3
    CHECK_GCSR "user.crmd", CRMD, 3, 0
    .macro GUEST_IPE name:req, label:req
    RESET_COUNTS
    RUN_USER \label
    CHECK_HVC "\name", 7
    CHECK_EX "\name\().exits", EX_COUNT, 1
    GREG    $s0, 6
    bstrpick.d $s0, $s0, 21, 16
    CHECK   "\name\().ipe", $s0, EXC_IPE
    GREG    $s0, 7
    GPA     $s1, \label
    CHECKR  "\name\().era", $s0, $s1
    .endm
    GUEST_IPE "csrrd", privileged
    GUEST_IPE "iocsrrd", iocsr
    GUEST_IPE "idle", idle_insn
    RUN_USER config
    CHECK_EXIT "cpucfg", EXC_GSPR, config
    CHECK_EX "cpucfg.badi", EX_BADI, 0x00006c05
    # Guest PLV is not root's: the exit says PLV0 before.
    CHECK_EX "cpucfg.prmd", EX_PRMD, 4
    CHECK_GCSR "cpucfg.gplv", CRMD, 3, 3
    b       finish
