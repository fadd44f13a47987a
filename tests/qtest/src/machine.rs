// SPDX-License-Identifier: GPL-2.0-or-later

//! A QEMU with the agent as its guest, under qtest and QMP at once.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::json;

use crate::agent::{self, Command, Mailbox};
use crate::elf;
use crate::qmp::Qmp;
use crate::qtest::Qtest;

/// How long anything may take. Nothing here works for that long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two looks at something.
const PAUSE: Duration = Duration::from_millis(2);

/// What the Rust backend says of each CPU that it begins to run.
const SERVES: &str = "runs in this backend";

/// Whose accelerator backend QEMU uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Accel {
    /// This project's, by its launcher.
    Rust(PathBuf),
    /// QEMU's own.
    Upstream,
}

/// What QEMU is started with.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    /// The backend.
    pub(crate) accel: Accel,
    /// `-smp`.
    pub(crate) smp: &'static str,
    /// `kernel-irqchip=on`, or QEMU's own interrupt controllers.
    pub(crate) irqchip: bool,
}

/// A running QEMU; ends with this.
pub(crate) struct Machine {
    process: Child,
    dir: PathBuf,
    accel: Accel,
    /// Memory, registers, lines.
    pub(crate) qtest: Qtest,
    /// The monitor.
    pub(crate) qmp: Qmp,
}

/// What did not happen while a case was patient.
#[derive(Debug)]
pub(crate) struct NotInTime(String);

impl fmt::Display for NotInTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: not within {} s", self.0, PATIENCE.as_secs())
    }
}

impl std::error::Error for NotInTime {}

impl Machine {
    /// Starts QEMU; its CPUs run.
    pub(crate) fn start(board: &Board) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("qtest-{}-{number}", std::process::id()));
        fs::create_dir(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let begun = begin(board, &dir);
        if begun.is_err() {
            // What it says of the failure is worth more than what cleaning says.
            let _ = fs::remove_dir_all(&dir);
        }
        begun
    }

    /// Waits until `done` says so; `what` is for the message.
    pub(crate) fn until(
        &mut self,
        what: &str,
        mut done: impl FnMut(&mut Self) -> Result<bool>,
    ) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !done(self)? {
            if Instant::now() > end {
                return Err(NotInTime(what.to_owned()).into());
            }
            sleep(PAUSE);
        }
        Ok(())
    }

    /// Waits until the CPU has begun its program so many times.
    pub(crate) fn ready(&mut self, cpu: u64, times: u64) -> Result<()> {
        self.until(&format!("CPU {cpu} begins"), |machine| {
            Ok(machine.qtest.read(8, Mailbox::of(cpu).begun())? == times)
        })
    }

    /// Gives a CPU something to do.
    pub(crate) fn begin(
        &mut self,
        cpu: u64,
        command: Command,
        address: u64,
        value: u64,
    ) -> Result<()> {
        let mailbox = Mailbox::of(cpu);
        self.qtest.write(8, mailbox.address(), address)?;
        self.qtest.write(8, mailbox.value(), value)?;
        self.qtest.write(8, mailbox.command(), command.number())
    }

    /// Whether a CPU has done what it was given.
    pub(crate) fn is_done(&mut self, cpu: u64) -> Result<bool> {
        Ok(self.qtest.read(8, Mailbox::of(cpu).command())? == 0)
    }

    /// Has a CPU do something; what it read.
    pub(crate) fn on_cpu(
        &mut self,
        cpu: u64,
        command: Command,
        address: u64,
        value: u64,
    ) -> Result<u64> {
        self.begin(cpu, command, address, value)?;
        self.until(
            &format!("CPU {cpu}: {command:?} at {address:#x}"),
            |machine| machine.is_done(cpu),
        )?;
        self.qtest.read(8, Mailbox::of(cpu).result())
    }

    /// The guest's first CPU loads.
    pub(crate) fn load(&mut self, width: u8, address: u64) -> Result<u64> {
        self.on_cpu(0, Command::Load(width), address, 0)
    }

    /// The guest's first CPU stores.
    pub(crate) fn store(&mut self, width: u8, address: u64, value: u64) -> Result<()> {
        self.on_cpu(0, Command::Store(width), address, value)
            .map(drop)
    }

    /// The guest's first CPU reads an IOCSR.
    pub(crate) fn iocsr(&mut self, width: u8, address: u64) -> Result<u64> {
        self.on_cpu(0, Command::IocsrRead(width), address, 0)
    }

    /// The guest's first CPU writes an IOCSR.
    pub(crate) fn set_iocsr(&mut self, width: u8, address: u64, value: u64) -> Result<()> {
        self.on_cpu(0, Command::IocsrWrite(width), address, value)
            .map(drop)
    }

    /// What the guest sent by its first UART.
    pub(crate) fn serial(&self) -> Result<Vec<u8>> {
        let path = self.dir.join("serial");
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Ends QEMU. It is an error if it exits with another status than 0, has complained, or
    /// has not run its `cpus` in the wanted backend.
    pub(crate) fn quit(mut self, cpus: usize) -> Result<()> {
        let asked = self.qmp.run("quit", json!({}));
        // How it ended says more than that it did not listen.
        self.ended(cpus)?;
        asked.map(drop)
    }

    /// Waits for the end of a QEMU that ends by itself, as [`Machine::quit`] does.
    pub(crate) fn ended(mut self, cpus: usize) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            match self.process.try_wait()? {
                Some(status) => break status,
                None if Instant::now() > end => bail!("QEMU does not end"),
                None => sleep(PAUSE),
            }
        };
        let said = errors(&self.dir)?;
        if !status.success() {
            bail!("QEMU ended with {status}: {said}");
        }
        let wanted = match self.accel {
            Accel::Rust(_) => cpus,
            Accel::Upstream => 0,
        };
        let served = said.lines().filter(|line| line.contains(SERVES)).count();
        if served != wanted {
            bail!("the Rust backend ran {served} CPUs, not {wanted}");
        }
        match said
            .lines()
            .find(|line| !line.starts_with("accel-kvm-la: info"))
        {
            Some(complaint) => bail!("QEMU complains: {complaint}"),
            None => Ok(()),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended, and then there is nothing to end or clean.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// What QEMU printed.
fn errors(dir: &Path) -> Result<String> {
    let path = dir.join("stderr");
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn begin(board: &Board, dir: &Path) -> Result<Machine> {
    let path = |name: &str| dir.join(name).display().to_string();
    fs::write(
        dir.join("agent"),
        elf::executable(agent::program(), agent::ENTRY),
    )?;
    let listen = |name: &str| -> Result<UnixListener> {
        let listener = UnixListener::bind(dir.join(name))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    let (qtest, qmp) = (listen("qtest")?, listen("qmp")?);
    let program = match &board.accel {
        Accel::Rust(launcher) => launcher.as_path(),
        Accel::Upstream => Path::new("qemu-system-loongarch64"),
    };
    let irqchip = if board.irqchip { "on" } else { "off" };
    let stderr = fs::File::create(dir.join("stderr"))?;
    let mut process = Process::new(program)
        .args(["-nodefaults", "-display", "none"])
        .args(["-accel", &format!("kvm,kernel-irqchip={irqchip}")])
        .args(["-machine", "virt", "-cpu", "max", "-m", "256M"])
        .args(["-smp", board.smp, "-kernel", &path("agent")])
        .args(["-serial", &format!("file:{}", path("serial"))])
        .args(["-qtest", &format!("unix:{}", path("qtest"))])
        .args(["-qtest-log", "/dev/null"])
        .args(["-qmp", &format!("unix:{}", path("qmp"))])
        .env("KVM_LA_LOG", "info")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let connect = |process: &mut Child| -> Result<(Qtest, Qmp)> {
        let qtest = Qtest::new(accept(&qtest, process)?);
        let qmp = Qmp::new(accept(&qmp, process)?)?;
        Ok((qtest, qmp))
    };
    match connect(&mut process) {
        Ok((qtest, qmp)) => Ok(Machine {
            process,
            dir: dir.to_owned(),
            accel: board.accel.clone(),
            qtest,
            qmp,
        }),
        Err(error) => {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
            let said = errors(dir)?;
            Err(error.context(format!("QEMU did not begin: {}", said.trim_end())))
        }
    }
}

/// Waits for QEMU to connect.
fn accept(listener: &UnixListener, process: &mut Child) -> Result<UnixStream> {
    let end = Instant::now() + PATIENCE;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error.into()),
            Err(_) => {}
        }
        if let Some(status) = process.try_wait()? {
            return Err(anyhow!("it ended with {status}"));
        }
        if Instant::now() > end {
            bail!("it does not connect");
        }
        sleep(PAUSE);
    }
}
