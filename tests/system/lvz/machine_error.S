# SPDX-License-Identifier: Apache-2.0 OR MIT

# X-8: a machine error of a guest goes to root's MERRENTRY, with MERRCTL.PGM set, and
# ertn returns to the guest (docs/lvz.md 5.3, 7.6).
#@ apart it needs memory that fails where the simulator's --poison says
#@ sim --poison 04000000

.include "test.inc"
.include "lvz.inc"

.equ MERRINFO1, 0x91
.equ MERRSAVE, 0x95
.equ IS_MERR, 1
.equ WAS_GUEST, 1 << 5

    GUEST_CODE
guest:
    li.d    $a0, DATA_GPA
access:
    ld.d    $a1, $a0, 8
    hvcl    1

    .text
    .balign 4096
handler:
    csrwr   $t0, MERRSAVE
    la.pcrel $t0, seen
    st.d    $t1, $t0, 40
    csrrd   $t1, MERRCTL
    st.d    $t1, $t0, 0
    csrrd   $t1, MERRINFO1
    st.d    $t1, $t0, 8
    csrrd   $t1, GSTAT
    st.d    $t1, $t0, 16
    csrrd   $t1, MERRERA
    st.d    $t1, $t0, 24
    addi.d  $t1, $t1, 4
    csrwr   $t1, MERRERA
    ld.d    $t1, $t0, 40
    csrrd   $t0, MERRSAVE
    ertn

.macro SEEN name:req, offset:req, want:req
    la.pcrel $s8, seen
    ld.d    $s8, $s8, \offset
    CHECK   "\name", $s8, \want
.endm

    .globl main
main:
    HV_START
    la.pcrel $t0, handler
    PHYS    $t0
    csrwr   $t0, MERRENTRY
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    SET_GREG 5, 0x77
    RUN     guest
    # Back in the guest, which went on behind its load; the only exit is its hvcl.
    CHECK_HVC "went_on", 1
    CHECK_EX "exits", EX_COUNT, 1
    GREG    $s0, 5
    CHECK   "unread", $s0, 0x77
    # Root's background state was what PRMD said at entry: IE, PG, DATF 1, DATM 1.
    SEEN    "merrctl", 0, IS_MERR | (1 << 4) | WAS_GUEST | (1 << 8) | (1 << 9) | (1 << 11)
    SEEN    "address", 8, DATA_HPA + 8
    SEEN    "gstat", 16, GSTAT_PGM | (8 << 4) | (5 << 16)
    GPA     $s0, access
    la.pcrel $s1, seen
    ld.d    $s1, $s1, 24
    CHECKR  "merrera", $s1, $s0
    CHECK_GCSR "guest.era", ERA, -1, 0
    b       finish

    .bss
    .balign 8
seen: .space 48
    .text
