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
    if let Some(unknown) = names.iter().find(|name| !is_a_case(name)) {
        eprintln!("qtest-kvm: no case is named {unknown}");
        return ExitCode::from(2);
    }
    let mut failed = 0;
    for irqchip in [true, false] {
        let setting = Setting {
            accel: accel.clone(),
            irqchip,
        };
        for case in cases::all() {
            let name = format!("{}{}", case.name, suffix(irqchip));
            if !names.is_empty() && !names.contains(&name) {
                continue;
            }
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
    match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// What the names of cases have at their end, by whose interrupt controllers are used.
fn suffix(irqchip: bool) -> &'static str {
    if irqchip { "" } else { ",kernel-irqchip=off" }
}

fn is_a_case(name: &str) -> bool {
    let name = name.strip_suffix(suffix(false)).unwrap_or(name);
    cases::all().any(|case| case.name == name)
}
