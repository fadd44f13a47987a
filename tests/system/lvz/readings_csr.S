# SPDX-License-Identifier: Apache-2.0 OR MIT

# Q-11 to Q-14 and Q-26 both ways: which CSRs a guest has, what gcsrrd ESTAT shows,
# what reset leaves (docs/lvz.md section 12).
#@ reading gcsr-estat=latched
#@ reading undefined-csr=zero
#@ reading watch-csr=guest
#@ reading save8=present
#@ reading reset=ones
#@ without counters messages
#@ sim --cpu la464

.include "test.inc"
.include "lvz.inc"
.include "readings.inc"

    .equ    SAVE8, 0x38
    BY      gcsr_estat, ESTAT_SEEN, 1 << IS_HWI0, 0
    BY      undefined_csr, UNDEFINED_CODE, EXC_GSPR, EXC_HVC
    BY      undefined_csr, UNDEFINED_VALUE, 77, 0
    BY      watch_csr, WATCH_CODE, EXC_GSPR, EXC_HVC
    BY      watch_csr, WATCH_VALUE, 77, 0
    BY      save8, SAVE8_CODE, EXC_GSPR, EXC_HVC
    BY      save8, SAVE8_GUEST, 0, 77
    BY      save8, SAVE8_ROOT, 0, 0x1234
    BY      reset, RESET_WORD, 0, -1
    BY      reset, RESET_GINTC, 0, 0xffffff
    BY      reset, RESET_GID, 0, 0xff << 16

    GUEST_CODE
# Writes 77 to a register and reads it back; without an exit.
.macro WRITE_READ label:req, csr:req
\label:
    li.d    $a1, 77
    csrwr   $a1, \csr
    csrrd   $a1, \csr
    hvcl    1
.endm
    WRITE_READ undefined, 0x3fff
    WRITE_READ nmi, 0x82
    WRITE_READ message, 0xa4
    WRITE_READ watch, 0x301
    WRITE_READ save, SAVE8
    WRITE_READ implementation, IMPCTL1
    WRITE_READ counter, 0x200
    WRITE_READ debug, 0x500
estat:
    csrrd   $a1, ESTAT
    hvcl    2

    .text
.macro CHECK_ACCESS name:req, code:req, value:req
    RUN     \name
    CHECK_CODE "\name\().code", \code
    GREG    $s0, 5
    CHECK   "\name\().value", $s0, \value
.endm

    .globl main
main:
    # Before anything is set.
    CHECK_GCSR "reset.era", ERA, -1, RESET_WORD
    CHECK_GCSR "reset.save0", SAVE0, -1, RESET_WORD
    CHECK_GCSR "reset.badv", BADV, -1, RESET_WORD
    CHECK_CSR "reset.gintc", GINTC, -1, RESET_GINTC
    CHECK_CSR "reset.gcntc", GCNTC, -1, RESET_WORD
    CHECK_CSR "reset.gid", GSTAT, 0xff << 16, RESET_GID
    # What a system without LVZ relies on.
    CHECK_CSR "reset.pgm", GSTAT, 3, 0
    CHECK_CSR "reset.gtlbc", GTLBC, GTLBC_USETGID | (0xff << 16), 0
    CHECK_GCSR "reset.asidbits", ASID, 0xff << 16, 10 << 16
    CHECK_GCSR "reset.prcfg1", PRCFG1, 0xf, 8
    # As KVM begins, the rest is the same in every reading.
    HV_START
    CHECK_GCSR "reset.cleared", BADV, -1, 0
    CHECK_ACCESS undefined, UNDEFINED_CODE, UNDEFINED_VALUE
    CHECK_ACCESS nmi, UNDEFINED_CODE, UNDEFINED_VALUE
    CHECK_ACCESS message, UNDEFINED_CODE, UNDEFINED_VALUE
    CHECK_ACCESS watch, WATCH_CODE, WATCH_VALUE
    CHECK_ACCESS implementation, EXC_GSPR, 77
    CHECK_ACCESS counter, EXC_GSPR, 77
    CHECK_ACCESS debug, EXC_GSPR, 77
    # SAVE8, which PRCFG1 never announces: undefined where it does not exist.
    .ifndef OTHER_undefined_csr
    CHECK_ACCESS save, SAVE8_CODE, 77
    .endif
    CHECK_GCSR "save8.guest", SAVE8, -1, SAVE8_GUEST
    CSRW    SAVE8, 0x1234
    CHECK_CSR "save8.root", SAVE8, -1, SAVE8_ROOT

    # An injected line: the guest sees it, gcsrrd perhaps not.
    CSRW    GINTC, 1
    CHECK_GCSR "estat", ESTAT, -1, ESTAT_SEEN
    RUN     estat
    GREG    $s0, 5
    CHECK   "estat.guest", $s0, 1 << IS_HWI0
    # An exchange of another bit leaves the line alone.
    li.d    $t0, 1 << IS_IPI
    move    $t1, $t0
    gcsrxchg $t0, $t1, ESTAT
    RUN     estat
    GREG    $s0, 5
    CHECK   "estat.exchanged", $s0, (1 << IS_IPI) | (1 << IS_HWI0)
    csrwr   $zero, GINTC
    CHECK_GCSR "estat.left", ESTAT, -1, 1 << IS_IPI
    b       finish
