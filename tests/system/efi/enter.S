# SPDX-License-Identifier: Apache-2.0 OR MIT

# The way from the EFI program into an image and back. The image has the machine for
# itself, and leaves its CSRs, TLB and registers anyhow; firmware gets back its own.

.include "csr.inc"

# Everything that firmware may rely on but CRMD.
.macro EACH_CSR action:req
    .irp    csr, PRMD, EUEN, MISC, ERA, BADV, EENTRY, TLBIDX, TLBEHI, TLBELO0, TLBELO1, ASID, PGDL, PGDH, PWCL, PWCH, STLBPS, RVACFG, SAVE0, SAVE1, SAVE2, SAVE3, SAVE4, SAVE5, SAVE6, SAVE7, TID, TCFG, CNTC, TLBRENTRY, TLBRBADV, TLBRERA, TLBRSAVE, TLBRELO0, TLBRELO1, TLBREHI, TLBRPRMD, DMW0, DMW1, DMW2, DMW3, ECFG
    \action \csr
    addi.d  $t0, $t0, 8
    .endr
.endm
.macro SAVE csr:req
    csrrd   $t1, \csr
    st.d    $t1, $t0, 0
.endm
# Writes what has changed alone: a CPU may have a register for reading only.
.macro RESTORE csr:req
    ld.d    $t1, $t0, 0
    csrrd   $t2, \csr
    beq     $t1, $t2, .Lsame\@
    csrwr   $t1, \csr
.Lsame\@:
.endm

# What C wants kept.
.macro EACH_REGISTER action:req
    .irp    register, ra, sp, tp, r21, fp, s0, s1, s2, s3, s4, s5, s6, s7, s8
    \action $\register, $t0, 0
    addi.d  $t0, $t0, 8
    .endr
.endm
.macro EACH_FP_REGISTER action:req
    .irp    register, fs0, fs1, fs2, fs3, fs4, fs5, fs6, fs7
    \action $\register, $t0, 0
    addi.d  $t0, $t0, 8
    .endr
.endm

# efi_start(handle, system table), as firmware calls it.
    .section .text.start, "ax"
    .globl text_start, efi_start
text_start:
efi_start:
    b       efi_main

# enter(image): runs an image until it comes back.
    .text
    .globl enter
enter:
    # No interrupt from here on; CRMD as it was is the first word.
    csrrd   $t2, CRMD
    li.d    $t1, CRMD_IE
    csrxchg $zero, $t1, CRMD
    la.pcrel $t0, kept
    st.d    $t2, $t0, 0
    addi.d  $t0, $t0, 8
    EACH_REGISTER st.d
    csrrd   $t1, EUEN
    andi    $t1, $t1, 1
    beqz    $t1, 1f
    EACH_FP_REGISTER fst.d
    # The address at which this runs in mapped mode: in direct mode its upper bits say
    # nothing, and when CRMD is as before they say the right thing again.
1:  la.pcrel $t1, back
    st.d    $t1, $a0, 8
    la.pcrel $t0, kept_csrs
    EACH_CSR SAVE
    dbar    0
    ibar    0
    li.d    $t1, CRMD_DIRECT
    csrwr   $t1, CRMD
    jr      $a0
back:
    la.pcrel $t0, kept_csrs
    EACH_CSR RESTORE
    invtlb  0, $zero, $zero
    la.pcrel $t0, kept
    ld.d    $t2, $t0, 0
    addi.d  $t0, $t0, 8
    EACH_REGISTER ld.d
    csrrd   $t1, EUEN
    andi    $t1, $t1, 1
    beqz    $t1, 1f
    EACH_FP_REGISTER fld.d
1:  csrwr   $t2, CRMD
    ret

    .bss
    .balign 8
kept:       .space (1 + 14 + 8) * 8
kept_csrs:  .space 64 * 8
