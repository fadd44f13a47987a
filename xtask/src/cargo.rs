// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Packages of the workspace, built with the cargo of the toolchain root or of the
//! packaging root.
//!
//! A root has no network: the workstation's cargo fetches the crates that
//! Cargo.lock names, and its home is bound into the root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::cache::{Cache, Key};
use crate::machine;
use crate::progress::Step;
use crate::setup::{Products, workspace};
use crate::sources::Sources;
use crate::toolroot::ToolRoot;

/// What a package is made of and what it makes.
pub(crate) struct Package {
    /// What progress messages call it.
    pub(crate) title: &'static str,
    /// Its name in Cargo.toml.
    pub(crate) name: &'static str,
    /// The product's name in the cache, and that of its log.
    pub(crate) product: &'static str,
    /// The directories of the checkout that it is made of.
    pub(crate) sources: &'static [&'static str],
    /// The workspace's profile.
    pub(crate) profile: &'static str,
    /// What cargo is asked to build of it.
    pub(crate) targets: &'static [&'static str],
    /// The files that it makes.
    pub(crate) files: &'static [&'static str],
}

/// What of the checkout every package is made of besides. Cargo wants the manifests of all
/// members of a workspace, of which the lock file is the digest that matters.
const OF_ALL: &[&str] = &[".cargo", "Cargo.toml", "Cargo.lock"];

/// Where the checkout is bound inside the root. A fixed place: the compilers
/// write it into what they make.
const INSIDE: &str = "/kvm-la/workspace";

/// Where cargo's home is bound inside the root.
const CARGO_HOME: &str = "/kvm-la/cargo";

/// What a package is built for.
pub(crate) struct Target {
    /// Debian's name of the architecture.
    pub(crate) architecture: &'static str,
    /// Rust's name of it.
    pub(crate) triple: &'static str,
    /// The C compiler that links.
    linker: &'static str,
}

impl Target {
    /// The variable by which cargo takes a setting for this target.
    pub(crate) fn variable(&self, setting: &str) -> String {
        let triple = self.triple.to_uppercase().replace('-', "_");
        format!("CARGO_TARGET_{triple}_{setting}")
    }
}

pub(crate) const AMD64: Target = Target {
    architecture: "amd64",
    triple: "x86_64-unknown-linux-gnu",
    linker: "x86_64-linux-gnu-gcc",
};

pub(crate) const ARM64: Target = Target {
    architecture: "arm64",
    triple: "aarch64-unknown-linux-gnu",
    linker: "aarch64-linux-gnu-gcc",
};

pub(crate) const LOONG64: Target = Target {
    architecture: "loong64",
    triple: "loongarch64-unknown-linux-gnu",
    linker: "loongarch64-linux-gnu-gcc",
};

/// The directory with the package's files for LoongArch; built if its sources, or
/// the toolchain, are not those of an earlier build.
pub(crate) fn make(products: &Products, package: &Package) -> Result<PathBuf> {
    make_for(&products.cache, package, &products.tools, &LOONG64)
}

/// The directory with the package's files for a target, built by the tools of a
/// root.
pub(crate) fn make_for(
    cache: &Cache,
    package: &Package,
    tools: &ToolRoot,
    target: &Target,
) -> Result<PathBuf> {
    let workspace = workspace()?;
    let key = Key::new(1)
        .with("toolchain", tools.name())
        .with("target", target.triple);
    let places = [package.sources, OF_ALL].concat();
    let sources = Sources::read(&workspace, &places)?;
    let key = sources.add_to(key);
    let product = format!("{}-{}", package.product, target.architecture);
    let dir = cache.product(&product, &key, |dir| {
        let log = cache.logs()?.join(&product);
        build(
            (tools, target),
            package,
            &workspace,
            dir,
            &log.with_extension("log"),
        )?;
        // Cargo builds what is in the checkout now, and the key is of what was there before.
        ensure!(
            Sources::read(&workspace, &places)? == sources,
            "{}: its sources changed while it was built; run the command again",
            package.title
        );
        Ok(())
    })?;
    Ok(dir)
}

fn build(
    (tools, target): (&ToolRoot, &Target),
    package: &Package,
    workspace: &Path,
    dir: &Path,
    log: &Path,
) -> Result<()> {
    // One build's lines, not those of all builds before it.
    fs::write(log, b"").with_context(|| format!("cannot write {}", log.display()))?;
    let architecture = target.architecture;
    let mut step = Step::start(format!("{}: building for {architecture}", package.title));
    step.run(fetch(workspace), log)?;
    let mut build = cargo_for(tools, workspace, target, ["build", package.profile])?;
    build
        .args(["--package", package.name])
        .args(package.targets);
    step.run(build, log)?;
    let made = workspace
        .join("target")
        .join(architecture)
        .join(target.triple)
        .join(package.profile);
    for name in package.files {
        fs::copy(made.join(name), dir.join(name))
            .with_context(|| format!("the build of {} made no {name}", package.name))?;
    }
    step.done();
    Ok(())
}

/// A command of a root's cargo for a target and with a profile.
pub(crate) fn cargo_for(
    tools: &ToolRoot,
    workspace: &Path,
    target: &Target,
    [command, profile]: [&str; 2],
) -> Result<Command> {
    let mut cargo = cargo_of_root(tools, workspace)?;
    cargo.args([command, "--offline", "--locked", "--profile", profile]);
    // Kept from build to build, unlike the products. Roots have rustc of their own,
    // of which cargo takes no other's libraries.
    cargo
        .args(["--target", target.triple, "--target-dir"])
        .arg(Path::new("target").join(target.architecture));
    cargo.env(target.variable("LINKER"), target.linker);
    // This has cargo take no flags from settings. Those for LoongArch are the workspace's
    // own, beside which it takes none that are for all targets.
    if target.triple != LOONG64.triple {
        cargo.env("CARGO_ENCODED_RUSTFLAGS", "");
    }
    Ok(cargo)
}

/// Has the workstation's cargo fetch the crates that Cargo.lock names.
pub(crate) fn fetch(workspace: &Path) -> Command {
    let mut fetch = Command::new(cargo());
    fetch.current_dir(workspace).args(["fetch", "--locked"]);
    fetch
}

/// A root's cargo in the workspace, with the home of the workstation's.
pub(crate) fn cargo_of_root(tools: &ToolRoot, workspace: &Path) -> Result<Command> {
    let tools = tools
        .clone()
        .with_bind(workspace, Path::new(INSIDE))
        .with_bind(&cargo_home(workspace)?, Path::new(CARGO_HOME));
    let mut command = tools.command_in(Path::new(INSIDE), "cargo");
    command.env("CARGO_HOME", CARGO_HOME).envs(compilers());
    Ok(command)
}

/// The variables by which cargo runs a root's own compilers, although its home has the user's
/// settings, which may name others. They say where crates come from too, so they stay.
pub(crate) fn compilers() -> [(String, &'static str); 5] {
    [
        ("RUSTC".to_owned(), "rustc"),
        ("RUSTDOC".to_owned(), "rustdoc"),
        ("RUSTC_WRAPPER".to_owned(), ""),
        ("RUSTC_WORKSPACE_WRAPPER".to_owned(), ""),
        // Of build scripts and macros.
        (AMD64.variable("LINKER"), AMD64.linker),
    ]
}

/// The workstation's cargo.
pub(crate) fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// A command that runs the program of a package of the workspace, with the products of
/// `setup` in its environment.
pub(crate) fn program(products: &Products, package: &str) -> Result<Command> {
    let mut command = Command::new(cargo());
    command
        .current_dir(workspace()?)
        .args(["run", "--quiet", "--release", "--locked", "--package"])
        .args([package, "--"])
        .envs(products.environment())
        .stdin(Stdio::null());
    // A path of the environment's may be relative to where this runs.
    if let Some(simulator) = machine::named()? {
        command.env("LVZ_SIM", simulator);
    }
    Ok(command)
}

/// The home of the workstation's cargo, where it keeps what it fetched.
pub(crate) fn cargo_home(workspace: &Path) -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("CARGO_HOME").filter(|dir| !dir.is_empty()) {
        return Ok(workspace.join(dir));
    }
    std::env::home_dir()
        .map(|home| home.join(".cargo"))
        .filter(|dir| dir.is_dir())
        .ok_or_else(|| anyhow!("cargo's home is not found, name it in CARGO_HOME"))
}
