// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The machine that the command line describes.

use crate::boot;
use crate::cli::RunArgs;
use crate::engine::Machine;
use crate::gdb::{Tape, Taped};
use crate::map::UARTS;
use crate::mem::Ram;
use crate::platform::PlatformConfig;
use crate::platform::console::{HostConsole, LineConsole, NullConsole};
use crate::platform::net::{Net, NetConfig};
use crate::platform::terminal::Terminal;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Builds it, with nothing of the host's if it is not to run; what its serial ports carry is recorded on `tapes`.
pub(super) fn machine(args: &RunArgs, tapes: Option<&[Tape; UARTS]>) -> Result<Machine> {
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
    let mut serial: [Box<dyn HostConsole>; UARTS] = match runs {
        true => [
            Box::new(Terminal::new().context("cannot use the terminal")?),
            second_port(args.serial1.as_deref())?,
        ],
        false => [Box::new(NullConsole), Box::new(NullConsole)],
    };
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
