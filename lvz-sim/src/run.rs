// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `lvz-sim run`.

use crate::boot::{self, BootConfig, BootError};
use crate::calls::Calls;
use crate::cli::RunArgs;
use crate::engine::{Engine, JitOptions, Machine, RunEnd};
use crate::gdb::{self, Options, Tape, Taped};
use crate::map::{FIRMWARE_MAX, UARTS};
use crate::mem::Ram;
use crate::platform::PlatformConfig;
use crate::platform::console::{HostConsole, LineConsole, NullConsole};
use crate::platform::net::Net;
use crate::platform::terminal::Terminal;
use crate::platform::virtio::disk::{DriveConfig, DriveMode};
use crate::profile::Profile;
use crate::report::Report;
use crate::symbols::Symbols;
use crate::trace::Tracer;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Instant;

/// Runs a machine; returns the exit status.
///
/// # Errors
/// Anything that keeps the machine from being set up, or its results from
/// being written.
pub fn run(args: &RunArgs) -> Result<u8> {
    let tapes = args.gdb.is_some().then(<[Tape; UARTS]>::default);
    let mut machine = build(args, tapes.as_ref())?;
    let boot = BootConfig {
        kernel: args.kernel.clone(),
        files: args.load.clone(),
        initrd: args.initrd.clone(),
        command_line: args.append.clone(),
        device_tree: args.dtb.clone(),
        firmware: args.firmware.is_some(),
        acpi: args.acpi,
        protocol: args.boot_protocol,
    };
    if let Some(path) = &args.dump_dtb {
        let loaded = boot::load(&machine.bus.ram.map, &machine.bus.platform, &boot)?;
        std::fs::write(path, loaded.tree)
            .with_context(|| format!("cannot write the device tree to '{}'", path.display()))?;
        return Ok(0);
    }
    let boot = args.snapshot_in.is_none().then_some(boot);
    match (&boot, &args.snapshot_in) {
        (Some(boot), _) => start(&mut machine, boot)?,
        (None, Some(snapshot)) => machine.load(snapshot)?,
        (None, None) => {}
    }
    for &address in &args.poison {
        if !machine.set_poison(address, true) {
            bail!("--poison {address:#x}: there is no memory");
        }
    }
    machine.bus.platform.lint(args.trace.lint);
    for cpu in &mut machine.cpus {
        let mut trace = args.trace;
        trace.instructions = traced(args);
        trace.site = args.trace_site;
        cpu.set_trace(trace);
        cpu.calls = args.stats_calls.map(|number| Box::new(Calls::of(number)));
        if args.stats_events {
            cpu.tally.count_each();
        }
        if args.stats_sites {
            cpu.stats.sites.get_or_insert_default();
        }
    }
    if traced(args) {
        machine.debug.tracer = Some(Tracer {
            filter: args.trace_only.clone().unwrap_or_default(),
            symbols: Symbols::read(&args.symbols)?,
        });
    }
    if args.profile.is_some() {
        machine.profile = Some(Profile::new(Symbols::read(&args.symbols)?));
    }
    choose_engine(&mut machine, args)?;
    if args.wall_clock {
        machine.use_wall_clock();
    }
    let started = Instant::now();
    let before = machine.instructions();
    let limit = args.max_instructions.unwrap_or(u64::MAX);
    let mut restart = |machine: &mut Machine| {
        let Some(boot) = &boot else {
            return Ok(false);
        };
        machine.bus.platform.reset();
        machine.bus.ram.clear();
        machine.reset_cpus();
        start(machine, boot)?;
        Ok(true)
    };
    let end = match debugger(args, tapes) {
        Some(options) => gdb::run(&mut machine, options, limit, &mut restart)?,
        None => loop {
            match machine.run(limit) {
                RunEnd::Reset if restart(&mut machine)? => {}
                end => break end,
            }
        },
    };
    let seconds = started.elapsed().as_secs_f64();
    machine.bus.platform.advance(machine.time());
    if let (RunEnd::Limit, Some(path)) = (end, &args.snapshot_out) {
        machine.save(path)?;
    }
    let hash = args.hash.then(|| machine.state_hash());
    // The terminal is restored before anything else is printed.
    let report = Report::of(&mut machine, seconds, before, hash);
    let difference = machine.difference().cloned();
    let profile = machine.profile.take();
    drop(machine);
    if let Some(path) = &args.stats {
        write_report(path, &report)?;
    }
    if let (Some(path), Some(profile)) = (&args.profile, profile) {
        std::fs::write(path, profile.folded())
            .with_context(|| format!("cannot write the profile to '{}'", path.display()))?;
    }
    if let Some(hash) = hash {
        eprintln!(
            "lvz-sim: {} instructions, state {hash:016x}",
            report.instructions
        );
    }
    Ok(match end {
        RunEnd::PowerOff(code) => code,
        RunEnd::Limit | RunEnd::Quit | RunEnd::Halted => 0,
        RunEnd::Reset => {
            eprintln!(
                "lvz-sim: the machine asked for a reset, but there is no kernel to boot again"
            );
            1
        }
        RunEnd::Differs => {
            if let Some(difference) = difference {
                eprintln!("lvz-sim: compiled code differs: {difference}");
            }
            1
        }
        RunEnd::Stuck => {
            eprintln!("lvz-sim: every CPU is idle and nothing will ever wake one");
            1
        }
    })
}

fn build(args: &RunArgs, tapes: Option<&[Tape; UARTS]>) -> Result<Machine> {
    let ram = match &args.firmware {
        Some(path) => Ram::with_firmware(args.memory, &read_firmware(path)?)?,
        None => Ram::new(args.memory)?,
    };
    let cpus = usize::from(args.smp);
    // Before the terminal is taken over: this may wait for a peer.
    let net = open_net(args)?;
    let mut serial: [Box<dyn HostConsole>; UARTS] = [
        Box::new(Terminal::new().context("cannot use the terminal")?),
        second_port(args.serial1.as_deref())?,
    ];
    if let Some(tapes) = tapes {
        let mut both = tapes.iter();
        serial = serial.map(|console| -> Box<dyn HostConsole> {
            match both.next() {
                Some(tape) => Box::new(Taped::new(console, tape)),
                None => console,
            }
        });
    }
    let config = PlatformConfig {
        board: args.machine,
        cpus,
        seed: args.seed,
        serial,
        drives: args.drive.clone(),
        share: args.share.clone(),
        firmware: args.firmware.is_some(),
        variables: args.firmware_vars.clone(),
        net,
        ..PlatformConfig::default()
    };
    let model = args.cpu.clone().with_readings(args.lvz);
    let model = model.with_ns_per_instruction(args.ns_per_instruction);
    Ok(Machine::with_memory(model, cpus, ram, config)?)
}

/// The firmware's code.
fn read_firmware(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).map(|file| file.take(FIRMWARE_MAX + 1));
    file.and_then(|mut file| file.read_to_end(&mut bytes))
        .with_context(|| format!("firmware '{}': cannot read it", path.display()))?;
    if bytes.is_empty() || bytes.len() as u64 > FIRMWARE_MAX {
        bail!(
            "firmware '{}': the file must have 1 byte to 16 MiB",
            path.display()
        );
    }
    Ok(bytes)
}

/// How the machine is debugged, if it is.
fn debugger(args: &RunArgs, tapes: Option<[Tape; UARTS]>) -> Option<Options> {
    let (address, tapes) = (args.gdb.clone()?, tapes?);
    let writable = |drive: &DriveConfig| drive.mode == DriveMode::ReadWrite;
    let no_history = if args.wall_clock {
        Some("with --wall-clock a run does not repeat")
    } else if args.net.is_some() {
        Some("with --net a run does not repeat")
    } else if args
        .firmware_vars
        .as_ref()
        .is_some_and(|vars| !vars.volatile)
    {
        Some("what firmware writes to --firmware-vars stays written: make it volatile")
    } else if args.drive.iter().any(writable) {
        Some("what is written to a --drive stays written: make it volatile or readonly")
    } else {
        None
    };
    Some(Options {
        address,
        wait: args.gdb_wait,
        tapes: tapes.into(),
        no_history: no_history.map(str::to_owned),
    })
}

/// Whether instructions are traced.
fn traced(args: &RunArgs) -> bool {
    args.trace.instructions || args.trace_site.is_some() || args.trace_only.is_some()
}

/// The engine that is asked for, or the fastest that there is.
fn choose_engine(machine: &mut Machine, args: &RunArgs) -> Result<()> {
    let traced = traced(args);
    match args.engine {
        Some(Engine::Jit(_) | Engine::Check(_)) if traced => {
            bail!("instructions are traced by the interpreter: leave out --engine")
        }
        Some(engine) => machine
            .use_engine(engine)
            .context("use --engine interpreter"),
        None if traced => Ok(()),
        None => {
            if let Err(error) = machine.use_engine(Engine::Jit(JitOptions::default())) {
                eprintln!("lvz-sim: {error}: all instructions are interpreted");
            }
            Ok(())
        }
    }
}

fn open_net(args: &RunArgs) -> Result<Option<Net>> {
    let Some(config) = &args.net else {
        return Ok(None);
    };
    if config.lockstep && args.wall_clock {
        bail!("lock-step needs time that both machines share: leave out --wall-clock");
    }
    let net = Net::open(config)?;
    if !net.link.repeatable() {
        eprintln!(
            "lvz-sim: frames arrive by the computer's clock: a run with --net repeats only with lockstep"
        );
    }
    Ok(Some(net))
}

/// The host's side of the second serial port.
fn second_port(path: Option<&Path>) -> Result<Box<dyn HostConsole>> {
    let output: Box<dyn Write + Send> = match path {
        None => return Ok(Box::new(NullConsole)),
        Some(path) if path == "-" => Box::new(io::stdout()),
        Some(path) => Box::new(File::create(path).with_context(|| {
            format!(
                "cannot write the second serial port's output to '{}'",
                path.display()
            )
        })?),
    };
    Ok(Box::new(LineConsole::new(output)))
}

/// Puts the kernel into memory and the CPUs at its entry.
///
/// # Errors
/// Files that cannot be read, or are not what they should be.
pub fn start(machine: &mut Machine, config: &BootConfig) -> Result<(), BootError> {
    let loaded = boot::load(&machine.bus.ram.map, &machine.bus.platform, config)?;
    let boot_pc = loaded.boot_pc.ok_or(BootError::Nothing)?;
    machine.memory_replaced();
    machine.bus.platform.hand_over();
    if let Some(items) = loaded.items {
        machine.bus.platform.configure(items);
    }
    for cpu in &mut machine.cpus {
        if cpu.id == 0 {
            cpu.pc = boot_pc;
            for (register, value) in (4u8..).zip(loaded.boot_args) {
                cpu.set(register, value);
            }
        } else {
            cpu.pc = loaded.secondary_pc;
        }
    }
    Ok(())
}

fn write_report(path: &Path, report: &Report) -> Result<()> {
    let text = serde_json::to_string_pretty(report)?;
    std::fs::write(path, text + "\n")
        .with_context(|| format!("cannot write statistics to '{}'", path.display()))
}
