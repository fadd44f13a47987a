// SPDX-License-Identifier: Apache-2.0 OR MIT

//! An exception between where it is raised and where it is delivered.

use la_arch::Exception;

/// An exception on its way.
#[derive(Clone, Copy, Debug)]
pub struct Trap {
    /// What it is. For a refill, the page-invalid exception of the access.
    pub exception: Exception,
    /// It goes to TLBRENTRY.
    pub refill: bool,
    /// It goes to MERRENTRY, in root: a machine error, found at the physical address
    /// `badv`.
    pub machine_error: bool,
    /// The bad address, if it has one.
    pub badv: Option<u64>,
    /// From guest mode it goes to root: a guest exit.
    pub to_root: bool,
}

impl Default for Trap {
    fn default() -> Self {
        Trap {
            exception: Exception::INT,
            refill: false,
            machine_error: false,
            badv: None,
            to_root: false,
        }
    }
}
