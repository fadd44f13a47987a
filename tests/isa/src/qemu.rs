// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Runs batches of cases in `qemu-loongarch64`.

use crate::case::{Case, Outcome, State, Trap, Unexpected, double, word};
use crate::layout::{
    CASES, CODE, CONTEXT_BYTES, DATA, DATA_SIZE, EXCEPTION_BYTES, FILLER, READ_ONLY,
    READ_ONLY_SIZE, RESULT_BYTES, RESULTS, SLOT, TEXT, WINDOW, WINDOW_SIZE, read_only_bytes,
};
use crate::{elf, user_driver};
use anyhow::{Context, Result, bail, ensure};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The CPU model that has all that lvz-sim's models have for a process.
pub const MODEL: &str = "max";

/// A QEMU that has been found to work.
#[derive(Debug)]
pub struct Qemu {
    program: PathBuf,
    /// The first line of `--version`.
    pub version: String,
}

#[derive(Debug)]
pub struct BatchResult {
    /// One for each case.
    pub outcomes: Vec<Outcome>,
    /// The whole window after the last case.
    pub window: Vec<u8>,
}

impl Qemu {
    /// Checks that `program` is there and says its version.
    pub fn new(program: &Path) -> Result<Self> {
        let output = Command::new(program)
            .arg("--version")
            .output()
            .with_context(|| {
                format!(
                    "cannot run {}: give the path of qemu-loongarch64 (Debian package qemu-user) with --qemu",
                    program.display()
                )
            })?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.lines().next().unwrap_or_default().to_owned();
        ensure!(
            output.status.success() && version.contains("qemu-loongarch64"),
            "{} --version does not look like qemu-loongarch64: {version:?}",
            program.display()
        );
        Ok(Qemu {
            program: program.to_owned(),
            version,
        })
    }

    /// Runs `cases`, each with its code in a slot of its own.
    pub fn run(&self, cases: &[Case]) -> Result<BatchResult> {
        let image = image(cases)?;
        let mut file = tempfile::Builder::new()
            .prefix("isa-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempfile()
            .context("cannot create a temporary file for the test program")?;
        file.write_all(&image)?;
        let path = file.into_temp_path();
        let output = Command::new(&self.program)
            .args(["-cpu", MODEL])
            .arg(&path)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        let results = cases.len() * RESULT_BYTES;
        if !output.status.success() || output.stdout.len() != results + WINDOW_SIZE as usize {
            bail!(
                "{} ended with {} after {} of {} bytes of results: {}",
                self.program.display(),
                output.status,
                output.stdout.len(),
                results + WINDOW_SIZE as usize,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let (records, window) = output.stdout.split_at(results);
        let outcomes = cases
            .iter()
            .zip(records.chunks_exact(RESULT_BYTES))
            .map(|(case, record)| outcome(case, record))
            .collect::<Result<_>>()?;
        Ok(BatchResult {
            outcomes,
            window: window.to_vec(),
        })
    }
}

/// The executable that runs `cases`.
fn image(cases: &[Case]) -> Result<Vec<u8>> {
    let driver = user_driver::build(cases.len());
    let mut records = Vec::new();
    let end = cases
        .iter()
        .map(|case| case.pc + SLOT)
        .max()
        .unwrap_or(CODE);
    let mut code = vec![FILLER; (end - CODE) as usize / 4];
    for case in cases {
        records.extend_from_slice(&case.state.to_context(case.pc));
        records.extend_from_slice(&case.window);
        let at = (case.pc - CODE) as usize / 4;
        code[at..at + case.words.len()].copy_from_slice(&case.words);
    }
    let code: Vec<u8> = code.iter().flat_map(|w| w.to_le_bytes()).collect();
    let read_only = read_only_bytes();
    let segment = |address, bytes, size, write, execute| elf::Segment {
        address,
        bytes,
        size,
        write,
        execute,
    };
    elf::write(
        TEXT,
        &[
            segment(TEXT, &driver.text, driver.text.len() as u64, false, true),
            segment(DATA, &driver.data, DATA_SIZE, true, false),
            segment(WINDOW, &[], WINDOW_SIZE, true, false),
            segment(READ_ONLY, &read_only, READ_ONLY_SIZE, false, false),
            segment(CASES, &records, records.len() as u64, false, false),
            segment(
                RESULTS,
                &[],
                ((cases.len() + 1) * RESULT_BYTES) as u64,
                true,
                false,
            ),
            segment(CODE, &code, code.len() as u64, false, true),
        ],
    )
}

/// Signal numbers and codes (include/uapi/asm-generic/siginfo.h).
mod signal {
    pub(super) const ILL: i32 = 4;
    pub(super) const TRAP: i32 = 5;
    pub(super) const BUS: i32 = 7;
    pub(super) const FPE: i32 = 8;
    pub(super) const SEGV: i32 = 11;
    pub(super) const SYS: i32 = 31;
    pub(super) const FPE_INTDIV: i32 = 1;
    pub(super) const FPE_INTOVF: i32 = 2;
    pub(super) const SEGV_MAPERR: i32 = 1;
    pub(super) const SEGV_ACCERR: i32 = 2;
    pub(super) const BUS_ADRALN: i32 = 1;
}

fn outcome(case: &Case, record: &[u8]) -> Result<Outcome> {
    let (siginfo, rest) = record.split_at(EXCEPTION_BYTES);
    let (context, window) = rest.split_at(CONTEXT_BYTES);
    let (state, pc) = State::from_context(context.try_into()?).with_context(|| {
        format!(
            "QEMU's signal frame behind {:08x?} carries no LASX registers",
            case.words
        )
    })?;
    let (number, code) = (word(siginfo, 0) as i32, word(siginfo, 8) as i32);
    let address = double(siginfo, 16);
    let left = !(case.pc..case.end()).contains(&pc);
    let trap = match (number, code) {
        // The break behind the case, or whatever a branch's target has.
        _ if left => None,
        (signal::TRAP, _) | (signal::FPE, signal::FPE_INTDIV | signal::FPE_INTOVF) => {
            Some(Trap::Breakpoint)
        }
        (signal::FPE, _) => Some(Trap::FloatingPoint),
        (signal::ILL, _) => Some(Trap::Illegal),
        (signal::SYS, _) => Some(Trap::BoundCheck),
        (signal::SEGV, signal::SEGV_MAPERR) => Some(Trap::Unmapped(address)),
        (signal::SEGV, signal::SEGV_ACCERR) => Some(Trap::ReadOnly(address)),
        (signal::BUS, signal::BUS_ADRALN) => Some(Trap::Alignment(address)),
        _ => Some(Trap::Other(Unexpected { number, code })),
    };
    Ok(Outcome {
        trap,
        pc,
        state,
        window: window.try_into()?,
    })
}
