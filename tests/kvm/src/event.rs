// SPDX-License-Identifier: GPL-2.0-or-later

//! eventfd.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

use crate::error::{Error, Result};
use crate::sys;

/// An eventfd that does not wait.
#[derive(Debug)]
pub struct Event(File);

impl Event {
    /// A new one, at zero.
    pub fn new() -> Result<Self> {
        sys::new_eventfd().map(Self)
    }

    /// Adds one.
    pub fn signal(&self) -> Result<()> {
        (&self.0)
            .write_all(&1u64.to_ne_bytes())
            .map_err(|error| failure("write to an eventfd", &error))
    }

    /// What was added since the last time.
    pub fn take(&self) -> Result<u64> {
        let mut bytes = [0; 8];
        match (&self.0).read_exact(&mut bytes) {
            Ok(()) => Ok(u64::from_ne_bytes(bytes)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(failure("read of an eventfd", &error)),
        }
    }

    /// The descriptor as structures have it.
    pub fn fd(&self) -> u32 {
        u32::try_from(self.0.as_raw_fd()).unwrap_or(u32::MAX)
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn failure(call: &'static str, error: &std::io::Error) -> Error {
    Error {
        call,
        errno: error.raw_os_error().unwrap_or(0),
    }
}
