# SPDX-License-Identifier: Apache-2.0 OR MIT

# Q-21, Q-22 both ways: GCFG's optional traps TOPI, TOTI and TOHU, and cacop on a
# cache that does not exist (docs/lvz.md 2.4, section 12).
#@ reading gcfg-traps=present
#@ reading gcfg-traps=present,undefined-csr=zero
#@ reading toci2-cache=existing

.include "test.inc"
.include "lvz.inc"
.include "readings.inc"

    .equ    TOPI, 1 << 7
    .equ    TOTI, 1 << 9
    .equ    TOE, 1 << 11
    .equ    TOP, 1 << 13
    .equ    TOHU, 1 << 15
    .equ    TRAPS, TOPI | TOTI | TOE | TOP | TOHU
    # A capability bit is below its control.
    BY      gcfg_traps, CAPABILITIES, 0, (TOPI | TOTI | TOHU) >> 1
    BY      gcfg_traps, CONTROLS, 0, TOPI | TOTI | TOHU
    BY      gcfg_traps, TRAPPED, EXC_HVC, EXC_GSPR
    # With TOHU offered and clear, unknown registers do not exit.
    BY      gcfg_traps, UNKNOWN, EXC_GSPR, EXC_HVC
    BY      toci2_cache, MISSING_CACHE, EXC_HVC, EXC_GSPR

    GUEST_CODE
privileged:
    csrrd   $a1, ERA
    hvcl    1
returning:
    ertn
returned:
    hvcl    1
clock:
    rdtime.d $a1, $zero
    hvcl    1
timer:
    csrrd   $a1, TVAL
    hvcl    1
unknown:
    csrrd   $a1, 0x3fff
    hvcl    1
plain:
    add.d   $a1, $a1, $a1
    hvcl    1
missing_cache:
    cacop   0x0c, $a0, 0
    hvcl    1
present_cache:
    cacop   0x0b, $a0, 0
    hvcl    1

    .text
.macro EXITS name:req, code:req, label:req
    RUN     \label
    CHECK_CODE "\name", \code
.endm
.macro CONTROL value:req
    li.d    $t0, \value
    li.d    $t1, TRAPS
    csrxchg $t0, $t1, GCFG
.endm

    .globl main
main:
    HV_START
    GPA     $t1, returned
    gcsrwr  $t1, ERA
    CHECK_CSR "capabilities", GCFG, TRAPS >> 1, CAPABILITIES
    CHECK_CSR "clear", GCFG, TRAPS, 0
    EXITS   "clear.privileged", EXC_HVC, privileged
    EXITS   "clear.clock", EXC_HVC, clock
    EXITS   "clear.timer", EXC_HVC, timer
    EXITS   "clear.unknown", UNKNOWN, unknown
    # All written, those that exist are set. TOP and TOE never do.
    CONTROL TRAPS
    CHECK_CSR "set", GCFG, TRAPS, CONTROLS
    CONTROL TOPI
    EXITS   "topi.csr", TRAPPED, privileged
    EXITS   "topi.ertn", TRAPPED, returning
    EXITS   "topi.plain", EXC_HVC, plain
    EXITS   "topi.clock", EXC_HVC, clock
    CONTROL TOTI
    EXITS   "toti.clock", TRAPPED, clock
    EXITS   "toti.timer", TRAPPED, timer
    EXITS   "toti.other", EXC_HVC, privileged
    CONTROL TOHU
    EXITS   "tohu.unknown", EXC_GSPR, unknown
    EXITS   "tohu.known", EXC_HVC, privileged
    CONTROL 0

    # TOCI is 2 as KVM sets it: index write-back on cache 4, then on cache 3.
    EXITS   "cacop.missing", MISSING_CACHE, missing_cache
    EXITS   "cacop.present", EXC_HVC, present_cache
    b       finish
