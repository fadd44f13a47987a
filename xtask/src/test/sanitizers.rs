// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `sanitizers`: the backend's tests, in which a QEMU and a KVM are inside
//! the process, under AddressSanitizer and under ThreadSanitizer.
//!
//! Rust's standard library has to be built with the sanitizer too: without that
//! ThreadSanitizer does not see what its locks order. The toolchain root has its
//! source (package rust-src) and, with gcc, the sanitizers' run-time libraries;
//! its compiler is a release, which takes nightly options by `RUSTC_BOOTSTRAP`.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};

use super::host::parse_result;
use super::report::{Report, Verdict};
use super::{Context, Tier};
use crate::cargo;
use crate::setup::workspace;

/// The package whose tests run.
const PACKAGE: &str = "accel-kvm-la";

/// Where the root has the source of Rust's standard library.
const LIBRARY: &str = "usr/lib/rustlib/src/rust/library/Cargo.toml";

/// Where cargo builds, one folder a sanitizer.
const TARGET: &str = "target/sanitizers";

/// The program that does what a sanitizer has to report.
const CANARY: &str = "sanitizer-canary";

/// What makes a release of Rust take options of a nightly.
const BOOTSTRAP: &str = "RUSTC_BOOTSTRAP";

struct Sanitizer {
    /// As Rust's option names it.
    name: &'static str,
    library: &'static str,
    /// The variable with its options, and those.
    options: (&'static str, &'static str),
    /// What its report of the canary has in it.
    report: &'static str,
    tier: Tier,
}

/// Suppressions: none.
const SANITIZERS: [Sanitizer; 2] = [
    Sanitizer {
        name: "thread",
        library: "tsan",
        options: ("TSAN_OPTIONS", "halt_on_error=1 second_deadlock_stack=1"),
        report: "ThreadSanitizer: data race",
        tier: Tier::Ci,
    },
    Sanitizer {
        name: "address",
        library: "asan",
        options: ("ASAN_OPTIONS", "detect_stack_use_after_return=1"),
        report: "AddressSanitizer: heap-use-after-free",
        tier: Tier::Full,
    },
];

pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    for sanitizer in &SANITIZERS {
        if context.runs(sanitizer.tier) {
            report.case(sanitizer.name, || test(context, sanitizer));
        }
    }
    Ok(())
}

fn test(context: &Context, sanitizer: &Sanitizer) -> Result<Verdict> {
    let workspace = workspace()?;
    let library = context.products.tools.dir().join(LIBRARY);
    if !library.is_file() {
        return Ok(Verdict::Skipped(format!(
            "the toolchain root has no source of Rust's standard library ({LIBRARY})"
        )));
    }
    succeed(cargo::fetch(&workspace))?;
    succeed(fetch_library(context, &library))?;
    let host = host(context)?;
    let mut cargo = command(context, sanitizer, &host, "test")?;
    cargo.args(["--lib", "--test", "backend"]);
    let verdict = count(&output(cargo)?)?;
    let mut cargo = command(context, sanitizer, &host, "run")?;
    cargo.args(["--example", CANARY, "--", sanitizer.name]);
    sings(sanitizer, &output(cargo)?)?;
    Ok(verdict)
}

/// A subcommand of cargo for the backend, built with the sanitizer for `host`.
fn command(
    context: &Context,
    sanitizer: &Sanitizer,
    host: &str,
    subcommand: &str,
) -> Result<Command> {
    let mut cargo = cargo::cargo_of_root(&context.products.tools, &workspace()?)?;
    cargo
        .args([subcommand, "--offline", "--locked", "--package", PACKAGE])
        .args(["--target", host, "-Zbuild-std"])
        // What is compiled once for one run of the tests.
        .args(["--config", "profile.dev.package.\"*\".opt-level=0"])
        .env(BOOTSTRAP, "1")
        .env("CARGO_TARGET_DIR", Path::new(TARGET).join(sanitizer.name))
        .env(
            "RUSTFLAGS",
            format!(
                "-Zsanitizer={} -Zexternal-clangrt -Zpre-link-arg=-Wl,--no-as-needed \
                 -Zpre-link-arg=-l{}",
                sanitizer.name, sanitizer.library
            ),
        )
        .env(sanitizer.options.0, sanitizer.options.1);
    Ok(cargo)
}

/// What the tests' summaries say; what went wrong is printed.
fn count(output: &Output) -> Result<Verdict> {
    let text = String::from_utf8_lossy(&output.stdout);
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for counts in text.lines().filter_map(parse_result) {
        passed += counts.0;
        failed += counts.1;
        skipped += counts.2;
    }
    if !output.status.success() || failed > 0 {
        // The reports, and before them what had to be built.
        println!("{text}");
        let errors = String::from_utf8_lossy(&output.stderr);
        let start = errors.find("Running ").unwrap_or(0);
        println!("{}", errors.get(start..).unwrap_or_default());
    }
    if !output.status.success() && failed == 0 {
        bail!("the tests ended with {}", output.status);
    }
    if passed == 0 {
        bail!("no test ran");
    }
    Ok(Verdict::Counted {
        passed,
        failed,
        skipped,
    })
}

/// Whether the sanitizer has reported what the canary does.
fn sings(sanitizer: &Sanitizer, output: &Output) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() || !said.contains(sanitizer.report) {
        bail!(
            "the sanitizer did not report what it has to ({}): {said}",
            sanitizer.report
        );
    }
    Ok(())
}

/// Has the workstation's cargo fetch what the standard library is built from.
fn fetch_library(context: &Context, manifest: &Path) -> Command {
    let mut fetch = Command::new(cargo::cargo());
    fetch
        // Not where the library's own configuration would count.
        .current_dir(context.products.cache.dir())
        .args(["fetch", "--locked", "--manifest-path"])
        .arg(manifest)
        .env(BOOTSTRAP, "1");
    fetch
}

/// The root's own target.
fn host(context: &Context) -> Result<String> {
    let mut rustc = context.products.tools.command_in(Path::new("/"), "rustc");
    rustc.arg("-vV");
    let output = output(rustc)?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .ok_or_else(|| anyhow!("the toolchain root's rustc does not name its host"))
}

/// Runs a command that has to succeed.
fn succeed(command: Command) -> Result<()> {
    let program = command.get_program().to_owned();
    let output = output(command)?;
    if !output.status.success() {
        bail!(
            "{} ended with {}: {}",
            program.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(())
}

fn output(mut command: Command) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    #[test]
    fn a_sanitizer_that_reports_nothing_is_a_failure() {
        let output = |status, text: &str| Output {
            status: ExitStatus::from_raw(status),
            stdout: Vec::new(),
            stderr: text.as_bytes().to_vec(),
        };
        let [thread, _] = &SANITIZERS;
        assert!(
            sings(
                thread,
                &output(66 << 8, "WARNING: ThreadSanitizer: data race")
            )
            .is_ok()
        );
        assert!(sings(thread, &output(0, "WARNING: ThreadSanitizer: data race")).is_err());
        assert!(sings(thread, &output(1 << 8, "error: no such example")).is_err());
    }
}
