// SPDX-License-Identifier: GPL-2.0-or-later

//! What a call of the kernel that failed says.

use std::fmt;

/// A call of the kernel failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// What was called.
    pub call: &'static str,
    /// What it answered.
    pub errno: i32,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = std::io::Error::from_raw_os_error(self.errno);
        write!(f, "{}: {reason}", self.call)
    }
}

impl std::error::Error for Error {}

/// What calls of the kernel return.
pub type Result<T> = std::result::Result<T, Error>;

/// Numbers of errors (Linux include/uapi/asm-generic/errno*.h).
pub mod errno {
    /// Not permitted.
    pub const EPERM: i32 = 1;
    /// No such entry.
    pub const ENOENT: i32 = 2;
    /// Interrupted by a signal.
    pub const EINTR: i32 = 4;
    /// No such device or address.
    pub const ENXIO: i32 = 6;
    /// The list is too long for its room.
    pub const E2BIG: i32 = 7;
    /// Try again.
    pub const EAGAIN: i32 = 11;
    /// Out of memory.
    pub const ENOMEM: i32 = 12;
    /// Bad address.
    pub const EFAULT: i32 = 14;
    /// Busy.
    pub const EBUSY: i32 = 16;
    /// Exists already.
    pub const EEXIST: i32 = 17;
    /// No such device.
    pub const ENODEV: i32 = 19;
    /// Invalid argument.
    pub const EINVAL: i32 = 22;
    /// No such ioctl.
    pub const ENOTTY: i32 = 25;
    /// Not supported.
    pub const EOPNOTSUPP: i32 = 95;
}
