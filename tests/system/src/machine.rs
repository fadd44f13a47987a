// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Running a program on a machine, with a time-out.

use crate::assemble::command;
use crate::options::{MachineName, Options};
use crate::program::Program;
use anyhow::{Context, Result};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// RAM of both machines: 256 MiB low and 256 MiB high.
const MEMORY: &str = "512M";

/// What a run left.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) console: String,
    /// What the machine's own process said.
    pub(crate) messages: String,
    /// Why the machine did not power off by itself with status 0.
    pub(crate) trouble: Option<String>,
    /// Wall-clock time.
    pub(crate) took: Duration,
}

/// Runs `elf` on `machine`.
pub(crate) fn run(
    options: &Options,
    machine: MachineName,
    program: &Program,
    elf: &Path,
) -> Result<Outcome> {
    let mut process = match machine {
        MachineName::Qemu => qemu(options, program, elf)?,
        MachineName::Sim => simulator(options, program, elf)?,
    };
    process.stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = process
        .spawn()
        .with_context(|| format!("cannot start {}", process.get_program().to_string_lossy()))?;
    let console = collect(child.stdout.take());
    let messages = collect(child.stderr.take());
    let trouble = wait(&mut child, options.timeout)?;
    Ok(Outcome {
        console: console.join().unwrap_or_default(),
        messages: messages.join().unwrap_or_default(),
        trouble,
        took: started.elapsed(),
    })
}

fn qemu(options: &Options, program: &Program, elf: &Path) -> Result<Command> {
    let mut qemu = command(&options.qemu)?;
    qemu.args(["-machine", "virt", "-accel", "tcg", "-m", MEMORY])
        .args(["-cpu", &program.directives.qemu_cpu])
        .args(["-display", "none", "-nodefaults", "-monitor", "none"])
        .args(["-serial", "stdio", "-smp"])
        .arg(program.directives.cpus.to_string())
        .arg("-kernel")
        .arg(elf);
    Ok(qemu)
}

fn simulator(options: &Options, program: &Program, elf: &Path) -> Result<Command> {
    let mut simulator = command(&options.simulator)?;
    // A program that needs a model runs on that one.
    let own = program.directives.sim_args.iter().any(|arg| arg == "--cpu");
    let cpu = options.cpu.as_deref().filter(|_| !own);
    simulator
        // The thread that starts it waits for it, too.
        .args(["run", "--exit-with-parent", "--memory", MEMORY, "--smp"])
        .arg(program.directives.cpus.to_string())
        .args(cpu.into_iter().flat_map(|cpu| ["--cpu", cpu]))
        .args(
            options
                .engine
                .iter()
                .flat_map(|engine| ["--engine", engine]),
        )
        .args(&program.directives.sim_args)
        .args(
            program
                .reading
                .iter()
                .flat_map(|reading| ["--lvz", reading]),
        )
        .arg("--kernel")
        .arg(elf);
    Ok(simulator)
}

/// Reads a stream to its end in a thread of its own.
fn collect(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What was read before an error is still worth showing.
            let _ = stream.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).replace('\r', "")
    })
}

/// Waits for the end of `child`; kills it at the time-out.
fn wait(child: &mut Child, timeout: Duration) -> Result<Option<String>> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(match status.success() {
                true => None,
                false => Some(format!("ended with {status}")),
            });
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(Some(format!(
                "did not power off within {} s",
                timeout.as_secs()
            )));
        }
        thread::sleep(Duration::from_millis(5));
    }
}
