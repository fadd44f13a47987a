// SPDX-License-Identifier: GPL-2.0

//! Contexts as values: a function that needs preemption or interrupts off takes a token.
//! Guards give tokens out, and so do hooks that C calls in such a context. Tokens have no
//! size.

use core::marker::PhantomData;

use crate::kvm::calls::calls;

// They change this thread's and this CPU's state alone; the guards below call them in pairs.
calls! {
    fn preempt_disable() = kvm_la_preempt_disable;
    fn preempt_enable() = kvm_la_preempt_enable;
}

/// local_irq_* where something watches how interrupts are turned on and off.
#[cfg(any(CONFIG_TRACE_IRQFLAGS, CONFIG_DEBUG_IRQFLAGS))]
mod irqs {
    use crate::kvm::calls::calls;

    // As above.
    calls! {
        pub(super) fn save() -> usize = kvm_la_irq_save;
        pub(super) fn restore(flags: usize) = kvm_la_irq_restore;
        pub(super) fn disable() = kvm_la_irq_disable;
        pub(super) fn enable() = kvm_la_irq_enable;
    }
}

/// local_irq_* where they are CRMD.IE and nothing else (Linux:
/// arch/loongarch/include/asm/irqflags.h), without a call.
#[cfg(not(any(CONFIG_TRACE_IRQFLAGS, CONFIG_DEBUG_IRQFLAGS)))]
mod irqs {
    use core::arch::asm;

    use la_arch::csr::{number, Crmd};

    const IE: usize = Crmd(0).with_ie(true).0 as usize;

    /// Sets CRMD.IE, and returns CRMD as it was. What comes before in memory and what comes
    /// after stays there: the compiler takes the instruction to access any of it.
    #[inline(always)]
    fn exchange(value: usize) -> usize {
        let old;
        // SAFETY: This CPU's state alone; the guards call it in pairs.
        unsafe {
            // The mask is not in $r1, which would be another instruction.
            asm!("csrxchg {v}, $t0, {n}", v = inout(reg) value => old, in("$t0") IE,
                n = const number::CRMD, options(nostack))
        };
        old
    }

    #[inline(always)]
    pub(super) fn save() -> usize {
        exchange(0)
    }

    #[inline(always)]
    pub(super) fn restore(crmd: usize) {
        exchange(crmd);
    }

    #[inline(always)]
    pub(super) fn disable() {
        exchange(0);
    }

    #[inline(always)]
    pub(super) fn enable() {
        exchange(IE);
    }
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

/// Runs `f` with interrupts off, and restores what was before. No guard, since two of them could
/// be dropped in an order that turns interrupts on too early.
#[inline]
pub(crate) fn with_irqs_off<R>(f: impl FnOnce(IrqOff<'_>) -> R) -> R {
    let flags = irqs::save();
    let result = f(IrqOff(PhantomData));
    irqs::restore(flags);
    result
}

/// Turns interrupts off, for the world switch, which expects them so.
#[inline]
pub(crate) fn leave_irqs_off() {
    irqs::disable();
}

/// Keeps interrupts off until it is dropped, which turns them on. The world switch
/// begins and ends with interrupts off: [`IrqGuard::adopt`] and [`IrqGuard::leave`].
pub(crate) struct IrqGuard(PhantomData<*mut ()>);

impl IrqGuard {
    /// Turns interrupts off.
    ///
    /// # Safety
    ///
    /// They are on, and nothing else turns them on before the guard is dropped.
    #[inline]
    pub(crate) unsafe fn new() -> Self {
        irqs::disable();
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
        irqs::enable();
    }
}
