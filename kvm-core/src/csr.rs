// SPDX-License-Identifier: GPL-2.0

//! The guest's control and status registers as KVM sees them: which have a
//! hardware copy, what guest instructions and user space may do with the rest.

mod cpuid;
mod emulate;
mod file;
mod status;
mod table;

pub use cpuid::{set_cpuid, CpuidChange, PhysIdOwner};
pub use emulate::{emulate, emulate_in_memory, Emulated};
pub use file::CsrFile;
pub use status::{
    get_estat, get_gintc, set_estat, set_gintc, Status, ESTAT_DIRECT, ESTAT_LINES, GINTC_LINES,
    LINE_SHIFT,
};
pub use table::{
    classify, reset_value, user_access, write_rule, Class, CsrFeatures, Reset, UserCsr, WriteRule,
    COUNTERS,
};

/// Why an access by user space fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsrError {
    /// No such CSR number: not below 0x800.
    Number,
    /// CPUID is out of range, in use by another vCPU or already set.
    Cpuid,
}

impl CsrError {
    /// Positive errno: EINVAL.
    pub const fn errno(self) -> i32 {
        crate::errno::EINVAL
    }
}

#[cfg(test)]
mod tests;
