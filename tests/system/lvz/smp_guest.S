# SPDX-License-Identifier: Apache-2.0 OR MIT

# Two CPUs: another CPU's IPI takes a looping guest with interrupts off out of it
# (W-14), another CPU's store takes the guest's LL reservation, and each CPU has an
# LVZ state of its own (docs/lvz.md 5.7, Q-18, I-9).
#
#@ cpus 2

.include "test.inc"
.include "lvz.inc"
.include "smp.inc"

    GUEST_CODE
loop:
    b       loop
# ll, tell the other CPU by a word, wait for its answer, sc.
link:
    ll.d    $a1, $a0, 0
    li.d    $t0, 1
    st.w    $t0, $a0, 0x80
1:  ld.w    $t1, $a0, 0x100
    beqz    $t1, 1b
    li.d    $a2, 0x55
    sc.d    $a2, $a0, 0
    hvcl    1
count:
    li.d    $t1, 5000
1:  ll.d    $t0, $a0, 0x180
    addi.d  $t0, $t0, 1
    sc.d    $t0, $a0, 0x180
    beqz    $t0, 1b
    addi.d  $t1, $t1, -1
    bnez    $t1, 1b
    hvcl    2

    .text
    .globl main
main:
    HV_START
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    SET_GREG 4, DATA_GPA
    POKE    DATA_HPA, 0x11
    POKE    DATA_HPA + 0x80, 0
    POKE    DATA_HPA + 0x100, 0
    POKE    DATA_HPA + 0x180, 0
    CSRW    ASID, 0
    GW      SAVE0, 0x1234
    START_CPU1 cpu1
    # CPU 1 does a step each time `step` grows.
    # 1: an IPI to CPU 0 while its guest loops.
    li.d    $t0, -1
    li.d    $t1, IPI_ENABLE
    iocsrwr.w $t0, $t1
    li.d    $t0, -1
    li.d    $t1, IPI_CLEAR
    iocsrwr.w $t0, $t1
    CSRW    ECFG, 1 << IS_IPI
    SIGNAL  step, 1
    RUN     loop
    CHECK_EXIT "kick", EXC_INT, loop
    EX      $s0, EX_ESTAT
    bstrpick.d $s0, $s0, 14, 0
    CHECK   "kick.is", $s0, 1 << IS_IPI
    li.d    $t0, -1
    li.d    $t1, IPI_CLEAR
    iocsrwr.w $t0, $t1
    csrwr   $zero, ECFG
    # 2: CPU 1 stores between the guest's ll and sc.
    SIGNAL  step, 2
    RUN     link
    CHECK_HVC "reservation", 1
    GREG    $s0, 6
    CHECK   "reservation.sc", $s0, 0
    PEEK    $s0, DATA_HPA
    CHECK   "reservation.kept", $s0, 0x11
    # 3: guest and root of another CPU count together.
    SIGNAL  step, 3
    RUN     count
    CHECK_HVC "count", 2
    AWAIT   done, 3
    PEEK    $s0, DATA_HPA + 0x180
    CHECK   "count.sum", $s0, 10000
    # CPU 1's guest file and LVZ registers are its own.
    la.pcrel $s1, values
    ld.d    $s0, $s1, 0
    CHECK   "cpu1.gsave0", $s0, 0
    ld.d    $s0, $s1, 8
    CHECK   "cpu1.gstat", $s0, 8 << 4
    CHECK_GCSR "cpu0.gsave0", SAVE0, -1, 0x1234
    CHECK_CSR "cpu0.gid", GSTAT, 0xff << 16, 5 << 16
    b       finish

cpu1:
    CPU1_SETUP
    la.pcrel $s1, values
    gcsrrd  $t0, SAVE0
    st.d    $t0, $s1, 0
    csrrd   $t0, GSTAT
    st.d    $t0, $s1, 8
    GW      SAVE0, 0x9999
    AWAIT   step, 1
    # Let the guest get going.
    li.d    $t0, 50000
1:  addi.d  $t0, $t0, -1
    bnez    $t0, 1b
    li.d    $t0, (1 << 31) | 1
    li.d    $t1, IPI_SEND
    iocsrwr.w $t0, $t1
    AWAIT   step, 2
    li.d    $s0, CACHED | DATA_HPA
1:  ld.w    $t0, $s0, 0x80
    beqz    $t0, 1b
    li.d    $t0, 0x11
    st.d    $t0, $s0, 0
    dbar    0
    li.d    $t0, 1
    st.w    $t0, $s0, 0x100
    AWAIT   step, 3
    addi.d  $s0, $s0, 0x180
    li.d    $s3, 5000
1:  ll.d    $t0, $s0, 0
    addi.d  $t0, $t0, 1
    sc.d    $t0, $s0, 0
    beqz    $t0, 1b
    addi.d  $s3, $s3, -1
    bnez    $s3, 1b
    SIGNAL  done, 3
1:  idle    0
    b       1b

    .bss
    .balign 128
step:   .space 128
done:   .space 128
values: .space 128
