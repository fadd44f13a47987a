// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Running tools of the toolchain root.
//!
//! The root is a Debian tree beside the workstation's own system. Tools run in
//! it by chroot inside a mount namespace of their own, so that the binds they
//! need vanish with them. A user that is not root gets a user namespace too.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// Enters the root: `$0 ROOT CHANGES CWD [SOURCE TARGET]... -- PROGRAM ARGS...`.
/// CHANGES is `kept`, or options of an overlay in memory that takes them and is gone
/// with the program.
///
/// It ends in `exec`, so the process that was started is the tool itself:
/// ending it ends the tool.
const ENTER: &str = r#"
set -e
root=$1 changes=$2 cwd=$3
shift 3
if [ "$changes" != kept ]; then
    mount -t tmpfs -o mode=755 tmpfs "$root/mnt"
    cd "$root"
    mkdir mnt/changes mnt/work mnt/root
    mount -t overlay -o "$changes" overlay mnt/root
    cd - >/dev/null
    root=$root/mnt/root
fi
for dir in /dev /proc /sys; do mount --rbind "$dir" "$root$dir"; done
while [ "$1" != -- ]; do
    mkdir -p "$root$2"
    mount --rbind "$1" "$root$2"
    shift 2
done
shift
exec chroot "$root" /bin/sh -c 'cd "$1"; shift; exec "$@"' sh "$cwd" "$@"
"#;

/// Where the kernel source is bound inside the root. Kbuild writes absolute
/// paths into a build tree: fixed ones keep it valid wherever the cache is.
pub(crate) const KERNEL_SOURCE: &str = "/kvm-la/linux";
/// Where the KVM host's kernel build tree is bound inside the root.
pub(crate) const KERNEL_BUILD: &str = "/kvm-la/build";

/// Directories at the top that the root has itself.
const OWN: &[&str] = &[
    "bin",
    "boot",
    "dev",
    "etc",
    "kvm-la",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "lost+found",
    "proc",
    "run",
    "sbin",
    "sys",
    "usr",
    "var",
];

/// A toolchain root.
#[derive(Clone)]
pub(crate) struct ToolRoot {
    dir: PathBuf,
    binds: Vec<(PathBuf, PathBuf)>,
    /// ENTER's argument CHANGES.
    changes: &'static str,
}

impl ToolRoot {
    /// The root in this directory, with the directories that its tools see at
    /// the same path as outside.
    pub(crate) fn new(dir: &Path, visible: &[&Path]) -> Self {
        let mut root = Self {
            dir: dir.to_owned(),
            binds: Vec::new(),
            changes: "kept",
        };
        for path in visible {
            root = root.with_bind(path, path);
        }
        root
    }

    /// The directory it is in.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The product's name in the cache, which differs for every other root.
    pub(crate) fn name(&self) -> &[u8] {
        self.dir.file_name().unwrap_or_default().as_encoded_bytes()
    }

    /// The same root with one more directory bound into it.
    pub(crate) fn with_bind(mut self, source: &Path, target: &Path) -> Self {
        self.binds.push((source.to_owned(), target.to_owned()));
        self
    }

    /// The same root for programs that see what their user sees: every directory at the top
    /// that the root has not itself.
    pub(crate) fn with_outside(mut self) -> Result<Self> {
        for entry in fs::read_dir("/").context("cannot list /")? {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
            // Not root's home where it is another user's.
            let readable = fs::read_dir(&path).is_ok();
            if readable && !path.is_symlink() && OWN.iter().all(|own| name != *own) {
                self = self.with_bind(&path, &path);
            }
        }
        Ok(self)
    }

    /// The same root for programs that see nothing of the outside, and whose changes
    /// are forgotten when they end.
    pub(crate) fn apart(&self) -> Self {
        // An overlay keeps notes in attributes, of which root alone may have all.
        let changes = if is_root() {
            "lowerdir=.,upperdir=mnt/changes,workdir=mnt/work"
        } else {
            "lowerdir=.,upperdir=mnt/changes,workdir=mnt/work,userxattr"
        };
        Self {
            changes,
            ..Self::new(&self.dir, &[])
        }
    }

    /// A command that runs `program` of the root, in the current directory if
    /// that is visible inside.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        let cwd = std::env::current_dir().context("the current directory is gone")?;
        let visible = self
            .binds
            .iter()
            .any(|(source, target)| source == target && cwd.starts_with(source));
        let cwd = if visible { cwd } else { PathBuf::from("/") };
        Ok(self.command_in(&cwd, program))
    }

    /// A command that runs `program` of the root in a directory of the root.
    pub(crate) fn command_in(&self, cwd: &Path, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("unshare");
        command.args(namespace_options());
        command.args(["sh", "-c", ENTER, "sh"]);
        command.arg(&self.dir).arg(self.changes).arg(cwd);
        for (source, target) in &self.binds {
            command.arg(source).arg(target);
        }
        command.arg("--").arg(program);
        command.env_clear().envs(environment());
        command
    }

    /// A shell script that enters the root and runs its arguments there, for
    /// tests and people outside this program.
    pub(crate) fn script(&self) -> Result<String> {
        let mut words: Vec<OsString> = vec!["exec".into(), "env".into(), "-i".into()];
        for (name, value) in environment() {
            let mut word = OsString::from(name);
            word.push("=");
            word.push(value);
            words.push(quote(&word));
        }
        words.push("unshare".into());
        words.extend(namespace_options().iter().map(OsString::from));
        words.extend(["sh", "-c"].map(OsString::from));
        words.push(quote(OsStr::new(ENTER)));
        words.push("sh".into());
        words.push(quote(self.dir.as_os_str()));
        words.push(self.changes.into());
        words.push("\"$PWD\"".into());
        for (source, target) in &self.binds {
            words.push(quote(source.as_os_str()));
            words.push(quote(target.as_os_str()));
        }
        words.push("--".into());
        words.push("\"$@\"".into());
        let line = words.join(OsStr::new(" "));
        let line = line
            .into_string()
            .map_err(|line| anyhow::anyhow!("a path is not UTF-8: {}", line.display()))?;
        Ok(format!(
            "#!/bin/sh\n# Runs a program of the toolchain root: $0 PROGRAM ARGS...\n{line}\n"
        ))
    }
}

/// Whether this process may chroot and mount by itself.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Options of unshare(1) for mounts that vanish with what mounted them.
const OWN_MOUNTS: &[&str] = &["--mount", "--propagation", "private"];

/// A command of root's whose mounts vanish with it, however it ends.
pub(crate) fn with_own_mounts(program: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(OWN_MOUNTS).arg("--").arg(program);
    command
}

fn namespace_options() -> &'static [&'static str] {
    if is_root() {
        OWN_MOUNTS
    } else {
        &[
            "--user",
            "--map-root-user",
            "--mount",
            "--propagation",
            "private",
        ]
    }
}

/// What the tools get instead of the caller's environment, which names
/// directories and locales that the root does not have.
fn environment() -> Vec<(&'static str, OsString)> {
    let mut variables: Vec<(&'static str, OsString)> = vec![
        ("PATH", "/usr/local/bin:/usr/bin:/usr/sbin".into()),
        ("HOME", "/root".into()),
        ("LC_ALL", "C.UTF-8".into()),
    ];
    if let Some(term) = std::env::var_os("TERM") {
        variables.push(("TERM", term));
    }
    variables
}

fn quote(word: &OsStr) -> OsString {
    let mut quoted = OsString::from("'");
    quoted.push(word.to_string_lossy().replace('\'', r"'\''"));
    quoted.push("'");
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_with_the_outside_sees_all_but_what_it_has_itself() -> Result<()> {
        let root = ToolRoot::new(Path::new("/nowhere"), &[]).with_outside()?;
        let tops: Vec<_> = root.binds.iter().map(|(source, _)| source).collect();
        assert!(root.binds.iter().all(|(source, target)| source == target));
        for own in ["/", "/usr", "/etc", "/dev"].map(PathBuf::from) {
            assert!(!tops.contains(&&own), "{}", own.display());
        }
        assert!(tops.contains(&&PathBuf::from("/tmp")), "{tops:?}");
        Ok(())
    }
}
