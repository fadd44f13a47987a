// SPDX-License-Identifier: GPL-2.0
/* Memory: kernel macros and inline functions as functions; see glue.h. */

#include <linux/gfp.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "glue.h"

unsigned long kvm_la_pa(void *va) { return __pa(va); }
unsigned long kvm_la_mm_pgd(struct kvm *kvm) { return (unsigned long)kvm->mm->pgd; }
bool kvm_la_current_mm_is(struct kvm *kvm) { return current->mm == kvm->mm; }
bool kvm_la_pfn_valid(u64 pfn) { return pfn_valid(pfn); }
unsigned long kvm_la_get_zeroed_pages(unsigned int order)
{
	return __get_free_pages(GFP_KERNEL_ACCOUNT | __GFP_ZERO, order);
}
void kvm_la_free_pages(unsigned long address, unsigned int order) { free_pages(address, order); }

/* kvm_mmu_memory_cache_alloc() that fails instead of BUG() on an empty cache. */
void *kvm_la_mmu_cache_alloc(struct kvm_mmu_memory_cache *cache)
{
	return cache->nobjs ? kvm_mmu_memory_cache_alloc(cache) : NULL;
}

kvm_pfn_t kvm_la_faultin_pfn(const struct kvm_memory_slot *slot, gfn_t gfn, bool write,
			     bool *writable, struct page **page)
{
	return __kvm_faultin_pfn(slot, gfn, write ? FOLL_WRITE : 0, writable, page);
}
void kvm_la_release_faultin_page(struct kvm *kvm, struct page *page, bool dirty)
{
	kvm_release_faultin_page(kvm, page, false, dirty);
}
void kvm_la_release_page_unused(struct page *page) { kvm_release_page_unused(page); }

/* What a store of the current process at @hva would do to its page tables. */
int kvm_la_fixup_for_write(u64 hva)
{
	bool unlocked = false;
	int ret;

	mmap_read_lock(current->mm);
	ret = fixup_user_fault(current->mm, hva, FAULT_FLAG_WRITE, &unlocked);
	mmap_read_unlock(current->mm);
	return ret;
}
void kvm_la_send_hwpoison(u64 hva)
{
	send_sig_mceerr(BUS_MCEERR_AR, (void __user *)hva, PAGE_SHIFT, current);
}

unsigned long kvm_la_mmu_seq(struct kvm *kvm)
{
	unsigned long seq = kvm->mmu_invalidate_seq;

	/* This read comes before those of the host's page tables. */
	smp_rmb();
	return seq;
}
bool kvm_la_mmu_invalidate_retry_gfn(struct kvm *kvm, unsigned long seq, gfn_t gfn)
{
	return mmu_invalidate_retry_gfn(kvm, seq, gfn);
}
bool kvm_la_mmu_invalidating_gfn(struct kvm *kvm, gfn_t gfn)
{
	return mmu_invalidate_retry_gfn(kvm, kvm->mmu_invalidate_seq, gfn);
}
bool kvm_la_mmu_invalidating(struct kvm *kvm) { return kvm->mmu_invalidate_in_progress; }
bool kvm_la_page_is_large(struct page *page) { return folio_test_large(page_folio(page)); }
unsigned long kvm_la_page_to_pfn(struct page *page) { return page_to_pfn(page); }
unsigned long kvm_la_gfn_to_hva_memslot(const struct kvm_memory_slot *slot, gfn_t gfn)
{
	return __gfn_to_hva_memslot(slot, gfn);
}
bool kvm_la_dirty_log_init_set(struct kvm *kvm)
{
	return kvm_dirty_log_manual_protect_and_init_set(kvm);
}
bool kvm_la_is_error_hva(unsigned long hva) { return kvm_is_error_hva(hva); }
bool kvm_la_is_error_noslot_pfn(kvm_pfn_t pfn) { return is_error_noslot_pfn(pfn); }
u64 kvm_la_memslots_generation(struct kvm *kvm) { return kvm_memslots(kvm)->generation; }

/* The entry above the process's page table for @hva; all zeros if there is none. */
static pmd_t host_pmd(struct kvm *kvm, u64 hva)
{
	pmd_t pmd = __pmd(0);
	pgd_t pgd;
	p4d_t p4d;
	pud_t pud;

	pgd = pgdp_get(pgd_offset(kvm->mm, hva));
	if (pgd_none(pgd))
		return pmd;
	p4d = p4dp_get(p4d_offset(&pgd, hva));
	if (p4d_none(p4d) || !p4d_present(p4d))
		return pmd;
	pud = pudp_get(pud_offset(&p4d, hva));
	if (pud_none(pud) || !pud_present(pud))
		return pmd;
	pmd = pmdp_get(pmd_offset(&pud, hva));
	return pmd_none(pmd) || !pmd_present(pmd) ? __pmd(0) : pmd;
}

/*
 * Takes the process's entries for the pages from @hva on, upwards or downwards, to
 * @entries: at most @limit, as far as they are in one table and have all of @bits. A huge
 * page's entry is that of each of its pages. How many there are; whether they are of a
 * huge page is in @huge. Interrupts are off so that the tables are not freed during the
 * walk; each entry is read once.
 */
unsigned int kvm_la_host_entries(struct kvm *kvm, u64 hva, bool down, u64 bits,
				 u64 *entries, unsigned int limit, bool *huge)
{
	unsigned long index = pte_index(hva), flags;
	unsigned int count = 0;
	pte_t *ptes = NULL;
	u64 entry;
	pmd_t pmd;

	limit = min_t(unsigned long, limit, down ? index + 1 : PTRS_PER_PTE - index);
	local_irq_save(flags);
	pmd = host_pmd(kvm, hva);
	entry = pmd_val(pmd);
	*huge = entry & _PAGE_HUGE;
	if (!entry)
		goto out;
	if (!*huge)
		ptes = pte_offset_kernel(&pmd, 0);
	while (count < limit) {
		if (ptes)
			entry = pte_val(ptep_get(ptes + index));
		if ((entry & bits) != bits)
			break;
		entries[count++] = entry;
		index += down ? -1 : 1;
	}
out:
	local_irq_restore(flags);
	return count;
}

int kvm_la_get_user_u32(u32 *value, unsigned long address)
{
	return __get_user(*value, (u32 __user *)address);
}
int kvm_la_get_user_u64(u64 *value, unsigned long address)
{
	return __get_user(*value, (u64 __user *)address);
}
int kvm_la_put_user_u8(u8 value, unsigned long address)
{
	return __put_user(value, (u8 __user *)address);
}
int kvm_la_put_user_u32(u32 value, unsigned long address)
{
	return __put_user(value, (u32 __user *)address);
}
int kvm_la_put_user_u64(u64 value, unsigned long address)
{
	return __put_user(value, (u64 __user *)address);
}
/* For the scheduler's notifier: fails rather than sleep. */
int kvm_la_put_user_u8_atomic(u8 value, unsigned long address)
{
	int ret;

	pagefault_disable();
	ret = __put_user(value, (u8 __user *)address);
	pagefault_enable();
	return ret;
}
void kvm_la_cond_resched(void) { cond_resched(); }
bool kvm_la_has_signal(void) { return signal_pending(current); }

/* Stage-2 tables that are linked nowhere any more, by their struct page. */
void kvm_la_tables_init(struct list_head *list) { INIT_LIST_HEAD(list); }
void kvm_la_table_retire(struct list_head *list, void *table)
{
	list_add_tail(&virt_to_page(table)->lru, list);
}
void kvm_la_tables_free(struct list_head *list)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, list, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}
