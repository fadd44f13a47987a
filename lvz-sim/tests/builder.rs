// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the library's builder refuses, and how it says so.

#![allow(clippy::unwrap_used)]

use lvz_sim::{Builder, Simulation};

const BASE: u64 = 0x20_0000;

/// A machine that is idle for ever.
fn program() -> Builder {
    let idle = 0x0648_8000u32.to_le_bytes();
    Simulation::builder().memory(16 << 20).program(BASE, idle)
}

#[test]
fn what_would_be_ignored_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let snapshot = directory.path().join("snapshot");
    program().build().unwrap().save(&snapshot).unwrap();
    let resumed = || Simulation::builder().snapshot(&snapshot);
    for (builder, text) in [
        (
            resumed().program(BASE, [0; 4]),
            "snapshot has started: leave out the program",
        ),
        (resumed().kernel("/nowhere"), "leave out the kernel"),
        (resumed().load("/nowhere"), "files to load"),
        (resumed().initrd("/nowhere"), "initial RAM disk"),
        (resumed().acpi(), "ACPI"),
        (
            program().initrd("/nowhere"),
            "a program alone gets no initial RAM disk",
        ),
        (program().command_line("quiet"), "command line"),
        (program().device_tree("/nowhere"), "device tree"),
        (program().fdt_protocol(), "boot protocol"),
    ] {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
        assert_eq!(error.lines().count(), 1);
    }
}

#[test]
fn an_error_says_its_cause_once() {
    let error = program()
        .drive("/nowhere/disk")
        .build()
        .unwrap_err()
        .to_string();
    assert!(error.contains("/nowhere/disk"), "{error}");
    assert_eq!(error.matches("No such file").count(), 1, "{error}");
}
