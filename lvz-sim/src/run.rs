// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `lvz-sim run`.

mod build;
mod files;
mod observe;
mod parent;
mod results;
mod signals;
mod status;

use crate::boot::{self, BootConfig, BootError, ImageError, LoadFile};
use crate::cli::RunArgs;
use crate::engine::{Machine, RunEnd};
use crate::gdb::{self, Options, Tape};
use crate::map::UARTS;
use crate::one_line::one_line;
use crate::output::Output;
use crate::platform::virtio::disk::{DriveConfig, DriveMode};
use crate::size::Size;
use anyhow::{Result, anyhow, bail};
use results::Results;
use signals::Signals;
pub(crate) use status::status_of;
use std::path::Path;
use std::time::Instant;

/// The exit status of a run that could not start, or whose results could not be written.
const FAILED: u8 = 2;

/// Runs a machine; returns the exit status.
///
/// # Errors
/// Anything that keeps the machine from being set up, or from going on after a reset.
pub fn run(args: &RunArgs) -> Result<u8> {
    if !args.has_start() {
        bail!("nothing to run: give it --kernel, --load, --firmware or --snapshot-in");
    }
    if let Some(pid) = args.exit_with_parent {
        parent::exit_with(pid)?;
    }
    files::check(args)?;
    let signals = Signals::default();
    let tapes = args.gdb.is_some().then(<[Tape; UARTS]>::default);
    let mut machine = build::machine(args, tapes.as_ref(), signals.leaving())?;
    let boot = boot_config(args);
    if let Some(output) = &args.dump_dtb {
        dump_tree(&machine, &boot, output)?;
        return Ok(0);
    }
    let boot = args.snapshot_in.is_none().then_some(boot);
    note_raw_images(args);
    match (&boot, &args.snapshot_in) {
        (Some(boot), _) => first_start(&mut machine, boot, args)?,
        (None, Some(snapshot)) => go_on(&mut machine, snapshot, args)?,
        (None, None) => {}
    }
    observe::prepare(&mut machine, args)?;
    observe::choose_engine(&mut machine, args)?;
    build::connect(&mut machine, args, tapes.as_ref(), signals.leaving())?;
    if args.wall_clock {
        machine.use_wall_clock();
    }
    signals.take()?;
    machine.bus.platform.end_on(signals.leaving().asked());
    let started = Instant::now();
    let before = machine.instructions();
    let end = until_end(&mut machine, args, tapes, boot.as_ref(), &signals)?;
    let seconds = started.elapsed().as_secs_f64();
    machine.bus.platform.advance(machine.time());
    let saved = match (end, &args.snapshot_out) {
        (RunEnd::Limit, Some(output)) => machine.save_to(output).map_err(Into::into),
        _ => Ok(()),
    };
    let hash = args.hash.then(|| machine.state_hash());
    let results = Results::of(machine, end, seconds, before, hash);
    let written = [saved].into_iter().chain(results.write(args));
    let lost = written.map(said).filter(|complete| !complete).count();
    let status = results.status(args, signals.last());
    Ok(if lost == 0 { status } else { FAILED })
}

/// Says what is wrong with a result; whether nothing is.
fn said(written: Result<()>) -> bool {
    if let Err(error) = &written {
        crate::say!("lvz-sim: {}", one_line(error.as_ref()));
    }
    written.is_ok()
}

/// Boots the machine, and says what is odd about it.
fn first_start(machine: &mut Machine, boot: &BootConfig, args: &RunArgs) -> Result<()> {
    let tree = start(machine, boot).map_err(advised)?;
    if let (Some(path), Some(memory)) = (&args.dtb, boot::tree_memory(&tree))
        && memory != args.memory
    {
        crate::say!(
            "lvz-sim: the device tree {} has {} of memory, and the machine {} (--memory)",
            path.display(),
            Size(memory),
            Size(args.memory)
        );
    }
    Ok(())
}

/// Has the machine go on from a snapshot.
fn go_on(machine: &mut Machine, snapshot: &Path, args: &RunArgs) -> Result<()> {
    machine.load(snapshot)?;
    let done = machine.instructions();
    match args.max_instructions {
        Some(limit) if limit <= done => bail!(
            "--max-instructions {limit}: they count from the machine's start, and snapshot '{}' \
             is {done} instructions behind it",
            snapshot.display()
        ),
        _ => Ok(()),
    }
}

/// What the machine boots.
fn boot_config(args: &RunArgs) -> BootConfig {
    BootConfig {
        kernel: args.kernel.clone(),
        files: args.load.clone(),
        initrd: args.initrd.clone(),
        command_line: args.append.clone(),
        device_tree: args.dtb.clone(),
        firmware: args.firmware.is_some(),
        acpi: args.acpi,
        protocol: args.boot_protocol,
    }
}

/// Says which ELF files are loaded with their headers, as they are.
fn note_raw_images(args: &RunArgs) {
    let raw = args.load.iter().filter(|file| file.address.is_some());
    for LoadFile { path, .. } in raw.filter(|file| boot::is_elf(&file.path)) {
        crate::say!(
            "lvz-sim: '{0}' is an ELF file, loaded as it is, headers included: --load {0} loads what is linked in it",
            path.display()
        );
    }
}

/// An error with the option that would help, which is not the library's to name.
fn advised(error: BootError) -> anyhow::Error {
    let BootError::File {
        reason: ImageError::Format,
        ..
    } = error
    else {
        return error.into();
    };
    anyhow!("{error}; --load FILE@0xADDRESS loads any other file")
}

/// Writes the device tree with which the machine would start.
fn dump_tree(machine: &Machine, boot: &BootConfig, output: &Output) -> Result<()> {
    let loaded = boot::load(&machine.bus.ram.map, &machine.bus.platform, boot).map_err(advised)?;
    output
        .write(&loaded.tree)
        .map_err(|error| files::failure(files::TREE, output, error))
}

/// Runs the machine to its end, and over resets if there is something to boot again.
fn until_end(
    machine: &mut Machine,
    args: &RunArgs,
    tapes: Option<[Tape; UARTS]>,
    boot: Option<&BootConfig>,
    signals: &Signals,
) -> Result<RunEnd> {
    let limit = args.max_instructions.unwrap_or(u64::MAX);
    let mut restart = |machine: &mut Machine| {
        let Some(boot) = boot else {
            return Ok(false);
        };
        machine.reset();
        start(machine, boot)?;
        Ok(true)
    };
    if let Some(options) = debugger(args, tapes) {
        let status = |end| status_of(end, args.snapshot_out.is_some(), signals.last());
        let mut command = gdb::Command {
            restart: &mut restart,
            status: &status,
        };
        return gdb::run(machine, options, limit, &mut command);
    }
    loop {
        match machine.run(limit) {
            RunEnd::Reset if restart(machine)? => {}
            end => return Ok(end),
        }
    }
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

/// Puts the kernel into memory and the CPUs at its entry; returns the device tree.
///
/// # Errors
/// Files that cannot be read, or are not what they should be.
pub fn start(machine: &mut Machine, config: &BootConfig) -> Result<Vec<u8>, BootError> {
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
    Ok(loaded.tree)
}
