// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `--trace lint` of the platform: interrupts of devices that reach no CPU although
//! nothing holds them back.

use super::Platform;
use super::eiointc::Undelivered;
use rustc_hash::FxHashSet;

impl Platform {
    /// Chooses whether findings are reported.
    pub(crate) fn lint(&mut self, on: bool) {
        self.lints = on.then(FxHashSet::default);
    }

    /// Reports that a vector, which a device has raised or dropped, is not delivered.
    pub(super) fn lint_vector(&mut self, vector: u8) {
        let Some(lints) = &mut self.lints else {
            return;
        };
        let Some(reason) = self.iocsr.eiointc.undelivered(vector) else {
            return;
        };
        let text = match reason {
            Undelivered::Off => "IOCSR MISC_FUNC.EXT_IOI_EN is clear (firmware sets it)",
            Undelivered::NoNode => "its route names a node that the machine has not",
            Undelivered::NoCore => "its route names a core that the machine has not",
            // Held back on purpose.
            Undelivered::Disabled => return,
        };
        if lints.insert((vector, reason)) {
            crate::say!(
                "[{} ns] lint: a device's interrupt, EIOINTC vector {vector}, reaches no CPU: \
                 {text} (Loongson 3A5000 manual, extended I/O interrupts)",
                self.advanced
            );
        }
    }

    /// What has been reported.
    #[cfg(test)]
    pub(super) fn linted(&self) -> Vec<(u8, Undelivered)> {
        self.lints.iter().flatten().copied().collect()
    }
}
