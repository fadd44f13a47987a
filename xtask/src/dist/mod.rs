// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `dist`: Debian packages of what this project makes.

mod backend;
mod copyright;
pub(crate) mod identity;
mod kernel;
mod lvz_sim;
mod module_source;
mod package;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::cache::Cache;
use crate::cargo::{AMD64, ARM64};
use crate::output;
use crate::setup::{self, workspace};
use crate::toolroot::ToolRoot;
pub(crate) use identity::Identity;
use kernel::Modules;
use package::Contents;

/// Where packages are put, in the checkout.
const OUTPUT: &str = "target/dist";

#[derive(Args)]
pub(crate) struct Options {
    /// Packages to make, as `--list` names them; all but the kernel if none is named
    #[arg(value_name = "PACKAGE")]
    packages: Vec<String>,
    /// List the packages and stop
    #[arg(long)]
    list: bool,
}

/// A package of this project.
struct Package {
    /// Name and architecture, as options have them.
    name: &'static str,
    is: &'static str,
    contents: fn(&Dist) -> Result<Contents>,
}

const PACKAGES: &[Package] = &[
    Package {
        name: "lvz-sim:amd64",
        is: "the simulator, its man pages, documents and completions",
        contents: |dist| lvz_sim::contents(dist, &AMD64),
    },
    Package {
        name: "lvz-sim:arm64",
        is: "the simulator, its man pages, documents and completions",
        contents: |dist| lvz_sim::contents(dist, &ARM64),
    },
    Package {
        name: "qemu-kvm-la",
        is: "QEMU's accelerator backend and its launcher, for loong64",
        contents: |_| backend::contents(),
    },
    Package {
        name: "kvm-la-dkms",
        is: "the module's source, for kernels with CONFIG_KVM=m",
        contents: |_| module_source::contents(),
    },
    Package {
        name: "linux-image",
        is: "the distribution's kernel with our kvm.ko, for loong64 (takes hours; only by name)",
        contents: |dist| kernel::contents(dist, Modules::Full),
    },
    Package {
        name: "linux-image:minimal",
        is: "the same with the modules of configs/kernel-package.modules (only by name)",
        contents: |dist| kernel::contents(dist, Modules::Minimal),
    },
];

/// What packages are made with.
pub(crate) struct Dist {
    /// A cache with a lock of its own: other commands do not wait for packages.
    pub(crate) cache: Cache,
    /// The root with Debian's tools.
    pub(crate) root: ToolRoot,
}

impl Dist {
    pub(crate) fn new() -> Result<Self> {
        let cache = Cache::open()?.apart("dist")?;
        let root = setup::packaging_root(&cache)?;
        Ok(Self { cache, root })
    }

    /// The names of the packages that are made without being named: all but the kernel.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        let names = PACKAGES.iter().map(|package| package.name);
        names.filter(|name| !name.starts_with("linux-image"))
    }

    pub(crate) fn build(&self, name: &str, identity: &Identity) -> Result<PathBuf> {
        self.build_in(&self.cache, name, identity)
    }

    /// The file of a package, packed in another cache.
    pub(crate) fn build_in(
        &self,
        cache: &Cache,
        name: &str,
        identity: &Identity,
    ) -> Result<PathBuf> {
        let contents = (find(name)?.contents)(self)?;
        contents.build(cache, &self.root, identity)
    }
}

fn find(name: &str) -> Result<&'static Package> {
    match PACKAGES.iter().find(|package| package.name == name) {
        Some(package) => Ok(package),
        None => {
            let known: Vec<&str> = PACKAGES.iter().map(|package| package.name).collect();
            bail!("no package {name}: there are {}", known.join(", "));
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if options.list {
        for package in PACKAGES {
            println!("{:<20} {}", package.name, package.is);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut names = Vec::new();
    for name in &options.packages {
        names.push(find(name)?.name);
    }
    if names.is_empty() {
        names.extend(Dist::names());
    }
    let workspace = workspace()?;
    let identity = Identity::of_checkout(&workspace)?;
    let dist = Dist::new()?;
    let output = workspace.join(OUTPUT);
    fs::create_dir_all(&output).with_context(|| format!("cannot create {}", output.display()))?;
    for name in names {
        let file = dist.build(name, &identity)?;
        let size = publish(&file, &output)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        println!("{:>9} KiB  {OUTPUT}/{name}", size.div_ceil(1024));
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts a package beside the others, in the place of its older versions; its size.
fn publish(file: &Path, folder: &Path) -> Result<u64> {
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let size = output::copy(file, &folder.join(&name))?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let other = path.file_name().unwrap_or_default().to_string_lossy();
        if other != name && is_version_of(&other, &name) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(size)
}

/// Whether two file names differ by the version alone.
fn is_version_of(one: &str, other: &str) -> bool {
    let parts = |name: &str| -> Option<(String, String)> {
        let mut words = name.split('_');
        let (name, _, architecture) = (words.next()?, words.next()?, words.next()?);
        words
            .next()
            .is_none()
            .then(|| (name.to_owned(), architecture.to_owned()))
    };
    parts(one).is_some_and(|one| parts(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_older_versions_are_replaced() {
        let new = "lvz-sim_2_amd64.deb";
        assert!(is_version_of("lvz-sim_1_amd64.deb", new));
        assert!(!is_version_of("lvz-sim_1_arm64.deb", new));
        assert!(!is_version_of("lvz-sim-dbgsym_1_amd64.deb", new));
        assert!(!is_version_of("notes", new));
    }
}
