//! The `lvz-sim` command.

use clap::Parser;
use lvz_sim::cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Command::Run(args) = Cli::parse().command;
    match lvz_sim::run::run(&args) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("lvz-sim: {error:#}");
            ExitCode::from(2)
        }
    }
}
