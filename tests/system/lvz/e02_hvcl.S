# SPDX-License-Identifier: Apache-2.0 OR MIT

# E-2 (L-6, L-7, L-8, L-9, L-10, L-23): entry by ertn, exit by hvcl, what is
# recorded and what is kept apart (docs/lvz.md 5.2 to 5.4, 4.6).

.include "test.inc"
.include "lvz.inc"

    GUEST_CODE
guest:
    # Every register plus one, so that they are seen to pass both ways.
    .irp    n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    addi.d  $r\n, $r\n, 1
    .endr
    # The guest's own save registers.
    csrwr   $r4, SAVE4
    csrwr   $r5, SAVE5
call:
    hvcl    0x123
    hvcl    0x7fff
again:
    hvcl    0

    .text
    .globl main
main:
    HV_START
    la.pcrel $t1, guest_gprs
    li.d    $t2, 1
1:  slli.d  $t3, $t2, 3
    add.d   $t3, $t3, $t1
    slli.d  $t4, $t2, 8
    st.d    $t4, $t3, 0
    addi.d  $t2, $t2, 1
    li.d    $t4, 32
    bltu    $t2, $t4, 1b
    # Values that an exit has to leave alone in the guest's file.
    GW      ERA, 0x1234000
    GW      PRMD, 3
    GW      BADV, 0x4321
    GW      BADI, 0x77
    GW      SAVE4, 0
    GW      EENTRY, 0x555000
    CSRW    BADV, 0x9999
    CSRW    SAVE5, 0x5555
    RESET_COUNTS
    RUN     guest
    CHECK_EXIT "exit", EXC_HVC, call
    CHECK_EX "exit.badi", EX_BADI, 0x002b8123
    # Root's background state: PLV0, IE=1 before; IE=0 and mapped mode after.
    CHECK_EX "exit.prmd", EX_PRMD, 4
    CHECK_EX "exit.crmd", EX_CRMD, CRMD_RUN
    CHECK_EX "exit.gstat", EX_GSTAT, GSTAT_PGM | (8 << 4) | (5 << 16)
    CHECK_EX "exit.badv", EX_BADV, 0x9999
    CHECK_EX "exit.count", EX_COUNT, 1
    # The guest's registers hold no trace of it.
    CHECK_GCSR "gera", ERA, -1, 0x1234000
    CHECK_GCSR "gprmd", PRMD, -1, 3
    CHECK_GCSR "gestat", ESTAT, -1, 0
    CHECK_GCSR "gbadv", BADV, -1, 0x4321
    CHECK_GCSR "gbadi", BADI, -1, 0x77
    CHECK_GCSR "gcrmd", CRMD, -1, CRMD_DA
    CHECK_GCSR "geentry", EENTRY, -1, 0x555000
    # Its GPRs came and went.
    la.pcrel $s0, guest_gprs
    move    $s1, $zero
    li.d    $s2, 1
1:  slli.d  $t0, $s2, 3
    add.d   $t0, $t0, $s0
    ld.d    $t0, $t0, 0
    slli.d  $t1, $s2, 8
    addi.d  $t1, $t1, 1
    # r4 and r5 were exchanged with the guest's SAVE4 and SAVE5.
    srli.d  $t2, $s2, 1
    addi.d  $t2, $t2, -2
    beqz    $t2, 2f
    xor     $t0, $t0, $t1
    or      $s1, $s1, $t0
2:  addi.d  $s2, $s2, 1
    li.d    $t0, 32
    bltu    $s2, $t0, 1b
    CHECK   "gprs", $s1, 0
    # Two files of save registers (L-9).
    CHECK_GCSR "save4.guest", SAVE4, -1, 0x401
    CHECK_GCSR "save5.guest", SAVE5, -1, 0x501
    CHECK_CSR "save5.root", SAVE5, -1, 0x5555

    # The 15 bits of the code; PC moves only when software moves it.
    RESUME  4
    CHECK_HVC "second", 0x7fff
    RESUME  0
    CHECK_HVC "same", 0x7fff
    RESUME  4
    CHECK_HVC "third", 0
    CHECK_EXIT "third.exit", EXC_HVC, again

    # At guest PLV3 the guest gets IPE (Q-8).
    GW      PRMD, 3
    GPA     $t1, user
    gcsrwr  $t1, ERA
    GPA     $t1, handler
    gcsrwr  $t1, EENTRY
    RUN     to_user
    CHECK_HVC "user", 0x22
    CHECK_GCSR "user.estat", ESTAT, 0x3f << 16, EXC_IPE << 16
    CHECK_GCSR "user.prmd", PRMD, 3, 3
    b       finish

    GUEST_CODE
to_user:
    ertn
user:
    hvcl    0x11
    .balign 4096
handler:
    hvcl    0x22
    .text
