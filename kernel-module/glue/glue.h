/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel interfaces that are macros or inline functions, as functions that
 * Rust can call. No logic here: one line each, or a macro's fixed pattern.
 */

#ifndef KVM_LA_GLUE_H
#define KVM_LA_GLUE_H

#include <linux/kvm_host.h>

struct module;

/* The processor */
u64 kvm_la_cpu_options(void);
unsigned int kvm_la_cpu_vabits(void);
u64 kvm_la_const_freq(void);
void kvm_la_lose_units(void);

/* Preemption, interrupts, CPUs */
void kvm_la_preempt_disable(void);
void kvm_la_preempt_enable(void);
void kvm_la_irq_disable(void);
void kvm_la_irq_enable(void);
unsigned long kvm_la_irq_save(void);
void kvm_la_irq_restore(unsigned long flags);
unsigned int kvm_la_cpu(void);
int kvm_la_on_cpu(int cpu, void (*func)(void *info));
unsigned int kvm_la_online_cpus(void);
void *kvm_la_alloc_percpu(size_t size, size_t align);
void kvm_la_free_percpu(void *area);
void *kvm_la_percpu_ptr(void *area, unsigned int cpu);
unsigned int kvm_la_next_possible_cpu(int cpu);
unsigned int kvm_la_cpu_limit(void);

/* Locks */
/* What they protect is in src/kvm/sync.rs. */
enum kvm_la_lock_class {
	KVM_LA_LOCK_IPI,
	KVM_LA_LOCK_EIOINTC,
	KVM_LA_LOCK_PCH_PIC,
	KVM_LA_LOCK_DMSINTC,
	KVM_LA_LOCK_CLASSES,
};
void kvm_la_raw_spin_lock_init(raw_spinlock_t *lock, enum kvm_la_lock_class class);
unsigned long kvm_la_raw_spin_lock_irqsave(raw_spinlock_t *lock);
void kvm_la_raw_spin_unlock_irqrestore(raw_spinlock_t *lock, unsigned long flags);
void kvm_la_mmu_lock(struct kvm *kvm);
bool kvm_la_mmu_trylock(struct kvm *kvm);
void kvm_la_mmu_unlock(struct kvm *kvm);
bool kvm_la_mmu_lock_needbreak(struct kvm *kvm);
int kvm_la_srcu_read_lock(struct kvm *kvm);
void kvm_la_srcu_read_unlock(struct kvm *kvm, int idx);
void kvm_la_slots_lock(struct kvm *kvm);
void kvm_la_slots_unlock(struct kvm *kvm);

/* Requests and the way into the guest */
bool kvm_la_dirty_ring_check_request(struct kvm_vcpu *vcpu);
int kvm_la_exiting_guest_mode(struct kvm_vcpu *vcpu);
int kvm_la_xfer_to_guest_mode_handle_work(struct kvm_vcpu *vcpu);
void kvm_la_handle_signal_exit(struct kvm_vcpu *vcpu);
void kvm_la_guest_state_enter(void);
void kvm_la_guest_state_exit(void);
bool kvm_la_guest_state_matters(void);
void kvm_la_guest_timing_enter(void);
void kvm_la_guest_timing_exit(void);
void kvm_la_vcpu_kick(struct kvm_vcpu *vcpu);
void kvm_la_wake(struct kvm_vcpu *vcpu);
bool kvm_la_vcpu_is_blocking(struct kvm_vcpu *vcpu);
bool kvm_la_single_task_running(void);
void kvm_la_register_perf_callbacks(void);
void kvm_la_unregister_perf_callbacks(void);

/* The time */
u64 kvm_la_run_delay(void);
bool kvm_la_sched_info_on(void);

/* Memory */
unsigned long kvm_la_pa(void *va);
unsigned long kvm_la_mm_pgd(struct kvm *kvm);
bool kvm_la_current_mm_is(struct kvm *kvm);
bool kvm_la_pfn_valid(u64 pfn);
unsigned long kvm_la_get_zeroed_pages(unsigned int order);
void kvm_la_free_pages(unsigned long address, unsigned int order);
void *kvm_la_mmu_cache_alloc(struct kvm_mmu_memory_cache *cache);
kvm_pfn_t kvm_la_faultin_pfn(const struct kvm_memory_slot *slot, gfn_t gfn, bool write,
			     bool *writable, struct page **page);
void kvm_la_release_faultin_page(struct kvm *kvm, struct page *page, bool dirty);
void kvm_la_release_page_unused(struct page *page);
int kvm_la_fixup_for_write(u64 hva);
void kvm_la_send_hwpoison(u64 hva);
unsigned long kvm_la_mmu_seq(struct kvm *kvm);
bool kvm_la_mmu_invalidate_retry_gfn(struct kvm *kvm, unsigned long seq, gfn_t gfn);
bool kvm_la_mmu_invalidating_gfn(struct kvm *kvm, gfn_t gfn);
bool kvm_la_mmu_invalidating(struct kvm *kvm);
bool kvm_la_page_is_large(struct page *page);
unsigned long kvm_la_page_to_pfn(struct page *page);
unsigned long kvm_la_gfn_to_hva_memslot(const struct kvm_memory_slot *slot, gfn_t gfn);
bool kvm_la_dirty_log_init_set(struct kvm *kvm);
bool kvm_la_is_error_hva(unsigned long hva);
bool kvm_la_is_error_noslot_pfn(kvm_pfn_t pfn);
unsigned int kvm_la_host_entries(struct kvm *kvm, u64 hva, bool down, u64 bits,
				 u64 *entries, unsigned int limit, bool *huge);
u64 kvm_la_memslots_generation(struct kvm *kvm);
int kvm_la_get_user_u32(u32 *value, unsigned long address);
int kvm_la_get_user_u64(u64 *value, unsigned long address);
int kvm_la_put_user_u8(u8 value, unsigned long address);
int kvm_la_put_user_u8_atomic(u8 value, unsigned long address);
int kvm_la_put_user_u32(u32 value, unsigned long address);
int kvm_la_put_user_u64(u64 value, unsigned long address);
void kvm_la_cond_resched(void);
bool kvm_la_has_signal(void);
void kvm_la_tables_init(struct list_head *list);
void kvm_la_table_retire(struct list_head *list, void *table);
void kvm_la_tables_free(struct list_head *list);

/* Tracing */
void kvm_la_trace_mmio(int type, int len, u64 gpa, u64 value);

/* vmlinux, in arch/loongarch/kvm/switch.S */
struct loongarch_fpu;
void kvm_save_fpu(struct loongarch_fpu *fpu);
void kvm_restore_fpu(struct loongarch_fpu *fpu);
void kvm_save_lsx(struct loongarch_fpu *fpu);
void kvm_restore_lsx(struct loongarch_fpu *fpu);
void kvm_save_lasx(struct loongarch_fpu *fpu);
void kvm_restore_lasx(struct loongarch_fpu *fpu);

#endif /* KVM_LA_GLUE_H */
