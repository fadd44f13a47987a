// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a path leads to, for one that writes there.

use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Most links that are followed, as Linux has it.
const LINKS_MAX: usize = 40;

/// What is at the end of a path.
#[derive(Debug)]
pub(crate) enum Place {
    /// What standard output or standard error is.
    Open(File),
    /// No file that can be replaced: a pipe, a device, an open file of a process.
    Through(PathBuf),
    /// A regular file, or none yet. The path has a directory and is no link.
    File(PathBuf),
}

impl Place {
    /// What `path` leads to.
    ///
    /// # Errors
    /// A directory that is not there or cannot be looked at, links in a circle, or a directory.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        if path.as_os_str().is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let found = fs::metadata(path).ok();
        if let Some(stream) = found.as_ref().and_then(same_stream) {
            return Ok(Self::Open(duplicate(stream)?));
        }
        match found {
            Some(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Some(found) if !found.is_file() => Ok(Self::Through(path.to_owned())),
            _ => Self::of_file(path),
        }
    }

    /// The same of a regular file, or of none.
    fn of_file(path: &Path) -> io::Result<Self> {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
            let directory = match path.parent() {
                Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
                Some(parent) => parent,
                None => Path::new("/"),
            };
            let directory = fs::canonicalize(directory)?;
            let place = directory.join(name);
            if directory.starts_with("/proc") {
                return Ok(Self::Through(place));
            }
            match fs::read_link(&place) {
                Ok(target) => path = directory.join(target),
                Err(_) => return Ok(Self::File(place)),
            }
        }
        Err(io::Error::from_raw_os_error(libc::ELOOP))
    }
}

/// Standard output, beside Rust's own buffer.
///
/// # Errors
/// I/O errors.
pub(crate) fn standard_output() -> io::Result<File> {
    duplicate(stdio::stdout())
}

fn duplicate(stream: BorrowedFd<'_>) -> io::Result<File> {
    Ok(fcntl_dupfd_cloexec(stream, 0)?.into())
}

/// The stream of this process that is the same file.
fn same_stream(found: &Metadata) -> Option<BorrowedFd<'static>> {
    [stdio::stdout(), stdio::stderr()]
        .into_iter()
        .find(|stream| {
            rustix::fs::fstat(stream)
                .is_ok_and(|stream| (stream.st_dev, stream.st_ino) == (found.dev(), found.ino()))
        })
}
