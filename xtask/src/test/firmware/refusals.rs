// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Files and options that lvz-sim refuses, each with one line that says why.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use super::super::Context;
use super::super::report::Verdict;

const MIB: u64 = 1 << 20;

pub(super) fn run(context: &Context, program: &Path, run: &Path) -> Result<Verdict> {
    let firmware = context.products.firmware_code();
    let file = |name: &str, size: u64| -> Result<OsString> {
        let path = run.join(name);
        File::create(&path)?.set_len(size)?;
        Ok(path.into_os_string())
    };
    let (empty, large) = (file("empty", 0)?, file("large", 16 * MIB + 1)?);
    let drive = file("drive", 512)?;
    let (odd, vars) = (file("odd", 300 << 10)?, file("large-vars", 17 * MIB)?);
    let text = run.join("text");
    fs::write(&text, "no image\n")?;
    let gone: OsString = "/no/such/file".into();
    let code = || firmware.clone().into_os_string();
    let on = |board: &str, more: &[(&str, OsString)]| -> Vec<OsString> {
        let mut all: Vec<OsString> = vec!["--machine".into(), board.into()];
        for (option, value) in more {
            all.extend([(*option).into(), value.clone()]);
        }
        all
    };
    let virt = |more: &[(&str, OsString)]| on("virt", more);
    let kernel = context.products.host_kernel.vmlinux().into_os_string();
    let acpi: Vec<OsString> = vec!["--acpi".into(), "--kernel".into(), kernel.clone()];
    let cases: Vec<(Vec<OsString>, &str)> = vec![
        (virt(&[("--firmware", empty.clone())]), "1 byte to 16 MiB"),
        (virt(&[("--firmware", large)]), "1 byte to 16 MiB"),
        (virt(&[("--firmware", gone.clone())]), "cannot read it"),
        (
            virt(&[("--firmware", code()), ("--firmware-vars", empty)]),
            "multiple of 256 KiB",
        ),
        (
            virt(&[("--firmware", code()), ("--firmware-vars", odd)]),
            "multiple of 256 KiB",
        ),
        (
            virt(&[("--firmware", code()), ("--firmware-vars", vars)]),
            "multiple of 256 KiB",
        ),
        (
            virt(&[("--firmware", code()), ("--firmware-vars", gone)]),
            "cannot open the file",
        ),
        (
            virt(&[("--firmware", code()), ("--kernel", kernel.clone())]),
            "not an EFI image",
        ),
        (
            virt(&[("--firmware", code()), ("--load", text.into_os_string())]),
            "cannot be used with",
        ),
        (
            vec!["--firmware".into(), code()],
            "this board has no flash, use --machine virt",
        ),
        (acpi.clone(), "use --machine virt"),
        (
            on("3a5000", &[("--firmware", code())]),
            "this board has no flash, use --machine virt",
        ),
        ([on("3a5000", &[]), acpi].concat(), "use --machine virt"),
        (
            on(
                "3a5000",
                &[&vec![("--drive", drive); 12][..], &[("--kernel", kernel)]].concat(),
            ),
            "13 virtio devices: the machine takes at most 12",
        ),
        (
            on("3a6000", &[("--firmware", code())]),
            "possible values: virt-mmio, virt, 3a5000",
        ),
    ];
    let count = cases.len() as u64;
    for (options, reason) in cases {
        let output = Command::new(program).arg("run").args(&options).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.code() != Some(2) || said.lines().count() != 1 || !said.contains(reason) {
            bail!(
                "{options:?} gave {} and not one line with '{reason}': {}",
                output.status,
                said.trim()
            );
        }
    }
    Ok(Verdict::Counted {
        passed: count,
        failed: 0,
        skipped: 0,
    })
}
