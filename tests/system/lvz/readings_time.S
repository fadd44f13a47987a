# SPDX-License-Identifier: Apache-2.0 OR MIT

# Q-15, Q-16, Q-17, Q-30 both ways: a timer that expires while root changes the
# guest's ESTAT, TVAL after a one-shot, what guest rdtime counts from, idle with an
# interrupt pending (docs/lvz.md section 12).
#@ reading estat-exchange=lossy
#@ reading shot-tval=frozen
#@ reading rdtime-base=raw
#@ reading guest-idle=unless-pending

.include "test.inc"
.include "lvz.inc"
.include "readings.inc"

    BY      estat_exchange, RACED, 1 << IS_TI, 0
    BY      shot_tval, COUNTS_ON, 1, 0
    BY      rdtime_base, ROOT_PART, 9, 0
    BY      guest_idle, IDLE_CODE, EXC_GSPR, EXC_HVC

    GUEST_CODE
idling:
    idle    0
    hvcl    1
clock:
    rdtime.d $a1, $zero
    hvcl    2

    .text
    .globl main
main:
    HV_START
    # The timer expires within the instructions before the exchange.
    li.d    $s0, 4 | 1
    li.d    $t0, 1 << IS_IPI
    move    $t1, $t0
    b       1f
    .balign 512
1:  gcsrwr  $s0, TCFG
    .rept   55
    nop
    .endr
    gcsrxchg $t0, $t1, ESTAT
    gcsrrd  $s1, ESTAT
    gcsrrd  $s2, TVAL
    CHECK   "exchange", $s1, RACED | (1 << IS_IPI)
    # How KVM finds out: the count has wrapped.
    li.d    $s3, 5
    sltu    $s2, $s3, $s2
    CHECK   "exchange.wrapped", $s2, 1
    SPIN    1000
    CHECK_GCSR "exchange.once", ESTAT, 1 << IS_TI, RACED
    # A timer that expired long before loses nothing.
    GW      TICLR, 1
    GW      TCFG, 4 | 1
    SPIN    1000
    li.d    $t1, 1 << IS_IPI
    gcsrxchg $zero, $t1, ESTAT
    CHECK_GCSR "exchange.late", ESTAT, -1, 1 << IS_TI
    GW      TICLR, 1

    # After the shot TVAL is above TCFG, which is what KVM asks.
    GW      TCFG, 400 | 1
    SPIN    800
    gcsrrd  $s0, TVAL
    SPIN    800
    gcsrrd  $s1, TVAL
    li.d    $s2, 401
    sltu    $s2, $s2, $s1
    CHECK   "shot.above", $s2, 1
    sltu    $s2, $s1, $s0
    CHECK   "shot.counts_on", $s2, COUNTS_ON
    .ifdef  OTHER_shot_tval
    CHECK   "shot.frozen", $s1, 0xffffffffffff
    .endif
    GW      TICLR, 1
    gcsrwr  $zero, TCFG

    # Root's CNTC in the guest's counter.
    CSRW    CNTC, 9 << 40
    RUN     clock
    csrwr   $zero, CNTC
    GREG    $s0, 5
    srli.d  $s0, $s0, 40
    CHECK   "rdtime", $s0, ROOT_PART
    # GCNTC is in it in every reading.
    CSRW    GCNTC, 7 << 40
    RUN     clock
    csrwr   $zero, GCNTC
    GREG    $s0, 5
    srli.d  $s0, $s0, 40
    CHECK   "rdtime.gcntc", $s0, 7

    # idle with an enabled interrupt pending, interrupts off.
    GW      ECFG, 1 << IS_HWI0
    CSRW    GINTC, 1
    RUN     idling
    CHECK_CODE "idle.pending", IDLE_CODE
    # Pending, but not enabled: exits in every reading.
    CSRW    GINTC, 2
    RUN     idling
    CHECK_CODE "idle.not_enabled", EXC_GSPR
    csrwr   $zero, GINTC
    RUN     idling
    CHECK_CODE "idle.quiet", EXC_GSPR
    b       finish
