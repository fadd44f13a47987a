// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `house`: figures about the sources of each library crate, without tests, comments and
//! blank lines, as docs/architecture.md tables them.

mod circles;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::rust_source::{Source, read_crate, tokens};
use crate::setup::workspace;

/// A crate that is looked at.
struct Crate {
    root: &'static str,
    /// Types that prove where a thread is or what it holds (CONTRIBUTING.md).
    tokens: &'static [&'static str],
}

const CRATES: &[Crate] = &[
    Crate {
        root: "la-arch/src/lib.rs",
        tokens: &[],
    },
    Crate {
        root: "kvm-core/src/lib.rs",
        tokens: &[],
    },
    Crate {
        root: "kernel-module/src/kvm_la.rs",
        tokens: &[
            "IrqOff",
            "Loaded",
            "Locked",
            "Notified",
            "Parked",
            "Pinned",
            "Resident",
            "RunPage",
            "Running",
            "SlotPage",
            "SlotPointer",
            "Srcu",
        ],
    },
    Crate {
        root: "accel-kvm-la/src/lib.rs",
        tokens: &["Bql", "WithoutBql"],
    },
    Crate {
        root: "lvz-sim/src/lib.rs",
        tokens: &[],
    },
];

/// What a comment says that asks its reader for a lock or a context.
const PROSE: &[&str] = &[
    "preemption is off",
    "preemption off",
    "preemption disabled",
    "interrupts are off",
    "interrupts off",
    "interrupts disabled",
    "lock is held",
    "lock held",
    "holds the lock",
    "holds the mutex",
    "mutex is held",
    "caller holds",
];

#[derive(Args)]
pub(crate) struct Options {
    /// List the files of each circle, and which others of it each names
    #[arg(long)]
    circles: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    println!(
        "{:<14} {:>5} {:>6} {:>6} {:>9} {:>5} {:>6} {:>6}  circles of files",
        "crate", "files", "lines", "unsafe", "per 1,000", "calls", "tokens", "prose"
    );
    let dash = || "-".to_owned();
    for part in CRATES {
        let sources = read_crate(&workspace()?.join(part.root))?;
        let house = House::of(&sources, part.tokens);
        let circles = circles::of(&sources);
        let sizes: Vec<String> = circles.iter().map(|c| c.len().to_string()).collect();
        let has_rules = !part.tokens.is_empty();
        println!(
            "{:<14} {:>5} {:>6} {:>6} {:>9} {:>5} {:>6} {:>6}  {}",
            part.root.split('/').next().unwrap_or_default(),
            sources.len(),
            house.lines,
            house.unsafe_code,
            format!("{:.1}", house.per_1000()),
            house.calls,
            has_rules
                .then_some(house.tokens)
                .map_or_else(dash, |n| n.to_string()),
            has_rules
                .then_some(house.prose)
                .map_or_else(dash, |n| n.to_string()),
            if sizes.is_empty() {
                dash()
            } else {
                sizes.join(", ")
            }
        );
        if options.circles {
            for circle in &circles {
                circles::print(circle, &sources);
            }
        }
    }
    println!(
        "\nlines: of code, without tests\n\
         unsafe: blocks, functions, implementations and types of functions\n\
         calls: functions of C that the macro of this name makes safe ones of\n\
         tokens: functions that take a type which proves a lock, a context or an owner\n\
         prose: comments that ask for a lock or a context\n\
         circles: sizes of groups of files of which each names each other, directly or not"
    );
    Ok(ExitCode::SUCCESS)
}

/// The figures of a crate.
struct House {
    lines: usize,
    unsafe_code: usize,
    calls: usize,
    tokens: usize,
    prose: usize,
}

impl House {
    fn of(sources: &[Source], proofs: &[&str]) -> Self {
        let code = || sources.iter().map(|source| source.code.as_str());
        Self {
            lines: code()
                .flat_map(str::lines)
                .filter(|line| !line.trim().is_empty())
                .count(),
            unsafe_code: code().map(unsafe_code).sum(),
            calls: code().map(functions_of_c).sum(),
            tokens: code().map(|code| functions_with(code, proofs)).sum(),
            prose: sources
                .iter()
                .flat_map(|source| &source.comments)
                .filter(|line| {
                    let line = line.to_lowercase();
                    PROSE.iter().any(|words| line.contains(words))
                })
                .count(),
        }
    }

    /// Unsafe code in a thousand lines.
    fn per_1000(&self) -> f64 {
        let [unsafe_code, lines] =
            [self.unsafe_code, self.lines].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        f64::from(unsafe_code) * 1000.0 / f64::from(lines.max(1))
    }
}

/// How often `unsafe` stands in code, attributes left out.
fn unsafe_code(code: &str) -> usize {
    let tokens: Vec<&str> = tokens(code).collect();
    tokens
        .windows(2)
        .filter(|two| two[0] == "unsafe" && two[1] != "(")
        .count()
}

/// How many functions of C the kernel module's macro `calls` makes safe ones of.
fn functions_of_c(code: &str) -> usize {
    let mut inside = false;
    code.lines()
        .map(str::trim)
        .filter(|line| {
            inside = (inside || *line == "calls! {") && *line != "}";
            inside && tokens(line).any(|token| token == "fn")
        })
        .count()
}

/// How many functions have one of these types among their arguments.
fn functions_with(code: &str, types: &[&str]) -> usize {
    let tokens: Vec<&str> = tokens(code).collect();
    let starts = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| **token == "fn");
    starts
        .filter(|(start, _)| {
            tokens[*start..]
                .iter()
                .take_while(|token| !matches!(**token, "{" | ";"))
                .any(|token| types.contains(token))
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_counted_by_function() {
        let code =
            "fn a(bql: &Bql, other: &Bql) {}\nfn b() { Bql::lock() }\nfn c(x: u8) -> Pinned;\n";
        assert_eq!(functions_with(code, &["Bql", "Pinned"]), 2);
    }

    #[test]
    fn functions_of_c_have_a_name_there() {
        let code = "calls! {\nfn a(&self) -> bool = kvm_a;\nfn b(x: u8; Pinned<'_>) = kvm_b;\n}\n\
                    fn c() {}\n";
        assert_eq!(functions_of_c(code), 2);
    }
}
