/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * A bare guest that leaves guest mode for one reason at a time, many times, each
 * at one place of its own: a global symbol `site_CLASS`. lvz-sim's
 * --stats-sites then tells what each class costs the host.
 *
 * Runs on QEMU's machine `virt` by -kernel: physical addresses throughout,
 * interrupts off except where a class is about them. Ends with a line on the
 * serial port and power-off. Device addresses: QEMU include/hw/loongarch/virt.h;
 * registers: Loongson 7A1000 and 3A5000 user manuals.
 *
 * Build with -DHUGE for the variant whose RAM is made of huge pages, which causes
 * stage-2 faults only, with -DLOG for stores to memory whose dirty pages are
 * logged, with -DIDLE for one that sleeps for ever, with -DUSER for exits to user space
 * alone, with -DSLEEP for sleeps alone, with -DFILL for one that fills 64 MiB of
 * memory, and with -DUNITS for first uses of units that not every CPU has.
 */

#define UART		0x1fe001e0
#define PCH_PIC		0x10000000
#define GED_SLEEP	0x100e001c
#define ECAM		0x20000000
#define PCI_MEMORY	0x40000000
/* Where QEMU is told to put the display, whose memory has its writes logged. */
#define DISPLAY		(ECAM + (4 << 15))
#define DISPLAY_PAGES	512

#define IPI_ENABLE	0x1004
#define IPI_CLEAR	0x100c
#define IPI_SEND	0x1040
#define MAIL_SEND	0x1048
#define EIOINTC_IPMAP	0x14c0
#define EIOINTC_ENABLE	0x1600
#define EIOINTC_COREISR	0x1800
#define EIOINTC_COREMAP	0x1c00

#define CRMD		0x0
#define EUEN		0x2
#define ECFG		0x4
#define ESTAT		0x5
#define EENTRY		0xc
#define SAVE0		0x30
#define SAVE1		0x31
#define TCFG		0x41
#define TICLR		0x44
/* Implementation-specific: exits in every KVM. */
#define IMPCTL1		0x80
#define PERFCTRL0	0x200
#define PERFCNTR0	0x201
/* Cycles, at all levels. */
#define COUNTING	(0xf << 16)
/* The fetch watchpoints' status. */
#define FWPS		0x381

#define TIMER_LINE	11
#define IPI_LINE	12

#define PAGE		0x4000
#define HUGE_PAGE	0x2000000

/* The UART's pin of the PCH-PIC, and the vector that it is given. */
#define PIN		2

#define MANY		256

/* INSN at site_NAME, COUNT times; $s0 counts. */
.macro many name, count, insn:vararg
	li.d	$s0, \count
	.globl	site_\name
site_\name:
	\insn
	addi.d	$s0, $s0, -1
	bnez	$s0, site_\name
.endm

/* INSN at site_NAME with $t1 = FROM, FROM + STEP, ... */
.macro pages name, count, from, step, insn:vararg
	li.d	$s0, \count
	li.d	$t1, \from
	li.d	$t2, \step
	.globl	site_\name
site_\name:
	\insn
	add.d	$t1, $t1, $t2
	addi.d	$s0, $s0, -1
	bnez	$s0, site_\name
.endm

/* The same with the FPU used after each, which user space has had taken away. */
.macro many_fpu name, count, insn:vararg
	li.d	$s0, \count
	.globl	site_\name
	.globl	site_\name\()_use
site_\name:
	\insn
site_\name\()_use:
	fadd.d	$f0, $f0, $f0
	addi.d	$s0, $s0, -1
	bnez	$s0, site_\name
.endm

/* Exits that user space answers. */
.macro user_space
	/* The features of the chip. */
	li.d	$t1, 8
	many	iocsr_user_read, MANY, iocsrrd.d $t0, $t1
	/* The UART's line status and scratch register. */
	li.d	$t1, UART
	many	mmio_user_load, MANY, ld.bu $t0, $t1, 5
	many	mmio_user_store, MANY, st.b $t0, $t1, 7
.endm

	.text
	.globl	_start
_start:
	la.pcrel $t0, handler
	csrwr	$t0, EENTRY
#ifdef IDLE
0:
	idle	0
	b	0b
#endif
#ifdef USER
	user_space
	b	done
#endif
#ifdef SLEEP
	b	sleep_timer
#endif
#ifdef UNITS
	/* User space in between has the vCPU's units taken away. */
	li.d	$t0, 0xf
	csrwr	$t0, EUEN
	li.d	$s0, MANY
	li.d	$t1, UART
0:
	ld.bu	$t0, $t1, 5
	.globl	site_lasx
site_lasx:
	xvxor.v	$xr0, $xr0, $xr0
	ld.bu	$t0, $t1, 5
	.globl	site_lbt
site_lbt:
	movgr2scr $scr0, $s0
	addi.d	$s0, $s0, -1
	bnez	$s0, 0b
	b	done
#endif
#ifdef HUGE
	pages	fault_huge_load, 6, 0x80000000, HUGE_PAGE, ld.d $t0, $t1, 0
	pages	fault_huge_store, 6, 0x80000000 + 6 * HUGE_PAGE, HUGE_PAGE, st.d $t0, $t1, 0
	/* No exits here, or the pages are not huge. */
	pages	fault_huge_again, 12, 0x80100000, HUGE_PAGE, ld.d $t0, $t1, 0
	b	done
#endif

#ifdef FILL
	pages	fill, 4096, 0x80000000, PAGE, st.d $t0, $t1, 0
	b	done
#endif

#ifdef LOG
	/*
	 * Memory of the display, which the host does not have yet. Loads map its
	 * page of zeros; stores need pages of their own.
	 */
	li.d	$t0, DISPLAY
	li.d	$t3, 2
	li.d	$t1, PCI_MEMORY
	st.w	$t1, $t0, 0x10
	st.h	$t3, $t0, 4
	pages	zero_page, DISPLAY_PAGES, PCI_MEMORY, PAGE, ld.d $t0, $t1, 0
	pages	dirty_log_copy, DISPLAY_PAGES, PCI_MEMORY, PAGE, st.d $t0, $t1, 0
	/* The same memory elsewhere: loads map it clean, stores make it dirty. */
	li.d	$t0, DISPLAY
	st.h	$zero, $t0, 4
	li.d	$t1, PCI_MEMORY + 0x8000000
	st.w	$t1, $t0, 0x10
	st.h	$t3, $t0, 4
	pages	logged_load, DISPLAY_PAGES, PCI_MEMORY + 0x8000000, PAGE, ld.d $t0, $t1, 0
	pages	dirty_log, DISPLAY_PAGES, PCI_MEMORY + 0x8000000, PAGE, st.d $t0, $t1, 0
	b	done
#endif

	li.d	$t1, 2
	many	cpucfg, MANY, cpucfg $t0, $t1
	many	csr, MANY, csrrd $t0, IMPCTL1
	/* As Linux 7.3 at each switch of threads (hw_breakpoint_thread_switch). */
	many	csr_watchpoint_read, MANY, csrrd $t0, FWPS
	many	csr_watchpoint_write, MANY, csrwr $t0, FWPS

	/*
	 * Performance counters: the first use takes them, the next exit gives them
	 * back; while one counts each exit does both.
	 */
	li.d	$t1, 2
	li.d	$s0, MANY
16:
	.globl	site_counter_use
site_counter_use:
	csrrd	$t0, PERFCNTR0
	.globl	site_counter_back
site_counter_back:
	cpucfg	$t0, $t1
	addi.d	$s0, $s0, -1
	bnez	$s0, 16b
	li.d	$t0, COUNTING
	csrwr	$t0, PERFCTRL0
	many	counter_on, MANY, cpucfg $t0, $t1
	csrwr	$zero, PERFCTRL0

	li.d	$t1, IPI_ENABLE
	many	iocsr_kernel_read, MANY, iocsrrd.w $t0, $t1
	many	iocsr_kernel_write, MANY, iocsrwr.w $t0, $t1

	li.d	$t1, PCH_PIC
	many	mmio_kernel_load, MANY, ld.w $t0, $t1, 0x20
	li.d	$t0, -1
	many	mmio_kernel_store, MANY, st.w $t0, $t1, 0x20
#ifndef USER
	user_space
#endif

	/* Interrupt to itself; it stays pending until it is cleared. */
	li.d	$t0, -1
	li.d	$t1, IPI_ENABLE
	iocsrwr.w $t0, $t1
	li.d	$s0, MANY
	li.d	$t1, IPI_SEND
	li.d	$t2, IPI_CLEAR
	li.w	$t3, 1 << 31
	li.d	$t4, 1
1:
	.globl	site_ipi_send_self
site_ipi_send_self:
	iocsrwr.w $t3, $t1
	csrrd	$t0, ESTAT
	li.d	$a0, 'i'
	li.d	$t5, 1 << IPI_LINE
	and	$t0, $t0, $t5
	beqz	$t0, failed
	.globl	site_ipi_clear
site_ipi_clear:
	iocsrwr.w $t4, $t2
	csrrd	$t0, ESTAT
	and	$t0, $t0, $t5
	bnez	$t0, failed
	addi.d	$s0, $s0, -1
	bnez	$s0, 1b

	/* The UART's transmitter is empty: an interrupt as soon as it is wanted. */
	li.d	$t0, PCH_PIC
	li.d	$t1, 1 << PIN
	nor	$t2, $t1, $zero
	st.w	$t2, $t0, 0x20
	st.w	$t1, $t0, 0x40
	li.d	$t2, 1
	st.b	$t2, $t0, 0x100 + PIN
	li.d	$t2, PIN
	st.b	$t2, $t0, 0x200 + PIN
	li.d	$t0, EIOINTC_ENABLE
	iocsrwr.w $t1, $t0
	li.d	$t0, EIOINTC_IPMAP
	li.d	$t2, 1
	iocsrwr.b $t2, $t0
	li.d	$t0, EIOINTC_COREMAP + PIN
	iocsrwr.b $t2, $t0
	li.d	$s0, MANY
	li.d	$t2, EIOINTC_COREISR
	li.d	$t3, UART
	li.d	$t4, 2
2:
	.globl	site_interrupt_line_user
site_interrupt_line_user:
	st.b	$t4, $t3, 1
	.globl	site_eiointc_read
site_eiointc_read:
	iocsrrd.d $t0, $t2
	li.d	$a0, 'e'
	and	$t0, $t0, $t1
	beqz	$t0, failed
	.globl	site_eiointc_ack
site_eiointc_ack:
	iocsrwr.d $t1, $t2
	st.b	$zero, $t3, 1
	addi.d	$s0, $s0, -1
	bnez	$s0, 2b

	/* The paravirtual IPI, to itself. */
	li.d	$s0, MANY
3:
	li.d	$a0, 1
	li.d	$a1, 1
	li.d	$a2, 0
	li.d	$a3, 0
	.globl	site_hypercall
site_hypercall:
	hvcl	0x100
	move	$t0, $a0
	li.d	$a0, 'h'
	bnez	$t0, failed
	csrrd	$t0, ESTAT
	andi	$t0, $t0, 1
	beqz	$t0, failed
	li.d	$t1, 1
	csrxchg	$zero, $t1, ESTAT
	addi.d	$s0, $s0, -1
	bnez	$s0, 3b

	/* User space in between has the vCPU's units taken away. */
	li.d	$t0, 3
	csrwr	$t0, EUEN
	li.d	$s0, MANY
	li.d	$t1, UART
4:
	ld.bu	$t0, $t1, 5
	.globl	site_fpu
site_fpu:
	fadd.d	$f0, $f0, $f0
	ld.bu	$t0, $t1, 5
	.globl	site_lsx
site_lsx:
	vxor.v	$vr0, $vr0, $vr0
	addi.d	$s0, $s0, -1
	bnez	$s0, 4b
	many_fpu mmio_user_load_fpu, MANY, ld.bu $t0, $t1, 5
	many_fpu mmio_user_store_fpu, MANY, st.b $t0, $t1, 7
	li.d	$t1, 8
	many_fpu iocsr_user_read_fpu, MANY, iocsrrd.d $t0, $t1

sleep_timer:
	/* Ticks of 0.2 ms that wake from idle; $s1 counts them. */
	li.d	$t0, 1 << TIMER_LINE
	csrwr	$t0, ECFG
	li.d	$t0, 20000 | 3
	csrwr	$t0, TCFG
	li.d	$t0, 4
	csrxchg	$t0, $t0, CRMD
	move	$s1, $zero
	many	idle_timer, MANY, idle 0
#ifndef SLEEP
	/* A guest that is busy: the host's own ticks. */
	li.d	$s2, 1500
	.globl	site_busy
site_busy:
	blt	$s1, $s2, site_busy
#endif
	li.d	$t0, 4
	csrxchg	$zero, $t0, CRMD
	csrwr	$zero, TCFG
#ifdef SLEEP
	b	sleep_ipi
#endif

	/* First touch of pages that the host has. */
	pages	fault_small_load, 1024, 0x4000000, PAGE, ld.d $t0, $t1, 0
	pages	fault_small_store, 1024, 0x6000000, PAGE, st.d $t0, $t1, 0
	la.pcrel $t1, fetched
	la.pcrel $s0, fetched_end
	li.d	$t2, PAGE
5:
	jirl	$ra, $t1, 0
	add.d	$t1, $t1, $t2
	bltu	$t1, $s0, 5b

sleep_ipi:
	/* The second CPU waits in QEMU's boot code for an address. */
	li.d	$t1, MAIL_SEND
	la.pcrel $t0, second
	slli.d	$t0, $t0, 32
	li.d	$t2, 1 << 31 | 1 << 16
	or	$t0, $t0, $t2
	iocsrwr.d $t0, $t1
	li.d	$t1, IPI_SEND
	iocsrwr.w $t2, $t1
	la.pcrel $t3, woken
	li.d	$s0, 1
6:
	ld.d	$t0, $t3, 0
	bne	$t0, $s0, 6b
	/* It sleeps before each but the first. */
7:
	li.d	$t0, 20000
8:
	addi.d	$t0, $t0, -1
	bnez	$t0, 8b
	addi.d	$s0, $s0, 1
	.globl	site_ipi_send
site_ipi_send:
	iocsrwr.w $t2, $t1
9:
	ld.d	$t0, $t3, 0
	bne	$t0, $s0, 9b
	li.d	$t0, MANY
	bne	$s0, $t0, 7b

done:
	la.pcrel $t0, text_done
print:
	li.d	$t1, UART
10:
	ld.bu	$t2, $t0, 0
	beqz	$t2, 11f
	st.b	$t2, $t1, 0
	addi.d	$t0, $t0, 1
	b	10b
11:
	li.d	$t0, GED_SLEEP
	li.d	$t1, 0x34
	st.b	$t1, $t0, 0
12:
	b	12b

/* $a0: which class, as a letter. */
failed:
	la.pcrel $t0, text_letter
	st.b	$a0, $t0, 0
	la.pcrel $t0, text_failed
	b	print

/* The second CPU: asleep but for counting its interrupts. */
second:
	la.pcrel $t0, handler
	csrwr	$t0, EENTRY
	li.d	$t0, 1 << IPI_LINE
	csrwr	$t0, ECFG
	li.d	$t0, 4
	csrxchg	$t0, $t0, CRMD
	la.pcrel $t3, woken
	li.d	$t0, 1
	st.d	$t0, $t3, 0
13:
	.globl	site_idle_ipi
site_idle_ipi:
	idle	0
	b	13b

	/* Interrupts. */
	.balign	0x1000
handler:
	csrwr	$t0, SAVE0
	csrwr	$t1, SAVE1
	csrrd	$t0, ESTAT
	srli.d	$t1, $t0, IPI_LINE
	andi	$t1, $t1, 1
	bnez	$t1, 14f
	li.d	$t0, 1
	csrwr	$t0, TICLR
	addi.d	$s1, $s1, 1
	b	15f
14:
	li.d	$t0, -1
	li.d	$t1, IPI_CLEAR
	iocsrwr.w $t0, $t1
	ld.d	$t0, $t3, 0
	addi.d	$t0, $t0, 1
	st.d	$t0, $t3, 0
15:
	csrrd	$t0, SAVE0
	csrrd	$t1, SAVE1
	ertn

	.data
text_done:
	.asciz	"KVM-LA-EXITS done\r\n"
text_failed:
	.ascii	"KVM-LA-EXITS failed: "
text_letter:
	.asciz	"?\r\n"
	.balign	64
woken:
	.dword	0

	/* Pages that are fetched from, at their first instruction. */
	.section .pages, "ax"
	.balign	PAGE
	.globl	fetched
fetched:
	.rept	64
	.balign	PAGE
	jirl	$zero, $ra, 0
	.endr
	.balign	PAGE
	.globl	fetched_end
fetched_end:
