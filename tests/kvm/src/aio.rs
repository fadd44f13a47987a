// SPDX-License-Identifier: GPL-2.0-or-later

//! Reads that end in an interrupt handler: the kernel's own asynchronous I/O
//! (Linux fs/aio.c), whose completion signals an eventfd where the device's
//! interrupt is handled.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::error::{Error, Result};
use crate::event::Event;
use crate::memory::Memory;
use crate::sys;

/// System calls (asm-generic/unistd.h).
const SYS_IO_SETUP: i64 = 0;
const SYS_IO_DESTROY: i64 = 1;
const SYS_IO_SUBMIT: i64 = 2;
const SYS_IO_GETEVENTS: i64 = 4;
/// The page cache is not used (asm-generic/fcntl.h).
const O_DIRECT: i32 = 0o40000;
/// The request is a read at an offset (linux/aio_abi.h, IOCB_CMD_PREAD).
const PREAD: u16 = 0;
/// Its end signals an eventfd (linux/aio_abi.h, IOCB_FLAG_RESFD).
const RESFD: u32 = 1;
/// What one read reads: a block of any disk.
const LENGTH: usize = 4096;
/// The length and alignment that any disk takes.
pub const BLOCK: u64 = LENGTH as u64;
/// Reads under way at the same time at most.
pub const DEPTH: usize = 64;

/// A request (struct iocb of linux/aio_abi.h).
#[repr(C)]
struct Request {
    data: u64,
    key: u32,
    rw_flags: u32,
    opcode: u16,
    priority: i16,
    file: u32,
    buffer: u64,
    length: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    event: u32,
}

/// The end of one (struct io_event of linux/aio_abi.h).
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Completion {
    data: u64,
    request: u64,
    result: i64,
    result2: i64,
}

/// Reads of one file, which go past the page cache into memory that is
/// never looked at.
#[derive(Debug)]
pub struct Reads {
    context: u64,
    file: File,
    buffer: Memory,
}

impl Reads {
    /// Of a file or a disk.
    pub fn of(path: &Path) -> Result<Self> {
        let file = File::options()
            .read(true)
            .custom_flags(O_DIRECT)
            .open(path)
            .map_err(|error| Error {
                call: "open of what is to be read",
                errno: error.raw_os_error().unwrap_or(0),
            })?;
        let buffer = Memory::new(LENGTH)?;
        let mut context = 0u64;
        let at = &raw mut context as u64;
        // SAFETY: the kernel writes the context's number where `context` lives.
        unsafe { sys::call_system("io_setup", SYS_IO_SETUP, [DEPTH as u64, at, 0, 0, 0]) }?;
        Ok(Self {
            context,
            file,
            buffer,
        })
    }

    /// Starts reads of a [`BLOCK`] at each offset; the end of one that has an event
    /// signals it.
    ///
    /// From three on the kernel holds them back until it has seen all. Then none is
    /// over before the call that started it has let go of it, as it otherwise may
    /// be: the call itself would signal the event, and no interrupt handler.
    pub fn start(&self, reads: &[(u64, Option<&Event>)]) -> Result<()> {
        let requests: Vec<Request> = reads
            .iter()
            .map(|(offset, event)| Request {
                data: 0,
                key: 0,
                rw_flags: 0,
                opcode: PREAD,
                priority: 0,
                file: self.file.as_raw_fd() as u32,
                buffer: self.buffer.address(),
                length: BLOCK,
                offset: *offset as i64,
                reserved: 0,
                flags: if event.is_some() { RESFD } else { 0 },
                event: event.map_or(0, Event::fd),
            })
            .collect();
        let pointers: Vec<u64> = requests
            .iter()
            .map(|request| std::ptr::from_ref(request) as u64)
            .collect();
        let arguments = [
            self.context,
            pointers.len() as u64,
            pointers.as_ptr() as u64,
            0,
            0,
        ];
        // SAFETY: the kernel copies the requests; what it writes into is `buffer`,
        // which `drop` keeps until nothing is under way any more.
        let started = unsafe { sys::call_system("io_submit", SYS_IO_SUBMIT, arguments) }?;
        if started == pointers.len() as i64 {
            Ok(())
        } else {
            Err(Error {
                call: "io_submit of all",
                errno: crate::error::errno::EAGAIN,
            })
        }
    }

    /// Takes note of reads that are over: how many. Waits for at least so many.
    pub fn finish(&self, at_least: usize) -> Result<usize> {
        let mut done = [Completion::default(); DEPTH];
        let arguments = [
            self.context,
            at_least as u64,
            DEPTH as u64,
            done.as_mut_ptr() as u64,
            0,
        ];
        // SAFETY: the kernel writes at most as many as `done` has; no time limit.
        let count = unsafe { sys::call_system("io_getevents", SYS_IO_GETEVENTS, arguments) }?;
        let count = usize::try_from(count).unwrap_or(0);
        for completion in done.iter().take(count) {
            if completion.result != LENGTH as i64 {
                return Err(Error {
                    call: "asynchronous read",
                    errno: i32::try_from(-completion.result).unwrap_or(0),
                });
            }
        }
        Ok(count)
    }
}

impl Drop for Reads {
    fn drop(&mut self) {
        // SAFETY: takes a number; waits for reads that are under way.
        let _ =
            unsafe { sys::call_system("io_destroy", SYS_IO_DESTROY, [self.context, 0, 0, 0, 0]) };
    }
}
