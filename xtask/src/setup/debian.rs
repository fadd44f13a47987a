// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Trees of Debian packages, made by mmdebstrap.
//!
//! The proxy and transport settings of this machine's apt, where it has any, are
//! handed on.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Error, Result, bail};

use super::mirror;
use crate::progress::{Step, is_disk_full};
use crate::toolroot::{is_root, with_own_mounts};

/// The release that supplies everything.
pub(crate) const SUITE: &str = "forky";

/// Documentation and translations, which nothing here reads.
const NEVER_NEEDED: &[&str] = &[
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/lintian/*",
];

/// What a tree of packages is made of.
pub(crate) struct Tree<'a> {
    /// mmdebstrap's variant: `apt` for a tree that works here, `extract` for
    /// one of foreign programs, unpacked and not configured.
    pub(crate) variant: &'a str,
    /// Debian architectures, the native one first.
    pub(crate) architectures: &'a str,
    /// Packages, as apt names them.
    pub(crate) packages: &'a [String],
    /// Path patterns that dpkg leaves out.
    pub(crate) exclude: &'a [&'a str],
    /// Exceptions from those.
    pub(crate) include: &'a [&'a str],
}

impl Tree<'_> {
    /// Unpacks the tree into the existing, empty directory `target`.
    pub(crate) fn make(&self, target: &Path, step: &mut Step, log: &Path) -> Result<()> {
        self.make_with(&[], target, step, log)
    }

    /// The same, with the packages themselves in apt's archive of the tree.
    pub(crate) fn make_with_archives(
        &self,
        target: &Path,
        step: &mut Step,
        log: &Path,
    ) -> Result<()> {
        self.make_with(&["--skip=cleanup/apt/cache"], target, step, log)
    }

    fn make_with(
        &self,
        options: &[&str],
        target: &Path,
        step: &mut Step,
        log: &Path,
    ) -> Result<()> {
        let mirror = mirror::from_environment()?;
        check_tools()?;
        // In its mode `unshare` mmdebstrap mounts in a namespace of its own, in root's mode it
        // does not: /dev/shm would stay mounted in the tree if it were killed.
        let mut command = if is_root() {
            with_own_mounts("mmdebstrap")
        } else {
            Command::new("mmdebstrap")
        };
        command.arg(format!("--variant={}", self.variant));
        command.arg(format!("--architectures={}", self.architectures));
        command.arg(format!("--include={}", self.packages.join(",")));
        // Forky's Release files may be past their Valid-Until on a mirror that
        // is updated seldom. Their signatures are checked all the same.
        command.arg("--aptopt=Acquire::Check-Valid-Until \"false\"");
        command.arg("--aptopt=APT::Install-Recommends \"false\"");
        for setting in transport_settings() {
            command.arg(format!("--aptopt={setting}"));
        }
        // A tree is used once it is complete, and is in no hurry to be on the disk.
        command.arg("--dpkgopt=force-unsafe-io");
        for pattern in NEVER_NEEDED.iter().chain(self.exclude) {
            command.arg(format!("--dpkgopt=path-exclude={pattern}"));
        }
        for pattern in self.include {
            command.arg(format!("--dpkgopt=path-include={pattern}"));
        }
        // The package lists stay: later products ask them for names and versions.
        command.arg("--skip=cleanup/apt/lists");
        command.args(options);
        if is_root() {
            command.arg("--mode=root").arg("--format=directory");
            command.arg(SUITE).arg(target).args(mirror);
            return step.run(command, log).map_err(hint);
        }
        // Without root's rights the tree is unpacked from an archive, so that its files
        // are the user's. Device nodes are left out: those of the running system are
        // bound over /dev.
        let archive = target.join(".tree.tar");
        command.arg("--mode=unshare").arg("--format=tar");
        command.arg(SUITE).arg(&archive).args(mirror);
        step.run(command, log).map_err(hint)?;
        let mut tar = Command::new("tar");
        tar.args([
            "--extract",
            "--no-same-owner",
            "--exclude=./dev/*",
            "--file",
        ]);
        tar.arg(&archive).arg("--directory").arg(target);
        step.run(tar, log).map_err(hint)?;
        std::fs::remove_file(&archive)?;
        Ok(())
    }
}

/// An error of mmdebstrap's with what can be done about it.
fn hint(error: Error) -> Error {
    if is_disk_full(&error) {
        return error.context(
            "the disk is full: make room (docs/setup.md says how much is needed), or name \
             another place for the cache in XDG_CACHE_HOME or for temporary files in TMPDIR",
        );
    }
    error.context(format!(
        "the packages could not be fetched or unpacked; without a network none can be: a proxy \
         is set in apt's configuration, another mirror in {}; if the log says NO_PUBKEY or \
         'not signed', update the package debian-archive-keyring",
        mirror::VARIABLE
    ))
}

/// Says in one line that the roots' programs do not run on a computer of this architecture.
fn check_computer(architecture: &str) -> Result<()> {
    if architecture != "x86_64" {
        bail!(
            "this runs on x86-64 computers, of whose programs the toolchain root is made, and this \
             one is {architecture}: what it makes for LoongArch is copied there (docs/packages.md)"
        );
    }
    Ok(())
}

/// Says in one line which of the host's tools are missing, if any are.
fn check_tools() -> Result<()> {
    check_computer(std::env::consts::ARCH)?;
    let mut packages = Vec::new();
    let mut need = |program: &str, package: &'static str| {
        if find_program(program).is_none() && !packages.contains(&package) {
            packages.push(package);
        }
    };
    need("mmdebstrap", "mmdebstrap");
    need("apt-get", "apt");
    need("dpkg", "dpkg");
    need("unshare", "util-linux");
    need("tar", "tar");
    if !is_root() {
        need("newuidmap", "uidmap");
    }
    let keyring = Path::new("/usr/share/keyrings");
    if !["gpg", "pgp"]
        .iter()
        .any(|e| keyring.join(format!("debian-archive-keyring.{e}")).exists())
    {
        packages.push("debian-archive-keyring");
    }
    if !packages.is_empty() {
        let sudo = if is_root() { "" } else { "sudo " };
        bail!(
            "missing Debian's package tools: run `{sudo}apt-get install -y {}`",
            packages.join(" ")
        );
    }
    if !is_root() {
        check_ranges()?;
        let status = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if !status.success() {
            bail!(
                "this system does not let users make user namespaces: run as root, or allow them \
                 (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)"
            );
        }
    }
    Ok(())
}

/// Says in one line if mmdebstrap cannot give the files of a tree owners: it takes these from
/// a range of numbers that is the user's.
fn check_ranges() -> Result<()> {
    let id = |option: &str| -> Option<String> {
        let output = Command::new("id").args(["--user", option]).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let names = [id("--name"), id("--real")].map(Option::unwrap_or_default);
    let mut files = vec!["/etc/subuid", "/etc/subgid"];
    files.retain(|file| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        !has_range(&text, &names)
    });
    if !files.is_empty() {
        bail!(
            "no range in {} for {}: run `sudo usermod --add-subuids 100000-165535 \
             --add-subgids 100000-165535 {1}`, or with another range if these are taken",
            files.join(" and "),
            names
                .iter()
                .find(|name| !name.is_empty())
                .map_or("this user", String::as_str)
        );
    }
    Ok(())
}

/// Whether a text as /etc/subuid has it (subuid(5)) gives a range to a user under one of its
/// names, of which its number is one.
fn has_range(text: &str, names: &[String]) -> bool {
    text.lines().any(|line| {
        let fields: Vec<&str> = line.trim().split(':').collect();
        let [name, first, count] = fields.as_slice() else {
            return false;
        };
        names.iter().any(|other| other == name)
            && first.parse::<u32>().is_ok()
            && count.parse::<u32>().is_ok_and(|count| count > 0)
    })
}

fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // mmdebstrap's and the mounting tools live in the sbin directories, which
    // are not on every user's path.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// The settings of this machine's apt that decide how it reaches a mirror.
fn transport_settings() -> Vec<String> {
    let Ok(output) = Command::new("apt-config").arg("dump").output() else {
        return Vec::new();
    };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| is_transport_setting(line))
        .map(|line| line.trim_end_matches(';').to_owned())
        .collect()
}

/// Whether a line of `apt-config dump` belongs to transport_settings().
fn is_transport_setting(line: &str) -> bool {
    let Some((name, value)) = line.split_once(' ') else {
        return false;
    };
    let name = name.to_ascii_lowercase();
    let is_transport = [
        "acquire::http::",
        "acquire::https::",
        "acquire::retries",
        "acquire::ftp::",
    ]
    .iter()
    .any(|prefix| name.starts_with(prefix));
    is_transport && value != "\"\";"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_the_users_by_name_or_number() {
        let names = ["me".to_owned(), "1000".to_owned()];
        for text in ["me:100000:65536\n", "# a\nother:1:1\n1000:100000:65536\n"] {
            assert!(has_range(text, &names), "{text}");
        }
        for text in [
            "",
            "me:100000:0\n",
            "other:100000:65536\n",
            "me\n",
            "me:x:65536\n",
        ] {
            assert!(!has_range(text, &names), "{text}");
        }
    }

    #[test]
    fn computers_of_other_architectures_are_refused_by_name() {
        assert!(check_computer("x86_64").is_ok());
        let error = check_computer("loongarch64").unwrap_err().to_string();
        assert!(error.contains("x86-64 computers") && error.contains("loongarch64"));
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn only_transport_settings_are_handed_on() {
        assert!(is_transport_setting(
            r#"Acquire::http::Proxy "http://proxy:3142";"#
        ));
        assert!(is_transport_setting(r#"Acquire::Retries "3";"#));
        assert!(!is_transport_setting(r#"Acquire::http "";"#));
        assert!(!is_transport_setting(r#"Acquire::http::Proxy "";"#));
        assert!(!is_transport_setting(r#"DPkg::Post-Invoke:: "rm -f /x";"#));
    }
}
