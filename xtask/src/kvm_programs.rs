// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The programs of tests/kvm, which test KVM through /dev/kvm on a KVM host:
//! statically linked for LoongArch by the toolchain root's rustc.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cache::Key;
use crate::progress::Step;
use crate::setup::{Products, workspace};
use crate::sources::Sources;

/// The directories of the checkout that the programs are made of.
const SOURCES: &[&str] = &["la-arch", "tests/kvm"];

/// The directory of the programs, one a file or a folder with a main.rs.
const PROGRAMS: &str = "tests/kvm/src/bin";

/// Where the sources are bound inside the root.
const INSIDE: &str = "/kvm-la/programs";

/// The directory that holds all programs by their names; built if their
/// sources, or the toolchain, are not those of an earlier build.
pub(crate) fn build(products: &Products) -> Result<PathBuf> {
    let sources = Sources::read(&workspace()?, SOURCES)?;
    let toolchain = products.tools.dir().file_name().unwrap_or_default();
    let key = sources.add_to(Key::new(1).with("toolchain", toolchain.as_encoded_bytes()));
    let cache = &products.cache;
    let dir = cache.product("kvm-programs", &key, |dir| compile(products, &sources, dir))?;
    Ok(dir)
}

fn compile(products: &Products, sources: &Sources, dir: &Path) -> Result<()> {
    let tree = dir.join("tree");
    sources.write(&tree)?;
    let log = products.cache.logs()?.join("kvm-programs.log");
    // One build's lines, not those of all builds before it.
    std::fs::write(&log, b"").with_context(|| format!("cannot write {}", log.display()))?;
    let tools = products.tools.clone().with_bind(dir, Path::new(INSIDE));
    let rustc = |source: &Path, arguments: &[&str]| -> Command {
        let mut rustc = tools.command_in(Path::new(INSIDE), "rustc");
        rustc.args(["--target", "loongarch64-unknown-linux-gnu", "-O"]);
        rustc.args(["-L", "."]).args(arguments);
        rustc.arg(Path::new("tree").join(source));
        rustc
    };
    let mut step = Step::start("kvm-programs: building");
    let prefix = format!("{INSIDE}/tree/");
    let mut library = |source: &str, arguments: &[&str]| -> Result<()> {
        let mut command = rustc(Path::new(source), arguments);
        command.args(["--crate-type", "rlib"]);
        step.compile(command, &log, &prefix)
    };
    library(
        "la-arch/src/lib.rs",
        &["--edition", "2021", "--crate-name", "la_arch"],
    )?;
    library(
        "tests/kvm/src/kvm.rs",
        &["--edition", "2024", "--extern", "la_arch"],
    )?;
    for source in sources.names() {
        let Some(program) = program(source) else {
            continue;
        };
        let mut command = rustc(source, &["--extern", "kvm", "--extern", "la_arch"]);
        command.args(["--edition", "2024"]);
        // About functions of the C library that no program of ours calls.
        command.args(["-A", "linker_messages"]);
        command.args(["-C", "linker=loongarch64-linux-gnu-gcc"]);
        command.args(["-C", "target-feature=+crt-static", "-C", "strip=symbols"]);
        command.arg("-o").arg(program);
        step.compile(command, &log, &prefix)?;
    }
    step.done();
    Ok(())
}

/// The name of the program whose source this is, if it is one.
fn program(source: &Path) -> Option<&OsStr> {
    let inside = source.strip_prefix(PROGRAMS).ok()?;
    let mut parts = inside.iter();
    match (parts.next()?, parts.next(), parts.next()) {
        (_, None, _) => inside.file_stem(),
        (folder, Some(file), None) if file == "main.rs" => Some(folder),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_files_or_folders() {
        let name = |source: &str| program(&Path::new(PROGRAMS).join(source)).map(OsStr::to_owned);
        assert_eq!(name("churn.rs"), Some("churn".into()));
        assert_eq!(name("fuzz/main.rs"), Some("fuzz".into()));
        assert_eq!(name("fuzz/calls.rs"), None);
        assert_eq!(program(Path::new("tests/kvm/src/vm.rs")), None);
    }
}
