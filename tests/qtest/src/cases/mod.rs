// SPDX-License-Identifier: GPL-2.0-or-later

//! The cases, by what they are about.

mod control;
mod cpus;
mod interrupts;
mod memory;

use std::fmt;

use anyhow::Result;
use kvm::Kvm;
use kvm::uapi::capability;

use crate::machine::{Accel, Board, Machine, NotInTime};

/// A UART's scratch register, of one byte (16550: SCR).
const SCRATCH: u64 = 0x1fe0_01e7;

pub(crate) struct Case {
    /// Its name: one word.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) run: fn(&Setting) -> Result<()>,
}

/// Why a case cannot pass here, through no fault of what is tested.
#[derive(Debug)]
pub(crate) struct Skip(&'static str);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Skip {}

/// What a case runs on.
pub(crate) struct Setting {
    /// Whose backend.
    pub(crate) accel: Accel,
    /// KVM's interrupt controllers, not QEMU's.
    pub(crate) irqchip: bool,
}

impl Setting {
    /// A machine whose first CPU waits for commands.
    fn machine(&self, smp: &'static str) -> Result<Machine> {
        let mut machine = Machine::start(&Board {
            accel: self.accel.clone(),
            smp,
            irqchip: self.irqchip,
        })?;
        machine.ready(0, 1)?;
        Ok(machine)
    }

    /// A guest that does not answer after a reset that forgot an interrupt: where
    /// neither backend nor controllers lower the lines, the case is skipped.
    fn answer_after_reset(&self, answer: Result<u64>) -> Result<u64> {
        match &answer {
            Err(error) if self.accel == Accel::Upstream && error.is::<NotInTime>() => {}
            _ => return answer,
        }
        let forgets = match self.irqchip {
            // Only this project's module offers them on LoongArch.
            true => Kvm::open()?.capability(capability::SYNC_REGS)? == 0,
            false => true,
        };
        if forgets {
            return Err(Skip("an interrupt that is forgotten leaves its line up").into());
        }
        answer
    }
}

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    [
        memory::CASES,
        interrupts::CASES,
        control::CASES,
        cpus::CASES,
    ]
    .into_iter()
    .flatten()
}

/// Fails the case with a message unless two values are the same.
macro_rules! ensure_same {
    ($found:expr, $wanted:expr, $($what:tt)+) => {{
        let (found, wanted) = ($found, $wanted);
        anyhow::ensure!(
            found == wanted,
            "{}: {found:x?} instead of {wanted:x?}",
            format!($($what)+)
        );
    }};
}
pub(crate) use ensure_same;
