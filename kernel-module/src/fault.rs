// SPDX-License-Identifier: GPL-2.0

//! Faults in stage-2 translation.
//!
//! [`quick`] answers most with interrupts off: the page is mapped and need only
//! become young or dirty, or the host has it at hand. [`fault`] does the rest:
//! it asks the host for the page without `mmu_lock` and then checks, with the
//! lock, that the host has not taken the page back meanwhile
//! (`mmu_invalidate_seq`). Memory slots are used under `kvm->srcu`.

use core::ptr::null_mut;

use kernel::prelude::*;
use kvm_core::mmu::{self, FastFault, Flush, HugeRequest, Mapping, MemoryType, MmuError};

use crate::bindings as b;
use crate::bindings::constant as c;
use crate::context::IrqOff;
use crate::cpu::host;
use crate::mmu::{geometry, StageTwo};
use crate::slots::{SlotPointer, Srcu};
use crate::vcpu::{request, Vcpu};
use crate::vpid;

/// Makes guest physical address `gpa` in `slot` accessible, without waiting for
/// anything: true if the guest can go on at once. The guest's GID is current.
/// `modify`: the exit was PME.
///
/// `mmu_lock` is only tried: its holder may be waiting for this CPU to answer
/// a kick. While it is held and no invalidation is under way, none can begin,
/// so what the host's tables say stands until it is given back.
#[cfg(not(CONFIG_PREEMPT_RT))]
#[inline]
pub(crate) fn quick(
    vcpu: &Vcpu,
    slot: &SlotPointer<'_>,
    gpa: u64,
    write: bool,
    modify: bool,
    irq_off: IrqOff<'_>,
) -> bool {
    let kvm = vcpu.vm().kvm;
    let geometry = &geometry();
    let gfn = gpa >> geometry.page_shift();
    let logging = slot.is_logged();
    let cache = vcpu.table_cache.get();
    let done = StageTwo::try_locked(vcpu.vm(), cache, |tables| {
        let mut page: *mut b::page = null_mut();
        let done = mmu::fault_quick(tables, geometry, gpa, write, logging, |directory| {
            // SAFETY: The VM is alive and its lock held; the cache is this
            // thread's vCPU's; the slot is valid.
            unsafe {
                if (*cache).nobjs < geometry.cache_min() as i32
                    || b::kvm_la_mmu_invalidating_gfn(kvm, gfn)
                    || b::kvm_prefetch_pages(slot.get(), gfn, &raw mut page, 1) != 1
                {
                    return None;
                }
            }
            // SAFETY: The page was given above.
            let pfn = unsafe { b::kvm_la_page_to_pfn(page) } as u64;
            let huge = directory && {
                // SAFETY: The slot is valid.
                let hva = unsafe { b::kvm_la_gfn_to_hva_memslot(slot.get(), gfn) };
                let request = HugeRequest {
                    slot: slot.place(),
                    class: slot.class(),
                    hva: hva as u64,
                    write,
                    dirty_logging: logging,
                };
                request.allowed(geometry, || {
                    // SAFETY: The lock is held and no invalidation is under way.
                    unsafe { b::kvm_la_host_mapping_is_huge(kvm, hva) != 0 }
                })
            };
            Some(Mapping {
                gpa,
                address: pfn << geometry.page_shift(),
                memory_type: MemoryType::Coherent,
                // The host gave it for writing, or not at all.
                writable: true,
                dirty: write || !logging,
                huge,
            })
        });
        if let Some(done) = &done {
            tables.count(done.stats);
        }
        if !page.is_null() {
            // SAFETY: The page was given above; the lock is held.
            unsafe {
                if done.is_some() {
                    b::kvm_la_release_faultin_page(kvm, page, true);
                } else {
                    b::kvm_la_release_page_unused(page);
                }
            }
        }
        done
    });
    let Some(Some(done)) = done else {
        return false;
    };
    if done.dirtied && logging {
        // SAFETY: The slot is valid.
        unsafe { b::mark_page_dirty_in_slot(kvm, slot.get(), gfn) };
    }
    match done.flush {
        Flush::None => {}
        Flush::Gpa(gpa) => {
            if mmu::flush_after_fault(host().processor.ptw, modify) {
                vpid::flush_gpa(gpa, irq_off);
            }
        }
        // Nothing was replaced that other vCPUs could hold.
        Flush::Vcpu | Flush::All => {
            vpid::drop_entries(vcpu);
            vpid::check(vcpu, irq_off);
        }
    }
    true
}

/// Spin locks sleep: the other way takes them as they should be.
#[cfg(CONFIG_PREEMPT_RT)]
pub(crate) fn quick(
    _: &Vcpu,
    _: &SlotPointer<'_>,
    _: u64,
    _: bool,
    _: bool,
    _: IrqOff<'_>,
) -> bool {
    false
}

/// Result of [`fault`].
pub(crate) enum Answer {
    /// The guest can go on.
    Mapped,
    /// There is no memory, or it may not be written: a device.
    NoMemory,
    /// KVM_RUN fails.
    Failed(Error),
}

/// Makes guest physical address `gpa` accessible. `modify`: the exit was PME.
pub(crate) fn fault(srcu: &Srcu<'_>, gpa: u64, write: bool, modify: bool) -> Answer {
    match map(srcu, gpa, write) {
        Ok(Some(flush)) => {
            flush_for(srcu.vcpu(), flush, modify);
            Answer::Mapped
        }
        Ok(None) => Answer::NoMemory,
        Err(error) => Answer::Failed(error),
    }
}

/// Arranges for `flush` before the next entry.
fn flush_for(vcpu: &Vcpu, flush: Flush, modify: bool) {
    match flush {
        Flush::None => {}
        Flush::Gpa(gpa) => {
            if mmu::flush_after_fault(host().processor.ptw, modify) {
                vcpu.flush_gpa.set(gpa);
                vcpu.make_request(request::TLB_FLUSH_GPA);
            }
        }
        Flush::Vcpu => vcpu.make_request(request::TLB_FLUSH),
        // SAFETY: The VM is alive.
        Flush::All => unsafe { b::kvm_flush_remote_tlbs(vcpu.vm().kvm) },
    }
}

/// Maps the page of `gpa`; None if there is no memory.
fn map(srcu: &Srcu<'_>, gpa: u64, write: bool) -> Result<Option<Flush>> {
    let vcpu = srcu.vcpu();
    let kvm = vcpu.vm().kvm;
    let geometry = &geometry();
    let gfn = gpa >> geometry.page_shift();
    let Some(slot) = srcu.slot(gpa) else {
        return Ok(None);
    };
    let logging = slot.is_logged();
    let fast = StageTwo::locked(vcpu.vm(), null_mut(), |tables| {
        mmu::fault_fast(tables, geometry, gpa, write, logging)
    });
    if let FastFault::Done { dirtied, flush } = fast {
        if dirtied {
            // SAFETY: As above.
            unsafe { b::mark_page_dirty_in_slot(kvm, slot.get(), gfn) };
        }
        return Ok(Some(flush));
    }

    let mut writable = false;
    // SAFETY: As above.
    let hva = unsafe { b::gfn_to_hva_memslot_prot(slot.get(), gfn, &raw mut writable) };
    // SAFETY: A test of a value.
    if unsafe { b::kvm_la_is_error_hva(hva) } || (write && !writable) {
        return Ok(None);
    }
    let cache = vcpu.table_cache.get();
    kernel::error::to_result(
        // SAFETY: The cache belongs to this thread's vCPU.
        unsafe { b::kvm_mmu_topup_memory_cache(cache, geometry.cache_min() as i32) },
    )?;
    let request = HugeRequest {
        slot: slot.place(),
        class: slot.class(),
        hva: hva as u64,
        write,
        dirty_logging: logging,
    };
    loop {
        // SAFETY: The VM is alive. The sequence is read before the host's
        // tables.
        let sequence = unsafe { b::kvm_la_mmu_seq(kvm) };
        let mut page: *mut b::page = null_mut();
        // SAFETY: On the vCPU's thread, which may sleep.
        let pfn = unsafe {
            b::kvm_la_faultin_pfn(vcpu.kvm_vcpu, gfn, write, &raw mut writable, &raw mut page)
        };
        // SAFETY: Tests of a value.
        if unsafe { b::kvm_la_is_error_noslot_pfn(pfn) } {
            return no_page(vcpu, pfn as u64, hva);
        }
        let mapped = StageTwo::locked(vcpu.vm(), cache, |tables| {
            // SAFETY: The lock is held.
            if unsafe { b::kvm_la_mmu_invalidate_retry_gfn(kvm, sequence, gfn) } {
                return None;
            }
            let huge = request.allowed(geometry, || {
                // SAFETY: The lock is held and no invalidation is under way.
                unsafe { b::kvm_la_host_mapping_is_huge(kvm, hva) != 0 }
            });
            // SAFETY: A test of a value.
            let memory = unsafe { b::kvm_la_pfn_valid(pfn as _) };
            let mapping = Mapping {
                gpa,
                address: pfn << geometry.page_shift(),
                memory_type: if memory {
                    MemoryType::Coherent
                } else {
                    MemoryType::StronglyOrdered
                },
                writable,
                dirty: writable && (write || !logging),
                huge,
            };
            let mapped = mmu::map(tables, geometry, &mapping);
            if let Ok(mapped) = &mapped {
                tables.count(mapped.stats);
            }
            // SAFETY: The page is the one that faultin gave; the lock is held.
            unsafe { b::kvm_la_release_faultin_page(kvm, page, writable) };
            Some(mapped)
        });
        match mapped {
            None => {
                // SAFETY: The page is the one that faultin gave.
                unsafe { b::kvm_la_release_page_unused(page) };
                // SAFETY: May sleep here.
                unsafe { b::kvm_la_cond_resched() };
            }
            Some(Ok(mapped)) => {
                if mapped.pte.is_dirty() {
                    // SAFETY: Under srcu.
                    unsafe { b::mark_page_dirty_in_slot(kvm, slot.get(), gfn) };
                }
                return Ok(Some(mapped.flush));
            }
            Some(Err(error)) => return Err(errno(error)),
        }
    }
}

/// What an access to a slot comes to for which the host gave no page: its answer
/// is `pfn`. The slot allows the access.
fn no_page(vcpu: &Vcpu, pfn: u64, hva: usize) -> Result<Option<Flush>> {
    match pfn {
        // The slot has gone meanwhile.
        c::PFN_NOSLOT => Ok(None),
        // Not the slot, the host's mapping is read-only: one of memory without
        // page structures, which generic KVM does not ask the driver to make
        // writable. The guest tries again after that.
        c::PFN_ERR_RO_FAULT => {
            // SAFETY: On the VMM's thread, which may sleep.
            match unsafe { b::kvm_la_fixup_for_write(hva as _) } {
                0 => Ok(Some(Flush::None)),
                error if error == EINTR.to_errno() => Err(interrupted(vcpu)),
                _ => Err(EFAULT),
            }
        }
        c::PFN_ERR_SIGPENDING => Err(interrupted(vcpu)),
        // As on x86 and arm64: the VMM's handler decides, then the guest tries
        // again.
        c::PFN_ERR_HWPOISON => {
            // SAFETY: Sends a signal to the current thread.
            unsafe { b::kvm_la_send_hwpoison(hva as _) };
            Ok(Some(Flush::None))
        }
        _ => Err(EFAULT),
    }
}

/// A fatal signal came while the host was asked for a page.
fn interrupted(vcpu: &Vcpu) -> Error {
    // SAFETY: On the vCPU's thread.
    unsafe { b::kvm_la_handle_signal_exit(vcpu.kvm_vcpu) };
    EINTR
}

fn errno(error: MmuError) -> Error {
    Error::from_errno(-error.errno())
}
