// SPDX-License-Identifier: GPL-2.0

//! CSR.CPUID of a vCPU is its name on the interrupt controllers: unique in
//! the VM and set once (Linux: kvm/vcpu.c kvm_set_cpuid).

use super::CsrError;
use la_arch::kvm::MAX_PHYID;

/// Which vCPU owns a physical id, from the asking vCPU's view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhysIdOwner {
    /// None.
    Nobody,
    /// The asking one.
    This,
    /// Another one.
    Other,
}

/// What to do about a permitted write of CPUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuidChange {
    /// Nothing: it already has this id.
    Unchanged,
    /// Store it in the register and in the map.
    Assign(u16),
}

/// Judges a write of `wanted` to the CPUID of a vCPU that is registered under
/// `current`, if at all. What a vCPU without an id reads, [`MAX_PHYID`], it may
/// be given again; Linux refuses that. To be called, and its result applied, under the lock
/// of the map of physical ids; `owner` is asked for ids in range only.
pub fn set_cpuid(
    current: Option<u16>,
    wanted: u64,
    owner: impl FnOnce(u16) -> PhysIdOwner,
) -> Result<CpuidChange, CsrError> {
    if current.is_none() && wanted == u64::from(MAX_PHYID) {
        return Ok(CpuidChange::Unchanged);
    }
    if wanted >= u64::from(MAX_PHYID) {
        return Err(CsrError::Cpuid);
    }
    let id = wanted as u16;
    match current {
        Some(own) if own == id => return Ok(CpuidChange::Unchanged),
        Some(_) => return Err(CsrError::Cpuid),
        None => {}
    }
    match owner(id) {
        PhysIdOwner::Nobody => Ok(CpuidChange::Assign(id)),
        PhysIdOwner::This => Ok(CpuidChange::Unchanged),
        PhysIdOwner::Other => Err(CsrError::Cpuid),
    }
}
