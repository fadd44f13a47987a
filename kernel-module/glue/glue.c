// SPDX-License-Identifier: GPL-2.0
/* Kernel macros and inline functions as functions; see glue.h. */

#include <linux/kvm_host.h>
#include <linux/entry-virt.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched/stat.h>
#include <linux/smp.h>
#include <linux/uaccess.h>

#include <trace/events/kvm.h>

#include <asm/cpu-features.h>
#include <asm/cpufeature.h>
#include <asm/fpu.h>
#include <asm/lbt.h>
#include <asm/time.h>

#include "glue.h"

/* Loads the module on a CPU with the virtualization extension. */
static const struct cpu_feature kvm_feature[] = {
	{ .feature = cpu_feature(LOONGARCH_LVZ) },
	{},
};
MODULE_DEVICE_TABLE(cpu, kvm_feature);

u64 kvm_la_cpu_options(void) { return cpu_data[0].options; }
unsigned int kvm_la_cpu_vabits(void) { return cpu_vabits; }
u64 kvm_la_const_freq(void) { return calc_const_freq(); }
void kvm_la_lose_units(void)
{
	lose_fpu(1);
	lose_lbt(1);
}

void kvm_la_preempt_disable(void) { preempt_disable(); }
void kvm_la_preempt_enable(void) { preempt_enable(); }
void kvm_la_irq_disable(void) { local_irq_disable(); }
void kvm_la_irq_enable(void) { local_irq_enable(); }
unsigned long kvm_la_irq_save(void)
{
	unsigned long flags;

	local_irq_save(flags);
	return flags;
}
void kvm_la_irq_restore(unsigned long flags) { local_irq_restore(flags); }
unsigned int kvm_la_cpu(void) { return raw_smp_processor_id(); }
int kvm_la_on_cpu(int cpu, void (*func)(void *info))
{
	return smp_call_function_single(cpu, func, NULL, 1);
}
unsigned int kvm_la_online_cpus(void) { return num_online_cpus(); }
void *kvm_la_alloc_percpu(size_t size, size_t align)
{
	return (void __force *)__alloc_percpu(size, align);
}
void kvm_la_free_percpu(void *area) { free_percpu((void __percpu __force *)area); }
void *kvm_la_percpu_ptr(void *area, unsigned int cpu)
{
	return per_cpu_ptr((void __percpu __force *)area, cpu);
}
unsigned int kvm_la_next_possible_cpu(int cpu) { return cpumask_next(cpu, cpu_possible_mask); }
unsigned int kvm_la_cpu_limit(void) { return nr_cpu_ids; }

void kvm_la_raw_spin_lock_init(raw_spinlock_t *lock, enum kvm_la_lock_class class)
{
	/* What raw_spin_lock_init() takes for a class is this line of code. */
	static struct lock_class_key keys[KVM_LA_LOCK_CLASSES];
	static const char *const names[KVM_LA_LOCK_CLASSES] = {
		[KVM_LA_LOCK_IPI] = "kvm_la_ipi",
		[KVM_LA_LOCK_EIOINTC] = "kvm_la_eiointc",
		[KVM_LA_LOCK_PCH_PIC] = "kvm_la_pch_pic",
		[KVM_LA_LOCK_DMSINTC] = "kvm_la_dmsintc",
	};

	raw_spin_lock_init(lock);
	if (class < KVM_LA_LOCK_CLASSES)
		lockdep_set_class_and_name(lock, &keys[class], names[class]);
}
unsigned long kvm_la_raw_spin_lock_irqsave(raw_spinlock_t *lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave(lock, flags);
	return flags;
}
void kvm_la_raw_spin_unlock_irqrestore(raw_spinlock_t *lock, unsigned long flags)
{
	raw_spin_unlock_irqrestore(lock, flags);
}
void kvm_la_mmu_lock(struct kvm *kvm) { spin_lock(&kvm->mmu_lock); }
bool kvm_la_mmu_trylock(struct kvm *kvm) { return spin_trylock(&kvm->mmu_lock); }
void kvm_la_mmu_unlock(struct kvm *kvm) { spin_unlock(&kvm->mmu_lock); }
bool kvm_la_mmu_lock_needbreak(struct kvm *kvm)
{
	return need_resched() || spin_needbreak(&kvm->mmu_lock);
}
int kvm_la_srcu_read_lock(struct kvm *kvm) { return srcu_read_lock(&kvm->srcu); }
void kvm_la_srcu_read_unlock(struct kvm *kvm, int idx) { srcu_read_unlock(&kvm->srcu, idx); }
void kvm_la_slots_lock(struct kvm *kvm) { mutex_lock(&kvm->slots_lock); }
void kvm_la_slots_unlock(struct kvm *kvm) { mutex_unlock(&kvm->slots_lock); }

bool kvm_la_dirty_ring_check_request(struct kvm_vcpu *vcpu)
{
	return kvm_dirty_ring_check_request(vcpu);
}
int kvm_la_exiting_guest_mode(struct kvm_vcpu *vcpu) { return kvm_vcpu_exiting_guest_mode(vcpu); }
int kvm_la_xfer_to_guest_mode_handle_work(struct kvm_vcpu *vcpu)
{
	return kvm_xfer_to_guest_mode_handle_work(vcpu);
}
void kvm_la_handle_signal_exit(struct kvm_vcpu *vcpu) { kvm_handle_signal_exit(vcpu); }
void kvm_la_guest_state_enter(void) { guest_state_enter_irqoff(); }
void kvm_la_guest_state_exit(void) { guest_state_exit_irqoff(); }
/*
 * Whether running kernel code in guest state, interrupts off, would be noticed:
 * RCU does not watch under full context tracking, and lockdep takes interrupts
 * to be on. Otherwise the state is but a note to RCU.
 */
bool kvm_la_guest_state_matters(void)
{
	return IS_ENABLED(CONFIG_TRACE_IRQFLAGS) || context_tracking_enabled();
}
void kvm_la_guest_timing_enter(void) { guest_timing_enter_irqoff(); }
void kvm_la_guest_timing_exit(void) { guest_timing_exit_irqoff(); }
void kvm_la_vcpu_kick(struct kvm_vcpu *vcpu) { kvm_vcpu_kick(vcpu); }
void kvm_la_wake(struct kvm_vcpu *vcpu) { kvm_vcpu_wake_up(vcpu); }
bool kvm_la_vcpu_is_blocking(struct kvm_vcpu *vcpu) { return kvm_vcpu_is_blocking(vcpu); }
bool kvm_la_single_task_running(void) { return single_task_running(); }
void kvm_la_register_perf_callbacks(void) { kvm_register_perf_callbacks(); }
void kvm_la_unregister_perf_callbacks(void) { kvm_unregister_perf_callbacks(); }

#ifdef CONFIG_SCHED_INFO
u64 kvm_la_run_delay(void) { return current->sched_info.run_delay; }
#else
u64 kvm_la_run_delay(void) { return 0; }
#endif
bool kvm_la_sched_info_on(void) { return sched_info_on(); }

void kvm_la_trace_mmio(int type, int len, u64 gpa, u64 value)
{
	trace_kvm_mmio(type, len, gpa, &value);
}
