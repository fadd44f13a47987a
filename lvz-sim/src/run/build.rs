// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The machine that the command line describes.

use super::files;
use crate::boot;
use crate::cli::RunArgs;
use crate::engine::Machine;
use crate::gdb::{Tape, Taped};
use crate::leaving::Leaving;
use crate::map::UARTS;
use crate::mem::Ram;
use crate::platform::PlatformConfig;
use crate::platform::console::{HostConsole, HostOutput, LineConsole, NullConsole};
use crate::platform::net::{Net, NetConfig};
use crate::platform::terminal::Terminal;
use anyhow::{Context, Result, bail};

/// Builds it, with nothing of the host's if it is not to run; what its serial ports carry is
/// recorded on `tapes`. The second one is connected by [`connect`].
pub(super) fn machine(
    args: &RunArgs,
    tapes: Option<&[Tape; UARTS]>,
    leaving: &Leaving,
) -> Result<Machine> {
    let ram = match &args.firmware {
        Some(path) => Ram::with_firmware(args.memory, &boot::firmware_code(path)?)?,
        None => Ram::new(args.memory)?,
    };
    let cpus = usize::from(args.smp);
    let runs = args.dump_dtb.is_none();
    // Before the terminal is taken over: this may wait for a peer.
    let net = match &args.net {
        Some(config) if runs => Some(open_net(args, config)?),
        config => config.as_ref().map(Net::alone),
    };
    let first: Box<dyn HostConsole> = match runs {
        true => Box::new(Terminal::new(leaving.clone()).context("cannot use the terminal")?),
        false => Box::new(NullConsole),
    };
    let first = taped(first, tapes.map(|[tape, _]| tape));
    let config = PlatformConfig {
        board: args.machine,
        cpus,
        seed: args.seed,
        serial: [first, Box::new(NullConsole)],
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

fn open_net(args: &RunArgs, config: &NetConfig) -> Result<Net> {
    if config.lockstep && args.wall_clock {
        bail!("lock-step needs time that both machines share: leave out --wall-clock");
    }
    let net = Net::open(config)?;
    if !net.link.repeatable() {
        crate::say!(
            "lvz-sim: frames arrive by the computer's clock: a run with --net repeats only with lockstep"
        );
    }
    Ok(net)
}

/// Connects the second serial port, whose output may empty a file: when nothing else can fail.
///
/// # Errors
/// The file cannot be opened.
pub(super) fn connect(
    machine: &mut Machine,
    args: &RunArgs,
    tapes: Option<&[Tape; UARTS]>,
    leaving: &Leaving,
) -> Result<()> {
    let Some(output) = &args.serial1 else {
        return Ok(());
    };
    let file = output
        .stream()
        .map_err(|error| files::failure(files::SECOND_PORT, output, error))?;
    let what = "what the machine sends by its second serial port";
    let output = HostOutput::new(file, what, leaving.clone());
    let console = Box::new(LineConsole::new(Box::new(output)));
    let console = taped(console, tapes.map(|[_, tape]| tape));
    machine.bus.platform.connect(1, console);
    Ok(())
}

fn taped(console: Box<dyn HostConsole>, tape: Option<&Tape>) -> Box<dyn HostConsole> {
    match tape {
        Some(tape) => Box::new(Taped::new(console, tape)),
        None => console,
    }
}
