// SPDX-License-Identifier: GPL-2.0

//! KVM_PRE_FAULT_MEMORY, as generic KVM has it for architectures that select
//! KVM_GENERIC_PRE_FAULT_MEMORY (virt/kvm/kvm_main.c:kvm_vcpu_pre_fault_memory), which
//! LoongArch does not: an ioctl of ours then.
//!
//! Pages are mapped as by a load of the guest: memory that the host does not have yet is
//! its page of zeros, nothing is copied, and nothing becomes dirty in a log.

use kernel::prelude::*;
use kvm_core::mmu::{self, Flush};

use crate::kvm::bindings as b;
use crate::kvm::bindings::constant as c;
use crate::kvm::error::Errno;
use crate::kvm::slots::Srcu;
use crate::kvm::user::{cond_resched, has_signal};
use crate::mmu::fault::{ask_and_map, Access, Candidate};
use crate::mmu::{geometry, StageTwo};
use crate::vcpu::shared::request;
use crate::vcpu::Running;

/// Maps the pages of `range`, which is afterwards what is left of it. An error only if
/// nothing was mapped.
pub(crate) fn pre_fault(mut vcpu: Running<'_>, range: &mut b::kvm_pre_fault_memory) -> Result {
    let is_aligned = (range.gpa | range.size) & c::PAGE_SIZE.wrapping_sub(1) == 0;
    let is_range = range.size > 0 && range.gpa.checked_add(range.size).is_some();
    if range.flags != 0 || !is_aligned || !is_range {
        return Err(EINVAL);
    }
    let srcu = Srcu::lock(&vcpu.vm().kvm);
    let whole = range.size;
    while range.size > 0 {
        let mapped = if has_signal() {
            Err(EINTR)
        } else {
            map_at(&srcu, vcpu.lend(), range.gpa)
        };
        match mapped {
            Ok(bytes) => {
                let bytes = bytes.min(range.size);
                range.gpa = range.gpa.wrapping_add(bytes);
                range.size = range.size.wrapping_sub(bytes);
            }
            Err(error) if range.size == whole => return Err(error),
            Err(_) => break,
        }
        cond_resched();
    }
    Ok(())
}

/// Maps the page at `gpa` unless it is. How many bytes are mapped there.
fn map_at(srcu: &Srcu<'_>, mut vcpu: Running<'_>, gpa: u64) -> Result<u64> {
    let vm = vcpu.vm();
    let page = vcpu.page(srcu, gpa).ok_or(ENOENT)?;
    let access = Access {
        gpa,
        write: false,
        modify: false,
    };
    let candidate = Candidate::new(access, &page);
    let geometry = &geometry();
    let found = StageTwo::locked(vm, None, |tables| mmu::lookup(tables, geometry, gpa));
    let level = if let Some(leaf) = found {
        leaf.level
    } else {
        let hva = page.hva_for(false).ok_or(ENOENT)?;
        vcpu.tables.top_up(geometry)?;
        let mapped = ask_and_map(vcpu.lend(), &candidate, hva).map_err(|reason| match reason {
            c::PFN_NOSLOT => ENOENT,
            c::PFN_ERR_SIGPENDING => EINTR,
            _ => EFAULT,
        })?;
        let mapped = mapped.map_err(Errno::error)?;
        match mapped.flush {
            Flush::None => {}
            Flush::All => vm.kvm.flush_remote_tlbs(),
            // An invalid entry may be left of any of the pages.
            Flush::Gpa(_) | Flush::Vcpu => vcpu.shared().generic.make_request(request::TLB_FLUSH),
        }
        mapped.level
    };
    let next = geometry.base(gpa, level).wrapping_add(geometry.size(level));
    Ok(next.wrapping_sub(gpa))
}
