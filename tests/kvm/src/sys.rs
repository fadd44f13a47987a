// SPDX-License-Identifier: GPL-2.0-or-later

//! The calls of the C library that need `unsafe`.

use std::ffi::{c_int, c_long, c_uint, c_ulong, c_void};
use std::fs::File;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::thread::{JoinHandleExt as _, RawPthread};
use std::thread::JoinHandle;

use crate::error::{Error, Result};

/// Memory may be read (linux/mman.h).
const PROT_READ: c_int = 1;
/// Memory may be written.
const PROT_WRITE: c_int = 2;
/// A mapping shared with other mappings of the same thing.
const MAP_SHARED: c_int = 1;
/// A mapping of one's own.
const MAP_PRIVATE: c_int = 2;
/// A mapping of zeros.
const MAP_ANONYMOUS: c_int = 0x20;
/// Nothing is set aside for it.
const MAP_NORESERVE: c_int = 0x4000;
/// System call and flags of mremap (asm-generic/unistd.h, linux/mman.h).
const SYS_MREMAP: i64 = 216;
const MREMAP_MAYMOVE: u64 = 1;
const MREMAP_FIXED: u64 = 2;
const MREMAP_DONTUNMAP: u64 = 4;
/// Closed by exec (linux/eventfd.h).
const EFD_CLOEXEC: c_int = 0o2000000;
/// Reading does not wait.
const EFD_NONBLOCK: c_int = 0o4000;

unsafe extern "C" {
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    fn mmap(
        at: *mut c_void,
        length: usize,
        protection: c_int,
        flags: c_int,
        fd: c_int,
        offset: i64,
    ) -> *mut c_void;
    fn munmap(at: *mut c_void, length: usize) -> c_int;
    fn madvise(at: *mut c_void, length: usize, advice: c_int) -> c_int;
    fn eventfd(value: c_uint, flags: c_int) -> c_int;
    fn sysconf(name: c_int) -> c_long;
    fn signal(number: c_int, handler: extern "C" fn(c_int)) -> usize;
    fn siginterrupt(number: c_int, interrupt: c_int) -> c_int;
    fn pthread_kill(thread: RawPthread, number: c_int) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
}

/// The signal that interrupts a thread (SIGUSR1).
const ALARM_SIGNAL: c_int = 10;
/// System calls (asm-generic/unistd.h).
const SYS_TGKILL: c_long = 131;
/// The calling thread's number.
const SYS_GETTID: c_long = 178;

/// Does nothing: what matters is that a system call was interrupted.
extern "C" fn on_alarm(_: c_int) {}

/// Makes the alarm signal interrupt system calls, and do nothing else.
pub(crate) fn ignore_alarm_signal() -> Result<()> {
    // SAFETY: the handler does nothing, which is safe at any moment.
    if unsafe { signal(ALARM_SIGNAL, on_alarm) } == usize::MAX {
        return Err(last_error("signal"));
    }
    // SAFETY: takes numbers.
    match unsafe { siginterrupt(ALARM_SIGNAL, 1) } {
        -1 => Err(last_error("siginterrupt")),
        _ => Ok(()),
    }
}

/// As [`on_alarm`], for which the vector registers are anything else.
extern "C" fn scramble(_: c_int) {
    crate::units::scramble();
}

/// Makes the alarm signal interrupt system calls, by a handler that uses the vector
/// registers.
pub(crate) fn scramble_on_alarm_signal() -> Result<()> {
    ignore_alarm_signal()?;
    // SAFETY: the handler calls nothing, which is safe at any moment.
    if unsafe { signal(ALARM_SIGNAL, scramble) } == usize::MAX {
        return Err(last_error("signal"));
    }
    // SAFETY: takes numbers.
    match unsafe { siginterrupt(ALARM_SIGNAL, 1) } {
        -1 => Err(last_error("siginterrupt")),
        _ => Ok(()),
    }
}

/// Sends the alarm signal to a thread that is not joined yet. Nothing happens if
/// it has ended.
pub(crate) fn signal_thread<T>(thread: &JoinHandle<T>) {
    // SAFETY: the handle is not joined, so the thread's id is still its own.
    unsafe { pthread_kill(thread.as_pthread_t(), ALARM_SIGNAL) };
}

/// A thread of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadId(c_long);

impl ThreadId {
    /// The calling one.
    pub(crate) fn current() -> Self {
        // SAFETY: takes nothing.
        Self(unsafe { syscall(SYS_GETTID) })
    }

    /// Sends it the alarm signal.
    pub(crate) fn signal(self) -> Result<()> {
        // SAFETY: takes numbers; a thread that is gone is an error.
        let result = unsafe {
            syscall(
                SYS_TGKILL,
                std::process::id() as c_long,
                self.0,
                ALARM_SIGNAL,
            )
        };
        match result {
            -1 => Err(last_error("tgkill")),
            _ => Ok(()),
        }
    }
}

/// The failure that errno describes.
fn last_error(call: &'static str) -> Error {
    let errno = std::io::Error::last_os_error().raw_os_error();
    Error {
        call,
        errno: errno.unwrap_or(0),
    }
}

/// An ioctl.
///
/// # Safety
///
/// `argument` is what the request wants: a number, or the address of a live
/// object of the size that the request reads and writes.
pub(crate) unsafe fn call_ioctl(
    fd: BorrowedFd<'_>,
    call: &'static str,
    request: u64,
    argument: u64,
) -> Result<i32> {
    // SAFETY: by this function's contract.
    match unsafe { ioctl(fd.as_raw_fd(), request as c_ulong, argument) } {
        -1 => Err(last_error(call)),
        result => Ok(result),
    }
}

/// A system call that the C library has no function for.
///
/// # Safety
///
/// The arguments are what the call wants: numbers, or addresses of live objects
/// of the size that it reads and writes.
pub(crate) unsafe fn call_system(
    call: &'static str,
    number: i64,
    arguments: [u64; 5],
) -> Result<i64> {
    let [a, b, c, d, e] = arguments;
    // SAFETY: by this function's contract.
    match unsafe { syscall(number as c_long, a, b, c, d, e) } {
        -1 => Err(last_error(call)),
        result => Ok(result),
    }
}

/// Takes over a descriptor that the kernel has just made for us.
///
/// # Safety
///
/// Nothing else owns it.
pub(crate) unsafe fn new_file(fd: i32) -> File {
    // SAFETY: by this function's contract.
    File::from(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A copy of a descriptor of another process, a child that has not been waited for.
pub fn descriptor_of(process: u32, number: i32) -> Result<File> {
    /// System calls (asm-generic/unistd.h).
    const PIDFD_OPEN: i64 = 434;
    const PIDFD_GETFD: i64 = 438;
    let arguments = [process.into(), 0, 0, 0, 0];
    // SAFETY: takes numbers.
    let pidfd = unsafe { call_system("pidfd_open", PIDFD_OPEN, arguments) }?;
    // SAFETY: the call made it.
    let pidfd = unsafe { new_file(pidfd as i32) };
    let arguments = [pidfd.as_raw_fd() as u64, number as u64, 0, 0, 0];
    // SAFETY: takes numbers.
    let copy = unsafe { call_system("pidfd_getfd", PIDFD_GETFD, arguments) }?;
    // SAFETY: the call made it.
    Ok(unsafe { new_file(copy as i32) })
}

/// A new eventfd that does not wait.
pub(crate) fn new_eventfd() -> Result<File> {
    // SAFETY: takes two numbers.
    match unsafe { eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) } {
        -1 => Err(last_error("eventfd")),
        // SAFETY: the call made it.
        fd => Ok(unsafe { new_file(fd) }),
    }
}

pub(crate) fn page_size() -> usize {
    /// `_SC_PAGESIZE` of the C library (bits/confname.h).
    const PAGESIZE: c_int = 30;
    // SAFETY: takes a number.
    usize::try_from(unsafe { sysconf(PAGESIZE) }).unwrap_or(4096)
}

/// What stores to a mapping of a file do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// They change the file.
    Shared,
    /// They cannot be made.
    ReadOnly,
    /// They change a copy of the page, which the first one makes.
    Private,
}

/// A mapping that goes with its value. Others (a guest, the kernel) change what
/// is in it at any time: it is only read and written as volatile, never borrowed.
#[derive(Debug)]
pub(crate) struct Mapping {
    at: *mut u8,
    length: usize,
}

// SAFETY: the mapping is owned by this value alone, and accesses are volatile
// copies, which may race with others but hand out no reference.
unsafe impl Send for Mapping {}
// SAFETY: as for Send.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// A mapping of zeros, or of a file from its beginning.
    pub(crate) fn new(length: usize, file: Option<BorrowedFd<'_>>) -> Result<Self> {
        match file {
            Some(file) => Self::of(length, file, 0, View::Shared),
            None => {
                let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
                Self::map(length, PROT_READ | PROT_WRITE, flags, -1, 0)
            }
        }
    }

    /// A mapping of a file from `offset`.
    pub(crate) fn of(length: usize, file: BorrowedFd<'_>, offset: i64, view: View) -> Result<Self> {
        let (protection, flags) = match view {
            View::Shared => (PROT_READ | PROT_WRITE, MAP_SHARED),
            View::ReadOnly => (PROT_READ, MAP_SHARED),
            View::Private => (PROT_READ | PROT_WRITE, MAP_PRIVATE),
        };
        Self::map(length, protection, flags, file.as_raw_fd(), offset)
    }

    fn map(length: usize, protection: c_int, flags: c_int, fd: c_int, offset: i64) -> Result<Self> {
        // SAFETY: a new mapping where the kernel likes.
        let at = unsafe { mmap(std::ptr::null_mut(), length, protection, flags, fd, offset) };
        if at as usize == usize::MAX {
            return Err(last_error("mmap"));
        }
        Ok(Self {
            at: at.cast(),
            length,
        })
    }

    /// The address at which it begins.
    pub(crate) fn address(&self) -> u64 {
        self.at as u64
    }

    /// Its length in bytes.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Gives the kernel advice about a part of it (linux/mman.h, MADV_*).
    pub(crate) fn advise(&self, offset: usize, length: usize, advice: c_int) -> Result<()> {
        self.check(offset, length);
        // SAFETY: inside the mapping (checked).
        let at = unsafe { self.at.add(offset) };
        // SAFETY: as above; nothing borrows what the advice may clear.
        match unsafe { madvise(at.cast(), length, advice) } {
            0 => Ok(()),
            _ => Err(last_error("madvise")),
        }
    }

    /// Moves a part to a mapping of its own (MREMAP_DONTUNMAP): of a mapping that no file
    /// has, zeros are left.
    pub(crate) fn take(&self, offset: usize, length: usize) -> Result<Self> {
        self.check(offset, length);
        let from = self.address() + offset as u64;
        let length_word = length as u64;
        let flags = MREMAP_MAYMOVE | MREMAP_DONTUNMAP;
        // SAFETY: inside the mapping (checked), which stays; the kernel chooses where to.
        let at = unsafe {
            call_system(
                "mremap",
                SYS_MREMAP,
                [from, length_word, length_word, flags, 0],
            )
        }?;
        Ok(Self {
            at: std::ptr::with_exposed_provenance_mut(at as usize),
            length,
        })
    }

    /// Moves a mapping into this one (MREMAP_FIXED), in the place of a part of the same length.
    pub(crate) fn put(&self, offset: usize, other: Self) -> Result<()> {
        self.check(offset, other.length);
        let (from, length) = (other.address(), other.length as u64);
        let to = self.address() + offset as u64;
        let flags = MREMAP_MAYMOVE | MREMAP_FIXED;
        // SAFETY: `other` belongs to this call, and its place inside this one (checked), of which
        // nothing is borrowed.
        unsafe { call_system("mremap", SYS_MREMAP, [from, length, length, flags, to]) }?;
        // It is not there any more.
        std::mem::forget(other);
        Ok(())
    }

    /// Copies bytes out.
    pub(crate) fn read(&self, offset: usize, bytes: &mut [u8]) {
        self.check(offset, bytes.len());
        for (i, byte) in bytes.iter_mut().enumerate() {
            // SAFETY: inside the mapping (checked).
            let at = unsafe { self.at.add(offset + i) };
            // SAFETY: as above.
            *byte = unsafe { at.read_volatile() };
        }
    }

    /// Copies bytes in.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) {
        self.check(offset, bytes.len());
        for (i, byte) in bytes.iter().enumerate() {
            // SAFETY: inside the mapping (checked).
            let at = unsafe { self.at.add(offset + i) };
            // SAFETY: as above.
            unsafe { at.write_volatile(*byte) };
        }
    }

    /// Reads an aligned number at once.
    pub(crate) fn read_u64(&self, offset: usize) -> u64 {
        self.check_aligned(offset, 8);
        // SAFETY: inside the mapping (checked).
        let at = unsafe { self.at.add(offset) };
        // SAFETY: as above, and aligned (checked).
        unsafe { at.cast::<u64>().read_volatile() }
    }

    /// Reads an aligned number of 32 bits at once.
    pub(crate) fn read_u32(&self, offset: usize) -> u32 {
        self.check_aligned(offset, 4);
        // SAFETY: inside the mapping (checked).
        let at = unsafe { self.at.add(offset) };
        // SAFETY: as above, and aligned (checked).
        unsafe { at.cast::<u32>().read_volatile() }
    }

    /// Writes an aligned number at once.
    pub(crate) fn write_u64(&self, offset: usize, value: u64) {
        self.check_aligned(offset, 8);
        // SAFETY: inside the mapping (checked).
        let at = unsafe { self.at.add(offset) };
        // SAFETY: as above, and aligned (checked).
        unsafe { at.cast::<u64>().write_volatile(value) }
    }

    /// A mistake of the program that uses this, not of what it tests.
    fn check(&self, offset: usize, length: usize) {
        let end = offset.checked_add(length);
        assert!(
            end.is_some_and(|end| end <= self.length),
            "{length} bytes at {offset:#x} of a mapping of {:#x}",
            self.length
        );
    }

    fn check_aligned(&self, offset: usize, length: usize) {
        self.check(offset, length);
        assert!(offset.is_multiple_of(length), "{offset:#x} is not aligned");
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: made by mmap with this length, and no longer used.
        unsafe { munmap(self.at.cast(), self.length) };
    }
}
