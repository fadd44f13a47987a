// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What packages say of their origin: version, time and maintainer, all taken from
//! the commit that is checked out, so that the same commit gives the same packages.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail};

/// The version of the workspace's packages.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where a package comes from.
#[derive(Clone)]
pub(crate) struct Identity {
    /// Debian's version: the workspace's, then the commit.
    pub(crate) version: String,
    /// The commit's time, in seconds since 1970.
    pub(crate) epoch: u64,
    /// Name and address, as the field Maintainer has them.
    pub(crate) maintainer: String,
}

impl Identity {
    /// That of the commit that is checked out. Debian's variables DEBFULLNAME and
    /// DEBEMAIL name another maintainer than the one that committed it.
    pub(crate) fn of_checkout(workspace: &Path) -> Result<Self> {
        let log = git(
            workspace,
            &[
                "log",
                "-1",
                "--format=%ct%n%h%n%cn%n%ce%n%cd",
                "--date=format-local:%Y%m%d%H%M%S",
            ],
        )
        .context("packages take their version from a commit: make them in a git checkout")?;
        let lines: Vec<&str> = log.lines().collect();
        let [epoch, commit, name, address, time] = lines.as_slice() else {
            bail!("git log gave {} lines instead of 5", lines.len());
        };
        let changed =
            !git(workspace, &["--no-optional-locks", "status", "--porcelain"])?.is_empty();
        let modified = if changed { "+modified" } else { "" };
        let [name, address] = [("DEBFULLNAME", name), ("DEBEMAIL", address)]
            .map(|(variable, committer)| part(variable, std::env::var_os(variable), committer));
        Ok(Self {
            version: format!("{VERSION}+git{time}.{commit}{modified}"),
            epoch: epoch.parse().context("git gave no time of the commit")?,
            maintainer: format!("{} <{}>", name?, address?),
        })
    }

    /// The text of debian/changelog.
    pub(crate) fn changelog(&self, source: &str) -> Result<String> {
        Ok(format!(
            "{source} ({}) unstable; urgency=medium\n\n  * Built from the project's checkout.\n\n -- {}  {}\n",
            self.version,
            self.maintainer,
            self.date()?
        ))
    }

    /// The commit's time as changelogs have it (RFC 5322), in UTC.
    fn date(&self) -> Result<String> {
        let output = Command::new("date")
            .env("LC_ALL", "C")
            .args(["--utc", "--rfc-email", &format!("--date=@{}", self.epoch)])
            .output()
            .context("cannot run date")?;
        if !output.status.success() {
            bail!("date knows no {} seconds since 1970", self.epoch);
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// A part of the field Maintainer: what a variable says, or else the commit.
fn part(variable: &str, value: Option<OsString>, committer: &str) -> Result<String> {
    let value = value
        .filter(|value| !value.is_empty())
        .unwrap_or_else(|| committer.into());
    let fits = |text: &&str| {
        let reserved = |c: char| c.is_control() || matches!(c, '<' | '>');
        !text.trim().is_empty() && !text.contains(reserved)
    };
    match value.to_str().filter(fits) {
        Some(text) => Ok(text.trim().to_owned()),
        None => bail!(
            "{:?} cannot be part of a package's maintainer, NAME <ADDRESS>: set {variable}",
            value.display()
        ),
    }
}

fn git(workspace: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .current_dir(workspace)
        .env("TZ", "UTC")
        .args(arguments)
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(anyhow!(
            "{}",
            message.lines().next().unwrap_or("git failed").to_owned()
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maintainer_stays_in_one_field() {
        let part =
            |value: &str, committer: &str| part("DEBFULLNAME", Some(value.into()), committer);
        assert!(part("A Name", "Other").is_ok_and(|name| name == "A Name"));
        assert!(part("", "Other").is_ok_and(|name| name == "Other"));
        for (value, committer) in [
            ("a\nDepends: b", "Other"),
            ("A <a@b>", "Other"),
            (" ", "Other"),
            ("", ""),
        ] {
            let error = part(value, committer).map_err(|error| error.to_string());
            assert!(
                error
                    .is_err_and(|error| error.contains("set DEBFULLNAME") && !error.contains('\n')),
                "{value:?}"
            );
        }
    }

    #[test]
    fn a_changelog_has_the_form_that_debian_reads() -> Result<()> {
        let identity = Identity {
            version: "1.2+git19700101000000.abc".to_owned(),
            epoch: 86_400,
            maintainer: "A Name <a@example.org>".to_owned(),
        };
        assert_eq!(
            identity.changelog("lvz-sim")?,
            "lvz-sim (1.2+git19700101000000.abc) unstable; urgency=medium\n\n  \
             * Built from the project's checkout.\n\n \
             -- A Name <a@example.org>  Fri, 02 Jan 1970 00:00:00 +0000\n"
        );
        Ok(())
    }
}
