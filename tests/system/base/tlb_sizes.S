# SPDX-License-Identifier: Apache-2.0 OR MIT

# Every page size, in the MTLB by tlbwr and in the STLB by tlbfill: both halves
# of a pair, their first and last bytes, PPN bits below the size (manual 5.4).
#@ board it writes at the end of every size of page, all over the RAM

.include "test.inc"

    .equ VA, 0x100000000000

# Prepares $s0 (even VA), $s1 (odd VA), $s2 and $s3 (physical), $s4 (offset of
# the last doubleword) for page size `ps` and fills the pages with markers.
.macro PREPARE ps:req
    .if \ps <= 26
    li.d    $s2, 0x04000000
    li.d    $s3, 0x08000000
    .elseif \ps == 27
    li.d    $s2, 0
    li.d    $s3, 0x08000000
    .else
    li.d    $s2, 0
    li.d    $s3, 0x80000000
    .endif
    # The last doubleword of the page, or of RAM (256 MiB low, 256 MiB high).
    .if \ps <= 28
    li.d    $s4, (1 << \ps) - 8
    .else
    li.d    $s4, 0x0ffffff8
    .endif
    li.d    $s0, VA
    li.d    $s1, VA + (1 << \ps)
    li.d    $t0, CACHED
    or      $t1, $s2, $t0
    # Physical page 0 may hold tables of the firmware interface: only the end.
    li.d    $t3, 0xe00 + \ps
    add.d   $t2, $t1, $s4
    st.d    $t3, $t2, 0
    or      $t1, $s3, $t0
    li.d    $t3, 0x1000 + \ps
    st.d    $t3, $t1, 0
    li.d    $t3, 0x2000 + \ps
    add.d   $t2, $t1, $s4
    st.d    $t3, $t2, 0
.endm

# Reads the markers through the mapping.
.macro VERIFY name:req, ps:req
    TRY     .Lback\@
    move    $s5, $zero
    move    $s6, $zero
    move    $s7, $zero
    ldx.d   $s5, $s0, $s4
    ld.d    $s6, $s1, 0
    ldx.d   $s7, $s1, $s4
.Lback\@:
    CHECK_NO_EXC "\name\().quiet"
    CHECK   "\name\().even_last", $s5, 0xe00 + \ps
    CHECK   "\name\().odd_first", $s6, 0x1000 + \ps
    CHECK   "\name\().odd_last", $s7, 0x2000 + \ps
    # One past the pair and one before it miss.
    TRY     .Lmiss\@
    li.d    $t0, VA + (2 << \ps)
    ld.d    $t0, $t0, 0
.Lmiss\@:
    la.pcrel $s5, trap_area
    ld.d    $s5, $s5, TR_RCOUNT
    CHECK   "\name\().after", $s5, 1
    TRY     .Lmiss2\@
    li.d    $t0, VA - 8
    ld.d    $t0, $t0, 0
.Lmiss2\@:
    la.pcrel $s5, trap_area
    ld.d    $s5, $s5, TR_RCOUNT
    CHECK   "\name\().before", $s5, 1
.endm

    .text
    .globl main
main:
    # STLB size other than any tested here first: 4 KiB is tested last.
    .irp    ps, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 12
    PREPARE \ps
    # tlbwr to the MTLB.
    li.d    $t0, PTE_RW
    or      $t1, $s2, $t0
    csrwr   $t1, TLBELO0
    or      $t1, $s3, $t0
    csrwr   $t1, TLBELO1
    CSRW    TLBEHI, VA
    CSRW    TLBIDX, 2048 | (\ps << 24)
    tlbwr
    VERIFY  "mtlb\ps", \ps
    # PPN bits below the page size may hold anything.
    .if \ps > 12
    li.d    $t0, PTE_RW | ((1 << \ps) - 0x1000)
    or      $t1, $s2, $t0
    csrwr   $t1, TLBELO0
    or      $t1, $s3, $t0
    csrwr   $t1, TLBELO1
    CSRW    TLBEHI, VA
    CSRW    TLBIDX, 2048 | (\ps << 24)
    tlbwr
    TRY     1f
    move    $s6, $zero
    ld.d    $s6, $s1, 0
1:  CHECK   "lowppn\ps", $s6, 0x1000 + \ps
    .endif
    # tlbfill to the STLB of that page size.
    invtlb  0, $zero, $zero
    CSRW    STLBPS, \ps
    li.d    $t0, PTE_RW
    or      $t1, $s2, $t0
    csrwr   $t1, TLBELO0
    or      $t1, $s3, $t0
    csrwr   $t1, TLBELO1
    CSRW    TLBEHI, VA
    CSRW    TLBIDX, \ps << 24
    tlbfill
    CSRW    TLBEHI, VA
    tlbsrch
    csrrd   $s5, TLBIDX
    bstrpick.d $s5, $s5, 11, 11
    CHECK   "stlb\ps\().index", $s5, 0
    VERIFY  "stlb\ps", \ps
    invtlb  0, $zero, $zero
    .endr
    CSRW    STLBPS, 14
    b       finish
