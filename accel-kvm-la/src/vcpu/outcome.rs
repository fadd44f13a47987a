// SPDX-License-Identifier: GPL-2.0-or-later

//! How the run loop ends.

/// Why the run loop ended, in QEMU's numbers (include/exec/cpu-common.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// EXCP_INTERRUPT: the vCPU is asked for something.
    Interrupt,
    /// EXCP_HLT: the vCPU is halted.
    Halted,
    /// EXCP_DEBUG: a breakpoint or a step.
    Debug,
    /// An error; the VM was stopped.
    Failed,
}

impl Outcome {
    /// QEMU's number.
    pub fn raw(self) -> i32 {
        match self {
            Outcome::Interrupt => 0x1_0000,
            Outcome::Halted => 0x1_0001,
            Outcome::Debug => 0x1_0002,
            Outcome::Failed => -1,
        }
    }
}
