// SPDX-License-Identifier: GPL-2.0

//! What comes after an exit.

use kernel::prelude::*;

/// What the vCPU's thread does next.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Next {
    /// Return to user space, with `kvm_run` filled.
    User = 0,
    /// Enter the guest again.
    Enter = 1,
}

impl Next {
    /// What the world switch and C's KVM_RUN take; they take a failure as a negative
    /// error number.
    #[inline]
    pub(crate) fn to_c(self) -> i32 {
        self as i32
    }
}

/// Why the guest is not entered again. As small as a number, 0 for [`Stop::User`].
#[derive(Clone, Copy)]
pub(crate) enum Stop {
    /// As [`Next::User`].
    User,
    /// KVM_RUN fails.
    Failed(Error),
}

impl From<Error> for Stop {
    #[inline]
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

/// What came of an exit with interrupts off. None of these fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quick {
    /// It is handled.
    Done(Next),
    /// It needs interrupts on.
    Later,
}
