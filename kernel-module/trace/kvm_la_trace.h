/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The architecture's events of the trace system "kvm": names, fields and
 * formats as tools know them from the kernel's own module. What C's events
 * take from the vCPU comes as arguments, because a vCPU's state is Rust's.
 */

#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm

#if !defined(_KVM_LA_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _KVM_LA_TRACE_H

#include <linux/tracepoint.h>

/* Into the guest, into it again without leaving the run loop, and out. */
DECLARE_EVENT_CLASS(kvm_transition,
	TP_PROTO(unsigned int vcpu_id, unsigned long pc),
	TP_ARGS(vcpu_id, pc),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(unsigned long, pc)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->pc = pc;
	),
	TP_printk("vcpu %u PC: 0x%08lx", __entry->vcpu_id, __entry->pc)
);

#define KVM_LA_TRANSITION(name)					\
DEFINE_EVENT(kvm_transition, name,				\
	     TP_PROTO(unsigned int vcpu_id, unsigned long pc),	\
	     TP_ARGS(vcpu_id, pc))

KVM_LA_TRANSITION(kvm_enter);
KVM_LA_TRANSITION(kvm_reenter);
KVM_LA_TRANSITION(kvm_out);

/* Reasons beyond the exception codes. */
#define KVM_TRACE_EXIT_IDLE	64
#define KVM_TRACE_EXIT_CACHE	65
#define KVM_TRACE_EXIT_CPUCFG	66
#define KVM_TRACE_EXIT_CSR	67

#define kvm_la_exit_names				\
	{ KVM_TRACE_EXIT_IDLE,		"IDLE" },	\
	{ KVM_TRACE_EXIT_CACHE,		"CACHE" },	\
	{ KVM_TRACE_EXIT_CPUCFG,	"CPUCFG" },	\
	{ KVM_TRACE_EXIT_CSR,		"CSR" }

DECLARE_EVENT_CLASS(kvm_exit,
	TP_PROTO(unsigned int vcpu_id, unsigned long pc, unsigned int reason),
	TP_ARGS(vcpu_id, pc, reason),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(unsigned long, pc)
		__field(unsigned int, reason)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->pc = pc;
		__entry->reason = reason;
	),
	TP_printk("vcpu %u [%s] PC: 0x%08lx", __entry->vcpu_id,
		  __print_symbolic(__entry->reason, kvm_la_exit_names),
		  __entry->pc)
);

#define KVM_LA_EXIT(name)							\
DEFINE_EVENT(kvm_exit, name,							\
	     TP_PROTO(unsigned int vcpu_id, unsigned long pc, unsigned int reason),	\
	     TP_ARGS(vcpu_id, pc, reason))

KVM_LA_EXIT(kvm_exit_idle);
KVM_LA_EXIT(kvm_exit_cache);
KVM_LA_EXIT(kvm_exit_cpucfg);
KVM_LA_EXIT(kvm_exit_csr);
KVM_LA_EXIT(kvm_exit);

TRACE_EVENT(kvm_exit_gspr,
	TP_PROTO(unsigned int vcpu_id, unsigned int inst_word),
	TP_ARGS(vcpu_id, inst_word),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(unsigned int, inst_word)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->inst_word = inst_word;
	),
	TP_printk("vcpu %u Inst word: 0x%08x", __entry->vcpu_id, __entry->inst_word)
);

/* Floating-point and vector state: what is done with which. */
#define KVM_TRACE_AUX_SAVE	0
#define KVM_TRACE_AUX_RESTORE	1

#define KVM_TRACE_AUX_FPU	1
#define KVM_TRACE_AUX_LSX	2
#define KVM_TRACE_AUX_LASX	3

#define kvm_la_aux_ops				\
	{ KVM_TRACE_AUX_SAVE,		"save" },	\
	{ KVM_TRACE_AUX_RESTORE,	"restore" },	\
	{ 2,				"enable" },	\
	{ 3,				"disable" },	\
	{ 4,				"discard" }

#define kvm_la_aux_states			\
	{ KVM_TRACE_AUX_FPU,	"FPU" },	\
	{ KVM_TRACE_AUX_LSX,	"LSX" },	\
	{ KVM_TRACE_AUX_LASX,	"LASX" }

TRACE_EVENT(kvm_aux,
	TP_PROTO(unsigned long pc, unsigned int op, unsigned int state),
	TP_ARGS(pc, op, state),
	TP_STRUCT__entry(
		__field(unsigned long, pc)
		__field(u8, op)
		__field(u8, state)
	),
	TP_fast_assign(
		__entry->pc = pc;
		__entry->op = op;
		__entry->state = state;
	),
	TP_printk("%s %s PC: 0x%08lx",
		  __print_symbolic(__entry->op, kvm_la_aux_ops),
		  __print_symbolic(__entry->state, kvm_la_aux_states),
		  __entry->pc)
);

/* As those of kvm_mmio (trace/events/kvm.h). */
#define KVM_TRACE_IOCSR_READ_UNSATISFIED	0
#define KVM_TRACE_IOCSR_READ			1
#define KVM_TRACE_IOCSR_WRITE			2

#define kvm_la_iocsr_types						\
	{ KVM_TRACE_IOCSR_READ_UNSATISFIED,	"unsatisfied-read" },	\
	{ KVM_TRACE_IOCSR_READ,			"read" },		\
	{ KVM_TRACE_IOCSR_WRITE,		"write" }

TRACE_EVENT(kvm_iocsr,
	TP_PROTO(int type, int len, u64 gpa, u64 val),
	TP_ARGS(type, len, gpa, val),
	TP_STRUCT__entry(
		__field(u32, type)
		__field(u32, len)
		__field(u64, gpa)
		__field(u64, val)
	),
	TP_fast_assign(
		__entry->type = type;
		__entry->len = len;
		__entry->gpa = gpa;
		__entry->val = val;
	),
	TP_printk("iocsr %s len %u gpa 0x%llx val 0x%llx",
		  __print_symbolic(__entry->type, kvm_la_iocsr_types),
		  __entry->len, __entry->gpa, __entry->val)
);

TRACE_EVENT(kvm_vpid_change,
	TP_PROTO(unsigned long vpid),
	TP_ARGS(vpid),
	TP_STRUCT__entry(
		__field(unsigned long, vpid)
	),
	TP_fast_assign(
		__entry->vpid = vpid;
	),
	TP_printk("VPID: 0x%08lx", __entry->vpid)
);

#endif /* _KVM_LA_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE kvm_la_trace

/* This part must be outside protection. */
#include <trace/define_trace.h>
