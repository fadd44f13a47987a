// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `conformance`: the bare-metal programs as a set of files that needs nothing of this
//! project, and its runner (tests/conformance/run.py).

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::cargo;
use crate::output;
use crate::setup::{self, KernelOption, Products, workspace};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    kernel: KernelOption,
    /// Where the set goes [target/conformance]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Pack the set too, as FILE.tar.gz: the same set gives the same file
    #[arg(long, value_name = "FILE", value_parser = archive_name)]
    archive: Option<PathBuf>,
    /// Run the set's runner with these, for example --emulator 'qemu-system-loongarch64
    /// -machine virt -nographic -smp {cpus} -kernel {}'; --help shows what it takes
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    runner: Vec<OsString>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let dir = match &options.out {
        Some(dir) => std::path::absolute(dir)?,
        None => workspace()?.join("target/conformance"),
    };
    // Before anything is made.
    fs::create_dir_all(&dir).with_context(|| format!("the set cannot go to {}", dir.display()))?;
    if let Some(file) = &options.archive {
        output::check(file)?;
    }
    let products = setup::products(options.kernel)?;
    write(&products, &dir)?;
    if let Some(file) = &options.archive {
        pack(&dir, file)?;
    }
    if options.runner.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let status = Command::new(dir.join(RUNNER))
        .args(&options.runner)
        .status()
        .with_context(|| format!("cannot run {RUNNER}; it needs python3"))?;
    Ok(crate::exit_code(status))
}

/// The runner's name in the set.
pub(crate) const RUNNER: &str = "run.py";

/// Writes the set to a directory.
pub(crate) fn write(products: &Products, dir: &Path) -> Result<()> {
    let status = cargo::program(products, "system-tests")?
        .arg("--images")
        .arg(dir)
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("the programs could not be written to {}", dir.display());
    }
    let from = workspace()?.join("tests/conformance").join(RUNNER);
    let to = dir.join(RUNNER);
    // With its permissions.
    fs::copy(from, &to).with_context(|| format!("cannot write {}", to.display()))?;
    Ok(())
}

/// The folder of an archive, and the end of its name.
const ARCHIVE: &str = "lvz-conformance";
const TAR_GZ: &str = ".tar.gz";

fn archive_name(name: &str) -> Result<PathBuf, String> {
    match name.ends_with(TAR_GZ) {
        true => Ok(PathBuf::from(name)),
        false => Err(format!("the name has to end with {TAR_GZ}")),
    }
}

/// Packs the set in a directory, with nothing of this computer or of the time in it.
pub(crate) fn pack(dir: &Path, file: &Path) -> Result<()> {
    output::make(file, |file| {
        let packed = Command::new("tar")
            .args(["--create", "--sort=name", "--mtime=@0", "--format=ustar"])
            .args([
                "--owner=0",
                "--group=0",
                "--numeric-owner",
                "--mode=u=rwX,go=rX",
            ])
            .arg(format!("--transform=s,^[.],{ARCHIVE},"))
            // Without the time in gzip's header.
            .args(["--use-compress-program=gzip -n -9", "--file"])
            .arg(file)
            .arg("--directory")
            .arg(dir)
            .arg(".")
            .output()
            .context("cannot run tar")?;
        if !packed.status.success() {
            let said = String::from_utf8_lossy(&packed.stderr);
            bail!("tar could not pack {}: {}", dir.display(), said.trim());
        }
        Ok(())
    })
}
