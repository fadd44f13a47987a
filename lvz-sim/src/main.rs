// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The `lvz-sim` command.

use clap::Parser;
use lvz_sim::cli::{Cli, Command};
use lvz_sim::disassembly::{self, samples};
use lvz_sim::engine::without_form;
use lvz_sim::isa::ABSENT;
use lvz_sim::one_line::one_line;
use lvz_sim::say;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;

fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        // Help and version are not errors.
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            say!("lvz-sim: {} (--help lists the options)", usage(&error));
            return ExitCode::from(2);
        }
    };
    let args = match command {
        Command::Run(args) => args,
        Command::Uncompiled => return print(without_form()),
        Command::Disassemble { all, words } => {
            let words = if all { samples() } else { words };
            let lines = disassembly::listing(words);
            return print(lines.map(|(word, text)| format!("{word:08x} {text}")));
        }
        Command::Absent => {
            let lines = ABSENT.iter();
            return print(lines.map(|(encoding, reason)| format!("{:12} {reason}", encoding.name)));
        }
    };
    match lvz_sim::run::run(&args) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            say!("lvz-sim: {}", one_line(error.as_ref()));
            ExitCode::from(2)
        }
    }
}

/// Prints lines. A reader that has seen enough, as head(1) has, is no error.
fn print(lines: impl IntoIterator<Item = impl Display>) -> ExitCode {
    let mut output = io::BufWriter::new(io::stdout().lock());
    let mut lines = lines.into_iter();
    let written = lines
        .try_for_each(|line| writeln!(output, "{line}"))
        .and_then(|()| output.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            say!("lvz-sim: cannot write to standard output: {error}");
            ExitCode::from(2)
        }
        _ => ExitCode::SUCCESS,
    }
}

/// What is wrong with the command line, without the usage that clap adds.
fn usage(error: &clap::Error) -> String {
    let text = error.to_string();
    let message = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = message.split_whitespace().collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}
