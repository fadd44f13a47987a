// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The `lvz-sim` command.

use clap::Parser;
use lvz_sim::cli::{Cli, Command};
use lvz_sim::disassembly::{self, samples};
use lvz_sim::engine::without_form;
use lvz_sim::isa::ABSENT;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match Cli::try_parse().map(|cli| cli.command) {
        Ok(Command::Run(args)) => args,
        Ok(Command::Uncompiled) => {
            for name in without_form() {
                println!("{name}");
            }
            return ExitCode::SUCCESS;
        }
        Ok(Command::Disassemble { all, words }) => {
            let words = if all { samples() } else { words };
            for (word, text) in disassembly::listing(words) {
                println!("{word:08x} {text}");
            }
            return ExitCode::SUCCESS;
        }
        Ok(Command::Absent) => {
            for (encoding, reason) in ABSENT {
                println!("{:12} {reason}", encoding.name);
            }
            return ExitCode::SUCCESS;
        }
        // Help and version are not errors.
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            eprintln!("lvz-sim: {} (--help lists the options)", one_line(&error));
            return ExitCode::from(2);
        }
    };
    match lvz_sim::run::run(&args) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("lvz-sim: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// What is wrong with the command line, without the usage that clap adds.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let message = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = message.split_whitespace().collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}
