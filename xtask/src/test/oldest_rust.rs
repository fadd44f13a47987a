// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A case of the suite `host`: each package compiles with the oldest Rust that its
//! manifest promises (`rust-version`), if rustup has that here.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::packages::packages;
use super::report::{Verdict, detail};
use crate::setup::workspace;

pub(super) fn check() -> Result<Verdict> {
    let own = output(Command::new("rustc").arg("--version"))?;
    let mut missing = Vec::new();
    for (version, packages) in promises()? {
        // What the toolchain of this run compiles, the other cases have shown.
        if is_of(&own, &version) {
            detail(format_args!("{}: rustc is {version}", packages.join(", ")));
            continue;
        }
        let toolchain = format!("+{version}");
        let found = output(Command::new("rustc").args([&toolchain, "--version"]));
        if !found.is_ok_and(|found| is_of(&found, &version)) {
            missing.push(version);
            continue;
        }
        let mut check = Command::new("cargo");
        check
            .current_dir(workspace()?)
            .arg(&toolchain)
            .args(["check", "--locked", "--quiet", "--target-dir"])
            .arg(format!("target/rust-{version}"))
            // Those that cargo has set are of this run's toolchain.
            .env_remove("CARGO")
            .env_remove("RUSTC")
            .stdin(Stdio::null());
        for package in &packages {
            check.args(["--package", package]);
        }
        let status = check.status().context("cannot run cargo")?;
        if !status.success() {
            bail!("Rust {version} does not compile {}", packages.join(", "));
        }
        detail(format_args!(
            "{}: compiled by Rust {version}",
            packages.join(", ")
        ));
    }
    if missing.is_empty() {
        return Ok(Verdict::Passed);
    }
    Ok(Verdict::Skipped(format!(
        "rustup has no Rust {} here (rustup toolchain install {})",
        missing.join(", "),
        missing.join(" ")
    )))
}

/// The workspace's packages by the version that they promise.
fn promises() -> Result<BTreeMap<String, Vec<String>>> {
    let mut versions = BTreeMap::<_, Vec<_>>::new();
    for package in packages()? {
        match package.rust_version {
            Some(version) => versions.entry(version).or_default().push(package.name),
            None => bail!("{} promises no rust-version", package.name),
        }
    }
    Ok(versions)
}

/// Whether the text of `rustc --version` names a version, or a patch release of it.
fn is_of(text: &str, version: &str) -> bool {
    let found = text.split(' ').nth(1).unwrap_or_default();
    found
        .strip_prefix(version)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {:?}", command.get_program()))?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::is_of;

    #[test]
    fn a_patch_release_is_of_its_version() {
        let text = "rustc 1.85.1 (4eb161250 2025-03-15)\n";
        assert!(is_of(text, "1.85"));
        assert!(!is_of(text, "1.8"));
        assert!(!is_of(text, "1.95"));
    }
}
