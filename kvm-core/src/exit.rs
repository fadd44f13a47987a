// SPDX-License-Identifier: GPL-2.0

//! Why the CPU left the guest, and exceptions that KVM gives the guest.

mod inject;
mod queue;

pub use inject::{inject, ExceptionState, Fault};
pub use queue::ExceptionQueue;

use la_arch::csr::Estat;
use la_arch::Exception;

/// Reason of an exit (`docs/lvz.md` 7.1; Linux: kvm/exit.c kvm_fault_tables).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// An interrupt of the host, which has been or will be handled by it.
    Interrupt,
    /// Stage-2 fault of a fetch: PIF.
    Fetch,
    /// Stage-2 fault of a load: PIL.
    Load,
    /// Stage-2 fault of a store: PIS.
    Store,
    /// Store to a page that is clean at stage 2: PME.
    Modify,
    /// First use of floating point.
    FpDisabled,
    /// First use of LSX.
    LsxDisabled,
    /// First use of LASX.
    LasxDisabled,
    /// First use of binary translation.
    LbtDisabled,
    /// Sensitive instruction: [`crate::decode::sensitive`].
    Sensitive,
    /// Hypercall: [`crate::hypercall::decode`].
    Hypercall,
    /// A code that must not occur: report it and inject INE.
    Unexpected(u8),
}

const PIL: u8 = Exception::PIL.code;
const PIS: u8 = Exception::PIS.code;
const PIF: u8 = Exception::PIF.code;
const PME: u8 = Exception::PME.code;
const FPD: u8 = Exception::FPD.code;
const SXD: u8 = Exception::SXD.code;
const ASXD: u8 = Exception::ASXD.code;
const BTD: u8 = Exception::BTD.code;
const GSPR: u8 = Exception::GSPR.code;
const HVC: u8 = Exception::HVC.code;
const INT: u8 = Exception::INT.code;

/// Classifies an exit by root ESTAT as it was when the guest was left.
#[inline]
pub const fn classify(estat: u64) -> Exit {
    match Estat(estat).ecode() as u8 {
        INT => Exit::Interrupt,
        PIL => Exit::Load,
        PIS => Exit::Store,
        PIF => Exit::Fetch,
        PME => Exit::Modify,
        FPD => Exit::FpDisabled,
        SXD => Exit::LsxDisabled,
        ASXD => Exit::LasxDisabled,
        BTD => Exit::LbtDisabled,
        GSPR => Exit::Sensitive,
        HVC => Exit::Hypercall,
        code => Exit::Unexpected(code),
    }
}

impl Exit {
    /// For a stage-2 fault, whether it was a write; `None` for other exits.
    #[inline]
    pub const fn is_write(self) -> Option<bool> {
        match self {
            Exit::Fetch | Exit::Load => Some(false),
            Exit::Store | Exit::Modify => Some(true),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
