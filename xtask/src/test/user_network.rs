// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `linux`, cases `user-network`: a machine with `--net user` gets its address from passt
//! and fetches a file from a server that only this computer reaches.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::Context;
use super::report::Verdict;
use crate::machine::{Machine, Simulator, make_share};
use crate::said;
use crate::setup::DISTRIBUTION_PARAMETERS;

const SCRIPT: &str = include_str!("../../../tests/guest/user-network");

/// What the script's line begins with, behind which is what it fetched.
const MARKER: &str = "KVM-LA-FETCHED";

/// What the server has.
const CONTENT: &str = "from the loopback of the computer";

/// How long the machine may take.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// The same on the default board and on another, which has ACPI: the kernel finds PCI by that.
pub(super) fn run(context: &Context, board: Option<&'static str>) -> Result<Verdict> {
    if matches!(context.simulator, Simulator::Tcg(_)) {
        return Ok(Verdict::Skipped("--net is lvz-sim's".to_owned()));
    }
    let version = Command::new("passt").arg("--version").output();
    if version.is_err() {
        return Ok(Verdict::Skipped(
            "no passt here (apt-get install passt)".to_owned(),
        ));
    }
    let products = &context.products;
    let run = products.cache.new_run("user-network")?;
    let share = run.join("share");
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port for a server")?;
    let port = server.local_addr()?.port();
    make_share(&share, &format!("PORT={port}\n{SCRIPT}"))?;
    thread::spawn(move || {
        for visitor in server.incoming().flatten() {
            // One that is gone again got nothing, and its machine says so.
            let _ = serve(visitor);
        }
    });
    let machine = Machine {
        kernel: products.distribution_kernel.vmlinuz(),
        initrd: Some(products.initramfs.host_with_modules()),
        append: DISTRIBUTION_PARAMETERS.to_owned(),
        memory_mib: 512,
        drives: vec![products.userland_drive()],
        share: Some(share),
        net: Some("user".to_owned()),
        board,
        options: board.iter().map(|_| "--acpi".into()).collect(),
        ..Machine::default()
    };
    let log = run.join("console.log");
    let outcome = machine.run(&context.simulator, &log, LIMIT, |_| {})?;
    let fetched = said::all(&outcome.console, "", MARKER).any(|text| text == CONTENT);
    let verdict = match fetched {
        true => outcome.check(LIMIT),
        false => bail!("the machine fetched nothing, see {}", log.display()),
    };
    verdict.with_context(|| format!("see {}", log.display()))?;
    fs::remove_dir_all(run)?;
    Ok(Verdict::Passed)
}

/// Answers one request of HTTP.
fn serve(mut visitor: TcpStream) -> std::io::Result<()> {
    for line in BufReader::new(visitor.try_clone()?).lines() {
        if line?.is_empty() {
            break;
        }
    }
    write!(
        visitor,
        "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{CONTENT}",
        CONTENT.len()
    )
}
