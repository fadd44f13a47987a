// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Files and options that lvz-sim refuses, each with one line that says why.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;

use anyhow::{Result, bail};

use super::super::Context;
use super::super::report::Verdict;
use crate::machine::run_command;

const MIB: u64 = 1 << 20;

/// The options of a run, and what the line has that refuses them.
type Case = (Vec<OsString>, &'static str);

pub(super) fn run(context: &Context, program: &Path, run: &Path) -> Result<Verdict> {
    let firmware = context.products.firmware_code();
    let kernel = context.products.host_kernel.vmlinux();
    let cases = cases(&firmware, &kernel, Files::make(run)?);
    let count = cases.len() as u64;
    for (options, reason) in cases {
        refused(program, &options, reason)?;
    }
    Ok(Verdict::Counted {
        passed: count,
        failed: 0,
        skipped: 0,
    })
}

/// Files that are wrong for what they are given as, but for `drive`.
struct Files {
    empty: OsString,
    /// More than firmware can be.
    large: OsString,
    /// Not as long as flash can be, and more than that.
    odd: OsString,
    vars: OsString,
    drive: OsString,
    text: OsString,
    gone: OsString,
}

impl Files {
    fn make(dir: &Path) -> Result<Self> {
        let file = |name: &str, size: u64| -> Result<OsString> {
            let path = dir.join(name);
            File::create(&path)?.set_len(size)?;
            Ok(path.into_os_string())
        };
        let mut drive = file("drive", 512)?;
        // So that there can be many of it.
        drive.push(",readonly");
        let text = dir.join("text");
        fs::write(&text, "no image\n")?;
        Ok(Self {
            empty: file("empty", 0)?,
            large: file("large", 16 * MIB + 1)?,
            odd: file("odd", 300 << 10)?,
            vars: file("large-vars", 17 * MIB)?,
            drive,
            text: text.into_os_string(),
            gone: "/no/such/file".into(),
        })
    }
}

fn cases(firmware: &Path, kernel: &Path, files: Files) -> Vec<Case> {
    let Files {
        empty,
        large,
        odd,
        vars,
        drive,
        text,
        gone,
    } = files;
    let code = || firmware.to_owned().into_os_string();
    let on = |board: &str, more: &[(&str, OsString)]| -> Vec<OsString> {
        let mut all: Vec<OsString> = vec!["--machine".into(), board.into()];
        for (option, value) in more {
            all.extend([(*option).into(), value.clone()]);
        }
        all
    };
    let virt = |more: &[(&str, OsString)]| on("virt", more);
    let kernel = kernel.to_owned().into_os_string();
    let acpi: Vec<OsString> = vec!["--acpi".into(), "--kernel".into(), kernel.clone()];
    vec![
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
            virt(&[("--firmware", code()), ("--load", text)]),
            "cannot be used with",
        ),
        (
            vec!["--firmware".into(), code()],
            "this board has no flash, use machine virt",
        ),
        (acpi.clone(), "use machine virt"),
        (
            on("3a5000", &[("--firmware", code())]),
            "this board has no flash, use machine virt",
        ),
        ([on("3a5000", &[]), acpi].concat(), "use machine virt"),
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
    ]
}

/// Whether lvz-sim refuses these options in one line with this reason.
fn refused(program: &Path, options: &[OsString], reason: &str) -> Result<()> {
    let output = run_command(program).args(options).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() != Some(2) || said.lines().count() != 1 || !said.contains(reason) {
        bail!(
            "{options:?} gave {} and not one line with '{reason}': {}",
            output.status,
            said.trim()
        );
    }
    Ok(())
}
