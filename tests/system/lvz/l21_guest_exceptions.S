# SPDX-License-Identifier: Apache-2.0 OR MIT

# L-21, L-32: exceptions, refills, page faults and returns inside the guest use its
# own registers and vectors and never exit (docs/lvz.md 6.1, 7.2).

.include "test.inc"
.include "lvz.inc"

    .equ GVA, 0x70000000
    .equ GPTE, PTE_V | PTE_D | PTE_MAT_CC

    GUEST_CODE
# Collects what each exception says in a row of doublewords at $s0: code, ERA
# relative to `base`, BADV, BADI, PRMD.
start:
    li.d    $t0, CACHED | (1 << 4) | 9
    csrwr   $t0, DMW0
    pcaddi  $t0, 4
    li.d    $t1, CACHED
    or      $t0, $t0, $t1
    jr      $t0
    li.d    $t0, CRMD_RUN
    csrwr   $t0, CRMD
base:
    syscall 0x11
i_break:
    break   0x22
i_ine:
    .word   0
i_gcsr:
    gcsrrd  $a0, CRMD
i_gtlb:
    GTLBSRCH
i_fpd:
    fadd.d  $f0, $f1, $f2
i_adem:
    li.d    $a0, 0x0001000000000000
i_adem_ld:
    ld.d    $a1, $a0, 8
i_bce:
    asrtgt.d $zero, $zero
    # Translation: the refill handler maps it with V=0, then page faults by its
    # own entries.
    li.d    $a0, GVA
i_pil:
    ld.d    $a1, $a0, 0x18
    li.d    $s2, DATA_GPA | PTE_V
i_pme:
    st.d    $a1, $a0, 0x20
    li.d    $s2, DATA_GPA | GPTE | PTE_NR
i_pnr:
    ld.d    $a1, $a0, 0x28
    # To PLV3 by the guest's ertn, back by syscall.
    li.d    $t0, 3
    csrwr   $t0, PRMD
    pcaddi  $t0, 3
    csrwr   $t0, ERA
    ertn
i_user:
    syscall 0
    hvcl    1

# General exceptions, VS=0 or vectors: records and skips.
    .balign 4096
handler:
    csrwr   $t0, SAVE0
    csrrd   $t0, ESTAT
    bstrpick.d $t0, $t0, 30, 16
    st.d    $t0, $s0, 0
    csrrd   $t0, ERA
    st.d    $t0, $s0, 8
    addi.d  $t0, $t0, 4
    csrwr   $t0, ERA
    csrrd   $t0, BADV
    st.d    $t0, $s0, 16
    csrrd   $t0, BADI
    st.d    $t0, $s0, 24
    csrrd   $t0, PRMD
    st.d    $t0, $s0, 32
    addi.d  $s0, $s0, 40
    # Replace the page's entry by what $s2 says.
    csrwr   $t1, SAVE1
    csrrd   $t0, TLBIDX
    li.d    $t0, GVA
    csrwr   $t0, TLBEHI
    tlbsrch
    csrrd   $t0, TLBIDX
    bstrpick.d $t1, $t0, 31, 31
    bnez    $t1, 1f
    bstrins.d $t0, $zero, 31, 31
    tlbrd
    tlbclr
    invtlb  0, $zero, $zero
1:  csrwr   $zero, PRMD
    csrrd   $t1, SAVE1
    csrrd   $t0, SAVE0
    ertn
    .balign 4096
refill:
    csrwr   $t0, TLBRSAVE
    addi.d  $s3, $s3, 1
    csrwr   $s2, TLBRELO0
    csrrd   $s2, TLBRELO0
    csrwr   $zero, TLBRELO1
    csrrd   $t0, TLBREHI
    bstrins.d $t0, $zero, 12, 0
    ori     $t0, $t0, 14
    csrwr   $t0, TLBREHI
    tlbfill
    csrrd   $t0, TLBRSAVE
    ertn

    .text
# Checks record `n`: code and address.
.macro RECORD name:req, n:req, code:req, label:req
    PEEK    $s0, DATA_HPA + 0x10000 + \n * 40
    CHECK   "\name\().code", $s0, \code
    PEEK    $s0, DATA_HPA + 0x10000 + \n * 40 + 8
    GPA     $s1, \label
    li.d    $t0, CACHED
    or      $s1, $s1, $t0
    CHECKR  "\name\().era", $s0, $s1
.endm
.macro RECORD_BADV name:req, n:req, badv:req
    PEEK    $s0, DATA_HPA + 0x10000 + \n * 40 + 16
    CHECK   "\name\().badv", $s0, \badv
.endm
.macro RECORD_BADI name:req, n:req, badi:req
    PEEK    $s0, DATA_HPA + 0x10000 + \n * 40 + 24
    CHECK   "\name\().badi", $s0, \badi
.endm

    .globl main
main:
    HV_START
    GPA     $t1, handler
    li.d    $t0, CACHED
    or      $t1, $t1, $t0
    gcsrwr  $t1, EENTRY
    GPA     $t1, refill
    gcsrwr  $t1, TLBRENTRY
    S2_MAP  tables_a, DATA_GPA, DATA_HPA | S2_RW
    S2_MAP  tables_a, DATA_GPA + 4 * PAGE, (DATA_HPA + 0x10000) | S2_RW
    # $s0 of the guest: where it records, by its window.
    SET_GREG 23, CACHED | (DATA_GPA + 4 * PAGE)
    SET_GREG 25, 0
    SET_GREG 26, 0
    CSRW    BADV, 0x9999
    CSRW    EUEN, 7
    csrrd   $s4, ESTAT
    RESET_COUNTS
    RUN     start
    CHECK_HVC "guest", 1
    CHECK_EX "exits", EX_COUNT, 1
    CHECK_EX "root_badv", EX_BADV, 0x9999
    RECORD  "syscall", 0, EXC_SYS, base
    RECORD_BADI "syscall", 0, 0x002b0011
    RECORD  "break", 1, EXC_BRK, i_break
    RECORD  "ine", 2, EXC_INE, i_ine
    RECORD  "gcsr", 3, EXC_INE, i_gcsr
    RECORD  "gtlb", 4, EXC_INE, i_gtlb
    RECORD  "fpd", 5, EXC_FPD, i_fpd
    RECORD  "adem", 6, EXC_ADEM, i_adem_ld
    RECORD_BADV "adem", 6, 0x0001000000000008
    RECORD  "bce", 7, EXC_BCE, i_bce
    RECORD  "pil", 8, EXC_PIL, i_pil
    RECORD_BADV "pil", 8, GVA + 0x18
    RECORD  "pme", 9, EXC_PME, i_pme
    RECORD_BADV "pme", 9, GVA + 0x20
    RECORD  "pnr", 10, EXC_PNR, i_pnr
    RECORD_BADV "pnr", 10, GVA + 0x28
    RECORD  "user", 11, EXC_SYS, i_user
    PEEK    $s0, DATA_HPA + 0x10000 + 11 * 40 + 32
    CHECK   "user.prmd", $s0, 3
    # Guest refills: one for each of the three accesses.
    GREG    $s0, 26
    CHECK   "refills", $s0, 3
    # Root saw stage-2 refills only, and can read the guest's mode.
    CHECK_GCSR "gcrmd", CRMD, -1, CRMD_RUN
    csrwr   $zero, EUEN
    b       finish
