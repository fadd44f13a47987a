// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A simulator's command that runs beside the test.

use crate::program::{Program, SIMULATOR};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a test waits for what comes at once.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// It is killed if the test ends before it does.
pub struct Running(pub Child);

impl Running {
    /// Runs `program` with a console that says nothing to it.
    pub fn of(program: &Program, arguments: &[&str]) -> Self {
        Self::with_input(program, arguments, Stdio::null())
    }

    pub fn with_input(program: &Program, arguments: &[&str], input: Stdio) -> Self {
        let mut command = Command::new(SIMULATOR);
        let command = program.arguments(&mut command, "@0x200000", arguments);
        let spawned = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(spawned.expect("the simulator"))
    }

    /// Waits until its program has said a letter.
    pub fn says_a_letter(&mut self) {
        let output = self.0.stdout.as_mut().expect("its output");
        output.read_exact(&mut [0]).expect("a letter");
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("a process");
    }

    /// The exit status, if it ends in time.
    pub fn ends(&mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.0.try_wait().expect("a child") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
