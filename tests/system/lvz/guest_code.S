# SPDX-License-Identifier: Apache-2.0 OR MIT

# Code of the guest that changes (M-8): written by the guest, by root through the
# host page, by remapping the guest-physical page, and seen after ibar or the next
# entry (docs/lvz.md 6.3).

.include "test.inc"
.include "lvz.inc"

    .equ RET, 0x4c000020

    GUEST_CODE
# Writes `addi.d $a0, $zero, $a1; jr $ra` to DATA_GPA and calls it.
write:
    li.d    $s0, DATA_GPA
    li.d    $t0, 0x02c00004
    slli.d  $t1, $a1, 10
    or      $t0, $t0, $t1
    st.w    $t0, $s0, 0
    li.d    $t0, RET
    st.w    $t0, $s0, 4
    ibar    0
    jirl    $ra, $s0, 0
    hvcl    1
call:
    li.d    $s0, DATA_GPA
    ibar    0
    jirl    $ra, $s0, 0
    hvcl    2
loop:
    li.d    $s0, DATA_GPA
    li.d    $s1, 0
    li.d    $t3, 50
1:  li.d    $t0, 0x02c00004
    slli.d  $t1, $t3, 10
    or      $t0, $t0, $t1
    st.w    $t0, $s0, 0
    ibar    0
    jirl    $ra, $s0, 0
    xor     $t0, $a0, $t3
    or      $s1, $s1, $t0
    addi.d  $t3, $t3, -1
    bnez    $t3, 1b
    hvcl    3

    .text
    .globl main
main:
    HV_START
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    SET_GREG 5, 7
    RUN     write
    CHECK_HVC "write", 1
    GREG    $s0, 4
    CHECK   "write.value", $s0, 7
    SET_GREG 5, 8
    RUN     write
    GREG    $s0, 4
    CHECK   "write.again", $s0, 8
    RUN     loop
    CHECK_HVC "loop", 3
    GREG    $s0, 24
    CHECK   "loop.values", $s0, 0
    # Root changes the code in the host page, while the guest is out.
    li.d    $t0, CACHED | DATA_HPA
    li.d    $t1, 0x02c02404         # addi.d $a0, $zero, 9
    st.w    $t1, $t0, 0
    ibar    0
    RUN     call
    CHECK_HVC "root", 2
    GREG    $s0, 4
    CHECK   "root.value", $s0, 9
    # The guest-physical page becomes another host page with other code.
    POKE    DATA_HPA + 0x10000, (RET << 32) | 0x02c02804
    S2_MAP  tables_a, DATA_GPA, (DATA_HPA + 0x10000) | S2_RW
    S2_FLUSH 5, DATA_GPA
    RUN     call
    GREG    $s0, 4
    CHECK   "remapped.value", $s0, 10
    # Back to the first, still with root's code.
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    S2_FLUSH 5, DATA_GPA
    RUN     call
    GREG    $s0, 4
    CHECK   "back.value", $s0, 9
    # Another guest has other code at the same address.
    la.pcrel $a0, tables_b
    bl      s2_init
    S2_MAP  tables_b, DATA_GPA, (DATA_HPA + 0x10000) | S2_RW
    USE_GUEST 6, tables_b
    RUN     call
    GREG    $s0, 4
    CHECK   "gid6.value", $s0, 10
    USE_GUEST 5, tables_a
    RUN     call
    GREG    $s0, 4
    CHECK   "gid5.value", $s0, 9
    # Root runs the same bytes in its own mode.
    li.d    $t0, CACHED | DATA_HPA
    jirl    $ra, $t0, 0
    CHECK   "root_runs", $a0, 9
    b       finish
