// SPDX-License-Identifier: GPL-2.0

//! Error numbers of include/uapi/asm-generic/errno-base.h, positive. Each error type
//! says by `errno` with which of them the ioctl fails.

/// No such device or address.
pub(crate) const ENXIO: i32 = 6;
/// Out of memory.
pub(crate) const ENOMEM: i32 = 12;
/// Bad address.
pub(crate) const EFAULT: i32 = 14;
/// Invalid argument.
pub(crate) const EINVAL: i32 = 22;
