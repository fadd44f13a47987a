// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `coverage`: how much of kvm-core its tests execute.
//!
//! Profiles can be read only by the tools of the LLVM that wrote them. The
//! workstation's may not match its Rust, those of the toolchain root match the
//! root's: kvm-core is built and tested there, with the crates that cargo has
//! on the workstation.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;

use super::Context;
use super::report::{Report, Verdict, detail};
use crate::cargo;
use crate::setup::workspace;

/// The package that is measured.
const PACKAGE: &str = "kvm-core";
/// Least share of its lines, in percent.
const LEAST: f64 = 90.0;

/// Lines of a file: its name, how many can be executed, how many were.
struct Lines {
    file: String,
    all: usize,
    executed: usize,
}

impl Lines {
    fn percent(&self) -> f64 {
        match self.all {
            0 => 100.0,
            all => self.executed as f64 * 100.0 / all as f64,
        }
    }
}

pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    report.case(PACKAGE, || measure(context));
    Ok(())
}

fn measure(context: &Context) -> Result<Verdict> {
    let workspace = workspace()?;
    // Another run would empty the directory of this one.
    let cache = context.products.cache.apart("coverage")?;
    let _lock = cache.lock()?;
    let dir = cache.dir();
    let profiles = dir.join("profiles");
    if profiles.exists() {
        fs::remove_dir_all(&profiles)
            .with_context(|| format!("cannot empty {}", profiles.display()))?;
    }
    fs::create_dir_all(&profiles).with_context(|| format!("cannot make {}", profiles.display()))?;
    output(cargo::fetch(&workspace))?;
    let cargo_home = cargo::cargo_home(&workspace)?;
    let tools = context
        .products
        .tools
        .clone()
        .with_bind(&cargo_home, &cargo_home);
    let in_root = |program: &Path| {
        let mut command = tools.command_in(&workspace, program);
        command
            .env("CARGO_HOME", &cargo_home)
            .envs(cargo::compilers())
            .env("CARGO_TARGET_DIR", dir.join("target"))
            .env("RUSTFLAGS", "-Cinstrument-coverage")
            .env("LLVM_PROFILE_FILE", profiles.join("%p-%m.profraw"))
            .stdin(Stdio::null());
        command
    };
    let mut build = in_root(Path::new("cargo"));
    build.args(["test", "--no-run", "--offline", "--locked", "--package"]);
    build.args([PACKAGE, "--message-format=json-render-diagnostics"]);
    let programs = test_programs(&output(build)?);
    if programs.is_empty() {
        bail!("{PACKAGE} has no tests");
    }
    for program in &programs {
        let mut test = in_root(program);
        test.arg("--quiet");
        output(test)?;
    }
    let merged = dir.join("all.profdata");
    let mut merge = in_root(Path::new("llvm-profdata"));
    merge
        .args(["merge", "--sparse", "-o"])
        .arg(&merged)
        .arg(&profiles);
    output(merge)?;
    let mut export = in_root(Path::new("llvm-cov"));
    export.args(["export", "--format=lcov", "--instr-profile"]);
    export.arg(&merged);
    for (i, program) in programs.iter().enumerate() {
        if i > 0 {
            export.arg("--object");
        }
        export.arg(program);
    }
    let sources = workspace.join(PACKAGE).join("src");
    export.arg("--sources").arg(&sources);
    judge(&files(&output(export)?, &sources)?)
}

/// Prints the table; an error if too little was executed.
fn judge(files: &[Lines]) -> Result<Verdict> {
    for lines in files {
        print_row(lines);
    }
    let total = Lines {
        file: "all".to_owned(),
        all: files.iter().map(|lines| lines.all).sum(),
        executed: files.iter().map(|lines| lines.executed).sum(),
    };
    print_row(&total);
    if total.all == 0 {
        bail!("the profile has no line of {PACKAGE}");
    }
    if total.percent() < LEAST {
        bail!(
            "{:.1}% of the lines of {PACKAGE} are executed by its tests, {LEAST}% have to be",
            total.percent()
        );
    }
    Ok(Verdict::Passed)
}

fn print_row(lines: &Lines) {
    detail(format_args!(
        "{:<28} {:>5} of {:>5} lines {:>6.1}%",
        lines.file,
        lines.executed,
        lines.all,
        lines.percent()
    ));
}

/// What a command prints; an error if it fails.
fn output(mut command: Command) -> Result<String> {
    let result = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let text = String::from_utf8_lossy(&result.stdout).into_owned();
    if !result.status.success() {
        println!("{text}");
        bail!(
            "a command of the toolchain root ended with {}",
            result.status
        );
    }
    Ok(text)
}

/// The test programs among cargo's messages.
fn test_programs(messages: &str) -> Vec<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["profile"]["test"] == true)
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .collect()
}

/// The lines of the files in `sources` that are not tests, from an lcov trace.
fn files(trace: &str, sources: &Path) -> Result<Vec<Lines>> {
    let mut files = Vec::new();
    for record in trace.split("end_of_record") {
        let Some(path) = record
            .lines()
            .find_map(|line| line.strip_prefix("SF:"))
            .map(Path::new)
        else {
            continue;
        };
        let Ok(file) = path.strip_prefix(sources) else {
            continue;
        };
        let name = file.display().to_string();
        if is_test(&name) {
            continue;
        }
        let source =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let (all, executed) = count(record, end_of_code(&source))
            .ok_or_else(|| anyhow!("llvm-cov printed a line that is not lcov's for {name}"))?;
        files.push(Lines {
            file: name,
            all,
            executed,
        });
    }
    files.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(files)
}

/// Whether a file of kvm-core is part of its tests.
fn is_test(name: &str) -> bool {
    let of_tests = |part: &str| matches!(part, "tests" | "testing" | "model");
    name.trim_end_matches(".rs").split('/').any(of_tests)
}

/// The number of the line at which a file's own test module begins.
fn end_of_code(source: &str) -> usize {
    let mut lines = source.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let next = lines.peek().map_or("", |(_, next)| next);
        if line == "#[cfg(test)]" && next.starts_with("mod ") && next.ends_with('{') {
            return number + 1;
        }
    }
    usize::MAX
}

/// Lines below `end` and those of them that were executed; `None` if a count
/// cannot be read.
fn count(record: &str, end: usize) -> Option<(usize, usize)> {
    let (mut all, mut executed) = (0, 0);
    for line in record.lines() {
        let Some((number, times)) = line
            .strip_prefix("DA:")
            .map(|data| data.split_once(',').unwrap_or((data, "")))
        else {
            continue;
        };
        let (number, times): (usize, u64) = (number.parse().ok()?, times.parse().ok()?);
        if number < end {
            all += 1;
            executed += usize::from(times > 0);
        }
    }
    Some((all, executed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_code_does_not_count() {
        assert!(is_test("csr/tests.rs") && is_test("mmu/model/world.rs"));
        assert!(!is_test("csr/table.rs") && !is_test("timer.rs"));
        let source = "fn f() {}\n\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(end_of_code(source), 3);
        assert_eq!(end_of_code("#[cfg(test)]\nmod tests;\n"), usize::MAX);
        let record = "SF:x\nDA:1,5\nDA:2,0\nDA:3,1\nLF:3\n";
        assert_eq!(count(record, 3), Some((2, 1)));
        assert_eq!(count(record, usize::MAX), Some((3, 2)));
        assert_eq!(count("DA:1\n", 3), None);
    }

    #[test]
    fn too_little_is_an_error() {
        let file = |executed| {
            vec![Lines {
                file: "x.rs".to_owned(),
                all: 10,
                executed,
            }]
        };
        assert!(judge(&file(9)).is_ok());
        assert!(judge(&file(8)).is_err());
        assert!(judge(&[]).is_err());
    }
}
