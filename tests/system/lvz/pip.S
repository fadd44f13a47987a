# SPDX-License-Identifier: Apache-2.0 OR MIT

# GINTC.PIP (N-11, Q-10): a physical HWI line that root passes on shows in the guest's
# ESTAT and is taken there without an exit, root's view unchanged; without PIP the
# guest sees nothing (docs/lvz.md 8.1, 8.4).
#@ board it routes a device's interrupt, which a board's firmware may use

.include "test.inc"
.include "lvz.inc"
.include "external.inc"

    GUEST_CODE
guest:
    csrrd   $a1, ESTAT
    csrwr   $a0, ECFG
    li.d    $t0, CRMD_DA | CRMD_IE
    csrwr   $t0, CRMD
    nop
    hvcl    1
    .balign 4096
handler:
    csrrd   $a1, ESTAT
    hvcl    2

    .text
    .globl main
main:
    HV_START
    GPA     $t1, handler
    gcsrwr  $t1, EENTRY
    EXTERNAL_SETUP
    UART_RAISE
    # The line is root's: visible there, not in the guest. Root does not enable it.
    csrrd   $s0, ESTAT
    gcsrrd  $s1, ESTAT
    SET_GREG 4, 0x3fc
    RUN     guest
    EX      $s2, EX_BADI
    GREG    $s3, 5
    # Passed on (line 1 is PIP bit 9): taken by the guest.
    CSRW    GINTC, 1 << 9
    gcsrrd  $s4, ESTAT
    csrrd   $s5, ESTAT
    GW      CRMD, CRMD_DA
    SET_GREG 4, 0x3fc
    RUN     guest
    EX      $s6, EX_BADI
    GREG    $s7, 5
    UART_LOWER
    bstrpick.d $s0, $s0, 12, 0
    CHECK   "root", $s0, 1 << IS_UART
    CHECK   "hidden", $s1, 0
    CHECK   "hidden.not_taken", $s2, 0x002b8001
    CHECK   "hidden.guest", $s3, 0
    CHECK   "passed", $s4, 1 << IS_UART
    bstrpick.d $s5, $s5, 12, 0
    CHECK   "passed.root", $s5, 1 << IS_UART
    CHECK   "passed.taken", $s6, 0x002b8002
    CHECK   "passed.guest", $s7, 1 << IS_UART
    # The line falls: nothing is latched.
    CHECK_GCSR "fallen", ESTAT, -1, 0
    # Another PIP bit does not pass it on; VIP and PIP combine.
    CSRW    GINTC, (1 << 8) | 4
    UART_RAISE
    gcsrrd  $s0, ESTAT
    CSRW    GINTC, (1 << 9) | 4
    gcsrrd  $s1, ESTAT
    UART_LOWER
    CHECK   "other_bit", $s0, 4 << 2
    CHECK   "combined", $s1, (4 << 2) | (1 << IS_UART)
    csrwr   $zero, GINTC
    b       finish
