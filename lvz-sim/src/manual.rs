// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `lvz-sim-manual DIR`: writes the man pages and the shells' completions of
//! `lvz-sim`, made of its command line's own definition, into folders of DIR.

use clap::{CommandFactory as _, ValueEnum as _};
use clap_complete::Shell;
use lvz_sim::cli::Cli;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(1).map(PathBuf::from) else {
        lvz_sim::say!("usage: lvz-sim-manual DIR");
        return ExitCode::from(2);
    };
    match write(&dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            lvz_sim::say!("lvz-sim-manual: cannot write in {}: {error}", dir.display());
            ExitCode::FAILURE
        }
    }
}

fn write(dir: &Path) -> io::Result<()> {
    let man = dir.join("man");
    fs::create_dir_all(&man)?;
    clap_mangen::generate_to(Cli::command(), &man)?;
    for shell in Shell::value_variants() {
        let folder = dir.join(shell.to_string());
        fs::create_dir_all(&folder)?;
        clap_complete::generate_to(*shell, &mut Cli::command(), "lvz-sim", &folder)?;
    }
    Ok(())
}
