# SPDX-License-Identifier: Apache-2.0 OR MIT

# ertn: what it restores from PRMD and TLBRPRMD (manual 4.2.6.1, 6.2.3, 6.2.4).
#
#@ qemu we: CRMD.WE and PRMD.PWE are not modelled by QEMU; ertn restores WE
#@   (4.2.6.1, 6.2.3).

.include "test.inc"

    .text
    .globl main
main:
    # General return: PLV, IE (and WE) from PRMD, DA and PG untouched.
    TRY     2f
    CSRW    PRMD, 4
    la.pcrel $t0, 1f
    csrwr   $t0, ERA
    ertn
1:  csrrd   $s0, CRMD
    li.d    $t0, CRMD_RUN
    csrwr   $t0, CRMD
    CHECK   "ie", $s0, CRMD_RUN | CRMD_IE
    CSRW    PRMD, 8
    la.pcrel $t0, 1f
    csrwr   $t0, ERA
    ertn
1:  csrrd   $s0, CRMD
    li.d    $t0, CRMD_RUN
    csrwr   $t0, CRMD
    CHECK   "we", $s0, CRMD_RUN | (1 << 9)
2:
    # From direct mode a general return stays in direct mode.
    la.pcrel $t0, 1f
    csrwr   $t0, ERA
    csrwr   $zero, PRMD
    li.d    $t0, CRMD_DA
    csrwr   $t0, CRMD
    ertn
1:  csrrd   $s0, CRMD
    li.d    $t0, CRMD_RUN
    csrwr   $t0, CRMD
    CHECK   "direct", $s0, CRMD_DA

    # Refill return (IsTLBR=1): from TLBRERA and TLBRPRMD, into mapped mode; PRMD
    # and ERA play no part, the address bits of TLBRERA stay, IsTLBR is cleared.
    la.pcrel $s0, 1f
    ori     $t0, $s0, 1
    csrwr   $t0, TLBRERA
    CSRW    TLBRPRMD, 4
    CSRW    PRMD, 3
    csrwr   $zero, ERA
    li.d    $t0, CRMD_DA | (1 << 5) | (1 << 7)
    csrwr   $t0, CRMD
    ertn
1:  csrrd   $s1, CRMD
    li.d    $t0, CRMD_RUN
    csrwr   $t0, CRMD
    CHECK   "refill.crmd", $s1, CRMD_RUN | CRMD_IE
    csrrd   $s1, TLBRERA
    CHECKR  "refill.tlbrera", $s1, $s0
    CHECK_CSR "refill.prmd", PRMD, -1, 3

    # PLV from TLBRPRMD.
    TRY     2f
    la.pcrel $t0, 1f
    ori     $t0, $t0, 1
    csrwr   $t0, TLBRERA
    CSRW    TLBRPRMD, 3
    ertn
1:  syscall 0
2:  CHECK_EXC "refill.plv3", EXC_SYS, 1b
    CHECK_TR "refill.plv3.prmd", TR_PRMD, 3

    # Two nested exceptions: the handler of the first takes a second and
    # returns through it, with PRMD and ERA put back by hand.
    HOOK    TR_HOOK, nested
    TRY     2f
    move    $s3, $zero
1:  syscall 1
2:  HOOK    TR_HOOK
    CHECK   "nested.inner", $s3, 2
    CHECK_TR "nested.count", TR_COUNT, 2
    b       finish

# In the first exception: remember ERA, raise the second; in the second: skip
# it, return into the first, which goes on at the end of TRY.
nested:
    addi.d  $s3, $s3, 1
    li.d    $t1, 2
    beq     $s3, $t1, 1f
    csrrd   $s4, ERA
    csrrd   $s5, PRMD
    csrrd   $s6, SAVE0
    syscall 2
    csrwr   $s6, SAVE0
    csrwr   $s5, PRMD
    csrwr   $s4, ERA
    la.pcrel $t0, trap_area
    b       trap_resume
1:  csrrd   $t1, ERA
    addi.d  $t1, $t1, 4
    csrwr   $t1, ERA
    ertn
