// SPDX-License-Identifier: GPL-2.0

//! A vCPU in three parts, by the contexts that may touch them, and the tokens that give
//! them out.
//!
//! | part | token |
//! | --- | --- |
//! | [`Shared`] | none: any thread, any context |
//! | [`Owned`] | [`Running`] or [`Parked`]: this thread holds `vcpu->mutex` |
//! | [`Resident`] | [`Running`] and [`Pinned`]; [`Notified`](notified::Notified) |
//! | its [`Registers`] | [`Parked`] |
//! | the guest registers of this CPU | [`Running`] or [`Loaded`], and [`Pinned`] |
//!
//! The doors (`hooks`) make the tokens, one for each call of C; a token is an address.

pub(crate) mod fpu;
pub(crate) mod interrupt;
pub(crate) mod kept;
pub(crate) mod life;
pub(crate) mod load;
pub(crate) mod notified;
pub(crate) mod owned;
pub(crate) mod pmu;
pub(crate) mod resident;
pub(crate) mod shared;
pub(crate) mod steal;
pub(crate) mod timer;
pub(crate) mod trace;
pub(crate) mod vpid;

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use kernel::error::to_result;
use kernel::prelude::*;

use crate::kvm::atomic::Word;
use crate::kvm::bindings as b;
use crate::kvm::calls::calls;
use crate::kvm::context::Pinned;
use crate::kvm::generic_vcpu::{word, KvmVcpu};
use crate::kvm::run_page::RunPage;
use crate::kvm::slots::{SlotPage, Srcu};
use crate::vcpu::owned::Owned;
use crate::vcpu::resident::{Registers, Resident};
use crate::vcpu::shared::Shared;
use crate::vm::Vm;

/// A vCPU, behind `kvm_vcpu.arch.vcpu`. The world switch finds its words by their
/// distance from the start, which must be small.
#[pin_data]
#[repr(C)]
pub(crate) struct Vcpu {
    pub(crate) owned: UnsafeCell<Owned>,
    #[pin]
    pub(crate) shared: Shared,
    #[pin]
    pub(crate) resident: UnsafeCell<Resident>,
}

/// A vCPU whose mutex this thread holds in `'v`: what [`Running`] and [`Parked`] share.
///
/// # Invariants
///
/// It is the only token of the vCPU's [`Owned`]; what it gives out borrows from it.
#[repr(transparent)]
struct Held<'v> {
    vcpu: &'v Vcpu,
    _thread: PhantomData<*mut ()>,
}

impl<'v> Held<'v> {
    /// # Safety
    ///
    /// This thread holds the vCPU's mutex in `'v`, and uses no other token of it
    /// meanwhile.
    #[inline]
    unsafe fn new(vcpu: &'v Vcpu) -> Self {
        Self {
            vcpu,
            _thread: PhantomData,
        }
    }

    #[inline]
    fn lend(&mut self) -> Held<'_> {
        Held {
            vcpu: self.vcpu,
            _thread: PhantomData,
        }
    }

    #[inline]
    fn shared(&self) -> &'v Shared {
        &self.vcpu.shared
    }

    #[inline]
    fn run(&self) -> RunPage<'v> {
        // SAFETY: The page lives as long as the vCPU; this thread holds the mutex.
        unsafe { RunPage::new((*self.shared().generic.as_ptr()).run) }
    }
}

impl Deref for Held<'_> {
    type Target = Owned;

    #[inline]
    fn deref(&self) -> &Owned {
        // SAFETY: By the invariant.
        unsafe { &*self.vcpu.owned.get() }
    }
}

impl DerefMut for Held<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Owned {
        // SAFETY: By the invariant.
        unsafe { &mut *self.vcpu.owned.get() }
    }
}

/// A vCPU whose mutex this thread holds, and that it has loaded.
#[repr(transparent)]
pub(crate) struct Running<'v>(Held<'v>);

impl<'v> Running<'v> {
    /// The token, lent.
    #[inline]
    pub(crate) fn lend(&mut self) -> Running<'_> {
        Running(self.0.lend())
    }

    /// The part for all threads.
    #[inline]
    pub(crate) fn shared(&self) -> &'v Shared {
        self.0.shared()
    }

    #[inline]
    pub(crate) fn vm(&self) -> &'v Vm {
        self.shared().vm()
    }

    /// For functions that C calls too, without the mutex.
    #[inline]
    pub(crate) fn loaded(&self) -> Loaded<'v> {
        Loaded(self.shared(), PhantomData)
    }

    /// The vCPU, for the world switch.
    #[inline]
    pub(crate) fn as_ptr(&mut self) -> *const Vcpu {
        self.0.vcpu
    }

    /// What belongs to the CPU where the vCPU is loaded.
    #[inline]
    pub(crate) fn resident<'a>(&'a mut self, pinned: Pinned<'a>) -> &'a mut Resident {
        self.split(pinned).1
    }

    /// Both parts at once.
    #[inline]
    pub(crate) fn split<'a>(&'a mut self, _: Pinned<'a>) -> (&'a mut Owned, &'a mut Resident) {
        // SAFETY: By the invariant; the notifiers do not run in `'a`.
        unsafe {
            (
                &mut *self.0.vcpu.owned.get(),
                &mut *self.0.vcpu.resident.get(),
            )
        }
    }

    /// The page shared with user space.
    #[inline]
    pub(crate) fn run(&self) -> RunPage<'v> {
        self.0.run()
    }

    /// For KVM's functions.
    #[inline]
    fn generic(&self) -> &'v KvmVcpu {
        &self.shared().generic
    }

    /// KVM_GUESTDBG_* that user space set.
    pub(crate) fn guest_debug(&self) -> u32 {
        word!(self.generic(), guest_debug).read_once() as u32
    }

    /// Sleeps until there is a reason to wake, or a signal.
    pub(crate) fn halt(&mut self) {
        OnThread(self.generic()).halt();
    }

    /// Signals and rescheduling, with interrupts on.
    pub(crate) fn handle_work(&mut self) -> Result {
        to_result(OnThread(self.generic()).handle_work())
    }

    /// Whether the ring of dirty pages is full, which user space is told.
    pub(crate) fn dirty_ring_is_full(&mut self) -> bool {
        OnThread(self.generic()).dirty_ring_is_full()
    }

    /// The page at `gpa`, if a memory slot has it. `srcu` is that of the vCPU's VM.
    #[inline]
    pub(crate) fn page<'s>(&mut self, srcu: &'s Srcu<'_>, gpa: u64) -> Option<SlotPage<'s>> {
        debug_assert!(srcu.is_of(&self.vm().kvm));
        // SAFETY: This is the vCPU's thread; the VM is the vCPU's, as asserted.
        unsafe { srcu.page(self.generic(), gpa) }
    }

    /// A fatal signal ends KVM_RUN.
    pub(crate) fn signal_exit(&mut self) {
        OnThread(self.generic()).signal_exit();
    }
}

/// A vCPU on its own thread. Nothing of [`Resident`] is borrowed while the thread sleeps:
/// that would borrow the [`Running`], which these functions are called with.
struct OnThread<'v>(&'v KvmVcpu);

impl OnThread<'_> {
    fn as_ptr(&self) -> *mut b::kvm_vcpu {
        self.0.as_ptr()
    }

    // The vCPU is alive, and this is its thread. `Parked` calls the last four, in pairs, and
    // `Running` the others, the vCPU loaded.
    calls! {
        fn halt(&self) = kvm_vcpu_halt;
        fn handle_work(&self) -> i32 = kvm_la_xfer_to_guest_mode_handle_work;
        fn dirty_ring_is_full(&self) -> bool = kvm_la_dirty_ring_check_request;
        fn signal_exit(&self) = kvm_la_handle_signal_exit;
        fn load(&self) = vcpu_load;
        fn put(&self) = vcpu_put;
        fn set_signals(&self) = kvm_sigset_activate;
        fn reset_signals(&self) = kvm_sigset_deactivate;
    }
}

impl Deref for Running<'_> {
    type Target = Owned;

    #[inline]
    fn deref(&self) -> &Owned {
        &self.0
    }
}

impl DerefMut for Running<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Owned {
        &mut self.0
    }
}

/// A vCPU that is loaded on this thread, without its mutex.
#[derive(Clone, Copy)]
pub(crate) struct Loaded<'v>(&'v Shared, PhantomData<*mut ()>);

impl<'v> Loaded<'v> {
    /// For a door.
    ///
    /// # Safety
    ///
    /// This thread has loaded the vCPU in `'v`.
    pub(crate) unsafe fn new(vcpu: &'v Shared) -> Self {
        Self(vcpu, PhantomData)
    }

    /// The part for all threads.
    #[inline]
    pub(crate) fn shared(self) -> &'v Shared {
        self.0
    }
}

/// A vCPU whose mutex this thread holds, and that is not loaded: the notifiers leave it
/// alone. Its [`Registers`] are given out only when no CPU keeps its registers ([`kept`]).
pub(crate) struct Parked<'v>(Held<'v>);

impl<'v> Parked<'v> {
    /// For a door.
    ///
    /// # Safety
    ///
    /// This thread holds the vCPU's mutex in `'v`, has not loaded it, and uses no other token
    /// of it meanwhile.
    #[inline]
    pub(crate) unsafe fn new(vcpu: &'v Vcpu) -> Self {
        // SAFETY: By this function's contract.
        Self(unsafe { Held::new(vcpu) })
    }

    /// The token, lent.
    #[inline]
    pub(crate) fn lend(&mut self) -> Parked<'_> {
        Parked(self.0.lend())
    }

    /// The part for all threads.
    #[inline]
    pub(crate) fn shared(&self) -> &'v Shared {
        self.0.shared()
    }

    #[inline]
    pub(crate) fn vm(&self) -> &'v Vm {
        self.shared().vm()
    }

    /// The page shared with user space.
    #[inline]
    pub(crate) fn run(&self) -> RunPage<'v> {
        self.0.run()
    }

    /// The registers and what goes with them.
    #[inline]
    pub(crate) fn registers(&mut self) -> &mut Registers {
        kept::fetch(self.shared());
        // SAFETY: By the invariant of `Held`. The notifiers leave a vCPU alone that is not
        // loaded, and no CPU keeps its registers after `fetch`.
        unsafe { &mut (*self.0.vcpu.resident.get()).registers }
    }

    /// Sets KVM_GUESTDBG_*.
    pub(crate) fn set_guest_debug(&mut self, flags: u32) {
        word!(&self.shared().generic, guest_debug).write_once(flags as usize);
    }

    /// Whether KVM_RUN is to enter the guest.
    pub(crate) fn wants_to_run(&self) -> bool {
        word!(&self.shared().generic, wants_to_run).read_once()
    }

    /// Loads the vCPU for `f`.
    pub(crate) fn loaded<R>(&mut self, f: impl FnOnce(Running<'_>) -> R) -> R {
        let thread = OnThread(&self.shared().generic);
        thread.load();
        let result = f(Running(self.0.lend()));
        thread.put();
        result
    }

    /// As [`Self::loaded`], with the signals that KVM_SET_SIGNAL_MASK chose.
    #[inline]
    pub(crate) fn loaded_with_signals<R>(&mut self, f: impl FnOnce(Running<'_>) -> R) -> R {
        let thread = OnThread(&self.shared().generic);
        thread.load();
        thread.set_signals();
        let result = f(Running(self.0.lend()));
        thread.reset_signals();
        thread.put();
        result
    }
}

impl Deref for Parked<'_> {
    type Target = Owned;

    #[inline]
    fn deref(&self) -> &Owned {
        &self.0
    }
}

impl DerefMut for Parked<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Owned {
        &mut self.0
    }
}
