# SPDX-License-Identifier: Apache-2.0 OR MIT

# Message interrupts: recorded by vector, the highest first, read once, held back below
# the threshold; the controller's enable; idle ends (Volume 1, 6.2; docs/platform.md).
#@ only sim: QEMU's la464 has no message interrupts
#@ needs messages
#@ sim --cpu la664,avec=on
#@ cpus 2
#@ reading msgint-mask=none

.include "test.inc"
.include "smp.inc"
.include "readings.inc"
.include "message.inc"

    # The interrupt without ECFG's bit is taken, or is not.
    BY      msgint_mask, UNMASKED, 0, 1

# Checks what a read of MSGIR gives.
.macro CHECK_NEXT name:req, want:req
    csrrd   $s8, MSGIR
    CHECK   "\name", $s8, \want
.endm

# Checks bit 14 of ESTAT.
.macro CHECK_SHOWN name:req, want:req
    CHECK_CSR "\name", ESTAT, 1 << IS_MESSAGE, (\want) << IS_MESSAGE
.endm

    .text
    .globl main
main:
    li.d    $t0, 1
    cpucfg  $s0, $t0
    bstrpick.d $s0, $s0, 26, 26
    CHECK   "cpucfg", $s0, 1
    li.d    $t0, IOCSR_FEATURES
    iocsrrd.w $s0, $t0
    bstrpick.d $s0, $s0, 15, 15
    CHECK   "iocsr", $s0, 1

    # Nothing has come; what the controller was sent before it is enabled is lost.
    CHECK_SHOWN "quiet", 0
    CHECK_NEXT "quiet.request", NO_MESSAGE
    SEND    0, 5
    CHECK_SHOWN "disabled", 0
    li.d    $t0, IOCSR_MISC
    iocsrrd.d $t1, $t0
    li.d    $t2, AVEC_EN
    or      $t1, $t1, $t2
    iocsrwr.d $t1, $t0
    CHECK_SHOWN "disabled.lost", 0

    # Each register has its vectors; the same one twice is recorded once.
    SEND    0, 0
    SEND    0, 63
    SEND    0, 64
    SEND    0, 130
    SEND    0, 130
    SEND    0, 255
    CHECK_CSR "is0", MSGIS0, -1, (1 << 63) | 1
    CHECK_CSR "is1", MSGIS1, -1, 1
    CHECK_CSR "is2", MSGIS2, -1, 4
    CHECK_CSR "is3", MSGIS3, -1, 1 << 63
    CHECK_SHOWN "shown", 1
    # Software cannot write what is recorded, nor bit 14.
    csrwr   $zero, MSGIS0
    csrwr   $zero, ESTAT
    li.d    $t0, -1
    csrwr   $t0, MSGIS1
    CHECK_CSR "is0.kept", MSGIS0, -1, (1 << 63) | 1
    CHECK_CSR "is1.kept", MSGIS1, -1, 1
    CHECK_SHOWN "estat.kept", 1
    # The highest first.
    CHECK_NEXT "first", 255
    CHECK_NEXT "second", 130
    # Below the threshold nothing is due.
    CSRW    MSGIE, -1
    CHECK_CSR "ie", MSGIE, -1, 0xff
    CHECK_SHOWN "below", 0
    CHECK_NEXT "below.request", NO_MESSAGE
    CSRW    MSGIE, 64
    CHECK_SHOWN "at", 1
    CHECK_NEXT "at.request", 64
    CHECK_SHOWN "at.taken", 0
    CHECK_CSR "is0.left", MSGIS0, -1, (1 << 63) | 1
    csrwr   $zero, MSGIE
    CHECK_SHOWN "above", 1
    # csrxchg and csrwr read it too, and write nothing.
    li.d    $s0, 7
    csrwr   $s0, MSGIR
    CHECK   "exchanged", $s0, 63
    CHECK_NEXT "last", 0
    CHECK_SHOWN "last.taken", 0
    CHECK_NEXT "none", NO_MESSAGE

    # The interrupt, over a lower line.
    la.pcrel $t0, vectors
    csrwr   $t0, EENTRY
    CSRW    ECFG, (1 << 16) | (1 << IS_MESSAGE) | 1
    CHECK_CSR "ecfg", ECFG, -1, (1 << 16) | (1 << IS_MESSAGE) | 1
    CSRW    ESTAT, 1
    SEND    0, 17
    move    $s3, $zero
    la.pcrel $t0, 1f
    csrwr   $t0, ERA
    CSRW    PRMD, 4
    ertn
1:  nop
    li.d    $t0, CRMD_RUN
    csrwr   $t0, CRMD
    CHECK   "order", $s3, 0x1121
    # ECFG without bit 14.
    CSRW    ECFG, 1 << 16
    SEND    0, 18
    move    $s3, $zero
    la.pcrel $t0, 1f
    csrwr   $t0, ERA
    CSRW    PRMD, 4
    ertn
1:  nop
    li.d    $t0, CRMD_RUN
    csrwr   $t0, CRMD
    sltu    $s3, $zero, $s3
    CHECK   "unmasked", $s3, UNMASKED
    csrrd   $zero, MSGIR
    # Not without CRMD.IE.
    CSRW    ECFG, (1 << 16) | (1 << IS_MESSAGE)
    SEND    0, 19
    nop
    CHECK_NEXT "off", 19
    csrwr   $zero, ECFG
    la.pcrel $t0, trap_entry
    csrwr   $t0, EENTRY

    # The other CPU sleeps until its message; it alone gets it.
    START_CPU1 cpu1
    AWAIT   ready, 1
    SEND    1, 200
    CHECK_SHOWN "other", 0
    AWAIT   done, 1
    la.pcrel $t0, got
    ld.d    $s0, $t0, 0
    CHECK   "other.vector", $s0, 200
    # CPUs that do not exist.
    SEND    2, 1
    SEND    255, 1
    CHECK_SHOWN "nobody", 0
    b       finish

cpu1:
    CPU1_SETUP
    CSRW    ECFG, 1 << IS_MESSAGE
    SIGNAL  ready, 1
1:  idle    0
    csrrd   $t0, MSGIR
    bstrpick.d $t1, $t0, 31, 31
    bnez    $t1, 1b
    la.pcrel $t1, got
    st.d    $t0, $t1, 0
    SIGNAL  done, 1
2:  idle    0
    b       2b

    .balign 4096
vectors:
    .rept   64
    nop
    nop
    .endr
    b       3f
    nop
    .rept   13
    nop
    nop
    .endr
    b       4f
    nop
3:  slli.d  $s3, $s3, 8
    ori     $s3, $s3, 0x21
    li.d    $t0, 1
    csrxchg $zero, $t0, ESTAT
    ertn
4:  csrrd   $t0, MSGIR
    slli.d  $s3, $s3, 8
    or      $s3, $s3, $t0
    ertn

    .data
    .balign 64
ready:
    .dword  0
done:
    .dword  0
got:
    .dword  0
