// SPDX-License-Identifier: GPL-2.0-or-later

//! `qemu-kvm-la`: the distribution's `qemu-system-loongarch64` with the Rust KVM
//! backend in it. Every argument is QEMU's; libvirt can have this program as a
//! domain's `<emulator>`.
//!
//! | variable | names |
//! | --- | --- |
//! | `KVM_LA_QEMU` | QEMU's executable; else the first `qemu-system-loongarch64` of `PATH` |
//! | `KVM_LA_LIBRARY` | `libaccel_kvm_la.so`; else beside this program, or in or below `../lib` |
//! | `KVM_LA_LOG` | how much the backend tells: `error`, `warn`, `info`, `debug` or `trace` |

#![cfg_attr(not(test), no_main)]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use std::{env, io};

use anyhow::{Context as _, Result, anyhow, bail};

/// QEMU's executable for the one architecture that the backend is for.
const QEMU: &str = "qemu-system-loongarch64";

/// The backend's file.
const LIBRARY: &str = "libaccel_kvm_la.so";

/// The loader's variable, see ld.so(8).
const PRELOAD: &str = "LD_PRELOAD";

/// Bits of a file's mode with which the loader ignores `LD_PRELOAD`.
const SET_ID: u32 = 0o6000;

/// What the C library calls. Rust's own `main` would read /proc/self/maps first, to find the
/// end of the stack: a quarter of what this program costs.
#[cfg_attr(not(test), unsafe(no_mangle))]
extern "C" fn main() -> i32 {
    // Only an exec that failed comes back.
    match exec() {
        Ok(never) => match never {},
        Err(error) => {
            say(&format!("{error:#}"));
            libc::EXIT_FAILURE
        }
    }
}

fn exec() -> Result<std::convert::Infallible> {
    let own = env::current_exe().context("cannot tell where this program is")?;
    let own = Found::at(own).context("cannot look at this program's file")?;
    let qemu = qemu(env::var_os("KVM_LA_QEMU"), env::var_os("PATH"), &own)?;
    let library = library(env::var_os("KVM_LA_LIBRARY"), &own.path)?;
    let preload = preload(&library, env::var_os(PRELOAD))?;
    if let Err(error) = renew(&own, &qemu)
        // A launcher that may not do it can at least say it. A file system that takes no change is
        // that of an image, whose files came together.
        && error.kind() == io::ErrorKind::PermissionDenied
        && !env::var_os("KVM_LA_LOG").is_some_and(|level| is_quiet(&level))
    {
        say(&format!(
            "warning: QEMU was installed after this program, and libvirt may go by what an \
             earlier QEMU could do: as root, run `touch {}`",
            own.path.display()
        ));
    }
    let error = Command::new(&qemu.path)
        .args(env::args_os().skip(1))
        .env(PRELOAD, preload)
        .exec();
    Err(error).with_context(|| format!("cannot run {}", qemu.path.display()))
}

/// Says a line on standard error. If that is full, a log's disk say, QEMU starts all the same.
fn say(line: &str) {
    let _ = io::stderr().write_all(format!("qemu-kvm-la: {line}\n").as_bytes());
}

/// Whether a level of KVM_LA_LOG leaves warnings out; the library reads it in the same way.
fn is_quiet(level: &OsStr) -> bool {
    let level = level.to_string_lossy();
    ["off", "error"]
        .iter()
        .any(|quiet| level.trim().eq_ignore_ascii_case(quiet))
}

/// A file, and what was found out about it at once.
struct Found {
    path: PathBuf,
    meta: fs::Metadata,
}

impl Found {
    /// The path is absolute from here on: what runs a name without a slash would look for it in
    /// PATH, and find another file than this one.
    fn at(path: PathBuf) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let meta = fs::metadata(&path)?;
        Ok(Self { path, meta })
    }

    fn is_executable(&self) -> bool {
        self.meta.is_file() && self.meta.permissions().mode() & 0o111 != 0
    }

    fn is(&self, other: &Self) -> bool {
        (self.meta.dev(), self.meta.ino()) == (other.meta.dev(), other.meta.ino())
    }
}

/// Renews the time of this program's file if QEMU was installed after it.
///
/// libvirt keeps what it found out about an emulator until the ctime of the
/// emulator's file changes (`virQEMUCapsIsValid`). It looks at this program's file, but
/// what it found out is QEMU's.
fn renew(own: &Found, qemu: &Found) -> io::Result<()> {
    let changed = |file: &Found| (file.meta.ctime(), file.meta.ctime_nsec());
    if changed(qemu) <= changed(own) {
        return Ok(());
    }
    fs::File::open(&own.path)?.set_modified(SystemTime::now())
}

/// QEMU's executable, which is never this program under another name.
fn qemu(named: Option<OsString>, path: Option<OsString>, own: &Found) -> Result<Found> {
    let executable = |file| Found::at(file).ok().filter(Found::is_executable);
    let found = match named.filter(|name| !name.is_empty()) {
        Some(name) => {
            let file = PathBuf::from(name);
            let name = file.display().to_string();
            let Some(found) = executable(file) else {
                bail!("KVM_LA_QEMU={name}: no such executable, name {QEMU} by its full path");
            };
            if found.is(own) {
                bail!("KVM_LA_QEMU={name} is this program, name QEMU's own executable");
            }
            found
        }
        None => env::split_paths(&path.unwrap_or_default())
            .filter_map(|dir| executable(dir.join(QEMU)))
            .find(|found| !found.is(own))
            .ok_or_else(|| {
                anyhow!("no {QEMU} in PATH: install QEMU or name its executable in KVM_LA_QEMU")
            })?,
    };
    if found.meta.mode() & SET_ID != 0 {
        bail!(
            "{} is set-user-ID or set-group-ID: the loader puts nothing into it, use one that is not",
            found.path.display()
        );
    }
    Ok(found)
}

/// The backend's library, as an absolute path: QEMU may be started elsewhere.
fn library(named: Option<OsString>, own: &Path) -> Result<PathBuf> {
    let candidates = match named.filter(|name| !name.is_empty()) {
        Some(name) => vec![PathBuf::from(name)],
        None => {
            let dir = own
                .parent()
                .ok_or_else(|| anyhow!("{} has no directory", own.display()))?;
            let lib = dir.parent().unwrap_or(dir).join("lib");
            vec![
                dir.join(LIBRARY),
                lib.join(LIBRARY),
                lib.join("loongarch64-linux-gnu").join(LIBRARY),
                // No other program's library: packages keep it apart.
                lib.join("qemu-kvm-la").join(LIBRARY),
            ]
        }
    };
    candidates
        .iter()
        .find(|file| file.is_file())
        .map(|file| {
            // The loader would go on without it.
            let is_whole = is_whole(file)
                .with_context(|| format!("cannot read {}: let its user do so", file.display()))?;
            if !is_whole {
                bail!(
                    "{} is not a whole library: install accel-kvm-la again",
                    file.display()
                );
            }
            std::path::absolute(file).with_context(|| format!("cannot resolve {}", file.display()))
        })
        .unwrap_or_else(|| {
            let tried: Vec<String> = candidates
                .iter()
                .map(|file| file.display().to_string())
                .collect();
            Err(anyhow!(
                "no {LIBRARY} (looked for {}): name it in KVM_LA_LIBRARY",
                tried.join(", ")
            ))
        })
}

/// Whether a file is ELF to its end, which is that of the section headers (elf(5), `e_shoff`,
/// `e_shentsize`, `e_shnum`).
fn is_whole(file: &Path) -> io::Result<bool> {
    let mut header = [0; 64];
    let mut file = fs::File::open(file)?;
    match file.read_exact(&mut header) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        other => other?,
    }
    let half = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let mut table = [0; 8];
    table.copy_from_slice(&header[40..48]);
    let end = u64::from_le_bytes(table).saturating_add(half(58) * half(60));
    Ok(header.starts_with(b"\x7fELF") && file.metadata()?.len() >= end)
}

/// The loader's list with the library at its head.
fn preload(library: &Path, others: Option<OsString>) -> Result<OsString> {
    // The loader splits the list at these and knows no quoting.
    if library
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .any(|byte| matches!(byte, b':' | b' '))
    {
        bail!(
            "{}: the loader takes no path with a colon or a space, put the library elsewhere",
            library.display()
        );
    }
    let mut list = library.as_os_str().to_owned();
    if let Some(others) = others.filter(|others| !others.is_empty()) {
        list.push(OsStr::new(":"));
        list.push(others);
    }
    Ok(list)
}
