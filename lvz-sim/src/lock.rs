// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Locks on files that a machine uses while it runs, which keep others from changing them: other
//! simulators, and QEMU, whose locks these are (QEMU: block/file-posix.c, `raw_apply_lock_bytes`).
//!
//! A user of a file locks a byte for each thing that it does to it, and one for each that other
//! users must not do. All locks are shared ones, and belong to the open file. Where the file
//! system or the host has no such locks there are none.

use std::fs::File;

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// It is read, and must not change.
    Read,
    /// It is read and written.
    Write,
}

/// A file that is in use in a way that does not go together with another.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InUse;

/// Locks an open file, until it is closed.
///
/// # Errors
/// It is in use.
#[cfg(target_os = "linux")]
pub(crate) fn lock(file: &File, what: Use) -> Result<(), InUse> {
    linux::lock(file, what)
}

/// Locks nothing.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub(crate) fn lock(_: &File, _: Use) -> Result<(), InUse> {
    Ok(())
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{InUse, Use};
    use nix::errno::Errno;
    use nix::fcntl::{FcntlArg, fcntl};
    use std::fs::File;

    /// The bytes of QEMU's `BLK_PERM_CONSISTENT_READ` and `BLK_PERM_WRITE`: locked by a user
    /// that does it, and by one that rules it out for others.
    const READS: i64 = 100;
    const WRITES: i64 = 101;
    const NO_READS: i64 = 200;
    const NO_WRITES: i64 = 201;

    fn byte(at: i64, kind: i32) -> libc::flock {
        libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: at,
            l_len: 1,
            l_pid: 0,
        }
    }

    /// Locks a byte, which others may too.
    fn share(file: &File, at: i64) -> Result<(), InUse> {
        match fcntl(file, FcntlArg::F_OFD_SETLK(&byte(at, libc::F_RDLCK))) {
            Err(Errno::EAGAIN | Errno::EACCES) => Err(InUse),
            _ => Ok(()),
        }
    }

    /// Whether another open file has a lock on a byte.
    fn is_locked(file: &File, at: i64) -> bool {
        let mut found = byte(at, libc::F_WRLCK);
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut found)).is_ok()
            && i32::from(found.l_type) != libc::F_UNLCK
    }

    pub(super) fn lock(file: &File, what: Use) -> Result<(), InUse> {
        let (own, others): (&[i64], &[i64]) = match what {
            Use::Read => (&[READS, NO_WRITES], &[NO_READS, WRITES]),
            Use::Write => (&[READS, WRITES, NO_WRITES], &[NO_READS, NO_WRITES, WRITES]),
        };
        own.iter().try_for_each(|&at| share(file, at))?;
        match others.iter().any(|&at| is_locked(file, at)) {
            true => Err(InUse),
            false => Ok(()),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// The same file, opened twice.
        fn two() -> (File, File) {
            let file = tempfile::NamedTempFile::new().unwrap();
            let again = file.reopen().unwrap();
            (file.into_file(), again)
        }

        #[test]
        fn one_that_writes_is_alone() {
            for (first, second, both) in [
                (Use::Read, Use::Read, true),
                (Use::Read, Use::Write, false),
                (Use::Write, Use::Read, false),
                (Use::Write, Use::Write, false),
            ] {
                let (one, other) = two();
                lock(&one, first).unwrap();
                assert_eq!(lock(&other, second).is_ok(), both, "{first:?} {second:?}");
                drop(one);
                lock(&other, second).unwrap();
            }
        }

        /// What QEMU locks for a disk that is written, and for one that is not (hw/block/block.c,
        /// `blkconf_apply_backend_options`).
        #[test]
        fn qemu_has_the_same_bytes() {
            for (bytes, reads) in [(&[100, 101, 201][..], false), (&[100, 201], true)] {
                let (qemu, own) = two();
                bytes.iter().for_each(|&at| share(&qemu, at).unwrap());
                assert_eq!(lock(&own, Use::Read).is_ok(), reads);
                assert_eq!(lock(&own, Use::Write), Err(InUse));
            }
        }
    }
}
