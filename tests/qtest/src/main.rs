// SPDX-License-Identifier: GPL-2.0-or-later

//! `qtest-kvm ACCEL [NAME...]`: runs the cases, or those named, in QEMU with one
//! backend, `upstream` or the path of our launcher, first with KVM's interrupt
//! controllers, then with QEMU's. docs/qtest.md says what they show.
//!
//! Prints `KVM-LA-TEST NAME ...` before each and `KVM-LA-TEST NAME ok`,
//! `FAILED: reason` or `skipped: reason` after it; ends with 1 if one failed, with 2 if
//! it was called wrongly.

mod agent;
mod cases;
mod elf;
mod machine;
mod qmp;
mod qtest;

use std::process::ExitCode;

use cases::{Setting, Skip};
use machine::Accel;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let accel = match words.next().as_deref() {
        None => {
            eprintln!("usage: qtest-kvm upstream|LAUNCHER [NAME...]");
            return ExitCode::from(2);
        }
        Some("upstream") => Accel::Upstream,
        Some(launcher) => Accel::Rust(launcher.into()),
    };
    let names: Vec<String> = words.collect();
    let mut ran = 0;
    let mut failed = 0;
    for irqchip in [true, false] {
        let setting = Setting {
            accel: accel.clone(),
            irqchip,
        };
        let suffix = if irqchip { "" } else { ",kernel-irqchip=off" };
        for case in cases::all() {
            let name = format!("{}{suffix}", case.name);
            if !names.is_empty() && !names.contains(&name) {
                continue;
            }
            ran += 1;
            println!("KVM-LA-TEST {name} ...");
            match (case.run)(&setting) {
                Ok(()) => println!("KVM-LA-TEST {name} ok"),
                Err(error) if error.is::<Skip>() => {
                    println!("KVM-LA-TEST {name} skipped: {error}");
                }
                Err(error) => {
                    failed += 1;
                    println!("KVM-LA-TEST {name} FAILED: {error:#}");
                }
            }
        }
    }
    match (ran, failed) {
        (0, _) => {
            eprintln!("qtest-kvm: no case is named {}", names.join(" or "));
            ExitCode::from(2)
        }
        (_, 0) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
