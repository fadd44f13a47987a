/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The world switch (docs/lvz.md section 5).
 *
 * This text is assembled by rustc (switch.rs gives the places of a vCPU's words and
 * the names of registers and bits) and copied into a page of directly mapped memory, where
 * it runs: from the moment PGDL holds the stage-2 table and GTLBC.TGID is not
 * 0, a TLB miss of the root would be taken for a guest's (R-3), so code, stack
 * and vCPU must not need the TLB. It is position independent, and the
 * first instruction is at the start of the page because EENTRY points there.
 *
 * SAVE4 holds the vCPU's address while a guest may run, and 0 while the CPU waits
 * in kvm_la_switch_wait; SAVE5 is scratch.
 * Interrupts are off in all of it: the guest runs with the root's CRMD.IE set by
 * PRMD.PIE at `ertn`, and an exit clears it again.
 */

	.pushsection .text.kvm_la_switch, "ax"
	.balign	16
	.globl	kvm_la_switch_begin
kvm_la_switch_begin:

/*
 * Exit by general exception or interrupt. Root state: VM=0, PLV0, IE=0, PG=1;
 * all general registers are the guest's. The guest's own CSRs are untouched.
 */
.Lexit:
	csrwr	$a2, {CSR_SAVE5}
	csrrd	$a2, {CSR_SAVE4}
	beqz	$a2, .Lwoken
	.irp	n,1,2,3,4,5,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	st.d	$r\n, $a2, {GPR} + 8 * \n
	.endr
	csrrd	$t0, {CSR_SAVE5}
	st.d	$t0, $a2, {GPR} + 8 * 6
	move	$s0, $a2

	/* The cause, before the next exception can overwrite it. */
	csrrd	$t0, {CSR_ESTAT}
	st.d	$t0, $s0, {ESTAT}
	csrrd	$t0, {CSR_ERA}
	st.d	$t0, $s0, {PC}
	csrrd	$t0, {CSR_BADV}
	st.d	$t0, $s0, {BADV}
	csrrd	$t0, {CSR_BADI}
	st.d	$t0, $s0, {BADI}

	/* The host's vectors and page table. */
	ld.d	$t0, $s0, {HOST_ECFG}
	lu12i.w	$t1, {ECFG_VS} >> 12
	csrxchg	$t0, $t1, {CSR_ECFG}
	ld.d	$t0, $s0, {HOST_EENTRY}
	csrwr	$t0, {CSR_EENTRY}
	ld.d	$t0, $s0, {HOST_PGD}
	csrwr	$t0, {CSR_PGDL}

	/* GSTAT.PGM=0: the next ertn stays in root. TGID=0: fills are root's. */
	ori	$t0, $zero, {GSTAT_PGM}
	csrxchg	$zero, $t0, {CSR_GSTAT}
	ld.d	$t0, $s0, {HOST_GTLBC}
	csrwr	$t0, {CSR_GTLBC}

	ld.d	$tp, $s0, {HOST_TP}
	ld.d	$sp, $s0, {HOST_SP}
	ld.d	$r21, $s0, {HOST_PERCPU}

	move	$a0, $s0
	ld.d	$t0, $s0, {HANDLER}
	jirl	$ra, $t0, 0
	blt	$zero, $a0, .Lguest

	/* Back to the caller of kvm_la_switch_enter, with the handler's result. */
	ld.d	$ra, $sp, 0
	ld.d	$fp, $sp, 8
	.irp	n,23,24,25,26,27,28,29,30,31
	ld.d	$r\n, $sp, 16 + 8 * (\n - 23)
	.endr
	addi.d	$sp, $sp, 96
	jirl	$zero, $ra, 0

/*
 * s32 kvm_la_switch_enter(Vcpu *a0): runs the guest until the exit handler
 * returns a value <= 0, which is the result. Called with interrupts off,
 * returns with interrupts off.
 */
	.globl	kvm_la_switch_enter
kvm_la_switch_enter:
	addi.d	$sp, $sp, -96
	st.d	$ra, $sp, 0
	st.d	$fp, $sp, 8
	.irp	n,23,24,25,26,27,28,29,30,31
	st.d	$r\n, $sp, 16 + 8 * (\n - 23)
	.endr
	st.d	$sp, $a0, {HOST_SP}
	st.d	$tp, $a0, {HOST_TP}
	move	$s0, $a0

.Lguest:
	/* The handler may have slept: the CPU is another, perhaps. */
	st.d	$r21, $s0, {HOST_PERCPU}
	move	$t0, $s0
	csrwr	$t0, {CSR_SAVE4}

	/* ECFG.VS=0: one entry for all causes, and that is .Lexit. */
	lu12i.w	$t1, {ECFG_VS} >> 12
	csrxchg	$zero, $t1, {CSR_ECFG}
	ld.d	$t0, $s0, {ENTRY}
	csrwr	$t0, {CSR_EENTRY}
	ld.d	$t0, $s0, {PC}
	csrwr	$t0, {CSR_ERA}
	ld.d	$t0, $s0, {GUEST_PGD}
	csrwr	$t0, {CSR_PGDL}
	ld.d	$t0, $s0, {GUEST_GTLBC}
	csrwr	$t0, {CSR_GTLBC}
	/* PRMD: PPLV=0, PIE=1: root interrupts end the guest's run (W-13). */
	ori	$t0, $zero, {PRMD_PIE}
	csrwr	$t0, {CSR_PRMD}
	/* GSTAT.PGM=1: ertn enters guest mode. */
	ori	$t0, $zero, {GSTAT_PGM}
	csrxchg	$t0, $t0, {CSR_GSTAT}

	.irp	n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,24,25,26,27,28,29,30,31
	ld.d	$r\n, $s0, {GPR} + 8 * \n
	.endr
	ld.d	$s0, $s0, {GPR} + 8 * 23
	ertn

/*
 * void kvm_la_switch_wait(u64 a0): the CPU waits until an interrupt is pending, which
 * is left pending. a0 is the start of this page. Called with interrupts off, returns
 * with interrupts off.
 *
 * The kernel's own entry would take the interrupt and return here, before the `idle`
 * perhaps, which would then wait for the next one. Entering at .Lexit ends the
 * wait wherever it was.
 */
	.globl	kvm_la_switch_wait
kvm_la_switch_wait:
	csrwr	$zero, {CSR_SAVE4}
	move	$t0, $zero
	lu12i.w	$t1, {ECFG_VS} >> 12
	csrxchg	$t0, $t1, {CSR_ECFG}
	csrwr	$a0, {CSR_EENTRY}
	ori	$t2, $zero, {CRMD_IE}
	csrxchg	$t2, $t2, {CSR_CRMD}
1:
	idle	0
	b	1b

/* a0, t0, t1 are as they were left; the exception turned interrupts off. */
.Lwoken:
	csrwr	$a0, {CSR_EENTRY}
	csrxchg	$t0, $t1, {CSR_ECFG}
	jirl	$zero, $ra, 0

	.globl	kvm_la_switch_end
kvm_la_switch_end:
	.popsection
