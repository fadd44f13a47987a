// SPDX-License-Identifier: GPL-2.0-or-later

//! Random and structure-aware calls of KVM's interface:
//! `fuzz CALLS PROCESSES SEED [failures]`.
//!
//! Workers, processes of their own, make [`worker::CALLS_EACH`] calls each on
//! descriptors of every kind from two threads; as many as PROCESSES run at a
//! time. A worker that dies, hangs or sees an answer that no client should see
//! fails the run, and is run again with `fuzz worker SEED NUMBER MODE`.
//! With `failures`, allocations and accesses to user memory fail in the middle
//! of some calls (Linux Documentation/fault-injection/fault-injection.rst,
//! fail-nth); that takes a kernel that can do so.

mod arena;
mod calls;
mod fill;
mod tally;
mod target;
mod worker;

use std::error::Error;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use tally::Tally;

/// What all parts return.
type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// How long a worker may take. It is the host's time, in which a worker takes
/// seconds.
const LIMIT: Duration = Duration::from_secs(600);

/// A worker that runs.
struct Running {
    number: u64,
    child: Child,
    started: Instant,
}

impl Running {
    fn start(number: u64, seed: u64, mode: &str) -> Outcome<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(["worker", &seed.to_string(), &number.to_string(), mode])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self {
            number,
            child,
            started: Instant::now(),
        })
    }

    /// What it did, if it has ended.
    fn poll(&mut self) -> Outcome<Option<Tally>> {
        let Some(status) = self.child.try_wait()? else {
            if self.started.elapsed() > LIMIT {
                self.child.kill()?;
                self.child.wait()?;
                return Err(format!("worker {} did not end", self.number).into());
            }
            return Ok(None);
        };
        let mut output = String::new();
        if let Some(mut pipe) = self.child.stdout.take() {
            std::io::Read::read_to_string(&mut pipe, &mut output)?;
        }
        if !status.success() {
            return Err(format!("worker {} ended with {status}", self.number).into());
        }
        Tally::read(&output).map(Some)
    }
}

/// Runs workers until there were enough calls.
fn run(calls: u64, processes: u64, seed: u64, mode: &str) -> Outcome {
    let mut total = Tally::default();
    let mut running: Vec<Running> = Vec::new();
    let workers = calls.div_ceil(worker::CALLS_EACH);
    let mut next = 0;
    let mut result = Ok(());
    while next < workers || !running.is_empty() {
        while next < workers && (running.len() as u64) < processes.max(1) {
            running.push(Running::start(next, seed, mode)?);
            next += 1;
        }
        let mut still = Vec::new();
        for mut worker in running {
            match worker.poll() {
                Ok(Some(tally)) => total.add(&tally),
                Ok(None) => still.push(worker),
                // The others are let go on: what they find may be another thing.
                Err(error) => {
                    result = Err(error);
                    next = workers;
                }
            }
        }
        running = still;
        std::thread::sleep(Duration::from_millis(20));
    }
    total.print();
    result?;
    total.check(calls)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["worker", seed, number, mode] => match (seed.parse(), number.parse()) {
            (Ok(seed), Ok(number)) => worker::run(seed, number, *mode == "failures"),
            _ => Err("SEED and NUMBER are numbers".into()),
        },
        [calls, processes, seed, mode @ ..] if mode.len() < 2 => {
            match (calls.parse(), processes.parse(), seed.parse()) {
                (Ok(calls), Ok(processes), Ok(seed)) => {
                    println!("fuzz: {calls} calls, {processes} processes, seed {seed}");
                    run(calls, processes, seed, mode.first().unwrap_or(&"plain"))
                }
                _ => Err("CALLS, PROCESSES and SEED are numbers".into()),
            }
        }
        _ => Err("usage: fuzz CALLS PROCESSES SEED [failures]".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fuzz: {error}");
            ExitCode::FAILURE
        }
    }
}
