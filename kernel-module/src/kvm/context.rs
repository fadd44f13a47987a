// SPDX-License-Identifier: GPL-2.0

//! Where code runs, as values: a function that needs preemption or interrupts off
//! takes a token, which only a guard gives out, or a hook that C calls that way.
//! Tokens have no size.

use core::marker::PhantomData;

use crate::kvm::calls::calls;

// They change this thread's and this CPU's state alone; the guards below call them in pairs.
calls! {
    fn preempt_disable() = kvm_la_preempt_disable;
    fn preempt_enable() = kvm_la_preempt_enable;
    fn irq_save() -> usize = kvm_la_irq_save;
    fn irq_restore(flags: usize) = kvm_la_irq_restore;
    fn irq_disable() = kvm_la_irq_disable;
    fn irq_enable() = kvm_la_irq_enable;
}

/// Preemption is off for `'c`: the thread stays on this CPU, and the scheduler's
/// notifiers do not run.
#[derive(Clone, Copy)]
pub(crate) struct Pinned<'c>(PhantomData<(&'c (), *mut ())>);

impl Pinned<'_> {
    /// For a caller that C runs that way.
    ///
    /// # Safety
    ///
    /// Preemption is off, or the thread is bound to this CPU and has no vCPU loaded,
    /// as long as the token is used.
    #[inline]
    pub(crate) unsafe fn assume() -> Self {
        Self(PhantomData)
    }
}

/// Interrupts, and with them preemption, are off for `'c`.
#[derive(Clone, Copy)]
pub(crate) struct IrqOff<'c>(PhantomData<(&'c (), *mut ())>);

impl<'c> IrqOff<'c> {
    /// For a caller that C or the world switch runs that way.
    ///
    /// # Safety
    ///
    /// Interrupts are off as long as the token is used.
    #[inline]
    pub(crate) unsafe fn assume() -> Self {
        Self(PhantomData)
    }

    /// Preemption is off too.
    #[inline]
    pub(crate) fn pinned(self) -> Pinned<'c> {
        Pinned(PhantomData)
    }
}

/// Keeps preemption off until it is dropped.
pub(crate) struct PreemptGuard(PhantomData<*mut ()>);

impl PreemptGuard {
    /// Turns preemption off.
    pub(crate) fn new() -> Self {
        preempt_disable();
        Self(PhantomData)
    }

    /// The proof of it.
    #[inline]
    pub(crate) fn pinned(&self) -> Pinned<'_> {
        Pinned(PhantomData)
    }
}

impl Drop for PreemptGuard {
    fn drop(&mut self) {
        preempt_enable();
    }
}

/// Keeps interrupts off until it is dropped, which restores what was before.
pub(crate) struct IrqSaveGuard {
    flags: usize,
    _thread: PhantomData<*mut ()>,
}

impl IrqSaveGuard {
    /// Turns interrupts off.
    pub(crate) fn new() -> Self {
        Self {
            flags: irq_save(),
            _thread: PhantomData,
        }
    }

    /// The proof of it.
    #[inline]
    pub(crate) fn irq_off(&self) -> IrqOff<'_> {
        IrqOff(PhantomData)
    }
}

impl Drop for IrqSaveGuard {
    fn drop(&mut self) {
        irq_restore(self.flags);
    }
}

/// Keeps interrupts off until it is dropped, which turns them on. The world switch
/// begins and ends with interrupts off: [`IrqGuard::adopt`] and [`IrqGuard::leave`].
pub(crate) struct IrqGuard(PhantomData<*mut ()>);

impl IrqGuard {
    /// Turns interrupts off, which are on.
    #[inline]
    pub(crate) fn new() -> Self {
        irq_disable();
        Self(PhantomData)
    }

    /// Takes over that interrupts are off.
    ///
    /// # Safety
    ///
    /// They are, and dropping the guard may turn them on.
    #[inline]
    pub(crate) unsafe fn adopt() -> Self {
        Self(PhantomData)
    }

    /// Interrupts stay off, as the world switch expects.
    #[inline]
    pub(crate) fn leave(self) {
        core::mem::forget(self);
    }

    /// The proof that they are off.
    #[inline]
    pub(crate) fn irq_off(&self) -> IrqOff<'_> {
        IrqOff(PhantomData)
    }
}

impl Drop for IrqGuard {
    #[inline]
    fn drop(&mut self) {
        irq_enable();
    }
}
