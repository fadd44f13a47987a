// SPDX-License-Identifier: GPL-2.0-or-later

//! The launcher, with a script in QEMU's place that tells what it was given.

// A helper of tests fails as a test does.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Prints its preload list and its arguments.
const SHOW: &str = "#!/bin/sh\necho \"preload=$LD_PRELOAD\"\nprintf 'argument=%s\\n' \"$@\"\n";

/// An ELF file of this and no more.
const HEADER: [u8; 64] = {
    let mut header = [0; 64];
    header[0] = 0x7f;
    header[1] = b'E';
    header[2] = b'L';
    header[3] = b'F';
    header
};

/// One test at a time: a process that another test starts would for a moment hold
/// open a program that is still being written, and a program in that state cannot be run.
static ALONE: Mutex<()> = Mutex::new(());

struct Place {
    dir: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Place {
    fn new(name: &str) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = std::env::temp_dir().join(format!("qemu-kvm-la-{name}-{}", std::process::id()));
        fs::create_dir_all(dir.join("bin")).expect("a directory");
        fs::create_dir_all(dir.join("lib")).expect("a directory");
        fs::create_dir_all(dir.join("path")).expect("a directory");
        let place = Self { dir, _alone: alone };
        fs::copy(env!("CARGO_BIN_EXE_qemu-kvm-la"), place.launcher()).expect("the launcher");
        place.script("path/qemu-system-loongarch64");
        place
    }

    fn launcher(&self) -> PathBuf {
        self.dir.join("bin/qemu-kvm-la")
    }

    /// The header of a library with nothing behind it, which the loader passes over: it need
    /// not be one to be named.
    fn library(&self, name: &str) -> PathBuf {
        let file = self.dir.join(name);
        fs::write(&file, HEADER).expect("a file");
        file
    }

    fn script(&self, name: &str) {
        let file = self.dir.join(name);
        fs::write(&file, SHOW).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.launcher());
        command.env(
            "PATH",
            format!("{}:/usr/bin:/bin", self.dir.join("path").display()),
        );
        for name in ["KVM_LA_QEMU", "KVM_LA_LIBRARY", "LD_PRELOAD"] {
            command.env_remove(name);
        }
        command
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn text(output: &Output) -> (String, String) {
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn shown(command: &mut Command) -> Vec<String> {
    let output = command.output().expect("the launcher runs");
    let (out, err) = text(&output);
    assert!(output.status.success(), "{err}");
    out.lines().map(str::to_owned).collect()
}

fn refused(command: &mut Command) -> String {
    let output = command.output().expect("the launcher runs");
    let (out, err) = text(&output);
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    err
}

fn preload(file: &Path) -> String {
    format!("preload={}", file.canonicalize().expect("a path").display())
}

#[test]
fn arguments_pass_untouched_and_the_library_beside_is_found() {
    let place = Place::new("beside");
    let library = place.library("bin/libaccel_kvm_la.so");
    let lines = shown(
        place
            .command()
            .args(["-accel", "kvm", "-append", "a b  c", ""]),
    );
    assert_eq!(
        lines,
        [
            &preload(&library),
            "argument=-accel",
            "argument=kvm",
            "argument=-append",
            "argument=a b  c",
            "argument="
        ]
    );
}

#[test]
fn the_library_of_a_prefix_is_found_and_other_preloads_stay() {
    let place = Place::new("prefix");
    let library = place.library("lib/libaccel_kvm_la.so");
    let other = place.library("lib/other.so");
    let lines = shown(place.command().env("LD_PRELOAD", &other).arg("--version"));
    let expected = format!("{}:{}", preload(&library), other.display());
    assert_eq!(lines.first(), Some(&expected));
}

#[test]
fn variables_name_both() {
    let place = Place::new("named");
    place.script("elsewhere");
    fs::remove_file(place.dir.join("path/qemu-system-loongarch64")).expect("a file");
    let library = place.library("mine.so");
    let lines = shown(
        place
            .command()
            .env("KVM_LA_QEMU", place.dir.join("elsewhere"))
            .env("KVM_LA_LIBRARY", &library),
    );
    assert_eq!(lines.first(), Some(&preload(&library)));
}

#[test]
fn it_never_runs_itself() {
    let place = Place::new("itself");
    place.library("bin/libaccel_kvm_la.so");
    let first = place.dir.join("first");
    fs::create_dir_all(&first).expect("a directory");
    symlink(place.launcher(), first.join("qemu-system-loongarch64")).expect("a link");
    let path = format!(
        "{}:{}:/usr/bin:/bin",
        first.display(),
        place.dir.join("path").display()
    );
    let lines = shown(place.command().env("PATH", path).arg("x"));
    assert_eq!(lines.last().map(String::as_str), Some("argument=x"));
    let error = refused(place.command().env("KVM_LA_QEMU", place.launcher()));
    assert!(error.contains("is this program"), "{error}");
}

#[test]
fn what_is_missing_is_said_in_one_line() {
    let place = Place::new("missing");
    let error = refused(&mut place.command());
    assert!(error.contains("libaccel_kvm_la.so"), "{error}");
    place.library("bin/libaccel_kvm_la.so");
    let error = refused(place.command().env("PATH", "/nowhere"));
    assert!(
        error.contains("no qemu-system-loongarch64 in PATH"),
        "{error}"
    );
    let error = refused(place.command().env("KVM_LA_QEMU", "/nowhere/qemu"));
    assert!(error.contains("/nowhere/qemu"), "{error}");
    let odd = place.dir.join("with space");
    fs::create_dir_all(&odd).expect("a directory");
    fs::write(odd.join("x.so"), HEADER).expect("a file");
    let error = refused(place.command().env("KVM_LA_LIBRARY", odd.join("x.so")));
    assert!(error.contains("colon or a space"), "{error}");
}

#[test]
fn a_library_that_is_not_whole_is_refused() {
    let place = Place::new("cut");
    let library = place.library("bin/libaccel_kvm_la.so");
    let mut header = HEADER;
    // One section header of 64 bytes, which follows.
    (header[40], header[58], header[60]) = (64, 64, 1);
    let mut whole = header.to_vec();
    whole.resize(128, 0);
    let cut = whole.get(..127).expect("less than all");
    for text in [
        &b""[..],
        b"\x7fELF",
        b"not a library".repeat(9).as_slice(),
        &header,
        cut,
    ] {
        fs::write(&library, text).expect("a file");
        let error = refused(&mut place.command());
        assert!(error.contains("is not a whole library"), "{error}");
    }
    fs::write(&library, whole).expect("a file");
    assert_eq!(
        shown(place.command().arg("x")).last().map(String::as_str),
        Some("argument=x")
    );
}

/// A name without a slash is a file of the working directory, and not what PATH has.
#[test]
fn a_name_without_a_directory_is_the_file_that_was_looked_at() {
    let place = Place::new("bare");
    place.library("bin/libaccel_kvm_la.so");
    let first = place.dir.join("first");
    fs::create_dir_all(&first).expect("a directory");
    symlink(place.launcher(), first.join("qemu-system-loongarch64")).expect("a link");
    let path = format!("{}:/usr/bin:/bin", first.display());
    let mut command = place.command();
    command.current_dir(place.dir.join("path"));
    command
        .env("PATH", &path)
        .env("KVM_LA_QEMU", "qemu-system-loongarch64");
    assert_eq!(
        shown(command.arg("x")).last().map(String::as_str),
        Some("argument=x")
    );
    // An empty element of PATH is the working directory.
    let mut command = place.command();
    command.current_dir(place.dir.join("path"));
    command.env("PATH", format!("{}::/usr/bin:/bin", first.display()));
    assert_eq!(
        shown(command.arg("x")).last().map(String::as_str),
        Some("argument=x")
    );
}

/// What the launcher itself says: the loader has its words about the empty library.
fn warnings(output: &Output) -> String {
    let lines = text(output).1;
    lines
        .lines()
        .filter(|line| line.starts_with("qemu-kvm-la: "))
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The ctime of a file.
fn changed(file: &Path) -> (i64, i64) {
    let meta = fs::metadata(file).expect("a file");
    (meta.ctime(), meta.ctime_nsec())
}

#[test]
fn a_qemu_that_is_newer_makes_the_launcher_new() {
    let place = Place::new("renew");
    place.library("bin/libaccel_kvm_la.so");
    let qemu = place.dir.join("path/qemu-system-loongarch64");
    shown(place.command().arg("x"));
    let first = changed(&place.launcher());
    shown(place.command().arg("x"));
    assert_eq!(changed(&place.launcher()), first, "nothing is new");
    // What an upgrade does: another file in the place of the old one.
    std::thread::sleep(Duration::from_millis(20));
    fs::remove_file(&qemu).expect("a file");
    place.script("path/qemu-system-loongarch64");
    assert!(changed(&qemu) > first);
    let output = place
        .command()
        .arg("x")
        .output()
        .expect("the launcher runs");
    assert_eq!(warnings(&output), "");
    // The kernel stamps files by its tick, so both may carry the same one.
    assert!(changed(&place.launcher()) >= changed(&qemu));
}

#[test]
fn a_launcher_that_may_not_be_renewed_says_so() {
    let place = Place::new("owner");
    place.library("bin/libaccel_kvm_la.so");
    // The directory is other users' too, the launcher's file is not.
    fs::set_permissions(&place.dir, fs::Permissions::from_mode(0o755)).expect("a mode");
    let qemu = place.dir.join("path/qemu-system-loongarch64");
    std::thread::sleep(Duration::from_millis(20));
    fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755)).expect("a mode");
    let before = changed(&place.launcher());
    let nobody = |command: &mut Command| {
        // Only root becomes another user.
        command.uid(65534).gid(65534).arg("x").output()
    };
    let Ok(output) = nobody(&mut place.command()) else {
        eprintln!("skipped: not root");
        return;
    };
    assert!(text(&output).0.contains("argument=x"));
    let warning = warnings(&output);
    assert_eq!(warning.lines().count(), 1, "{warning}");
    assert!(warning.contains("touch"), "{warning}");
    assert_eq!(changed(&place.launcher()), before);
    for level in ["error", "ERROR", " off "] {
        let quiet = nobody(place.command().env("KVM_LA_LOG", level)).expect("the launcher runs");
        assert_eq!(warnings(&quiet), "", "{level}");
    }
    // A log on a full disk takes no warning, and QEMU starts nevertheless.
    let full = fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("a device");
    let mut command = place.command();
    let started = nobody(command.stderr(full)).expect("the launcher runs");
    assert!(
        text(&started).0.contains("argument=x"),
        "{:?}",
        started.status
    );
}

#[test]
fn a_privileged_qemu_is_refused() {
    let place = Place::new("setuid");
    place.library("bin/libaccel_kvm_la.so");
    let qemu = place.dir.join("path/qemu-system-loongarch64");
    fs::set_permissions(&qemu, fs::Permissions::from_mode(0o4755)).expect("a mode");
    let error = refused(&mut place.command());
    assert!(error.contains("set-user-ID"), "{error}");
}
