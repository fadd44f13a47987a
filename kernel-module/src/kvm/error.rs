// SPDX-License-Identifier: GPL-2.0

//! Errors of `kvm_core` as the kernel's, and results as the integers that C takes.

use kernel::prelude::*;
use kvm_core::cpucfg::CpucfgError;
use kvm_core::csr::CsrError;
use kvm_core::intc::IntcError;
use kvm_core::interrupt::BadInterrupt;
use kvm_core::mmu::MmuError;
use kvm_core::one_reg::OneRegError;
use kvm_core::steal_time::BadAddress;

use crate::kvm::bindings as b;
use crate::kvm::next::{Next, Stop};

/// The generic half goes on with the ioctl, or answers ENOTTY.
#[inline]
pub(crate) fn no_such_ioctl() -> Error {
    ENOIOCTLCMD
}

/// The bus asks another device.
pub(crate) fn not_answered() -> Error {
    Error::from_errno(-(b::EOPNOTSUPP as i32))
}

/// An error with a number of `errno-base.h`.
pub(crate) trait Errno {
    /// As the kernel's.
    fn error(self) -> Error;
}

macro_rules! errno {
    ($($error:ty)*) => {$(
        impl Errno for $error {
            #[inline]
            fn error(self) -> Error {
                Error::from_errno(-self.errno())
            }
        }
    )*};
}

errno! { BadAddress BadInterrupt CpucfgError CsrError IntcError MmuError OneRegError }

/// Results of `kvm_core`, as the kernel's.
pub(crate) trait OrErrno<T> {
    /// With the kernel's error.
    fn or_errno(self) -> Result<T>;
}

impl<T, E: Errno> OrErrno<T> for core::result::Result<T, E> {
    #[inline]
    fn or_errno(self) -> Result<T> {
        self.map_err(Errno::error)
    }
}

/// What a function that C calls answers, as C's type: an error is its negative number.
pub(crate) trait IntoC<C> {
    /// In C's type.
    fn into_c(self) -> C;
}

impl<C: From<i16>> IntoC<C> for Result {
    #[inline]
    fn into_c(self) -> C {
        kernel::error::from_result(|| self.map(|()| C::from(0)))
    }
}

impl<C: From<i16>> IntoC<C> for Error {
    #[inline]
    fn into_c(self) -> C {
        Result::<()>::Err(self).into_c()
    }
}

impl IntoC<i32> for Result<Next> {
    #[inline]
    fn into_c(self) -> i32 {
        self.map_or_else(|error| error.to_errno(), Next::to_c)
    }
}

impl IntoC<i32> for Stop {
    #[inline]
    fn into_c(self) -> i32 {
        match self {
            Stop::User => Next::User.to_c(),
            Stop::Failed(error) => error.to_errno(),
        }
    }
}

macro_rules! as_it_is {
    ($($kind:ty)*) => {$(
        impl IntoC<$kind> for $kind {
            #[inline]
            fn into_c(self) -> $kind {
                self
            }
        }
    )*};
}

as_it_is! { () bool i32 u32 usize }

impl IntoC<i32> for bool {
    #[inline]
    fn into_c(self) -> i32 {
        self.into()
    }
}
