// SPDX-License-Identifier: Apache-2.0 OR MIT

//! One simulated machine: what it is made of, and how it is run, in lvz-sim or,
//! for comparison, in the distribution's qemu-system-loongarch64 (TCG).

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde_json::Value;

use crate::cargo::cargo;
use crate::progress::Step;
use crate::resident;
use crate::said;
use crate::setup::workspace;
use crate::streams::Streams;
use crate::toolroot::ToolRoot;
use transcript::Transcript;

mod transcript;

/// What every script of a machine can judge its kernel's log with.
const COMPLAINTS: &str = include_str!("../../tests/guest/complaints");

/// What the host's init prints last, before the script's exit status.
const EXIT_MARKER: &str = "KVM-LA-EXIT";

/// What lvz-sim's machines are, where that is not its default.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Chosen {
    /// CPU model of the simulated machine with features, for example la664 (`cargo xtask sim
    /// -- run --help`); the suite `isa` compares the instructions of this model
    #[arg(long, value_name = "MODEL")]
    cpu: Option<String>,
    /// How instructions are executed, for example interpreter, or check,hot=1 (`cargo xtask
    /// sim -- run --help`)
    #[arg(long, value_name = "ENGINE")]
    engine: Option<String>,
}

impl Chosen {
    /// Options of `lvz-sim run` and of the programs that use it.
    fn arguments(&self) -> Vec<&str> {
        [("--cpu", &self.cpu), ("--engine", &self.engine)]
            .into_iter()
            .filter_map(|(option, value)| Some([option, value.as_deref()?]))
            .flatten()
            .collect()
    }
}

/// What runs a machine.
#[derive(Clone)]
pub(crate) enum Simulator {
    /// This project's simulator.
    LvzSim { program: PathBuf, chosen: Chosen },
    /// The distribution's QEMU without acceleration. It has no LVZ.
    Tcg(ToolRoot),
}

impl Simulator {
    /// Builds lvz-sim as it is meant to be run and finds its executable. One that
    /// the environment variable LVZ_SIM names is taken as it is.
    ///
    /// # Errors
    /// It does not build, or refuses what is chosen.
    pub(crate) fn build(chosen: Chosen) -> Result<Self> {
        let program = Self::program()?;
        let simulator = Self::LvzSim { program, chosen };
        simulator.check(&simulator.chosen())?;
        Ok(simulator)
    }

    /// Has lvz-sim look at options of `run` before anything is made for one: its own line says
    /// what is wrong with them.
    pub(crate) fn check(&self, options: &[&str]) -> Result<()> {
        let Self::LvzSim { program, .. } = self else {
            return Ok(());
        };
        if options.is_empty() {
            return Ok(());
        }
        // It builds the machine, and runs nothing.
        let mut command = run_command(program);
        command.args(options).args(["--dump-dtb", "/dev/null"]);
        let output = command
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {}", program.display()))?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim_end());
        }
        Ok(())
    }

    /// The same, whose instructions are executed by this engine.
    pub(crate) fn with_engine(&self, engine: &str) -> Self {
        let mut other = self.clone();
        if let Self::LvzSim { chosen, .. } = &mut other {
            chosen.engine = Some(engine.to_owned());
        }
        other
    }

    /// The same whose machines have this CPU.
    pub(crate) fn with_cpu(&self, cpu: &str) -> Self {
        let mut other = self.clone();
        if let Self::LvzSim { chosen, .. } = &mut other {
            chosen.cpu = Some(cpu.to_owned());
        }
        other
    }

    /// The CPU model of its machines, if it is not the default.
    pub(crate) fn cpu(&self) -> Option<&str> {
        match self {
            Self::LvzSim { chosen, .. } => chosen.cpu.as_deref(),
            Self::Tcg(_) => None,
        }
    }

    /// Options that say what its machines are, where that is not the default.
    pub(crate) fn chosen(&self) -> Vec<&str> {
        match self {
            Self::LvzSim { chosen, .. } => chosen.arguments(),
            Self::Tcg(_) => Vec::new(),
        }
    }

    /// The simulator's executable, built.
    pub(crate) fn program() -> Result<PathBuf> {
        if let Some(program) = named()? {
            return Ok(program);
        }
        let output = Self::cargo_build()?
            .arg("--message-format=json-render-diagnostics")
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run cargo")?;
        if !output.status.success() {
            bail!("lvz-sim does not build");
        }
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|message| {
                message["reason"] == "compiler-artifact" && message["target"]["name"] == "lvz-sim"
            })
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .ok_or_else(|| anyhow!("the package lvz-sim has no executable of that name"))
    }

    /// Compiles what `build` then finds compiled, its output into `log`.
    pub(crate) fn compile(log: &Path) -> Result<()> {
        if named()?.is_some() {
            return Ok(());
        }
        let mut step = Step::start("lvz-sim: building");
        step.run(Self::cargo_build()?, log)?;
        step.done();
        Ok(())
    }

    fn cargo_build() -> Result<Command> {
        let mut command = Command::new(cargo());
        command.current_dir(workspace()?);
        command.args(["build", "--release", "--locked", "--package", "lvz-sim"]);
        Ok(command)
    }
}

#[derive(Clone)]
pub(crate) struct Drive {
    pub(crate) path: PathBuf,
    /// Whether the machine may write to it.
    pub(crate) writable: bool,
}

/// A machine. The default is the smallest one that boots.
#[derive(Clone, Default)]
pub(crate) struct Machine {
    /// ELF vmlinux or EFI zboot vmlinuz.
    pub(crate) kernel: PathBuf,
    pub(crate) initrd: Option<PathBuf>,
    /// Kernel parameters besides the console.
    pub(crate) append: String,
    pub(crate) smp: u32,
    /// RAM in MiB.
    pub(crate) memory_mib: u32,
    /// lvz-sim's board, if it is not the default. QEMU always has its `virt`.
    pub(crate) board: Option<&'static str>,
    /// Block devices, in order.
    pub(crate) drives: Vec<Drive>,
    pub(crate) share: Option<PathBuf>,
    /// The link of the network device, as `lvz-sim run --net` has it.
    pub(crate) net: Option<String>,
    /// Readings of open questions about LVZ, as `lvz-sim run --lvz` has them.
    pub(crate) lvz: Option<String>,
    /// Whether a hash of memory and registers is taken at the end. It repeats if the
    /// shared folder's inodes and times do, which the machine sees.
    pub(crate) hash: bool,
    /// Where lvz-sim writes its figures.
    pub(crate) stats: Option<PathBuf>,
    /// Whether exits are counted by the guest's program counter too.
    pub(crate) stats_sites: bool,
    /// The number of the system call whose uses are listed.
    pub(crate) stats_calls: Option<u64>,
    /// Where lvz-sim writes a snapshot when it stops.
    pub(crate) snapshot_out: Option<PathBuf>,
    /// The snapshot that lvz-sim goes on from.
    pub(crate) snapshot_in: Option<PathBuf>,
    /// When lvz-sim stops, in retired instructions.
    pub(crate) max_instructions: Option<u64>,
    /// Where a debugger can come to lvz-sim, as `lvz-sim run --gdb` has it.
    pub(crate) gdb: Option<PathBuf>,
    /// Further options of `lvz-sim run`.
    pub(crate) options: Vec<OsString>,
}

/// Where a machine's two serial ports are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ports {
    /// The kernel's console on the first, what init and its programs say on the
    /// second.
    Apart,
    /// All on the first, which is the terminal.
    Terminal,
}

#[derive(Debug)]
pub(crate) struct Outcome {
    /// The simulator's exit status.
    pub(crate) status: ExitStatus,
    /// Whether it was ended because it took too long.
    pub(crate) timed_out: bool,
    /// All that was printed, console and simulator.
    pub(crate) console: String,
    pub(crate) elapsed: Duration,
    /// The most memory that the process had beside the machine's RAM, in KiB,
    /// seen when the machine printed a line of our own.
    pub(crate) beside_ram_kib: Option<u64>,
}

impl Outcome {
    /// The exit status of the machine's script, if it came that far.
    pub(crate) fn script_status(&self) -> Option<u32> {
        said::all(&self.console, "", EXIT_MARKER)
            .last()
            .and_then(|number| number.parse().ok())
    }

    /// An error that says how the run failed, unless its script ended with 0
    /// and the machine then powered itself off.
    pub(crate) fn check(&self, limit: Duration) -> Result<()> {
        if self.timed_out {
            bail!("no power-off within {} s", limit.as_secs());
        }
        match self.script_status() {
            Some(0) if self.status.success() => Ok(()),
            Some(0) => bail!(
                "the machine powered off, but its simulator ended with {}",
                self.status
            ),
            Some(125) => bail!(
                "{}",
                self.line_with("kvm-la init: ").unwrap_or("init failed")
            ),
            Some(status) => bail!("the machine's script ended with status {status}"),
            None => {
                let why = self.line_with("Kernel panic").or_else(|| {
                    let of_simulator = |line: &&str| line.starts_with("lvz-sim: ");
                    self.console.lines().rfind(of_simulator)
                });
                bail!(
                    "the machine ended before its script did ({}{})",
                    self.status,
                    why.map(|line| format!(", {line}")).unwrap_or_default()
                )
            }
        }
    }

    /// What follows `marker` on the first line that has it.
    pub(crate) fn line_with(&self, marker: &str) -> Option<&str> {
        self.console
            .lines()
            .find(|line| line.contains(marker))
            .map(str::trim)
    }
}

impl Machine {
    /// The command that runs this machine.
    fn command(&self, simulator: &Simulator, ports: Ports) -> Result<Command> {
        match simulator {
            Simulator::LvzSim { program, chosen } => {
                let mut command = self.lvz_sim(program, ports);
                command.args(chosen.arguments());
                Ok(command)
            }
            Simulator::Tcg(tools) => self.tcg(tools, ports),
        }
    }

    /// All kernel parameters; `own` are the simulator's.
    fn parameters(&self, own: &str, ports: Ports) -> String {
        let say = match ports {
            Ports::Apart => said::PARAMETER,
            Ports::Terminal => "",
        };
        let parameters = ["console=ttyS0", own, say, &self.append];
        let words: Vec<&str> = parameters
            .iter()
            .flat_map(|text| text.split_whitespace())
            .collect();
        words.join(" ")
    }

    fn lvz_sim(&self, program: &Path, ports: Ports) -> Command {
        let mut command = run_command(program);
        if self.hash {
            command.arg("--hash");
        }
        self.begin(&mut command, ports);
        if ports == Ports::Apart {
            // lvz-sim writes whole lines of both: in the order of the machine.
            command.args(["--serial1", "-"]);
        }
        command.arg("--smp").arg(self.smp.max(1).to_string());
        command.arg("--memory").arg(format!("{}M", self.memory_mib));
        if let Some(board) = self.board {
            command.args(["--machine", board]);
        }
        for drive in &self.drives {
            let mut option = drive.path.clone().into_os_string();
            if !drive.writable {
                option.push(",readonly");
            }
            command.arg("--drive").arg(option);
        }
        if let Some(share) = &self.share {
            command.arg("--share").arg(share);
        }
        if let Some(net) = &self.net {
            command.arg("--net").arg(net);
        }
        if let Some(lvz) = &self.lvz {
            command.arg("--lvz").arg(lvz);
        }
        if let Some(stats) = &self.stats {
            command.arg("--stats").arg(stats);
            if self.stats_sites {
                command.arg("--stats-sites");
            }
            if let Some(number) = self.stats_calls {
                command.arg("--stats-calls").arg(number.to_string());
            }
        }
        if let Some(snapshot) = &self.snapshot_out {
            command.arg("--snapshot-out").arg(snapshot);
        }
        if let Some(socket) = &self.gdb {
            command.arg("--gdb").arg(socket);
        }
        command.args(&self.options);
        if let Some(count) = self.max_instructions {
            command.arg("--max-instructions").arg(count.to_string());
        }
        command
    }

    /// What lvz-sim begins with: a kernel, or a snapshot.
    fn begin(&self, command: &mut Command, ports: Ports) {
        if let Some(snapshot) = &self.snapshot_in {
            // The rest of the machine must be as it was when it was saved.
            command.arg("--snapshot-in").arg(snapshot);
            return;
        }
        command.arg("--kernel").arg(&self.kernel);
        if let Some(initrd) = &self.initrd {
            command.arg("--initrd").arg(initrd);
        }
        // A kernel that goes on after a fault may do so without what is waited for.
        command
            .arg("--append")
            .arg(self.parameters("oops=panic", ports));
    }

    fn tcg(&self, tools: &ToolRoot, ports: Ports) -> Result<Command> {
        let mut tools = tools.clone();
        let drives = self.drives.iter().map(|drive| &drive.path);
        for file in drives.chain(&self.initrd).chain([&self.kernel]) {
            let dir = file
                .parent()
                .ok_or_else(|| anyhow!("{} is not a file", file.display()))?;
            tools = tools.with_bind(dir, dir);
        }
        if let Some(share) = &self.share {
            tools = tools.with_bind(share, share);
        }
        let mut command = tools.command("qemu-system-loongarch64")?;
        command.args(["-machine", "virt", "-accel", "tcg,thread=multi"]);
        command.args(["-cpu", "la464"]);
        command.args(["-nographic", "-no-reboot", "-nodefaults"]);
        command.args([
            "-chardev",
            "stdio,id=console,signal=off",
            "-serial",
            "chardev:console",
        ]);
        if ports == Ports::Apart {
            command.args(["-serial", "file:/dev/stderr"]);
        }
        command.args(["-smp", &self.smp.max(1).to_string()]);
        command.args(["-m", &format!("{}M", self.memory_mib)]);
        command.arg("-kernel").arg(&self.kernel);
        if let Some(initrd) = &self.initrd {
            command.arg("-initrd").arg(initrd);
        }
        // A panic ends QEMU by a reset; in lvz-sim a reset would boot again.
        command
            .arg("-append")
            .arg(self.parameters("panic=-1", ports));
        command.args(["-device", "virtio-rng-pci"]);
        for (i, drive) in self.drives.iter().enumerate() {
            command.args([
                "-drive",
                &format!(
                    "if=none,id=d{i},format=raw,readonly={},file={}",
                    if drive.writable { "off" } else { "on" },
                    escape(&drive.path)?
                ),
            ]);
            command.args(["-device", &format!("virtio-blk-pci,drive=d{i}")]);
        }
        if let Some(share) = &self.share {
            let path = escape(share)?;
            let fs = format!("local,id=share,security_model=none,multidevs=remap,path={path}");
            command.args(["-fsdev", &fs]);
            command.args(["-device", "virtio-9p-pci,fsdev=share,mount_tag=share"]);
        }
        Ok(command)
    }

    /// Runs the machine to its end or for `limit`. What it prints goes into
    /// `log`; each full line also to `observe`.
    pub(crate) fn run(
        &self,
        simulator: &Simulator,
        log: &Path,
        limit: Duration,
        mut observe: impl FnMut(&str),
    ) -> Result<Outcome> {
        let mut command = self.command(simulator, Ports::Apart)?;
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let (first, stdout) = std::io::pipe()?;
        let (second, stderr) = std::io::pipe()?;
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        drop(command);
        let mut streams = Streams::read(vec![first, second]);
        let mut transcript = Transcript::new(file, &mut observe);
        let timed_out = transcript.follow(&mut streams, child.id(), started, limit)?;
        if timed_out || transcript.has_panicked() {
            child.kill()?;
        }
        note_cpu_time(&child);
        let status = child.wait()?;
        // A process that outlives the simulator does not hold up the report.
        transcript.write(&streams.rest())?;
        Ok(Outcome {
            status,
            timed_out,
            console: transcript.text(),
            elapsed: started.elapsed(),
            beside_ram_kib: transcript.beside_ram_kib(),
        })
    }

    /// How long it takes until the machine has written `text` to its first port. It is ended
    /// then.
    pub(crate) fn until(
        &self,
        simulator: &Simulator,
        text: &'static str,
        limit: Duration,
    ) -> Result<Duration> {
        let mut command = self.command(simulator, Ports::Terminal)?;
        let (mut reader, writer) = std::io::pipe()?;
        let started = Instant::now();
        let mut child = command
            // Open, and silent: lvz-sim holds back a line without an end if no input can come.
            .stdin(Stdio::piped())
            .stdout(writer)
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        drop(command);
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                seen.extend_from_slice(&buffer[..n]);
                if seen.windows(text.len()).any(|part| part == text.as_bytes()) {
                    // A waiter that has given up does not want it.
                    let _ = sender.send(started.elapsed());
                    break;
                }
            }
        });
        let elapsed = receiver.recv_timeout(limit);
        child.kill()?;
        note_cpu_time(&child);
        child.wait()?;
        elapsed.map_err(|_| anyhow!("the machine has not written '{text}'"))
    }

    /// Runs the machine on this terminal.
    pub(crate) fn run_interactively(&self, simulator: &Simulator) -> Result<ExitStatus> {
        let mut command = self.command(simulator, Ports::Terminal)?;
        command
            .status()
            .with_context(|| format!("cannot run {}", command.get_program().display()))
    }
}

/// `lvz-sim run`, which ends with this process however that ends. The thread that starts it has
/// to be the one that waits for it: Linux ends it with that thread.
pub(crate) fn run_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("run");
    command.arg(format!("--exit-with-parent={}", std::process::id()));
    command
}

/// The simulator that the environment names, if it names one.
pub(crate) fn named() -> Result<Option<PathBuf>> {
    program_of(std::env::var_os("LVZ_SIM"))
}

/// The program that a value of LVZ_SIM names, from wherever it is started.
fn program_of(value: Option<OsString>) -> Result<Option<PathBuf>> {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let program = std::path::absolute(&value)?;
    let is_executable = |meta: fs::Metadata| meta.is_file() && meta.mode() & 0o111 != 0;
    if !fs::metadata(&program).is_ok_and(is_executable) {
        bail!(
            "LVZ_SIM={} is no program: name an lvz-sim by its path, or unset it",
            value.display()
        );
    }
    Ok(Some(program))
}

/// Milliseconds of CPU time of all simulators that have ended.
static CPU_TIME: AtomicU64 = AtomicU64::new(0);

/// The CPU time of all simulators that this run has seen end.
pub(crate) fn cpu_time() -> Duration {
    Duration::from_millis(CPU_TIME.load(Ordering::Relaxed))
}

/// Waits until a simulator ends, and counts its CPU time.
fn note_cpu_time(child: &Child) {
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    // Whatever is wrong with it, the caller's own wait says.
    let _ = waitid(WaitId::Pid(Pid::from_child(child)), ended);
    if let Some(time) = resident::cpu_time(child.id()) {
        CPU_TIME.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
    }
}

/// Adds to the parameters of a kernel.
pub(crate) fn add_parameters(line: &mut String, more: &str) {
    if !(line.is_empty() || more.is_empty()) {
        line.push(' ');
    }
    line.push_str(more);
}

/// A path for QEMU's comma-separated options.
fn escape(path: &Path) -> Result<String> {
    path.to_str()
        .map(|path| path.replace(',', ",,"))
        .ok_or_else(|| anyhow!("{} is not UTF-8", path.display()))
}

/// A folder that a machine shares with the workstation, with the script that
/// its init runs and the functions of tests/guest/complaints.
pub(crate) fn make_share(dir: &Path, script: &str) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    for (name, text) in [("run", script), ("complaints", COMPLAINTS)] {
        fs::write(dir.join(name), text)
            .with_context(|| format!("cannot write in {}", dir.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;

    fn outcome(console: &str) -> Outcome {
        Outcome {
            status: ExitStatus::from_raw(0),
            timed_out: false,
            console: console.to_owned(),
            elapsed: Duration::ZERO,
            beside_ram_kib: None,
        }
    }

    #[test]
    fn the_simulator_that_is_named_is_a_program() -> Result<()> {
        assert_eq!(program_of(None)?, None);
        assert_eq!(program_of(Some("".into()))?, None);
        assert_eq!(program_of(Some("/bin/sh".into()))?, Some("/bin/sh".into()));
        for other in ["/nowhere", "/etc/passwd", "/", "lvz-sim of nowhere"] {
            let error = program_of(Some(other.into())).map_err(|error| error.to_string());
            assert!(
                error.is_err_and(|error| error.contains(&format!("LVZ_SIM={other} is no"))),
                "{other}"
            );
        }
        Ok(())
    }

    #[test]
    fn the_simulators_own_line_says_what_is_wrong() -> Result<()> {
        let simulator = |program: &str| Simulator::LvzSim {
            program: program.into(),
            chosen: Chosen::default(),
        };
        simulator("/bin/true").check(&["--cpu", "x"])?;
        simulator("/nowhere").check(&[])?;
        // A shell takes `run` for a script, which is not there.
        let error = simulator("/bin/sh").check(&["--cpu", "x"]);
        let error = error.map_err(|error| error.to_string());
        assert!(
            error
                .as_ref()
                .is_err_and(|error| error.contains("run") && error.lines().count() == 1),
            "{error:?}"
        );
        Ok(())
    }

    #[test]
    fn the_last_marker_counts() {
        assert_eq!(
            outcome("KVM-LA-EXIT 3\nKVM-LA-EXIT 0\n").script_status(),
            Some(0)
        );
        assert_eq!(outcome("booting\n").script_status(), None);
        assert_eq!(outcome("echo KVM-LA-EXIT 0\n").script_status(), None);
    }

    #[test]
    fn only_a_script_that_ended_well_passes() {
        let limit = Duration::from_secs(1);
        assert!(outcome("KVM-LA-EXIT 0\n").check(limit).is_ok());
        assert!(outcome("KVM-LA-EXIT 1\n").check(limit).is_err());
        for line in [
            "Kernel panic - not syncing",
            "lvz-sim: unknown CPU model 'x'",
        ] {
            let error = outcome(&format!("{line}\n")).check(limit);
            assert!(error.is_err_and(|error| error.to_string().contains(line)));
        }
    }
}
