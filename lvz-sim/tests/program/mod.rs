// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A program for the simulator's command, and the instructions of small ones.

use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

pub const ZERO: u32 = 0;
pub const T0: u32 = 12;
pub const T1: u32 = 13;

pub fn lu12i_w(rd: u32, imm: u32) -> u32 {
    0x1400_0000 | imm << 5 | rd
}

pub fn addi_w(rd: u32, rj: u32, imm: u32) -> u32 {
    0x0280_0000 | imm << 10 | rj << 5 | rd
}

pub fn ori(rd: u32, rj: u32, imm: u32) -> u32 {
    0x0380_0000 | imm << 10 | rj << 5 | rd
}

pub fn st_b(rd: u32, rj: u32, imm: u32) -> u32 {
    0x2900_0000 | imm << 10 | rj << 5 | rd
}

/// `b 0`: to itself.
pub const B_SELF: u32 = 0x5000_0000;

/// Powers off with the low byte of a register as exit code.
pub fn power_off(code: u32) -> [u32; 5] {
    [
        lu12i_w(T0, 0x100e0),
        ori(T0, T0, 0x1c),
        st_b(code, T0, 3),
        addi_w(T1, ZERO, 0x34),
        st_b(T1, T0, 0),
    ]
}

pub const SIMULATOR: &str = env!("CARGO_BIN_EXE_lvz-sim");

/// A program in a file, in a directory of its own.
pub struct Program(TempDir);

impl Program {
    pub fn new(code: &[u32]) -> Self {
        let program = Program(tempfile::tempdir().expect("a directory"));
        let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
        std::fs::write(program.path("program"), bytes).expect("a file");
        program
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn run(&self, address: &str, arguments: &[&str]) -> Output {
        self.run_by(Command::new(SIMULATOR), address, arguments)
    }

    pub fn run_by(&self, mut command: Command, address: &str, arguments: &[&str]) -> Output {
        let output = self.arguments(&mut command, address, arguments).output();
        output.expect("the simulator's output")
    }

    pub fn arguments<'a>(
        &self,
        command: &'a mut Command,
        address: &str,
        arguments: &[&str],
    ) -> &'a mut Command {
        let mut load = self.path("program").into_os_string();
        load.push(address);
        command.args(["run", "--memory", "64M", "--load"]).arg(load);
        command.args(arguments)
    }

    /// Runs it; the exit status, and what was said.
    pub fn said(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.run("@0x200000", arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), text)
    }

    /// An error that keeps it from being run, which is one line with `parts`.
    pub fn refused(&self, arguments: &[&str], parts: &[&str]) {
        let (status, text) = self.said(arguments);
        assert_eq!(status, Some(2), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        for part in parts {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

/// Writes a letter, and runs for ever.
pub fn endless() -> Program {
    Program::new(&[
        lu12i_w(T0, 0x1fe00),
        ori(T0, T0, 0x1e0),
        addi_w(T1, ZERO, u32::from(b'x')),
        st_b(T1, T0, 0),
        B_SELF,
    ])
}
