// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Lints of the platform: interrupts of devices that reach no CPU although
//! nothing holds them back.

use super::Platform;
use super::eiointc::Undelivered;
use crate::finding::{Finding, Findings, Rule};
use rustc_hash::FxHashSet;

pub(super) struct Lints {
    /// Each vector once for each reason.
    reported: FxHashSet<(u8, Undelivered)>,
    found: Findings,
}

impl Platform {
    /// Has findings added to `found`.
    pub(crate) fn lint(&mut self, found: Findings) {
        self.lints = Some(Lints {
            reported: FxHashSet::default(),
            found,
        });
    }

    /// What has been found.
    pub(crate) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.lints.iter().flat_map(|lints| lints.found.iter())
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
        if lints.reported.insert((vector, reason)) {
            let rule = Rule::Undelivered;
            lints.found.add(Finding {
                rule,
                place: None,
                text: format!(
                    "[{} ns] lint: a device's interrupt, EIOINTC vector {vector}, reaches no CPU: \
                     {text} ({})",
                    self.advanced,
                    rule.text()
                ),
            });
        }
    }

    /// What has been reported.
    #[cfg(test)]
    pub(super) fn linted(&self) -> Vec<(u8, Undelivered)> {
        let lints = self.lints.iter();
        lints.flat_map(|l| l.reported.iter()).copied().collect()
    }
}
