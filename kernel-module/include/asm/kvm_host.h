/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What generic KVM needs to know of LoongArch when the architecture's half is in
 * Rust, in place of what the kernel's asm/kvm_host.h has for the one in C.
 *
 * A VM's and a vCPU's state belong to Rust: C sees one pointer each. vmlinux
 * knows the layout of struct kvm_vcpu in its own world switch only, which Rust
 * does not use.
 */

#ifndef __ASM_LOONGARCH_KVM_HOST_RUST_H__
#define __ASM_LOONGARCH_KVM_HOST_RUST_H__

#include <linux/cpumask.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/kvm.h>
#include <linux/kvm_types.h>
#include <linux/mutex.h>
#include <linux/perf_event.h>
#include <linux/spinlock.h>
#include <linux/threads.h>
#include <linux/types.h>

#define __KVM_HAVE_ARCH_INTC_INITIALIZED

#define KVM_MAX_VCPUS			256
#define KVM_HALT_POLL_NS_DEFAULT	500000

#define KVM_DIRTY_LOG_MANUAL_CAPS	\
	(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET)

/* Generic code finds .generic and .signal_exits by name. */
struct kvm_vm_stat {
	struct kvm_vm_stat_generic generic;
	u64 pages;
	u64 hugepages;
};

struct kvm_vcpu_stat {
	struct kvm_vcpu_stat_generic generic;
	u64 int_exits;
	u64 idle_exits;
	u64 cpucfg_exits;
	u64 signal_exits;
	u64 hypercall_exits;
	u64 ipi_read_exits;
	u64 ipi_write_exits;
	u64 eiointc_read_exits;
	u64 eiointc_write_exits;
	u64 pch_pic_read_exits;
	u64 pch_pic_write_exits;
};

/* Whether a slot's alignment allows huge pages; set when it is created. */
struct kvm_arch_memory_slot {
	unsigned long flags;
};

/* Owned by src/vm.rs and src/vcpu.rs. */
struct kvm_arch {
	void *vm;
};

struct kvm_vcpu_arch {
	void *vcpu;
};

bool kvm_arch_pmi_in_guest(struct kvm_vcpu *vcpu);

static inline void kvm_arch_memslots_updated(struct kvm *kvm, u64 gen) { }
static inline void kvm_arch_free_memslot(struct kvm *kvm, struct kvm_memory_slot *slot) { }
static inline void kvm_arch_vcpu_blocking(struct kvm_vcpu *vcpu) { }
static inline void kvm_arch_vcpu_unblocking(struct kvm_vcpu *vcpu) { }

#endif /* __ASM_LOONGARCH_KVM_HOST_RUST_H__ */
