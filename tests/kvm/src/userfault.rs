// SPDX-License-Identifier: GPL-2.0-or-later

//! userfaultfd: pages that come only when this process gives them.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _};

use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::request::call_any;
use crate::sys;

/// System call (asm-generic/unistd.h).
const SYS_USERFAULTFD: i64 = 282;
/// Requests and numbers of linux/userfaultfd.h.
const UFFDIO_API: u64 = 0xc018_aa3f;
const UFFDIO_REGISTER: u64 = 0xc020_aa00;
const UFFD_API: u64 = 0xaa;
const REGISTER_MODE_MISSING: u64 = 1;
/// struct uffd_msg.
const MESSAGE: usize = 32;

/// Says which pages of its memory are missed.
#[derive(Debug)]
pub struct Userfault(File);

impl Userfault {
    /// No page of `memory` that is not there yet comes by itself any more.
    pub fn new(memory: &Memory) -> Result<Self> {
        // SAFETY: takes flags.
        let fd = unsafe { sys::call_system("userfaultfd", SYS_USERFAULTFD, [0; 5]) }?;
        // SAFETY: the call made it.
        let file = unsafe { sys::new_file(fd as i32) };
        let mut api = [UFFD_API, 0, 0];
        // SAFETY: struct uffdio_api, which the kernel fills.
        unsafe { call_any(file.as_fd(), UFFDIO_API, api.as_mut_ptr() as u64) }?;
        let mut register = [
            memory.address(),
            memory.length() as u64,
            REGISTER_MODE_MISSING,
            0,
        ];
        // SAFETY: struct uffdio_register, as above.
        unsafe { call_any(file.as_fd(), UFFDIO_REGISTER, register.as_mut_ptr() as u64) }?;
        Ok(Self(file))
    }

    /// Another process's, by a descriptor of it.
    pub fn of(file: File) -> Self {
        Self(file)
    }

    /// Waits until a page is missed.
    pub fn wait(&self) -> Result<()> {
        let mut message = [0; MESSAGE];
        match (&self.0).read_exact(&mut message) {
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(Error {
                call: "read of a userfaultfd",
                errno: error.raw_os_error().unwrap_or(0),
            }),
            _ => Ok(()),
        }
    }

    /// The descriptor's number in this process.
    pub fn number(&self) -> i32 {
        self.0.as_raw_fd()
    }
}
