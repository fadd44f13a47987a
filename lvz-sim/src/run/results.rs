// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What is left of a run: figures, a profile, and how it ended.

use super::files;
use super::status::status_of;
use crate::cli::RunArgs;
use crate::engine::{Difference, Machine, RunEnd};
use crate::output::Output;
use crate::profile::Profile;
use crate::report::{Here, Report};
use anyhow::Result;

/// The results of a machine that is gone.
pub(super) struct Results {
    end: RunEnd,
    report: Report,
    hash: Option<u64>,
    difference: Option<Difference>,
    profile: Option<Profile>,
}

impl Results {
    /// Drops `machine`, which gives the terminal back before anything is printed. The run took
    /// `seconds` and began after `before` instructions.
    pub(super) fn of(
        mut machine: Machine,
        end: RunEnd,
        seconds: f64,
        before: u64,
        hash: Option<u64>,
    ) -> Self {
        let here = Here {
            instructions: machine.instructions() - before,
            seconds,
            state_hash: hash.map(|hash| format!("{hash:016x}")),
        };
        Self {
            end,
            report: Report::of(&machine, Some(here)),
            hash,
            difference: machine.difference().cloned(),
            profile: machine.profile.take(),
        }
    }

    /// Writes the files that are asked for, and prints the hash; whether each could be written.
    pub(super) fn write(&self, args: &RunArgs) -> Vec<Result<()>> {
        let mut written = Vec::new();
        if let Some(output) = &args.stats {
            written.push(write_report(output, &self.report));
        }
        if let (Some(output), Some(profile)) = (&args.profile, &self.profile) {
            let text = profile.folded();
            let profile = output.write(text.as_bytes());
            written.push(profile.map_err(|error| files::failure(files::PROFILE, output, error)));
        }
        if let (Some(output), false) = (&args.snapshot_out, self.end == RunEnd::Limit) {
            crate::say!(
                "lvz-sim: no snapshot to {output}: the run ended before --max-instructions"
            );
        }
        if let Some(hash) = self.hash {
            crate::say!(
                "lvz-sim: {} instructions, state {hash:016x}",
                self.report.instructions
            );
        }
        written
    }

    /// The exit status; prints why the run ended if the machine did not end it. `signal` is one
    /// that has come.
    pub(super) fn status(&self, args: &RunArgs, signal: Option<u8>) -> u8 {
        match self.end {
            RunEnd::Limit => crate::say!(
                "lvz-sim: stopped by --max-instructions, after {} instructions",
                self.report.instructions
            ),
            RunEnd::Quit => {
                if let Some(signal) = signal {
                    crate::say!(
                        "lvz-sim: stopped by signal {signal}, after {} instructions",
                        self.report.instructions
                    );
                }
            }
            RunEnd::Reset => crate::say!(
                "lvz-sim: the machine asked for a reset, but there is no kernel to boot again"
            ),
            RunEnd::Differs => {
                if let Some(difference) = &self.difference {
                    crate::say!("lvz-sim: compiled code differs: {difference}");
                }
            }
            RunEnd::Stuck => crate::say!("lvz-sim: {}", RunEnd::STUCK),
            RunEnd::PowerOff(_) | RunEnd::Halted => {}
        }
        status_of(self.end, args.snapshot_out.is_some(), signal)
    }
}

fn write_report(output: &Output, report: &Report) -> Result<()> {
    let text = serde_json::to_string_pretty(report)?;
    output
        .write((text + "\n").as_bytes())
        .map_err(|error| files::failure(files::STATISTICS, output, error))
}
