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
use crate::gdb::{self, Listener, Options, Tape};
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
/// Anything that keeps the machine from being set up.
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
    let debugger = debugger(args, tapes.as_ref())?;
    build::connect(&mut machine, args, tapes.as_ref(), signals.leaving())?;
    if args.wall_clock {
        machine.use_wall_clock();
    }
    signals.take()?;
    machine.bus.platform.end_on(signals.leaving().asked());
    let started = Instant::now();
    let before = machine.instructions();
    let (end, rebooted) = until_end(&mut machine, args, debugger, boot.as_ref(), &signals);
    let seconds = started.elapsed().as_secs_f64();
    machine.bus.platform.advance(machine.time());
    let saved = match (end, &args.snapshot_out) {
        (RunEnd::Limit, Some(output)) => machine.save_to(output).map_err(Into::into),
        _ => Ok(()),
    };
    let hash = args.hash.then(|| machine.state_hash());
    let results = Results::of(machine, end, seconds, before, hash);
    let done = [rebooted, saved].into_iter().chain(results.write(args));
    let failed = done.map(said).filter(|done| !done).count();
    let status = results.status(args, signals.last());
    Ok(if failed == 0 { status } else { FAILED })
}

/// Says what has failed; whether nothing has.
fn said(done: Result<()>) -> bool {
    if let Err(error) = &done {
        crate::say!("lvz-sim: {}", one_line(error.as_ref()));
    }
    done.is_ok()
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

/// Runs the machine to its end, and over resets if there is something to boot again; then what
/// kept it from that.
fn until_end(
    machine: &mut Machine,
    args: &RunArgs,
    debugger: Option<Options>,
    boot: Option<&BootConfig>,
    signals: &Signals,
) -> (RunEnd, Result<()>) {
    let limit = args.max_instructions.unwrap_or(u64::MAX);
    let mut rebooted = Ok(());
    let mut restart = |machine: &mut Machine| {
        let Some(boot) = boot else {
            return false;
        };
        machine.reset();
        rebooted = start(machine, boot).map(|_| ()).map_err(advised);
        rebooted.is_ok()
    };
    let end = match debugger {
        Some(options) => {
            let status = |end| status_of(end, args.snapshot_out.is_some(), signals.last());
            let mut command = gdb::Command {
                restart: &mut restart,
                status: &status,
            };
            gdb::run(machine, options, limit, &mut command)
        }
        None => loop {
            match machine.run(limit) {
                RunEnd::Reset if restart(machine) => {}
                end => break end,
            }
        },
    };
    (end, rebooted)
}

/// How the machine is debugged, if it is.
///
/// # Errors
/// The address is no place to wait at.
fn debugger(args: &RunArgs, tapes: Option<&[Tape; UARTS]>) -> Result<Option<Options>> {
    let (Some(address), Some(tapes)) = (&args.gdb, tapes) else {
        return Ok(None);
    };
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
    Ok(Some(Options {
        listener: Listener::open(address)?,
        wait: args.gdb_wait,
        tapes: tapes.to_vec(),
        no_history: no_history.map(str::to_owned),
    }))
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
