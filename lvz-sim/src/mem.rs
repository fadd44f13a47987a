//! The physical address space as a CPU sees it.

pub mod ram;

use crate::platform::Platform;
pub use ram::{GuestRam, Ram};

/// Everything outside a CPU: memory, devices, what CPUs share.
pub struct Bus {
    /// Random access memory, with the flags of its pages.
    pub ram: Ram,
    /// Devices and interrupt controllers.
    pub platform: Platform,
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").finish_non_exhaustive()
    }
}
