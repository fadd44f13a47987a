# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-21 (L-31): the guest's LL bit is its own: cleared by root through GCSR.LLBCTL,
# by the guest's ertn, and not by what happens to root's (docs/lvz.md G-8, Q-18).

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
link:
    ll.d    $a1, $a0, 0
    hvcl    1
conditional:
    li.d    $a2, 0x55
    sc.d    $a2, $a0, 0
    hvcl    2
pair:
    ll.d    $a1, $a0, 0
    li.d    $a2, 0x66
    sc.d    $a2, $a0, 0
    hvcl    3
returning:
    ll.d    $a1, $a0, 0
    ertn
rollb:
    csrrd   $a3, LLBCTL
    hvcl    4

    .text
    .globl main
main:
    HV_START
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    POKE    DATA_HPA, 0x11
    SET_GREG 4, DATA_GPA
    RUN     pair
    CHECK_HVC "pair", 3
    GREG    $s0, 6
    CHECK   "pair.sc", $s0, 1
    PEEK    $s0, DATA_HPA
    CHECK   "pair.stored", $s0, 0x66
    # WCLLB by root between ll and sc: it has to fail.
    RUN     link
    CHECK_GCSR "rollb", LLBCTL, 1, 1
    gcsrrd  $s0, LLBCTL
    ori     $s0, $s0, 2
    gcsrwr  $s0, LLBCTL
    CHECK_GCSR "wcllb.rollb", LLBCTL, 3, 0
    RUN     conditional
    CHECK_HVC "wcllb", 2
    GREG    $s0, 6
    CHECK   "wcllb.sc", $s0, 0
    PEEK    $s0, DATA_HPA
    CHECK   "wcllb.kept", $s0, 0x66
    # Without it the pair may succeed over an exit; what it says is what it did.
    RUN     link
    RUN     conditional
    GREG    $s0, 6
    PEEK    $s1, DATA_HPA
    li.d    $s2, 0x66
    beqz    $s0, 1f
    li.d    $s2, 0x55
1:  CHECKR  "over_exit", $s1, $s2
    # The guest's ertn clears it, to the code at GERA.
    GPA     $t1, rollb
    gcsrwr  $t1, ERA
    RUN     returning
    CHECK_HVC "ertn", 4
    GREG    $s0, 7
    andi    $s0, $s0, 1
    CHECK   "ertn.rollb", $s0, 0
    # With the guest's KLO it stays, once.
    GPA     $t1, rollb
    gcsrwr  $t1, ERA
    GW      LLBCTL, 4
    RUN     returning
    GREG    $s0, 7
    CHECK   "klo.rollb", $s0, 1
    # Root's bit is another one: a root ll survives nothing of the guest's, a
    # guest's ll does not set it.
    CSRW    LLBCTL, 2
    RUN     link
    CHECK_CSR "root.rollb", LLBCTL, 1, 0
    GW      LLBCTL, 2
    CHECK_CSR "root.rollb_after", LLBCTL, 1, 0
    # A store by root to the word between the guest's ll and sc.
    RUN     link
    POKE    DATA_HPA, 0x77
    GW      LLBCTL, 2
    RUN     conditional
    GREG    $s0, 6
    CHECK   "root_store.sc", $s0, 0
    PEEK    $s0, DATA_HPA
    CHECK   "root_store.kept", $s0, 0x77
    b       finish
