// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The source of a Linux series, unpacked.
//!
//! The toolchain root has the one that `linux-source` of its release depends on:
//! that series is the default. Another is fetched from the suite that has its
//! newest version; which version that was is kept beside it, so that a later run
//! needs no network.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Error, Result, anyhow, bail};

use super::debian::SUITE;
use super::kernel_packages::{self, Apt, Package};
use super::mirror;
use super::series::{KernelOption, Series};
use crate::cache::{Cache, Key};
use crate::progress::{Step, is_disk_full};
use crate::toolroot::{KERNEL_SOURCE, ToolRoot};

/// The source product's name in the cache.
const PRODUCT: &str = "linux-source";

/// The name in the cache of what was found when a series was looked for.
const FOUND: &str = "linux-series";

/// Where a fetched package is put, inside the product that is being made.
const FETCHED: &str = ".package";

/// The kernel that is asked for.
#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    /// The toolchain root's.
    Default,
    /// The newest version of a series that is not the toolchain root's.
    Series(Series),
    /// The newest released kernel of another series than the toolchain root's.
    Other,
}

/// A kernel's source tree.
pub(crate) struct KernelSource {
    dir: PathBuf,
    package: Package,
}

impl KernelSource {
    /// The tree.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn series(&self) -> Series {
        self.package.series
    }

    /// The key of what is made from it, with the toolchain root's in it.
    pub(super) fn add_to(&self, key: &Key) -> Key {
        self.package.add_to(key.clone())
    }
}

/// Why a package is not there, in a clause: no suite has it, or none can be asked.
#[derive(Debug)]
pub(crate) struct CannotBeHad(pub(super) &'static str);

impl CannotBeHad {
    /// An error with this in front. Tests that need the package are skipped then, so a full disk
    /// stays what it is.
    pub(super) fn or(self, error: Error) -> Error {
        if is_disk_full(&error) {
            return error;
        }
        error.context(self)
    }
}

impl fmt::Display for CannotBeHad {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

const NO_SOURCE: CannotBeHad = CannotBeHad("no such kernel source can be had");

/// The series of the toolchain root's package.
pub(super) fn default_series(root: &ToolRoot) -> Result<Series> {
    Ok(package_of(root)?.series)
}

/// The kernel that an option asks for.
pub(super) fn wanted(option: KernelOption, root: &ToolRoot) -> Result<Wanted> {
    Ok(match option.series {
        Some(series) if series != default_series(root)? => Wanted::Series(series.check()?),
        Some(_) | None => Wanted::Default,
    })
}

/// The wanted source, unpacked if it is not there yet.
pub(crate) fn make(
    cache: &Cache,
    root: &ToolRoot,
    wanted: Wanted,
    log: &Path,
) -> Result<KernelSource> {
    let own = package_of(root)?;
    let wanted_key = match wanted {
        Wanted::Default => {
            let archive = format!("/usr/src/linux-source-{}.tar.xz", own.series);
            return source(cache, own, |dir| unpack(root, &archive, dir, log));
        }
        Wanted::Series(series) => series.to_string(),
        Wanted::Other => format!("other than {}", own.series),
    };
    let found = Key::new(1)
        .with("wanted", wanted_key)
        .with("mirror", mirror::from_environment()?.unwrap_or_default());
    if let Some(source) = remembered(cache, &found)? {
        return Ok(source);
    }
    cache.make(FOUND, &found, |dir| {
        let lists = dir.join("apt");
        fs::create_dir(&lists)?;
        let mut step = Step::start("kernel source: looking for other series");
        let apt = Apt::update(lists.clone(), root, &mut step, log)
            .map_err(|error| NO_SOURCE.or(error))?;
        let package = choose(apt.packages()?, wanted, own.series).context(NO_SOURCE)?;
        step.done();
        fs::write(dir.join("package"), package.to_line())?;
        source(cache, package.clone(), |dir| {
            fetch(&apt, &package, root, dir, log)
        })?;
        fs::remove_dir_all(&lists).with_context(|| format!("cannot remove {}", lists.display()))
    })?;
    remembered(cache, &found)?.ok_or_else(|| anyhow!("the kernel's source is gone already"))
}

/// The source of a package; made if it is not there yet.
fn source(
    cache: &Cache,
    package: Package,
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<KernelSource> {
    let key = package.add_to(Key::new(2));
    let dir = cache.get_or_make(PRODUCT, &key, make)?;
    Ok(KernelSource { dir, package })
}

/// The source of what was found earlier, if both are there.
fn remembered(cache: &Cache, found: &Key) -> Result<Option<KernelSource>> {
    let Some(dir) = cache.get(FOUND, found) else {
        return Ok(None);
    };
    let package = Package::from_line(&fs::read_to_string(dir.join("package"))?)?;
    Ok(cache
        .get(PRODUCT, &package.add_to(Key::new(2)))
        .map(|dir| KernelSource { dir, package }))
}

impl Package {
    fn add_to(&self, key: Key) -> Key {
        key.with("series", self.series.to_string())
            .with("version", &self.version)
    }

    fn to_line(&self) -> String {
        format!("{} {} {}\n", self.series, self.version, self.suite)
    }

    fn from_line(text: &str) -> Result<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [series, version, suite] = words.as_slice() else {
            bail!("no package of a kernel source: {text}");
        };
        Ok(Self {
            series: series.parse()?,
            version: (*version).to_owned(),
            suite: (*suite).to_owned(),
        })
    }
}

/// The package in the toolchain root.
fn package_of(root: &ToolRoot) -> Result<Package> {
    let file = root.dir().join("var/lib/dpkg/status");
    let status =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    installed(&status).ok_or_else(|| anyhow!("no linux-source-X.Y in {}", file.display()))
}

/// The package that a dpkg status file has.
fn installed(status: &str) -> Option<Package> {
    status.split("\n\n").find_map(|paragraph| {
        let field = |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name));
        let series = field("Package: linux-source-")?.parse().ok()?;
        Some(Package {
            series,
            version: field("Version: ")?.to_owned(),
            suite: SUITE.to_owned(),
        })
    })
}

/// The package that is wanted, of those that can be had.
fn choose(packages: Vec<Package>, wanted: Wanted, own: Series) -> Result<Package> {
    let there_are = kernel_packages::describe(&packages);
    // Of a series the newest version is the first.
    match wanted {
        Wanted::Series(series) => packages
            .into_iter()
            .find(|package| package.series == series)
            .ok_or_else(|| anyhow!("no Debian suite has Linux {series}: there are {there_are}")),
        Wanted::Default | Wanted::Other => packages
            .into_iter()
            .rev()
            .filter(|package| package.is_released() && package.series != own)
            .filter(|package| package.series.check().is_ok())
            .max_by_key(|package| package.series)
            .ok_or_else(|| anyhow!("no Debian suite has another Linux than {own} for kernel-module/: there are {there_are}")),
    }
}

/// Fetches a package and unpacks the archive in it into `dir`.
fn fetch(apt: &Apt<'_>, package: &Package, root: &ToolRoot, dir: &Path, log: &Path) -> Result<()> {
    let mut step = Step::start(format!(
        "kernel source {} ({}): fetching",
        package.version, package.suite
    ));
    let fetched = dir.join(FETCHED);
    fs::create_dir(&fetched)?;
    let deb = apt.download(package, &fetched, &mut step)?;
    let mut extract = Command::new("dpkg-deb");
    extract.arg("--extract").arg(&deb).arg(&fetched);
    step.run(extract, log)?;
    step.done();
    let archive = format!(
        "{KERNEL_SOURCE}/{FETCHED}/usr/src/linux-source-{}.tar.xz",
        package.series
    );
    unpack(root, &archive, dir, log)?;
    fs::remove_dir_all(&fetched).with_context(|| format!("cannot remove {}", fetched.display()))
}

/// Unpacks an archive, named as the toolchain root sees it, into `dir`, which the
/// root sees as `KERNEL_SOURCE`.
fn unpack(root: &ToolRoot, archive: &str, dir: &Path, log: &Path) -> Result<()> {
    let mut step = Step::start("kernel source: unpacking");
    let bound = root.clone().with_bind(dir, Path::new(KERNEL_SOURCE));
    let mut tar = bound.command_in(Path::new("/"), "tar");
    tar.args(["--extract", "--use-compress-program=xz -T0"]);
    tar.args(["--strip-components=1", "--no-same-owner"]);
    tar.arg("--directory").arg(KERNEL_SOURCE);
    tar.arg("--file").arg(archive);
    step.run(tar, log)?;
    step.done();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_skips_no_test() {
        let skips = |text: &str| NO_SOURCE.or(anyhow!("{text}")).is::<CannotBeHad>();
        assert!(skips("E: Could not resolve the mirror"));
        assert!(!skips("Write error - write (28: No space left on device)"));
    }

    fn packages() -> Result<Vec<Package>> {
        [
            "7.2 7.2.13-1 sid",
            "7.2 7.2.12-1 forky",
            "7.4 7.4~rc1-1 experimental",
            "7.3 7.3.5-1 trixie-backports",
            "7.3 7.3.4-1 trixie-backports",
            "5.10 5.10.1-1 experimental",
        ]
        .into_iter()
        .map(Package::from_line)
        .collect()
    }

    #[test]
    fn the_newest_version_is_chosen() -> Result<()> {
        let choose = |wanted, own: &str| choose(packages()?, wanted, own.parse()?);
        let series = |text: &str| text.parse().map(Wanted::Series);
        assert_eq!(choose(series("7.3")?, "7.2")?.version, "7.3.5-1");
        assert_eq!(choose(series("7.4")?, "7.2")?.version, "7.4~rc1-1");
        assert_eq!(choose(Wanted::Other, "7.2")?.version, "7.3.5-1");
        assert_eq!(choose(Wanted::Other, "7.3")?.version, "7.2.13-1");
        let error = choose(series("7.9")?, "7.2").err().map(|e| e.to_string());
        assert_eq!(
            error.as_deref(),
            Some(
                "no Debian suite has Linux 7.9: there are 5.10 (experimental), 7.2 (sid, forky), \
                 7.3 (trixie-backports), 7.4 (experimental)"
            )
        );
        Ok(())
    }

    #[test]
    fn the_root_says_what_it_has() -> Result<()> {
        let status = "Package: linux-source\nVersion: 7.2.12-1\nDepends: linux-source-7.2\n\n\
                      Package: linux-source-7.2\nStatus: install ok installed\nVersion: 7.2.12-1\n\n";
        let package = installed(status).ok_or_else(|| anyhow!("nothing"))?;
        assert_eq!(package, Package::from_line("7.2 7.2.12-1 forky")?);
        assert_eq!(Package::from_line(&package.to_line())?, package);
        assert!(installed("Package: linux-source\nVersion: 7.2.12-1\n").is_none());
        Ok(())
    }
}
