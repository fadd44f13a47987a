# SPDX-License-Identifier: Apache-2.0 OR MIT

# A device's interrupt through PCH-PIC and EIOINTC to a HWI line: it appears in
# ESTAT, is taken at its vector, follows its source, and stops at each mask
# (Loongson 3A5000 manual 11.2, 7A1000 manual 5; manual 6.1).
#@ board it routes a device's interrupt, which a board's firmware may use

.include "test.inc"
.include "external.inc"

    .text
    .globl main
main:
    CHECK_CSR "quiet", ESTAT, 0x3fc, 0
    EXTERNAL_SETUP
    CHECK_CSR "quiet.setup", ESTAT, 0x3fc, 0
    UART_RAISE
    csrrd   $s0, ESTAT
    li.d    $t1, EIO_COREISR
    iocsrrd.w $s1, $t1
    UART_LOWER
    csrrd   $s2, ESTAT
    bstrpick.d $s0, $s0, 12, 0
    CHECK   "raised.estat", $s0, 1 << IS_UART
    CHECK   "raised.isr", $s1, 1 << 2
    bstrpick.d $s2, $s2, 12, 0
    CHECK   "lowered", $s2, 0

    # The interrupt.
    CSRW    ECFG, 1 << IS_UART
    UART_RAISE
    TRY     2f
    li.d    $s0, CRMD_RUN | CRMD_IE
    csrwr   $s0, CRMD
1:  nop
    nop
2:  UART_LOWER
    CHECK_EXC "taken", EXC_INT, 1b
    # Higher than software interrupts, lower than the timer: by vectors, in one
    # run. The handlers append their number and take their source away.
    la.pcrel $t0, vectors
    csrwr   $t0, EENTRY
    CSRW    ECFG, (1 << 16) | (1 << IS_UART) | (1 << IS_TI) | 3
    CSRW    ESTAT, 3
    CSRW    TCFG, 4 | 1
    UART_RAISE
1:  csrrd   $t0, ESTAT
    bstrpick.d $t0, $t0, IS_TI, IS_TI
    beqz    $t0, 1b
    move    $s3, $zero
    la.pcrel $t0, 1f
    csrwr   $t0, ERA
    CSRW    PRMD, 4
    ertn
1:  nop
    li.d    $t0, CRMD_RUN
    csrwr   $t0, CRMD
    UART_LOWER
    CHECK   "priority", $s3, 0x4321
    csrwr   $zero, ECFG
    la.pcrel $t0, trap_entry
    csrwr   $t0, EENTRY

    # Each mask on the way.
    li.d    $t0, PCH_PIC
    li.d    $t1, -1
    st.w    $t1, $t0, PIC_MASK
    UART_RAISE
    csrrd   $s0, ESTAT
    UART_LOWER
    bstrpick.d $s0, $s0, 12, 0
    CHECK   "masked.pch_pic", $s0, 0
    li.d    $t0, PCH_PIC
    li.d    $t1, ~(1 << 2)
    st.w    $t1, $t0, PIC_MASK
    IOCSRW_W EIO_ENABLE, 0
    UART_RAISE
    csrrd   $s0, ESTAT
    UART_LOWER
    bstrpick.d $s0, $s0, 12, 0
    CHECK   "masked.eiointc", $s0, 0
    IOCSRW_W EIO_ENABLE, -1
    b       finish

    .balign 4096
vectors:
    .rept   64
    nop
    nop
    .endr
    b       3f
    nop
    b       4f
    nop
    nop
    nop
    b       5f
    nop
    .rept   7
    nop
    nop
    .endr
    b       6f
    nop
3:  slli.d  $s3, $s3, 4
    ori     $s3, $s3, 1
    li.d    $t0, 1
    csrxchg $zero, $t0, ESTAT
    ertn
4:  slli.d  $s3, $s3, 4
    ori     $s3, $s3, 2
    li.d    $t0, 2
    csrxchg $zero, $t0, ESTAT
    ertn
5:  slli.d  $s3, $s3, 4
    ori     $s3, $s3, 3
    UART_LOWER
    ertn
6:  slli.d  $s3, $s3, 4
    ori     $s3, $s3, 4
    CSRW    TICLR, 1
    ertn
