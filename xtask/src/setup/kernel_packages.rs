// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The kernel source packages that Debian's suites have, by way of this machine's
//! apt with lists of its own: neither the machine's packages nor the toolchain
//! root's lists change.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail};

use super::debian::SUITE;
use super::mirror;
use super::series::Series;
use crate::progress::Step;
use crate::toolroot::ToolRoot;

/// The suites besides `SUITE` that can have another kernel. A mirror need not have
/// them all.
const SUITES: &[&str] = &["sid", "experimental", "forky-backports", "trixie-backports"];

/// What apt says of a suite that a mirror does not have.
const NO_SUCH_SUITE: &str = "does not have a Release file";

/// A source package: `linux-source-SERIES` in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) series: Series,
    pub(super) version: String,
    /// Where it was found.
    pub(super) suite: String,
}

impl Package {
    /// Whether it is a kernel that was released, not a candidate for one.
    pub(super) fn is_released(&self) -> bool {
        !self.version.contains("~rc")
    }
}

/// apt, and the lists that it keeps in a directory.
pub(super) struct Apt<'a> {
    dir: PathBuf,
    log: &'a Path,
}

impl<'a> Apt<'a> {
    /// Fetches the lists of packages into the existing, empty directory `dir`.
    pub(super) fn update(
        dir: PathBuf,
        root: &ToolRoot,
        step: &mut Step,
        log: &'a Path,
    ) -> Result<Self> {
        for name in ["lists/partial", "cache/archives/partial", "trusted"] {
            fs::create_dir_all(dir.join(name))?;
        }
        fs::write(dir.join("sources.list"), mirror::sources(root, SUITES)?)?;
        let keyrings = root.dir().join("usr/share/keyrings");
        // apt reads no other suffix there.
        let key = dir.join("trusted/debian-archive-keyring.gpg");
        ["gpg", "pgp"]
            .iter()
            .find(|suffix| {
                let keyring = keyrings.join(format!("debian-archive-keyring.{suffix}"));
                fs::copy(keyring, &key).is_ok()
            })
            .ok_or_else(|| anyhow!("no debian-archive-keyring in {}", keyrings.display()))?;
        let apt = Self { dir, log };
        let mut update = apt.command("apt-get");
        // A suite that cannot be read must not look like one without a kernel.
        update.args(["-q", "-o", "APT::Update::Error-Mode=any", "update"]);
        let (status, lines) = step.outcome(update, log)?;
        let error = lines
            .iter()
            .filter_map(|line| line.strip_prefix("E: "))
            .find(|error| !error.contains(NO_SUCH_SUITE));
        match error {
            Some(error) => bail!(
                "the lists of packages cannot be fetched (once with a network is enough, {} names \
                 another mirror): {error}",
                mirror::VARIABLE
            ),
            // Only suites were missing.
            None if status.success() || lines.iter().any(|l| l.contains(NO_SUCH_SUITE)) => Ok(apt),
            None => bail!("apt-get update failed ({status}), see {}", log.display()),
        }
    }

    /// The packages, the newest version of a series first.
    pub(super) fn packages(&self) -> Result<Vec<Package>> {
        let names = self.output("apt-cache", &["pkgnames", "linux-source-"])?;
        let names: Vec<&str> = names.lines().collect();
        if names.is_empty() {
            bail!("the mirror has no package linux-source-X.Y in {SUITE} or another suite");
        }
        let table = self.output("apt-cache", &[&["madison"], names.as_slice()].concat())?;
        Ok(table.lines().filter_map(parse_row).collect())
    }

    /// Fetches a package into `dir` and returns the file.
    pub(super) fn download(
        &self,
        package: &Package,
        dir: &Path,
        step: &mut Step,
    ) -> Result<PathBuf> {
        let mut download = self.command("apt-get");
        let name = format!("linux-source-{}={}", package.series, package.version);
        download.current_dir(dir).args(["-q", "download", &name]);
        step.run(download, self.log)?;
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|suffix| suffix == "deb") {
                return Ok(path);
            }
        }
        bail!("apt-get download {name} left no package")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let mut option = |name: &str, value: &Path| {
            command.arg("-o").arg(format!("{name}={}", value.display()));
        };
        option("Dir::Etc::SourceList", &self.dir.join("sources.list"));
        option("Dir::Etc::SourceParts", Path::new("/dev/null"));
        option("Dir::Etc::Trusted", Path::new("/dev/null"));
        option("Dir::Etc::TrustedParts", &self.dir.join("trusted"));
        option("Dir::Etc::Preferences", Path::new("/dev/null"));
        option("Dir::Etc::PreferencesParts", Path::new("/dev/null"));
        option("Dir::State", &self.dir);
        option("Dir::State::Lists", &self.dir.join("lists"));
        option("Dir::State::Status", Path::new("/dev/null"));
        option("Dir::Cache", &self.dir.join("cache"));
        // The packages are for any architecture, the lists are the toolchain root's.
        option("APT::Architecture", Path::new("amd64"));
        option("APT::Architectures", Path::new("amd64"));
        option("Acquire::Languages", Path::new("none"));
        option("Acquire::Check-Valid-Until", Path::new("false"));
        // apt's own user may not read a cache in a home directory.
        option("APT::Sandbox::User", Path::new("root"));
        command.env("LC_ALL", "C.UTF-8");
        command
    }

    fn output(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let output = self
            .command(program)
            .args(arguments)
            .output()
            .with_context(|| format!("cannot run {program}"))?;
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            bail!("{program} {}: {}", arguments.join(" "), error.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// A row of `apt-cache madison`: `PACKAGE | VERSION | URL SUITE/COMPONENT ...`.
fn parse_row(row: &str) -> Option<Package> {
    let mut columns = row.split('|').map(str::trim);
    let series = columns.next()?.strip_prefix("linux-source-")?.parse();
    let version = columns.next()?.to_owned();
    let mut place = columns.next()?.split(' ');
    let (url, suite) = (place.next()?, place.next()?.split('/').next()?);
    // A repository that is one directory has no suites.
    let suite = if suite == "." { url } else { suite };
    Some(Package {
        series: series.ok()?,
        version,
        suite: suite.to_owned(),
    })
}

/// The series that packages are of, each with the suites that have it.
pub(super) fn describe(packages: &[Package]) -> String {
    let mut series: Vec<Series> = packages.iter().map(|package| package.series).collect();
    series.sort_unstable();
    series.dedup();
    let each = series.iter().map(|series| {
        let mut suites: Vec<&str> = Vec::new();
        for package in packages.iter().filter(|package| package.series == *series) {
            if !suites.contains(&package.suite.as_str()) {
                suites.push(&package.suite);
            }
        }
        format!("{series} ({})", suites.join(", "))
    });
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read_and_told() {
        let table = "linux-source-7.2 |   7.2.13-1 | http://m/debian sid/main amd64 Packages\n\
                     linux-source-7.2 |   7.2.12-1 | http://m/debian forky/main amd64 Packages\n\
                     linux-source-7.3 | 7.3~rc7-1 | http://m/debian experimental/main amd64 Packages\n\
                     linux-source-7.3 | 7.3.4-1 | file:/srv ./ Packages\n\
                     linux-source-rt | 1 | http://m/debian sid/main amd64 Packages\n";
        let packages: Vec<Package> = table.lines().filter_map(parse_row).collect();
        assert_eq!(
            describe(&packages),
            "7.2 (sid, forky), 7.3 (experimental, file:/srv)"
        );
        let released: Vec<bool> = packages.iter().map(Package::is_released).collect();
        assert_eq!(released, [true, true, false, true]);
        assert_eq!(
            packages.first().map(|p| p.version.as_str()),
            Some("7.2.13-1")
        );
    }
}
