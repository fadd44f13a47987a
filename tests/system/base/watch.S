# SPDX-License-Identifier: Apache-2.0 OR MIT

# Watchpoints: a hit is before the instruction's effect, shows in the status and needs
# CRMD.WE and the privilege level (Volume 1, 7.8; docs/simulator.md).
#@ only sim: QEMU has no watchpoints
#@ needs watchpoints
#@ sim --cpu la664

.include "test.inc"

.equ MWPC, 0x300
.equ MWPS, 0x301
.equ FWPC, 0x380
.equ FWPS, 0x381
.equ DATA0, 0x310
.equ DATA2, 0x320
.equ FETCH0, 0x390
.equ EXC_WPEF, 19
.equ EXC_WPEM, 19 + (1 << 6)
.equ WE, 1 << 9
.equ LOADS, 1 << 8
.equ STORES, 1 << 9
.equ SIZE4, 1 << 10
.equ SIZE1, 3 << 10
.equ PLV0, 2
.equ PLV3, 16
.equ LOCAL, 1 << 7

.macro WATCH first:req, address:req, control:req
    csrwr   \address, \first
    csrwr   $zero, \first + 1
    csrwr   $zero, \first + 3
    CSRW    \first + 2, \control
.endm
# With CRMD.WE on for one instruction; an exception turns it off.
.macro HIT name:req, code:req, insn:vararg
    TRY     .Lback\@
    CSRW    CRMD, CRMD_RUN | WE
.Linsn\@:
    \insn
.Lback\@:
    CHECK_EXC "\name", \code, .Linsn\@
.endm
.macro MISS name:req, insn:vararg
    TRY     .Lback\@
    CSRW    CRMD, CRMD_RUN | WE
    \insn
    CSRW    CRMD, CRMD_RUN
.Lback\@:
    CHECK_NO_EXC "\name"
.endm

    .text
    .globl main
main:
    CHECK_CSR "mwpc", MWPC, -1, 8
    CHECK_CSR "fwpc", FWPC, -1, 8
    la.pcrel $s0, buffer
    li.d    $s1, 0x1122334455667788
    st.d    $s1, $s0, 0
    st.d    $zero, $s0, 8

    # Stores into the second word; not loads, nor what is beside it.
    addi.d  $s2, $s0, 4
    move    $t0, $s2
    WATCH   DATA0, $t0, STORES | SIZE4 | PLV0
    HIT     "store.w", EXC_WPEM, st.w $zero, $s0, 4
    CHECK_CSR "mwps", MWPS, -1, 1
    ld.d    $s3, $s0, 0
    CHECKR  "no_effect", $s3, $s1
    CSRW    MWPS, 1
    CHECK_CSR "mwps.cleared", MWPS, -1, 0
    HIT     "store.b", EXC_WPEM, st.b $zero, $s0, 7
    HIT     "store.d", EXC_WPEM, st.d $zero, $s0, 0
    HIT     "store.unaligned", EXC_WPEM, st.w $zero, $s0, 1
    HIT     "am", EXC_WPEM, amadd.w $s3, $s2, $s2
    MISS    "below", st.w $zero, $s0, 0
    MISS    "above", st.w $zero, $s0, 8
    MISS    "load", ld.w $s3, $s0, 4
    # Without WE nothing counts.
    st.w    $zero, $s0, 4
    ld.d    $s3, $s0, 0
    CHECK   "without_we", $s3, 0
    # Nor at another level.
    WATCH   DATA0, $s2, STORES | SIZE4 | PLV3
    addi.d  $s2, $s0, 4
    MISS    "level", st.w $zero, $s0, 4
    csrwr   $zero, DATA0 + 2

    # Loads; all addresses but one masked bit.
    csrwr   $zero, DATA2
    li.d    $t0, ~8
    csrwr   $t0, DATA2 + 1
    CSRW    DATA2 + 2, LOADS | SIZE1 | PLV0
    HIT     "mask", EXC_WPEM, ld.b $s3, $s0, 0
    CHECK_CSR "mwps.2", MWPS, -1, 4 + 1
    MISS    "mask.other", ld.b $s3, $s0, 8
    # In another address space it does not count.
    CSRW    DATA2 + 3, 5
    CSRW    DATA2 + 2, LOADS | SIZE1 | PLV0 | LOCAL
    MISS    "asid", ld.b $s3, $s0, 0
    CSRW    ASID, 5
    HIT     "asid.same", EXC_WPEM, ld.b $s3, $s0, 0
    csrwr   $zero, ASID
    csrwr   $zero, DATA2 + 2

    # Fetches: the instruction watched is not executed.
    la.pcrel $t0, target
    WATCH   FETCH0, $t0, PLV0
    li.d    $s4, 0
    TRY     1f
    CSRW    CRMD, CRMD_RUN | WE
    addi.d  $s4, $s4, 1
target:
    addi.d  $s4, $s4, 2
    addi.d  $s4, $s4, 4
1:  CHECK_EXC "fetch", EXC_WPEF, target
    CHECK   "fetch.before", $s4, 1
    CHECK_CSR "fwps", FWPS, -1, 1
    # With Skip the first hit is none: one step of a debugger.
    CSRW    FWPS, 1
    li.d    $t0, -1
    csrwr   $t0, FETCH0 + 1
    CSRW    FWPS, 1 << 16
    li.d    $s4, 0
    TRY     2f
    CSRW    CRMD, CRMD_RUN | WE
    addi.d  $s4, $s4, 1
stepped:
    addi.d  $s4, $s4, 2
2:  CHECK_EXC "step", EXC_WPEF, stepped
    CHECK   "step.done", $s4, 1
    csrwr   $zero, FETCH0 + 2
    csrwr   $zero, FWPS

    b       finish

    .bss
    .balign 16
buffer: .space 64
