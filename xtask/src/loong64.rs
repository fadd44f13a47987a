//! Packages of the workspace that run on LoongArch, built with the toolchain
//! root's cargo.
//!
//! The root has no network: the workstation's cargo fetches the crates that
//! Cargo.lock names, and its home is bound into the root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow};

use crate::cache::Key;
use crate::progress::Step;
use crate::setup::{Products, workspace};
use crate::sources::Sources;

/// What a package is made of and what it makes.
pub(crate) struct Package {
    /// What progress messages call it.
    pub(crate) title: &'static str,
    /// Its name in Cargo.toml.
    pub(crate) name: &'static str,
    /// The product's name in the cache, and that of its log.
    pub(crate) product: &'static str,
    /// The places of the checkout that it is made of. Cargo wants the manifests of
    /// all members of a workspace, of which the lock file is the digest that matters.
    pub(crate) sources: &'static [&'static str],
    /// The workspace's profile.
    pub(crate) profile: &'static str,
    /// What cargo is asked to build of it.
    pub(crate) targets: &'static [&'static str],
    /// The files that it makes.
    pub(crate) files: &'static [&'static str],
}

/// Where the checkout is bound inside the root. A fixed place: the compilers
/// write it into what they make.
const INSIDE: &str = "/kvm-la/workspace";

/// Where cargo's home is bound inside the root.
const CARGO_HOME: &str = "/kvm-la/cargo";

/// Where cargo builds: kept from build to build, unlike the products.
const TARGET: &str = "target/loong64";

/// The one target.
const TRIPLE: &str = "loongarch64-unknown-linux-gnu";

/// The directory with the package's files; built if its sources, or the toolchain,
/// are not those of an earlier build.
pub(crate) fn make(products: &Products, package: &Package) -> Result<PathBuf> {
    let workspace = workspace()?;
    let key = Key::new(1).with(
        "toolchain",
        products
            .tools
            .dir()
            .file_name()
            .unwrap_or_default()
            .as_encoded_bytes(),
    );
    let key = Sources::read(&workspace, package.sources)?.add_to(key);
    let cache = &products.cache;
    let lock = cache.lock()?;
    let dir = match cache.get(package.product, &key) {
        Some(dir) => dir,
        None => cache.make(package.product, &key, |dir| {
            build(products, package, &workspace, dir)
        })?,
    };
    drop(lock);
    Ok(dir)
}

fn build(products: &Products, package: &Package, workspace: &Path, dir: &Path) -> Result<()> {
    let log = products.cache.logs()?.join(package.product);
    let log = log.with_extension("log");
    // One build's lines, not those of all builds before it.
    fs::write(&log, b"").with_context(|| format!("cannot write {}", log.display()))?;
    let mut step = Step::start(format!("{}: building for loong64", package.title));
    step.run(fetch(workspace), &log)?;
    let mut build = cargo_of_root(products, workspace)?;
    build.args([
        "build",
        "--offline",
        "--locked",
        "--profile",
        package.profile,
    ]);
    build.args(["--target", TRIPLE, "--target-dir", TARGET]);
    build
        .args(["--package", package.name])
        .args(package.targets);
    build.env(
        "CARGO_TARGET_LOONGARCH64_UNKNOWN_LINUX_GNU_LINKER",
        "loongarch64-linux-gnu-gcc",
    );
    step.run(build, &log)?;
    let made = workspace.join(TARGET).join(TRIPLE).join(package.profile);
    for name in package.files {
        fs::copy(made.join(name), dir.join(name))
            .with_context(|| format!("the build of {} made no {name}", package.name))?;
    }
    step.done();
    Ok(())
}

/// Has the workstation's cargo fetch the crates that Cargo.lock names.
pub(crate) fn fetch(workspace: &Path) -> Command {
    let mut fetch = Command::new(cargo());
    fetch.current_dir(workspace).args(["fetch", "--locked"]);
    fetch
}
/// The toolchain root's cargo in the workspace, with the home of the
/// workstation's.
pub(crate) fn cargo_of_root(products: &Products, workspace: &Path) -> Result<Command> {
    let tools = products
        .tools
        .clone()
        .with_bind(workspace, Path::new(INSIDE))
        .with_bind(&cargo_home(workspace)?, Path::new(CARGO_HOME));
    let mut command = tools.command_in(Path::new(INSIDE), "cargo");
    command.env("CARGO_HOME", CARGO_HOME);
    Ok(command)
}

/// The workstation's cargo.
pub(crate) fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The home of the workstation's cargo, where it keeps what it fetched.
fn cargo_home(workspace: &Path) -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("CARGO_HOME").filter(|dir| !dir.is_empty()) {
        return Ok(workspace.join(dir));
    }
    std::env::home_dir()
        .map(|home| home.join(".cargo"))
        .filter(|dir| dir.is_dir())
        .ok_or_else(|| anyhow!("cargo's home is not found, name it in CARGO_HOME"))
}
