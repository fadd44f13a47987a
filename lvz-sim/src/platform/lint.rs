// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Lints of the platform: interrupts of devices that reach no CPU although
//! nothing holds them back.

use super::Platform;
use super::avec::Target;
use super::eiointc::Undelivered;
use crate::finding::{Finding, Findings, Rule};
use rustc_hash::FxHashSet;
use std::fmt;

/// An interrupt, as the controller knows it that should hand it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// A vector of the EIOINTC.
    Vector(u8),
    /// An input of the LIOINTC.
    Input(u32),
    /// A message to a CPU, which is lost.
    Message(Target),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Vector(vector) => write!(f, "EIOINTC vector {vector}"),
            Source::Input(number) => write!(f, "LIOINTC input {number}"),
            Source::Message(Target { cpu, vector }) => {
                write!(f, "a message to cpu{cpu}, vector {vector}")
            }
        }
    }
}

pub(super) struct Lints {
    /// Each interrupt once for each reason.
    reported: FxHashSet<(Source, Undelivered)>,
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

    /// Reports that an interrupt, which a device has raised or dropped, is not delivered.
    pub(super) fn report(&mut self, source: Source, reason: Undelivered) {
        let Some(lints) = &mut self.lints else {
            return;
        };
        let text = match (reason, source) {
            // Held back on purpose.
            (Undelivered::Disabled, _) => return,
            (Undelivered::Off, Source::Message(_)) => "IOCSR MISC_FUNC.AVEC_EN is clear",
            (Undelivered::Off, _) => "IOCSR MISC_FUNC.EXT_IOI_EN is clear (firmware sets it)",
            (Undelivered::NoNode, _) => "its route names a node that the machine has not",
            (Undelivered::NoCore, _) => "its route names a core that the machine has not",
            (Undelivered::NoRoute, _) => "its route names no core or no pin",
        };
        if lints.reported.insert((source, reason)) {
            let rule = Rule::Undelivered;
            lints.found.add(Finding {
                rule,
                place: None,
                text: format!(
                    "[{} ns] lint: a device's interrupt, {source}, reaches no CPU: {text} ({})",
                    self.advanced,
                    rule.text()
                ),
            });
        }
    }

    /// What has been reported.
    #[cfg(test)]
    pub(super) fn linted(&self) -> Vec<(Source, Undelivered)> {
        let lints = self.lints.iter();
        lints.flat_map(|l| l.reported.iter()).copied().collect()
    }
}
