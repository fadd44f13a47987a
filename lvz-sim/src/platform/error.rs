// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Errors of the platform.

use std::io;
use std::path::PathBuf;

/// Why a platform cannot be built, saved or restored.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// A number of CPUs that the machine cannot have.
    #[error("{0} CPUs: the machine takes 1 to 16")]
    Cpus(usize),
    /// A file of a drive.
    #[error("drive {path}: cannot {action}")]
    Drive {
        /// Its path, as `--drive` has it.
        path: PathBuf,
        /// What could not be done, as in "open it".
        action: &'static str,
        /// What the host answered.
        source: io::Error,
    },
    /// A drive that holds nothing.
    #[error("drive {0}: is empty, give it a size first")]
    EmptyDrive(PathBuf),
    /// A file that another program uses, one of the two to write to it.
    #[error(
        "{0} {1}: another program has it open, and one of the two writes: end that, or use a copy"
    )]
    InUse(&'static str, PathBuf),
    /// A shared directory that cannot be used.
    #[error("shared directory {path}")]
    Share {
        /// Its path, as `--share` has it.
        path: PathBuf,
        /// What the host answered.
        source: io::Error,
    },
    /// Firmware on a board without flash.
    #[error("firmware: this board has no flash, use machine virt")]
    NoFlash,
    /// A file of the firmware's variables.
    #[error("firmware variables '{path}': cannot open the file")]
    Flash {
        /// Its path, as `--firmware-vars` has it.
        path: PathBuf,
        /// What the host answered.
        source: io::Error,
    },
    /// One of the wrong size.
    #[error(
        "firmware variables '{0}': the file must have a multiple of 256 KiB, at most 16 MiB, \
         as the firmware's package has one to copy"
    )]
    FlashSize(PathBuf),
    /// More virtio devices than there are places for.
    #[error("{0} virtio devices: the machine takes at most {1}, leave out some drives")]
    TooManyDevices(usize, usize),
    /// The shared directory is in use.
    #[error(
        "shared directory: files are open in the machine, unmount it before the snapshot is taken"
    )]
    ShareInUse,
    /// A saved state that is of another machine, or damaged.
    #[error("{0} does not match this machine, use the options it was taken with")]
    Mismatch(&'static str),
}
