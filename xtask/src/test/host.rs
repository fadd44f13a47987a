// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `host`: cargo test over the workspace, and rules that cargo's own checks do
//! not see.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};

use super::report::{Report, Verdict, detail};
use super::{
    Context, Tier, first_guest, licences, links, oldest_rust, run_lines, scripts, spdx, twins,
};
use crate::cargo::cargo;
use crate::kernel_module;
use crate::setup::workspace;
use crate::sources::Sources;

pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    report.case("cargo test", || cargo_test(context));
    report.case("format outside the workspace", format);
    report.case("documentation", documentation);
    report.case("links of the texts", links::check);
    report.case("cargo run of the texts", run_lines::check);
    report.case("first guest of the texts", || first_guest::run(context));
    report.case("licences of linked crates", licences::run);
    report.case("licence lines", spdx::check);
    report.case("twins", twins::check);
    scripts::run(context, report);
    report.case("clippy of the module", || {
        scripts::with_tools(&context.products, |products, lint| {
            kernel_module::clippy(products, lint)?;
            Ok(Verdict::Passed)
        })
    });
    report.case("clippy of the backend in a QEMU tree", backend_in_qemu);
    report.case("clippy of the fuzz targets", fuzz_targets);
    // It compiles the simulator and its compiler once more.
    if context.runs(Tier::Full) {
        report.case("Python bindings", || python_bindings(context));
    }
    report.case("crates to publish", || crates(context));
    report.case("oldest Rust", oldest_rust::check);
    Ok(())
}

/// rustdoc over the workspace, in which no link leads nowhere.
fn documentation() -> Result<Verdict> {
    let status = Command::new(cargo())
        .current_dir(workspace()?)
        .args(["doc", "--workspace", "--no-deps", "--locked", "--quiet"])
        .arg("--document-private-items")
        // Private items are documented too, so that links to them lead somewhere.
        .env(
            "RUSTDOCFLAGS",
            "-D warnings -A rustdoc::private_intra_doc_links",
        )
        .stdin(Stdio::null())
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("cargo doc ended with {status}");
    }
    Ok(Verdict::Passed)
}

/// Workspaces of fuzz targets.
const FUZZ: [&str; 2] = ["kvm-core/fuzz", "lvz-sim/fuzz"];

/// The workspace of lvz-sim's Python module.
const PYTHON: &str = "lvz-sim/python";

/// Directories with Rust files that are no members of the workspace, by the edition that
/// they are written in. Kbuild compiles the module as edition 2021.
const OUTSIDE: [(&str, &str); 4] = [
    ("2021", "kernel-module"),
    ("2021", FUZZ[0]),
    ("2024", FUZZ[1]),
    ("2024", PYTHON),
];

/// Where those of them with a workspace of their own are built, from the workspace's directory.
const OUTSIDE_TARGET: &str = "target/fuzz";

/// rustfmt over the files that `cargo fmt` does not see.
fn format() -> Result<Verdict> {
    let workspace = workspace()?;
    for (edition, directory) in OUTSIDE {
        let sources = Sources::read(&workspace, &[directory])?;
        let files: Vec<_> = sources
            .files()
            .map(|(name, _)| name)
            .filter(|name| name.extension().is_some_and(|extension| extension == "rs"))
            .collect();
        if files.is_empty() {
            bail!("no Rust file in {directory}");
        }
        let status = Command::new("rustfmt")
            .current_dir(&workspace)
            .args(["--check", "--edition", edition])
            .args(&files)
            .stdin(Stdio::null())
            .status()
            .context(
                "cannot run rustfmt: it comes with the Rust toolchain (rustup component add \
                 rustfmt)",
            )?;
        if !status.success() {
            bail!("run rustfmt --edition {edition} on the files above");
        }
    }
    Ok(Verdict::Passed)
}

/// clippy over the backend without what only an unmodified QEMU needs, as
/// accel-kvm-la/build/cargo-build.py compiles it.
fn backend_in_qemu() -> Result<Verdict> {
    let status = Command::new(cargo())
        .current_dir(workspace()?)
        .args(["clippy", "--package=accel-kvm-la", "--no-default-features"])
        .args(["--locked", "--quiet", "--", "-D", "warnings"])
        .stdin(Stdio::null())
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("cargo clippy of accel-kvm-la without features ended with {status}");
    }
    Ok(Verdict::Passed)
}

/// clippy over the workspaces of the fuzz targets, which compiles them too.
fn fuzz_targets() -> Result<Verdict> {
    // libfuzzer-sys compiles libFuzzer.
    if Command::new("c++").arg("--version").output().is_err() {
        return Ok(Verdict::Skipped(
            "no C++ compiler here (apt-get install g++)".to_owned(),
        ));
    }
    for directory in FUZZ {
        if let Some(skipped) = clippy_in(directory)? {
            return Ok(skipped);
        }
    }
    Ok(Verdict::Passed)
}

/// cargo in a directory with a workspace of its own.
fn cargo_in(directory: &str, command: &str) -> Result<Command> {
    let workspace = workspace()?;
    let mut cargo = Command::new(cargo());
    cargo
        .current_dir(workspace.join(directory))
        .args([command, "--locked", "--quiet"])
        .env("CARGO_TARGET_DIR", workspace.join(OUTSIDE_TARGET))
        .stdin(Stdio::null());
    Ok(cargo)
}

/// Runs it; an error unless it ends well.
fn run_cargo_in(directory: &str, command: &str, arguments: &[&str]) -> Result<()> {
    let status = cargo_in(directory, command)?.args(arguments).status();
    if !status.context("cannot run cargo")?.success() {
        bail!("cargo {command} in {directory} failed");
    }
    Ok(())
}

/// clippy over such a workspace; a verdict if its crates cannot be had.
fn clippy_in(directory: &str) -> Result<Option<Verdict>> {
    let fetched = cargo_in(directory, "fetch")?.output();
    let fetched = fetched.context("cannot run cargo")?;
    if !fetched.status.success() {
        let said = String::from_utf8_lossy(&fetched.stderr);
        if said.contains("cannot update the lock file") {
            bail!("{directory}/Cargo.lock is out of date: cargo check there brings it up to date");
        }
        let said = said.lines().last().unwrap_or_default();
        let skipped = format!("the crates of {directory} cannot be had: {said}");
        return Ok(Some(Verdict::Skipped(skipped)));
    }
    let strictly = ["--all-targets", "--", "-D", "warnings"];
    run_cargo_in(directory, "clippy", &strictly)?;
    Ok(None)
}

/// The Python module of lvz-sim is built, and Python runs its tests.
fn python_bindings(context: &Context) -> Result<Verdict> {
    if Command::new("python3").arg("--version").output().is_err() {
        return Ok(Verdict::Skipped(
            "no Python here (apt-get install python3)".to_owned(),
        ));
    }
    if let Some(skipped) = clippy_in(PYTHON)? {
        return Ok(skipped);
    }
    run_cargo_in(PYTHON, "build", &[])?;
    let workspace = workspace()?;
    let run = context.products.cache.new_run("python")?;
    let built = workspace.join(OUTSIDE_TARGET).join("debug/liblvz_sim.so");
    fs::copy(&built, run.join("lvz_sim.abi3.so"))
        .with_context(|| format!("cannot copy {}", built.display()))?;
    let status = Command::new("python3")
        // Without .pyc files in the sources.
        .arg("-B")
        .arg(workspace.join(PYTHON).join("test.py"))
        .env("PYTHONPATH", &run)
        .stdin(Stdio::null())
        .status()
        .context("cannot run python3")?;
    if !status.success() {
        bail!("{PYTHON}/test.py ended with {status}");
    }
    fs::remove_dir_all(run)?;
    Ok(Verdict::Passed)
}

/// Crates that others can depend on: cargo makes packages of them, and lvz-sim can be
/// installed from the checkout.
fn crates(context: &Context) -> Result<Verdict> {
    let run = context.products.cache.new_run("crates")?;
    let command = |arguments: &[&str]| -> Result<()> {
        let status = Command::new(cargo())
            .current_dir(workspace()?)
            .args(arguments)
            .args(["--locked", "--quiet"])
            .stdin(Stdio::null())
            .status()
            .context("cannot run cargo")?;
        if !status.success() {
            bail!("cargo {} ended with {status}", arguments.join(" "));
        }
        Ok(())
    };
    let dir = run.display().to_string();
    let package = ["package", "--allow-dirty", "--target-dir", &dir];
    command(&[&package[..], &["-p", "la-arch"]].concat())?;
    // lvz-sim's dependencies are many: compiled as it is packed it takes minutes.
    let verify: &[&str] = match context.runs(Tier::Full) {
        true => &[],
        false => &["--no-verify"],
    };
    let both = ["-p", "la-arch", "-p", "lvz-sim"];
    command(&[&package[..], &both, verify].concat())?;
    // What is built already is taken.
    command(&[
        "install",
        "--path=lvz-sim",
        "--target-dir=target",
        "--root",
        &dir,
    ])?;
    let version = Command::new(run.join("bin/lvz-sim"))
        .arg("--version")
        .output()
        .context("cannot run what was installed")?;
    if !version.status.success() {
        bail!("the installed lvz-sim ended with {}", version.status);
    }
    fs::remove_dir_all(run)?;
    Ok(Verdict::Passed)
}

fn cargo_test(context: &Context) -> Result<Verdict> {
    let mut child = Command::new(cargo())
        .current_dir(workspace()?)
        .args(["test", "--workspace", "--locked", "--no-fail-fast"])
        .envs(context.products.environment())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo")?;
    let output = child.stdout.take().ok_or_else(|| anyhow!("no output"))?;
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for line in BufReader::new(output).lines() {
        let line = line?;
        if let Some(counts) = parse_result(&line) {
            passed += counts.0;
            failed += counts.1;
            skipped += counts.2;
        }
        // Passed tests are many and say nothing.
        let is_passed_test = line.starts_with("test ") && line.ends_with(" ok");
        if !line.is_empty() && !is_passed_test {
            detail(format_args!("{line}"));
        }
    }
    let status = child.wait()?;
    if status.success() != (failed == 0) {
        bail!("cargo test counted {failed} failures and ended with {status}");
    }
    Ok(Verdict::Counted {
        passed,
        failed,
        skipped,
    })
}

/// The counts of libtest's `test result: ok. N passed; N failed; N ignored; ...`.
pub(super) fn parse_result(line: &str) -> Option<(u64, u64, u64)> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |word: &str| {
        counts
            .split("; ")
            .find_map(|part| part.strip_suffix(word)?.trim().parse().ok())
    };
    Some((count("passed")?, count("failed")?, count("ignored")?))
}

#[cfg(test)]
mod tests {
    use super::parse_result;

    #[test]
    fn libtest_results() {
        let line = "test result: FAILED. 2 passed; 1 failed; 4 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(parse_result(line), Some((2, 1, 4)));
        assert_eq!(parse_result("test result"), None);
    }
}
