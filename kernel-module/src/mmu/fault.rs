// SPDX-License-Identifier: GPL-2.0

//! Faults in stage-2 translation.
//!
//! [`quick`] answers most with interrupts off: the page is mapped and need only
//! become young or dirty, or the host has it at hand. [`slow`] does the rest:
//! it asks the host for the page without `mmu_lock` and then checks, with the
//! lock, that the host has not taken the page back meanwhile
//! (`mmu_invalidate_seq`). Memory slots are used under `kvm->srcu`.

use kernel::error::to_result;
use kernel::prelude::*;
use kvm_core::mmu::{
    self, FastFault, Flush, Geometry, HugeRequest, Mapped, Mapping, MemoryType, MmuError,
};

use crate::cpu::host::host;
use crate::kvm::bindings::constant as c;
use crate::kvm::context::IrqOff;
use crate::kvm::error::Errno;
use crate::kvm::slots::{SlotPointer, Srcu};
use crate::kvm::user::{cond_resched, fix_for_store, send_poisoned};
use crate::mmu::host_page::HostPage;
use crate::mmu::{geometry, StageTwo};
use crate::vcpu::shared::request;
use crate::vcpu::vpid;
use crate::vcpu::Holder;

/// What a guest did at an address of its memory.
#[derive(Clone, Copy)]
pub(crate) struct Access {
    /// Guest physical.
    pub(crate) gpa: u64,
    /// A store.
    pub(crate) write: bool,
    /// The exit was of a store to a page that is not dirty (PME).
    pub(crate) modify: bool,
}

/// An access to a slot: what decides how its page is mapped.
struct Candidate<'a> {
    access: Access,
    slot: &'a SlotPointer<'a>,
    geometry: Geometry,
    gfn: u64,
    /// The slot's dirty pages are logged.
    logging: bool,
}

impl<'a> Candidate<'a> {
    #[inline(always)]
    fn new(access: Access, slot: &'a SlotPointer<'a>) -> Self {
        let geometry = geometry();
        Self {
            access,
            slot,
            gfn: access.gpa >> geometry.page_shift(),
            geometry,
            logging: slot.is_logged(),
        }
    }

    /// Whether a huge page may be mapped, where the host has the page at `hva` and
    /// nothing is being taken back.
    #[inline(always)]
    fn may_be_huge(&self, tables: &StageTwo<'_>, hva: u64) -> bool {
        let request = HugeRequest {
            slot: self.slot.place(),
            class: self.slot.class(),
            hva,
            write: self.access.write,
            dirty_logging: self.logging,
        };
        request.allowed(&self.geometry, || tables.host_is_huge(hva))
    }

    /// How `page` is mapped.
    #[inline(always)]
    fn mapping(&self, page: &HostPage, memory_type: MemoryType, huge: bool) -> Mapping {
        Mapping {
            gpa: self.access.gpa,
            address: page.pfn << self.geometry.page_shift(),
            memory_type,
            writable: page.writable,
            dirty: page.writable && (self.access.write || !self.logging),
            huge,
        }
    }
}

/// Makes the memory of `access` in `slot` accessible, without waiting for
/// anything: true if the guest can go on at once. The guest's GID is current.
///
/// `mmu_lock` is only tried: its holder may be waiting for this CPU to answer
/// a kick. While it is held and no invalidation is under way, none can begin,
/// so what the host's tables say stands until it is given back.
#[inline]
pub(crate) fn quick(
    mut vcpu: Holder<'_>,
    slot: &SlotPointer<'_>,
    access: Access,
    irq_off: IrqOff<'_>,
) -> bool {
    if cfg!(CONFIG_PREEMPT_RT) {
        // Spin locks sleep: the other way takes them as they should be.
        return false;
    }
    let vm = vcpu.vm();
    let candidate = Candidate::new(access, slot);
    let Candidate {
        geometry,
        gfn,
        logging,
        ..
    } = candidate;
    let (gpa, write) = (access.gpa, access.write);
    let done = StageTwo::try_locked(vm, Some(&mut vcpu.tables), |tables| {
        let mut page = None;
        let done = mmu::fault_quick(
            tables,
            &geometry,
            gpa,
            write,
            logging,
            |tables, directory| {
                if !tables.has_spare(&geometry) || tables.is_invalidated(None, gfn) {
                    return None;
                }
                page = HostPage::at_hand(slot, gfn);
                let page = page.as_ref()?;
                let huge = directory && candidate.may_be_huge(tables, slot.hva(gfn) as u64);
                Some(candidate.mapping(page, MemoryType::Coherent, huge))
            },
        );
        if let Some(done) = &done {
            tables.count(done.stats);
        }
        if let Some(page) = page {
            if done.is_some() {
                page.used(tables);
            } else {
                page.unused();
            }
        }
        done
    });
    let Some(Some(done)) = done else {
        return false;
    };
    if done.dirtied && logging {
        slot.mark_dirty(&vm.kvm, gfn);
    }
    match done.flush {
        Flush::None => {}
        Flush::Gpa(gpa) => {
            if mmu::flush_after_fault(host().processor.ptw, access.modify) {
                vpid::flush_gpa(gpa, irq_off);
            }
        }
        // Nothing was replaced that other vCPUs could hold.
        Flush::Vcpu | Flush::All => {
            vcpu.gid.drop_entries();
            vpid::renew(vcpu, irq_off);
        }
    }
    true
}

/// Result of [`slow`].
pub(crate) enum Answer {
    /// The guest can go on.
    Mapped,
    /// There is no memory, or it may not be written: a device.
    NoMemory,
    /// KVM_RUN fails.
    Failed(Error),
}

/// Makes the memory of `access` accessible; may sleep.
pub(crate) fn slow(srcu: &Srcu<'_>, mut vcpu: Holder<'_>, access: Access) -> Answer {
    match map(srcu, vcpu.lend(), access) {
        Ok(Some(flush)) => {
            flush_for(vcpu, flush, access.modify);
            Answer::Mapped
        }
        Ok(None) => Answer::NoMemory,
        Err(error) => Answer::Failed(error),
    }
}

/// Arranges for `flush` before the next entry.
fn flush_for(mut vcpu: Holder<'_>, flush: Flush, modify: bool) {
    let generic = &vcpu.shared().generic;
    match flush {
        Flush::None => {}
        Flush::Gpa(gpa) => {
            if mmu::flush_after_fault(host().processor.ptw, modify) {
                vcpu.flush_gpa = gpa;
                generic.make_request(request::TLB_FLUSH_GPA);
            }
        }
        Flush::Vcpu => generic.make_request(request::TLB_FLUSH),
        Flush::All => vcpu.vm().kvm.flush_remote_tlbs(),
    }
}

/// Maps the page of `access`; None if there is no memory.
fn map(srcu: &Srcu<'_>, mut vcpu: Holder<'_>, access: Access) -> Result<Option<Flush>> {
    let vm = vcpu.vm();
    let Some(slot) = vcpu.slot(srcu, access.gpa) else {
        return Ok(None);
    };
    let candidate = Candidate::new(access, &slot);
    let (geometry, gfn) = (&candidate.geometry, candidate.gfn);
    let fast = StageTwo::locked(vm, None, |tables| {
        mmu::fault_fast(
            tables,
            geometry,
            access.gpa,
            access.write,
            candidate.logging,
        )
    });
    if let FastFault::Done { dirtied, flush } = fast {
        if dirtied {
            slot.mark_dirty(&vm.kvm, gfn);
        }
        return Ok(Some(flush));
    }

    let Some(hva) = slot.hva_for(gfn, access.write) else {
        return Ok(None);
    };
    vcpu.tables.top_up(geometry)?;
    loop {
        let sequence = vm.kvm.invalidate_seq();
        let page = match HostPage::ask(vcpu.lend(), gfn, access.write) {
            Ok(page) => page,
            Err(reason) => return no_page(vcpu, reason, hva),
        };
        let Some(mapped) = map_page(vcpu.lend(), &candidate, page, sequence, hva) else {
            cond_resched();
            continue;
        };
        let mapped = mapped.map_err(Errno::error)?;
        if mapped.pte.is_dirty() {
            slot.mark_dirty(&vm.kvm, gfn);
        }
        return Ok(Some(mapped.flush));
    }
}

/// Maps a page that the host gave after `sequence` was read; None if the host has
/// taken it back since.
fn map_page(
    mut vcpu: Holder<'_>,
    candidate: &Candidate<'_>,
    page: HostPage,
    sequence: usize,
    hva: u64,
) -> Option<core::result::Result<Mapped, MmuError>> {
    let vm = vcpu.vm();
    StageTwo::locked(vm, Some(&mut vcpu.tables), |tables| {
        if tables.is_invalidated(Some(sequence), candidate.gfn) {
            page.unused();
            return None;
        }
        let huge = candidate.may_be_huge(tables, hva);
        let memory_type = if page.is_memory() {
            MemoryType::Coherent
        } else {
            MemoryType::StronglyOrdered
        };
        let mapping = candidate.mapping(&page, memory_type, huge);
        let mapped = mmu::map(tables, &candidate.geometry, &mapping);
        if let Ok(mapped) = &mapped {
            tables.count(mapped.stats);
        }
        page.used(tables);
        Some(mapped)
    })
}

/// What an access to a slot comes to for which the host gave no page, for this
/// `reason`. The slot allows the access.
fn no_page(mut vcpu: Holder<'_>, reason: u64, hva: u64) -> Result<Option<Flush>> {
    let interrupted = match reason {
        // The slot has gone meanwhile.
        c::PFN_NOSLOT => return Ok(None),
        // Not the slot, the host's mapping is read-only: one of memory without
        // page structures, which generic KVM does not ask the driver to make
        // writable. The guest tries again after that.
        c::PFN_ERR_RO_FAULT => match to_result(fix_for_store(hva)) {
            Ok(()) => return Ok(Some(Flush::None)),
            Err(error) => error == EINTR,
        },
        c::PFN_ERR_SIGPENDING => true,
        // As on x86 and arm64: the VMM's handler decides, then the guest tries
        // again.
        c::PFN_ERR_HWPOISON => {
            send_poisoned(hva);
            return Ok(Some(Flush::None));
        }
        _ => false,
    };
    if !interrupted {
        return Err(EFAULT);
    }
    // A fatal signal came while the host was asked for a page.
    vcpu.signal_exit();
    Err(EINTR)
}
