// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What is left of a run: figures, a profile, and how it ended.

use super::files;
use crate::cli::RunArgs;
use crate::engine::{Difference, Machine, RunEnd};
use crate::output::Output;
use crate::profile::Profile;
use crate::report::{Here, Report};
use anyhow::Result;

/// The exit status of a run that `--max-instructions` has cut off, that of timeout(1).
const CUT_OFF: u8 = 124;

/// That of a run that ended well, but before a snapshot could be taken.
const NO_SNAPSHOT: u8 = 1;

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
        match self.status_of_end(args, signal) {
            0 if args.snapshot_out.is_some() && self.end != RunEnd::Limit => NO_SNAPSHOT,
            status => status,
        }
    }

    fn status_of_end(&self, args: &RunArgs, signal: Option<u8>) -> u8 {
        match self.end {
            RunEnd::PowerOff(code) => code,
            RunEnd::Limit => {
                crate::say!(
                    "lvz-sim: stopped by --max-instructions, after {} instructions",
                    self.report.instructions
                );
                // A snapshot is taken at the limit: then that is where the run was to end.
                if args.snapshot_out.is_some() {
                    0
                } else {
                    CUT_OFF
                }
            }
            RunEnd::Quit => match signal {
                Some(signal) => {
                    crate::say!(
                        "lvz-sim: stopped by signal {signal}, after {} instructions",
                        self.report.instructions
                    );
                    // As shells have it.
                    128 + signal
                }
                None => 0,
            },
            RunEnd::Halted => 0,
            RunEnd::Reset => {
                crate::say!(
                    "lvz-sim: the machine asked for a reset, but there is no kernel to boot again"
                );
                1
            }
            RunEnd::Differs => {
                if let Some(difference) = &self.difference {
                    crate::say!("lvz-sim: compiled code differs: {difference}");
                }
                1
            }
            RunEnd::Stuck => {
                crate::say!("lvz-sim: {}", RunEnd::STUCK);
                1
            }
        }
    }
}

fn write_report(output: &Output, report: &Report) -> Result<()> {
    let text = serde_json::to_string_pretty(report)?;
    output
        .write((text + "\n").as_bytes())
        .map_err(|error| files::failure(files::STATISTICS, output, error))
}
