// SPDX-License-Identifier: GPL-2.0

//! Faults in stage-2 translation.
//!
//! [`quick`] answers most with interrupts off: the page is mapped and need only
//! become young or dirty, or the host has it at hand. [`slow`] does the rest:
//! it asks the host for the page without `mmu_lock` and then checks, with the
//! lock, that the host has not taken the page back meanwhile
//! (`mmu_invalidate_seq`, or else the host's own entry). Memory slots are used under `kvm->srcu`.

use kernel::error::to_result;
use kernel::prelude::*;
use kvm_core::mmu::{self, Flush, HugeRequest, Mapped, Mapping, MemoryType, MmuError};

use crate::cpu::host::host;
use crate::kvm::bindings::constant as c;
use crate::kvm::context::{with_irqs_off, IrqOff, Pinned, PreemptGuard};
use crate::kvm::error::Errno;
use crate::kvm::slots::{SlotPage, Srcu};
use crate::kvm::user::{cond_resched, fix_for_store, send_poisoned};
use crate::mmu::host_page::HostPage;
use crate::mmu::{geometry, StageTwo};
use crate::vcpu::shared::request;
use crate::vcpu::vpid;
use crate::vcpu::Running;

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
pub(super) struct Candidate<'a> {
    pub(super) access: Access,
    pub(super) page: &'a SlotPage<'a>,
    /// The slot's dirty pages are logged.
    pub(super) logging: bool,
}

impl<'a> Candidate<'a> {
    #[inline(always)]
    pub(super) fn new(access: Access, page: &'a SlotPage<'a>) -> Self {
        Self {
            access,
            page,
            logging: page.is_logged(),
        }
    }

    /// Whether a huge page may be mapped, where the host has the page at `hva`, in a huge
    /// page or not, and nothing is being taken back.
    #[inline(always)]
    fn may_be_huge(&self, hva: u64, host_is_huge: impl FnOnce() -> bool) -> bool {
        let request = HugeRequest {
            slot: self.page.place(),
            class: self.page.class(),
            hva,
            write: self.access.write,
            dirty_logging: self.logging,
        };
        request.allowed(&geometry(), host_is_huge)
    }

    /// How `page` is mapped.
    #[inline(always)]
    fn mapping(&self, page: &HostPage, memory_type: MemoryType, huge: bool) -> Mapping {
        Mapping {
            gpa: self.access.gpa,
            address: page.address(),
            memory_type,
            writable: page.writable,
            dirty: page.writable && (self.access.write || !self.logging),
            huge,
        }
    }

    /// Answers the fault if the page is mapped or the host has it at hand. While
    /// `mmu_lock` is held and no invalidation is under way, none can begin, so what the
    /// host's tables say stands until the lock is given back.
    #[inline(always)]
    fn at_hand(&self, tables: &mut StageTwo<'_>) -> Option<mmu::Fault> {
        let (geometry, access) = (&geometry(), &self.access);
        let mut page = None;
        let done = mmu::fault(
            tables,
            geometry,
            access.gpa,
            access.write,
            self.logging,
            |tables, directory| {
                if !tables.has_spare(geometry) || tables.is_invalidated(None, self.page.gfn()) {
                    return None;
                }
                let hva = self.page.hva();
                let (entry, huge) = tables.host_entry(hva);
                if !entry.is_writable() {
                    return None;
                }
                page = HostPage::at_hand(self.page, entry);
                let page = page.as_ref()?;
                let huge = directory && self.may_be_huge(hva, || huge);
                Some(self.mapping(page, MemoryType::Coherent, huge))
            },
        );
        if let Some(page) = page {
            if done.is_some() {
                page.used(tables);
            } else {
                page.unused();
            }
        }
        let done = done?;
        tables.count(done.stats);
        if done.stats.pages > 0 {
            self.map_around(tables);
        }
        Some(done)
    }

    /// Puts the page of the fault into the dirty log, if that is new and there is one.
    #[inline(always)]
    fn log(&self, done: &mmu::Fault, pinned: Pinned<'_>) {
        if done.dirtied && self.logging {
            self.page.mark_dirty(pinned);
        }
    }
}

/// Makes `page`, that of `access`, accessible, without waiting for
/// anything: true if the guest can go on at once. The guest's GID is current.
///
/// `mmu_lock` is only tried: its holder may be waiting for this CPU to answer
/// a kick.
#[inline]
pub(crate) fn quick(
    mut vcpu: Running<'_>,
    page: &SlotPage<'_>,
    access: Access,
    irq_off: IrqOff<'_>,
) -> bool {
    if cfg!(CONFIG_PREEMPT_RT) {
        // Spin locks sleep: the other way takes them as they should be.
        vcpu.mmu_was_busy = true;
        return false;
    }
    let vm = vcpu.vm();
    let candidate = Candidate::new(access, page);
    let done = StageTwo::try_locked(vm, Some(&mut vcpu.tables), |tables| {
        candidate.at_hand(tables)
    });
    vcpu.mmu_was_busy = done.is_none();
    let Some(Some(done)) = done else {
        return false;
    };
    candidate.log(&done, irq_off.pinned());
    match done.flush {
        Flush::None => {}
        Flush::Gpa(gpa) => flush_gpa(gpa, access.modify, irq_off),
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
pub(crate) fn slow(srcu: &Srcu<'_>, mut vcpu: Running<'_>, access: Access) -> Answer {
    match map(srcu, vcpu.lend(), access) {
        Ok(Some(flush)) => {
            flush_for(vcpu, flush, access.modify);
            Answer::Mapped
        }
        Ok(None) => Answer::NoMemory,
        Err(error) => Answer::Failed(error),
    }
}

/// Drops the entry that raised a fault at `gpa` from this CPU, if it may be there.
#[inline]
fn flush_gpa(gpa: u64, modify: bool, irq_off: IrqOff<'_>) {
    if mmu::flush_after_fault(host().processor.ptw, modify) {
        vpid::flush_gpa(gpa, irq_off);
    }
}

/// Does `flush`, at the latest before the next entry.
///
/// One entry is dropped at once, on the CPU where the thread is by now. If the fault was on
/// another CPU, the vCPU gets a new GID unless it goes back there first; then the old entry
/// raises the fault again, and [`quick`] drops it.
fn flush_for(vcpu: Running<'_>, flush: Flush, modify: bool) {
    let generic = &vcpu.shared().generic;
    match flush {
        Flush::None => {}
        Flush::Gpa(gpa) => with_irqs_off(|irq_off| flush_gpa(gpa, modify, irq_off)),
        Flush::Vcpu => generic.make_request(request::TLB_FLUSH),
        Flush::All => vcpu.vm().kvm.flush_remote_tlbs(),
    }
}

/// Maps the page of `access`; None if there is no memory.
fn map(srcu: &Srcu<'_>, mut vcpu: Running<'_>, access: Access) -> Result<Option<Flush>> {
    let vm = vcpu.vm();
    let Some(page) = vcpu.page(srcu, access.gpa) else {
        return Ok(None);
    };
    let candidate = Candidate::new(access, &page);
    let geometry = &geometry();
    if vcpu.mmu_was_busy {
        let (gpa, write) = (access.gpa, access.write);
        let mapped = StageTwo::locked(vm, None, |tables| {
            mmu::fault(tables, geometry, gpa, write, candidate.logging, |_, _| None)
        });
        if let Some(done) = mapped {
            candidate.log(&done, PreemptGuard::new().pinned());
            return Ok(Some(done.flush));
        }
    }

    if page.is_going() {
        // What comes instead is known at the next try (x86 does so too).
        return Ok(Some(Flush::None));
    }
    let Some(hva) = page.hva_for(access.write) else {
        return Ok(None);
    };
    vcpu.tables.top_up(geometry)?;
    let mapped = match ask_and_map(vcpu.lend(), &candidate, hva) {
        Ok(mapped) => mapped.map_err(Errno::error)?,
        Err(reason) => return no_page(vcpu, reason, hva),
    };
    if mapped.pte.is_dirty() && candidate.logging {
        page.mark_dirty(PreemptGuard::new().pinned());
    }
    Ok(Some(mapped.flush))
}

/// Asks the host for the page and maps it; may sleep. KVM_PFN_ERR_* if the host gives
/// none. The cache of tables is full.
pub(super) fn ask_and_map(
    mut vcpu: Running<'_>,
    candidate: &Candidate<'_>,
    hva: u64,
) -> core::result::Result<core::result::Result<Mapped, MmuError>, u64> {
    loop {
        let sequence = vcpu.vm().kvm.invalidate_seq();
        let page = HostPage::ask(candidate.page, candidate.access.write)?;
        if let Some(mapped) = map_page(vcpu.lend(), candidate, page, sequence, hva) {
            return Ok(mapped);
        }
        cond_resched();
    }
}

/// Maps a page that the host gave after `sequence` was read; None if the host has
/// taken it back since.
fn map_page(
    mut vcpu: Running<'_>,
    candidate: &Candidate<'_>,
    page: HostPage,
    sequence: usize,
    hva: u64,
) -> Option<core::result::Result<Mapped, MmuError>> {
    let vm = vcpu.vm();
    StageTwo::locked(vm, Some(&mut vcpu.tables), |tables| {
        // What changed may be what the host did for this very fault, as when it copied
        // the page. With nothing under way its entry is the answer.
        let still_maps = || tables.host_entry(hva).0.maps(page.address(), page.writable);
        if tables.is_invalidated(Some(sequence), candidate.page.gfn())
            && (tables.is_invalidated(None, candidate.page.gfn()) || !still_maps())
        {
            page.unused();
            return None;
        }
        // A huge page of memory is one allocation.
        let large = page.is_large();
        let huge =
            (large || !page.is_memory()) && candidate.may_be_huge(hva, || tables.host_entry(hva).1);
        let memory_type = if page.is_memory() {
            MemoryType::Coherent
        } else {
            MemoryType::StronglyOrdered
        };
        let mapping = candidate.mapping(&page, memory_type, huge);
        let mapped = mmu::map(tables, &geometry(), &mapping);
        page.used(tables);
        if let Ok(mapped) = &mapped {
            tables.count(mapped.stats);
            // The host has just allocated the page's neighbours with it.
            if large && mapped.level == 0 && mapped.stats.pages > 0 {
                candidate.map_around(tables);
            }
        }
        Some(mapped)
    })
}

/// The outcome of an access that the slot allows and for which the host gave no page; `reason`
/// is its KVM_PFN_ERR_*.
fn no_page(mut vcpu: Running<'_>, reason: u64, hva: u64) -> Result<Option<Flush>> {
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
