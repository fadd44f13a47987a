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
    let (odd, vars) = (file("odd", 300 << 10)?, file("large-vars", 17 * MIB)?);
    let text = run.join("text");
    fs::write(&text, "no image\n")?;
    let gone: OsString = "/no/such/file".into();
    let code = || firmware.clone().into_os_string();
    let virt = |more: &[(&str, OsString)]| -> Vec<OsString> {
        let mut all: Vec<OsString> = vec!["--machine".into(), "virt".into()];
        for (option, value) in more {
            all.extend([(*option).into(), value.clone()]);
        }
        all
    };
    let kernel = context.products.host_kernel.vmlinux().into_os_string();
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
        (
            vec!["--acpi".into(), "--kernel".into(), kernel],
            "use --machine virt",
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
