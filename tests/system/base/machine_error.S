# SPDX-License-Identifier: Apache-2.0 OR MIT

# Machine errors: loads and fetches of a poisoned page go to MERRENTRY in direct mode,
# and ertn returns by MERRERA and MERRCTL (manual 6.3.4, 7.7).
#@ only sim: QEMU raises no machine errors
#@ apart it needs memory that fails where the simulator's --poison says
#@ sim --poison 06000000

.include "test.inc"

.equ MERRINFO1, 0x91
.equ MERRSAVE, 0x95
.equ PAGE, 0x06000000
.equ IS_MERR, 1
.equ WAS_GUEST, 1 << 5
# What MERRCTL saves of CRMD_RUN: PG, DATF 1 and DATM 1.
.equ WAS_RUN, (1 << 8) | (1 << 9) | (1 << 11)
# DATF 2 and DATM 0, in CRMD and in MERRCTL.
.equ TYPES, 2 << 5
.equ WAS_TYPES, (1 << 8) | (2 << 9)

    .text
# What the handler saw is in $s1 to $s4; it goes on at $s5, or behind the instruction.
    .balign 4096
handler:
    csrwr   $t0, MERRSAVE
    csrrd   $s1, MERRCTL
    csrrd   $s2, MERRERA
    csrrd   $s3, MERRINFO1
    csrrd   $s4, CRMD
    addi.d  $t0, $s2, 4
    beqz    $s5, 1f
    move    $t0, $s5
1:  csrwr   $t0, MERRERA
    csrrd   $t0, MERRSAVE
    ertn

    .globl main
main:
    la.pcrel $t0, handler
    PHYS    $t0
    csrwr   $t0, MERRENTRY
    move    $s1, $zero
    move    $s5, $zero
    li.d    $s0, CACHED | PAGE
    # A store is no error.
    st.d    $s0, $s0, 0x40
    CHECK   "store", $s1, 0
    li.d    $s6, 0x55
load:
    ld.d    $s6, $s0, 0x40
    CHECK   "load.value", $s6, 0x55
    CHECK   "load.merrctl", $s1, IS_MERR | WAS_RUN
    la.pcrel $t1, load
    CHECKR  "load.merrera", $s2, $t1
    CHECK   "load.address", $s3, PAGE + 0x40
    CHECK   "load.crmd", $s4, CRMD_DA
    CHECK_CSR "returned.merrctl", MERRCTL, IS_MERR, 0
    CHECK_CSR "returned.crmd", CRMD, -1, CRMD_RUN
    # The access types of direct mode.
    move    $s1, $zero
    li.d    $t0, CRMD_PG | TYPES
    csrwr   $t0, CRMD
    ld.d    $s6, $s0, 0x40
    CHECK   "types.merrctl", $s1, IS_MERR | WAS_TYPES
    CHECK   "types.crmd", $s4, CRMD_DA
    CHECK_CSR "types.returned", CRMD, -1, CRMD_PG | TYPES
    li.d    $t0, CRMD_RUN
    csrwr   $t0, CRMD
    # Software cannot say that an error is being handled.
    li.d    $t0, -1
    csrwr   $t0, MERRCTL
    CHECK_CSR "merrctl.written", MERRCTL, ~WAS_GUEST, 0x1fde
    # Each access finds it.
    move    $s1, $zero
    ld.bu   $s6, $s0, 0x7ff
    CHECK   "again", $s1, IS_MERR | WAS_RUN
    CHECK   "again.address", $s3, PAGE + 0x7ff
    # Atomics load.
    move    $s1, $zero
    amadd.d $s6, $s0, $s0
    CHECK   "atomic", $s1, IS_MERR | WAS_RUN
    # An access that only begins before the page.
    move    $s1, $zero
    ld.d    $s6, $s0, -4
    CHECK   "unaligned", $s1, IS_MERR | WAS_RUN
    # The page before it is well.
    move    $s1, $zero
    ld.d    $s6, $s0, -8
    CHECK   "before", $s1, 0
    # A fetch.
    la.pcrel $s5, 1f
    jr      $s0
1:  CHECK   "fetch", $s1, IS_MERR | WAS_RUN
    CHECKR  "fetch.merrera", $s2, $s0
    # At another privilege level, with interrupts on.
    move    $s5, $zero
    move    $s1, $zero
    la.pcrel $t0, user
    csrwr   $t0, ERA
    li.d    $t0, 7
    csrwr   $t0, PRMD
    TRY     1f
    ertn
1:  CHECK   "user", $s1, IS_MERR | (3 << 2) | (1 << 4) | WAS_RUN
    b       finish

user:
    ld.d    $s6, $s0, 0
    syscall 0
