// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `gdb`: sessions of Debian's GDB and LLDB with lvz-sim. The sessions are Python, in
//! tests/debuggers, and run inside the debugger. Traces and profiles too.

mod traced;

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::report::{Report, Verdict, detail};
use super::{Context, Tier};
use crate::machine::{Machine, Simulator};
use crate::nested::{Guest, Nested, Stack};
use crate::setup::{CannotBeHad, workspace};
use crate::toolroot::ToolRoot;

/// How long one session may take.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// What a session says at its end, if all went well.
const PASSED: &str = "KVM-LA-DEBUGGER passed";

pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    report.case("disassembler", || disassembler(context));
    report.case("gdb-kernel", || {
        let simulator = context.simulator.with_cpu("la664");
        session(context, &simulator, &waiting(kernel(context)), "bare.py")
    });
    report.case("gdb-running", || {
        let machine = idle_kernel(context);
        session(context, &context.simulator, &machine, "attach.py")
    });
    report.case("lldb-kernel", || {
        let machine = waiting(kernel(context));
        session(context, &context.simulator, &machine, "lldb_bare.py")
    });
    report.case("trace-profile", || {
        traced::run(context, &guest(context, context.kvm))
    });
    let stacks: &[Stack] = match context.runs(Tier::Full) {
        true => &Stack::ALL,
        false => &[context.kvm],
    };
    for &kvm in stacks {
        for (debugger, script) in [("gdb", "kvm.py"), ("lldb", "lldb_kvm.py")] {
            report.case(&format!("{debugger}-guest,kvm={}", kvm.name()), || {
                let run = context.products.cache.new_run("gdb-share")?;
                let machine = guest(context, kvm).machine(&context.products, &run.join("share"))?;
                let verdict = session(context, &context.simulator, &waiting(machine), script)?;
                fs::remove_dir_all(run)?;
                Ok(verdict)
            });
        }
    }
    Ok(())
}

/// Instructions of LVZ that objdump does not know.
const UNKNOWN_TO_OBJDUMP: [&str; 5] = ["gtlbclr", "gtlbsrch", "gtlbrd", "gtlbwr", "gtlbfill"];

/// Compares the simulator's disassembler with objdump over words of all encodings.
fn disassembler(context: &Context) -> Result<Verdict> {
    let Simulator::LvzSim { program, .. } = &context.simulator else {
        bail!("the disassembler is lvz-sim's");
    };
    let run = context.products.cache.new_run("disassembler")?;
    let ours = output(Command::new(program).args(["disassemble", "--all"]))?;
    let ours: Vec<(&str, &str)> = ours
        .lines()
        .filter_map(|line| line.split_once(' '))
        .collect();
    let mut image = Vec::new();
    for (word, _) in &ours {
        image.extend(u32::from_str_radix(word, 16)?.to_le_bytes());
    }
    let file = run.join("words");
    fs::write(&file, image)?;
    let mut objdump = context
        .products
        .tools
        .command("loongarch64-linux-gnu-objdump")?;
    objdump.args(["-D", "-z", "-b", "binary", "-m", "loongarch64"]);
    let theirs = output(objdump.arg(&file))?;
    // Address, word, text.
    let theirs = theirs.lines().filter_map(|line| {
        let (_, rest) = line.split_once(":\t")?;
        let (_, text) = rest.split_once('\t')?;
        Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
    });
    let theirs: Vec<String> = theirs.collect();
    if theirs.len() != ours.len() {
        bail!("objdump shows {} words of {}", theirs.len(), ours.len());
    }
    let mut failed = 0;
    for ((word, ours), theirs) in ours.iter().zip(&theirs) {
        if ours != theirs && !UNKNOWN_TO_OBJDUMP.contains(ours) {
            failed += 1;
            detail(format_args!("{word}: {ours}, objdump: {theirs}"));
        }
    }
    fs::remove_dir_all(run)?;
    Ok(Verdict::Counted {
        passed: ours.len() as u64 - failed,
        failed,
        skipped: 0,
    })
}

/// What a command prints that ends well.
fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!(
            "{} ended with {}",
            command.get_program().display(),
            output.status
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A machine whose kernel boots to its init, with no disk.
fn kernel(context: &Context) -> Machine {
    Machine {
        kernel: context.products.host_kernel.vmlinux(),
        initrd: Some(context.products.initramfs.guest()),
        append: "kvm-la.seed=3".to_owned(),
        smp: 2,
        memory_mib: 256,
        ..Machine::default()
    }
}

/// A machine whose kernel boots and then is idle until it is ended.
fn idle_kernel(context: &Context) -> Machine {
    Machine {
        append: "rdinit=/bin/busybox -- sleep 2000000000".to_owned(),
        ..kernel(context)
    }
}

/// The machine, of which nothing runs before a debugger is there.
fn waiting(machine: Machine) -> Machine {
    Machine {
        options: vec!["--gdb-wait".into()],
        ..machine
    }
}

/// A KVM host with a guest that has the same kernel.
fn guest(context: &Context, kvm: Stack) -> Nested {
    Nested {
        kvm,
        accel: context.accel,
        host_smp: 2,
        kernel_irqchip: true,
        guests: vec![Guest {
            memory_mib: 256,
            ..Guest::default()
        }],
        interactive: false,
        // What is open on the workstation cannot be gone back to.
        copy_share: true,
    }
}

/// Runs a machine, and a debugger that debugs it.
fn session(
    context: &Context,
    simulator: &Simulator,
    machine: &Machine,
    script: &str,
) -> Result<Verdict> {
    let run = context.products.cache.new_run("gdb")?;
    let workspace = workspace()?;
    let directory = context.products.cache.dir();
    let debuggers = match context.products.debuggers(&[&workspace, directory]) {
        Ok(debuggers) => debuggers,
        Err(error) if error.is::<CannotBeHad>() => {
            return Ok(Verdict::Skipped(format!("{error:#}")));
        }
        Err(error) => return Err(error),
    };
    let socket = run.join("socket");
    let machine = Machine {
        gdb: Some(socket.clone()),
        ..machine.clone()
    };
    let log = run.join("debugger.log");
    let console = run.join("console.log");
    let said = thread::scope(|scope| {
        let running = scope.spawn(|| machine.run(simulator, &console, LIMIT, |_| {}));
        let said = debug(&debuggers, &machine.kernel, &socket, script, &log);
        // A debugger that is gone without a word has left the machine running.
        if !matches!(&said, Ok(said) if said.contains(PASSED)) {
            end(&socket);
        }
        let ended = running.join();
        let ended = ended.unwrap_or_else(|_| bail!("the machine could not be run"))?;
        if ended.timed_out {
            bail!("the machine did not end, see {}", run.display());
        }
        said
    })?;
    let failed = said
        .lines()
        .find(|line| line.contains("KVM-LA-DEBUGGER failed"));
    if !said.contains(PASSED) {
        bail!(
            "{}, see {}",
            failed.unwrap_or("the debugger did not come to its end"),
            log.display()
        );
    }
    fs::remove_dir_all(&run)?;
    Ok(Verdict::Passed)
}

/// Runs a debugger with a script; what it printed, which is in `log` too.
fn debug(
    root: &ToolRoot,
    kernel: &Path,
    socket: &Path,
    script: &str,
    log: &Path,
) -> Result<String> {
    let begun = Instant::now();
    while !socket.exists() {
        if begun.elapsed() > Duration::from_secs(60) {
            bail!("the simulator does not wait for a debugger");
        }
        thread::sleep(Duration::from_millis(20));
    }
    let file = scripts()?.join(script);
    let mut command = if script.starts_with("lldb") {
        let mut command = root.command("lldb")?;
        command.args(["--no-lldbinit", "--batch", "-o"]);
        command.arg(format!("command script import {}", file.display()));
        command
    } else {
        let mut command = root.command("gdb-multiarch")?;
        command.args(["-nx", "-batch", "-x"]).arg(file);
        command
    };
    command
        .env("KVM_LA_SOCKET", socket)
        .env("KVM_LA_KERNEL", kernel)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null());
    let output = limited(&mut command).context("cannot run the debugger")?;
    fs::write(log, &output)?;
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// Ends the machine as a debugger does.
fn end(socket: &Path) {
    // If it does not listen any more it has ended.
    if let Ok(mut line) = UnixStream::connect(socket) {
        let _ = line.write_all(b"$k#6b");
    }
}

/// What a command prints until its end, or until it takes too long.
fn limited(command: &mut Command) -> Result<Vec<u8>> {
    let (mut reader, writer) = std::io::pipe()?;
    let mut child = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
    // The command holds ends of the pipe too.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let mut output = Vec::new();
            std::io::Read::read_to_end(&mut reader, &mut output).map(|_| output)
        });
        let begun = Instant::now();
        while child.try_wait()?.is_none() {
            if begun.elapsed() > LIMIT {
                child.kill()?;
            }
            thread::sleep(Duration::from_millis(50));
        }
        match reading.join() {
            Ok(output) => Ok(output?),
            Err(_) => bail!("its output could not be read"),
        }
    })
}

fn scripts() -> Result<PathBuf> {
    Ok(workspace()?.join("tests/debuggers"))
}
