// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `--images`: the programs as a set of files for other emulators and for boards, with a
//! manifest that says what each prints where all is right (`docs/conformance.md`).

use crate::assemble::Toolchain;
use crate::efi;
use crate::machine;
use crate::options::{MachineName, Options};
use crate::program::Program;
use crate::transcript::{Outcome, Transcript};
use crate::verdict::{Run, judge};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::fs;
use std::path::Path;

/// The model that has what the default lacks.
const LARGER: &str = "la664,avec=on";

/// What the runner reads.
#[derive(Serialize)]
struct Manifest {
    /// Of this layout.
    format: u32,
    /// Of the programs.
    version: &'static str,
    /// The program that shows what a machine has.
    probe: String,
    programs: Vec<Entry>,
    readings: Vec<Reading>,
    left_out: Vec<LeftOut>,
}

/// A program.
#[derive(Serialize)]
struct Entry {
    name: String,
    /// `base`, `lvz`, or `readings` for those that ask which reading a machine follows.
    group: &'static str,
    summary: String,
    image: String,
    cpus: u32,
    needs: Vec<String>,
    without: Vec<String>,
    /// Names of its checks, in order; with more of CPU models that check something else.
    checks: Vec<Vec<String>>,
    /// Why it is not in the EFI program, if it is not.
    not_on_a_board: Option<String>,
}

/// Another reading of an open question than a program's own.
#[derive(Serialize)]
struct Reading {
    /// As `lvz-sim run --lvz` has it.
    reading: String,
    /// The program that expects the default.
    program: String,
    /// The one that expects this.
    image: String,
    /// The checks in which they differ.
    tells: Vec<String>,
}

/// A program that is not in the set.
#[derive(Serialize)]
struct LeftOut {
    name: String,
    reason: String,
}

/// Writes the set of `programs` to a directory.
pub(crate) fn write(options: &Options, programs: &[Program], dir: &Path) -> Result<()> {
    let toolchain = Toolchain::new(options)?;
    let images = dir.join("images");
    fs::create_dir_all(&images).with_context(|| format!("cannot make {}", images.display()))?;
    let set = Set {
        options,
        toolchain: &toolchain,
        dir,
    };
    let mut manifest = Manifest {
        format: 1,
        version: env!("CARGO_PKG_VERSION"),
        probe: set.add(&Program::probe())?,
        programs: Vec::new(),
        readings: Vec::new(),
        left_out: Vec::new(),
    };
    for program in programs {
        if let Some(reason) = &program.directives.apart {
            manifest.left_out.push(LeftOut {
                name: program.title(),
                reason: reason.clone(),
            });
            continue;
        }
        match &program.reading {
            None => manifest.programs.push(set.program(program)?),
            Some(reading) => manifest.readings.extend(set.reading(program, reading)?),
        }
    }
    // Where firmware looks on a removable disk (UEFI 2.10, 3.5.1.1).
    let boot = dir.join("esp/EFI/BOOT");
    fs::create_dir_all(&boot).with_context(|| format!("cannot make {}", boot.display()))?;
    efi::write(
        options,
        &toolchain,
        programs,
        &boot.join("BOOTLOONGARCH64.EFI"),
    )?;
    let text = serde_json::to_string_pretty(&manifest)?;
    let file = dir.join("manifest.json");
    fs::write(&file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    println!(
        "{} programs and {} other readings in {}",
        manifest.programs.len(),
        manifest.readings.len(),
        dir.display()
    );
    Ok(())
}

struct Set<'a> {
    options: &'a Options,
    toolchain: &'a Toolchain<'a>,
    dir: &'a Path,
}

impl Set<'_> {
    /// Builds a program into the set; its file's name in the set.
    fn add(&self, program: &Program) -> Result<String> {
        let elf = self.toolchain.build(program)?;
        let image = format!("images/{}", program.file_name());
        let file = self.dir.join(&image);
        fs::copy(elf, &file).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(image)
    }

    fn program(&self, program: &Program) -> Result<Entry> {
        let image = self.add(program)?;
        let group = match program.name.starts_with("readings_") {
            true => "readings",
            false => program.group,
        };
        Ok(Entry {
            name: program.title(),
            group,
            summary: program.summary.clone(),
            cpus: program.directives.cpus,
            needs: program.needs().into_iter().map(str::to_owned).collect(),
            without: program.directives.without.clone(),
            checks: self.checks(program)?,
            not_on_a_board: program.not_on_a_board().map(str::to_owned),
            image,
        })
    }

    /// What a program checks, on all models that it runs on.
    fn checks(&self, program: &Program) -> Result<Vec<Vec<String>>> {
        let mut all = vec![checks(&self.right(self.options, program)?)];
        if program.directives.sim_args.is_empty() {
            let larger = Options {
                cpu: Some(LARGER.to_owned()),
                ..self.options.clone()
            };
            all.push(checks(&self.right(&larger, program)?));
            all.dedup();
        }
        Ok(all)
    }

    /// What a program prints in the simulator, where all its checks pass.
    fn right(&self, options: &Options, program: &Program) -> Result<Transcript> {
        let elf = self.toolchain.build(program)?;
        let outcome = machine::run(options, MachineName::Sim, program, &elf)?;
        let run = Run {
            machine: MachineName::Sim,
            transcript: Transcript::parse(&outcome.console),
        };
        let mut problems = judge(program, std::slice::from_ref(&run)).problems;
        problems.extend(outcome.trouble);
        match problems.first() {
            None => Ok(run.transcript),
            Some(problem) => bail!("{}: {problem}", program.title()),
        }
    }

    fn reading(&self, program: &Program, reading: &str) -> Result<Option<Reading>> {
        let known = checks(&self.right(self.options, program)?);
        // What expects the default fails where the machine follows the other reading.
        let default = program.with_default_reading();
        let elf = self.toolchain.build(&default)?;
        let outcome = machine::run(self.options, MachineName::Sim, program, &elf)?;
        let transcript = Transcript::parse(&outcome.console);
        let differs = |line: &crate::transcript::Line| matches!(line.result, Outcome::Fail(_));
        let failed = transcript.lines.iter().filter(|line| differs(line));
        let tells: Vec<String> = failed
            .map(|line| line.name.clone())
            .filter(|name| known.contains(name))
            .collect();
        // A reading that only another one makes visible.
        if tells.is_empty() {
            return Ok(None);
        }
        let image = self.add(program)?;
        Ok(Some(Reading {
            reading: reading.to_owned(),
            program: default.title(),
            image,
            tells,
        }))
    }
}

fn checks(transcript: &Transcript) -> Vec<String> {
    let judged = transcript
        .lines
        .iter()
        .filter(|line| !matches!(line.result, Outcome::Value(_)));
    judged.map(|line| line.name.clone()).collect()
}
