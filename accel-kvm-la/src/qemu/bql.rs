// SPDX-License-Identifier: GPL-2.0-or-later

//! QEMU's big lock in types: a thread that has a [`Bql`] holds it, one that has a
//! [`WithoutBql`] gave it up. Neither can be copied or sent to another thread.

use std::marker::PhantomData;

use super::services::services;

/// This thread holds the BQL.
#[derive(Debug)]
pub struct Bql(PhantomData<*const ()>);

/// This thread does not hold the BQL.
#[derive(Debug)]
pub struct WithoutBql(PhantomData<*const ()>);

fn lock_impl() {
    // SAFETY: This thread does not hold it: `Bql::lock` says so, and a
    // `WithoutBql` proves it. The string ends.
    unsafe { (services().bql_lock_impl)(c"accel-kvm-la".as_ptr(), 0) };
}

fn unlock_impl() {
    // SAFETY: The `Bql` that the caller consumes proves that it is held.
    unsafe { (services().bql_unlock)() };
}

impl Bql {
    /// The lock that QEMU took before it called us.
    ///
    /// # Safety
    ///
    /// This thread holds the BQL, and gives it up only through this token.
    pub unsafe fn assume_held() -> Bql {
        Bql(PhantomData)
    }

    /// Takes the lock, in a thread that does not hold it.
    pub fn lock() -> Bql {
        lock_impl();
        Bql(PhantomData)
    }

    /// Does `work` under the lock, which this thread may hold already.
    pub fn ensure<T>(work: impl FnOnce(&Bql) -> T) -> T {
        // SAFETY: Asks only.
        if unsafe { (services().bql_locked)() } {
            return work(&Bql(PhantomData));
        }
        let bql = Bql::lock();
        let result = work(&bql);
        bql.unlock();
        result
    }

    /// Gives the lock up.
    pub fn unlock(self) -> WithoutBql {
        unlock_impl();
        WithoutBql(PhantomData)
    }
}

impl WithoutBql {
    /// Takes the lock.
    pub fn lock(self) -> Bql {
        lock_impl();
        Bql(PhantomData)
    }

    /// Does `work` under the lock.
    pub fn with<T>(&self, work: impl FnOnce(&Bql) -> T) -> T {
        lock_impl();
        let bql = Bql(PhantomData);
        let result = work(&bql);
        unlock_impl();
        result
    }
}
