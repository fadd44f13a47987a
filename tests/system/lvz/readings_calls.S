# SPDX-License-Identifier: Apache-2.0 OR MIT

# Q-8, Q-9, Q-18, Q-24 both ways: hvcl below PLV0, the guest's LL bit over an exit,
# the guest's exception for root's invtlb operations (docs/lvz.md section 12).
#@ reading hvcl-user=exit
#@ reading hvcl-root=ipe
#@ reading exit-ll=clear
#@ reading guest-invtlb=ipe

.include "test.inc"
.include "lvz.inc"
.include "readings.inc"

    BY      hvcl_user, USER_CALL, 0x22, 0x11
    BY      hvcl_root, ROOT_CODE, EXC_INE, EXC_IPE
    BY      exit_ll, LL_KEPT, 1, 0
    BY      guest_invtlb, INVTLB_CODE, EXC_INE, EXC_IPE

    GUEST_CODE
to_user:
    ertn
user:
    hvcl    0x11
link:
    ll.d    $a1, $a0, 0
    hvcl    1
conditional:
    li.d    $a2, 0x55
    sc.d    $a2, $a0, 0
    hvcl    2
flush:
    invtlb  0x9, $zero, $zero
    hvcl    3
    .balign 4096
handler:
    csrrd   $a3, ESTAT
    hvcl    0x22

    .text
    .globl main
main:
    HV_START
    # From the guest's PLV3: its kernel's exception, or an exit.
    GW      PRMD, 3
    GPA     $t1, user
    gcsrwr  $t1, ERA
    GPA     $t1, handler
    gcsrwr  $t1, EENTRY
    RUN     to_user
    CHECK_HVC "user", USER_CALL
    # In root: undefined at PLV0 in every reading.
    TRY     1f
0:  hvcl    1
1:  CHECK_EXC "root.plv0", EXC_INE, 0b
    RUN_AT  3, root_user, 1f
1:  CHECK_EXC "root.plv3", ROOT_CODE, root_user

    # The guest's LL bit over an exit.
    GW      CRMD, CRMD_DA
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    POKE    DATA_HPA, 0x11
    SET_GREG 4, DATA_GPA
    RUN     link
    CHECK_GCSR "ll.rollb", LLBCTL, 1, LL_KEPT
    RUN     conditional
    CHECK_HVC "ll", 2
    GREG    $s0, 6
    CHECK   "ll.sc", $s0, LL_KEPT

    # invtlb 0x9 is root's.
    RUN     flush
    CHECK_HVC "invtlb", 0x22
    GREG    $s0, 7
    bstrpick.d $s0, $s0, 21, 16
    CHECK   "invtlb.code", $s0, INVTLB_CODE
    b       finish
root_user:
    hvcl    1
