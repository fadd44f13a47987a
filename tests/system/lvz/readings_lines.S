# SPDX-License-Identifier: Apache-2.0 OR MIT

# Q-10 both ways: what GINTC.PIP and GINTC.HC do to root's view of a line and to the
# guest's (docs/lvz.md 8.4, section 12).
#@ reading pip-root=hidden
#@ reading hwic-line=clear
#@ reading hwic-root=hide
#@ board it routes a device's interrupt, which a board's firmware may use

.include "test.inc"
.include "lvz.inc"
.include "external.inc"
.include "readings.inc"

    .equ    LINE, 1
    .equ    VIP, 1 << LINE
    .equ    PIP, 1 << (8 + LINE)
    .equ    HC, 1 << (16 + LINE)
    BY      pip_root, PASSED_ROOT, 1 << IS_UART, 0
    BY      hwic_root, INJECTED_ROOT, 1 << IS_UART, 0
    BY      hwic_line, FALLEN, HC | VIP, HC

    .text
    .globl main
main:
    HV_START
    EXTERNAL_SETUP
    # Nothing is printed while the line is up: the console has it.
    UART_RAISE
    csrrd   $s0, ESTAT
    CSRW    GINTC, PIP
    csrrd   $s1, ESTAT
    gcsrrd  $s2, ESTAT
    CSRW    GINTC, VIP
    csrrd   $s3, ESTAT
    CSRW    GINTC, HC
    csrrd   $s4, ESTAT
    CSRW    GINTC, HC | VIP
    csrrd   $s5, ESTAT
    gcsrrd  $s6, ESTAT
    UART_LOWER
    csrrd   $s7, GINTC
    bstrpick.d $s0, $s0, 12, 0
    CHECK   "up", $s0, 1 << IS_UART
    bstrpick.d $s1, $s1, 12, 0
    CHECK   "passed.root", $s1, PASSED_ROOT
    CHECK   "passed.guest", $s2, 1 << IS_UART
    # VIP or HC alone change nothing for root.
    bstrpick.d $s3, $s3, 12, 0
    CHECK   "vip.root", $s3, 1 << IS_UART
    bstrpick.d $s4, $s4, 12, 0
    CHECK   "hc.root", $s4, 1 << IS_UART
    bstrpick.d $s5, $s5, 12, 0
    CHECK   "injected.root", $s5, INJECTED_ROOT
    CHECK   "injected.guest", $s6, 1 << IS_UART
    # The line has fallen.
    CHECK   "fallen", $s7, FALLEN
    # Without HC, or with another line's, VIP stays.
    CSRW    GINTC, VIP | (HC << 1)
    UART_RAISE
    UART_LOWER
    CHECK_CSR "fallen.other", GINTC, -1, VIP | (HC << 1)
    csrwr   $zero, GINTC
    b       finish
