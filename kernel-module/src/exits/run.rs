// SPDX-License-Identifier: GPL-2.0

//! KVM_RUN: into the guest and out again.
//!
//! [`ioctl`] loads the vCPU and calls the world switch; that calls [`handle_exit`] after
//! each exit, which answers with [`Next::to_c`] or a negative error number.

use core::arch::asm;

use kernel::prelude::*;

use crate::cpu::guest_state;
use crate::cpu::host::host;
use crate::cpu::switch::Handler;
use crate::doors::sync_regs;
use crate::exits::exit;
use crate::exits::mmio;
use crate::kvm::bindings as b;
use crate::kvm::bindings::constant as c;
use crate::kvm::context::{leave_irqs_off, IrqGuard, IrqOff};
use crate::kvm::error::IntoC;
use crate::kvm::next::{Next, Quick, Stop};
use crate::vcpu::fpu;
use crate::vcpu::interrupt;
use crate::vcpu::pmu;
use crate::vcpu::shared::{request, Shared};
use crate::vcpu::steal;
use crate::vcpu::trace;
use crate::vcpu::vpid;
use crate::vcpu::{Parked, Running};

/// xfer_to_guest_mode_work_pending: a signal or rescheduling waits for the thread.
#[inline(always)]
pub(super) fn work_pending() -> bool {
    let flags: u64;
    // SAFETY: Reads the thread's flags: $tp is its thread_info in the kernel.
    unsafe {
        asm!("ld.d {flags}, $tp, {at}", flags = out(reg) flags, at = const c::THREAD_FLAGS,
            options(nostack, readonly))
    };
    flags & c::XFER_TO_GUEST_MODE_WORK != 0
}

/// Interrupts on: whether [`pending_work`] has anything to do.
#[inline(always)]
fn has_pending_work(vcpu: &Shared) -> bool {
    work_pending() || vcpu.mp_state() == b::KVM_MP_STATE_STOPPED || vcpu.generic.request_pending()
}

/// Interrupts on: handles signals, rescheduling and requests. Ok if the
/// way is free.
#[inline(never)]
fn pending_work(mut vcpu: Running<'_>) -> Result<(), Stop> {
    let shared = vcpu.shared();
    if work_pending() {
        vcpu.handle_work()?;
    }
    if shared.mp_state() == b::KVM_MP_STATE_STOPPED {
        return Err(stopped(vcpu).into());
    }
    if !shared.generic.request_pending() {
        return Ok(());
    }
    if shared.generic.check_request(request::TLB_FLUSH) {
        vcpu.gid.drop_entries();
    }
    if vcpu.dirty_ring_is_full() {
        return Err(Stop::User);
    }
    if shared.generic.check_request(request::STEAL_UPDATE) {
        steal::update(vcpu);
    }
    Ok(())
}

/// A stopped vCPU sleeps until a signal or a kick, and goes back to user space,
/// which alone can start it.
fn stopped(mut vcpu: Running<'_>) -> Error {
    vcpu.halt();
    match vcpu.handle_work() {
        Err(error) => error,
        Ok(()) => {
            vcpu.run().set_exit_reason(b::KVM_EXIT_INTR);
            EINTR
        }
    }
}

/// The guest may run: interrupts are off, and units that hold the VMM's registers are
/// hidden from it. Interrupts come on again by [`Inside::end`] alone, which shows the
/// units: an interrupt handler or the scheduler may save them.
#[must_use]
struct Inside(IrqGuard);

impl Inside {
    /// Hides the units.
    #[inline]
    fn begin(mut vcpu: Running<'_>, guard: IrqGuard) -> Self {
        fpu::hide(vcpu.resident(guard.irq_off().pinned()), guard.irq_off());
        Self(guard)
    }

    /// Takes over from the world switch.
    ///
    /// # Safety
    ///
    /// It was left to the world switch by [`Inside::stay`], and is not taken twice.
    #[inline]
    unsafe fn adopt() -> Self {
        // SAFETY: By this function's contract.
        Self(unsafe { IrqGuard::adopt() })
    }

    /// The proof that interrupts are off.
    #[inline]
    fn irq_off(&self) -> IrqOff<'_> {
        self.0.irq_off()
    }

    /// The world switch goes on with it.
    #[inline]
    fn stay(self) {
        self.0.leave();
    }

    /// Shows the units.
    #[inline]
    fn end(self, mut vcpu: Running<'_>) -> IrqGuard {
        let irq_off = self.irq_off();
        fpu::show(vcpu.resident(irq_off.pinned()), irq_off);
        self.0
    }
}

/// Prepares entry: everything is loaded. Interrupts are on if it stops.
fn prepare(mut vcpu: Running<'_>) -> Result<Inside, Stop> {
    let shared = vcpu.shared();
    loop {
        if has_pending_work(shared) {
            pending_work(vcpu.lend())?;
        }
        // SAFETY: They are on here, as `pending_work` may sleep; `Inside` has the guard next.
        let guard = unsafe { IrqGuard::new() };
        let irq_off = guard.irq_off();
        interrupt::deliver_exception(vcpu.lend(), irq_off);
        vpid::renew(vcpu.lend(), irq_off);
        // From here on a kick sends an interrupt; what was asked for before is
        // seen below.
        shared.generic.set_mode(b::IN_GUEST_MODE);
        interrupt::deliver(vcpu.loaded(), irq_off);
        if shared.generic.request_pending() {
            late_requests(vcpu.lend(), irq_off);
        }
        vcpu.resident(irq_off.pinned()).csrs.saved = false;
        if may_reenter(shared, irq_off) {
            return Ok(Inside::begin(vcpu, guard));
        }
        withdraw(vcpu.lend(), irq_off);
    }
}

/// Something came meanwhile: the guest is not entered yet.
#[inline(never)]
fn withdraw(vcpu: Running<'_>, irq_off: IrqOff<'_>) {
    let shared = vcpu.shared();
    if shared.counters_lent() {
        pmu::lose(vcpu, irq_off);
        shared.generic.make_request(request::PMU);
    }
    shared.generic.set_mode(b::OUTSIDE_GUEST_MODE);
}

/// Requests that touch the CPU.
#[inline(never)]
fn late_requests(vcpu: Running<'_>, irq_off: IrqOff<'_>) {
    if vcpu.shared().generic.check_request(request::PMU) {
        pmu::own(vcpu, irq_off);
    }
}

/// The handler for this host.
pub(crate) fn handler() -> Handler {
    if host().guest_state_matters {
        handle_exit_of_state
    } else {
        handle_exit
    }
}

/// The handler where nothing watches that kernel code runs in guest state.
///
/// # Safety
///
/// That of [`Handler`].
unsafe extern "C" fn handle_exit(mut vcpu: Running<'_>) -> i32 {
    // SAFETY: By this function's contract interrupts are off.
    let irq_off = unsafe { IrqOff::assume() };
    if exit::csr_in_memory(vcpu.lend(), irq_off) {
        return Next::Enter.to_c();
    }
    // SAFETY: By this function's contract.
    unsafe { handle_any(vcpu, false) }
}

/// The handler where the state is left first.
///
/// # Safety
///
/// That of [`Handler`].
unsafe extern "C" fn handle_exit_of_state(vcpu: Running<'_>) -> i32 {
    // SAFETY: By this function's contract, interrupts off.
    unsafe {
        guest_state::exit(IrqOff::assume());
        handle_any(vcpu, true)
    }
}

/// Any exit. Guest state was left if `state_matters`, and must be entered again.
///
/// # Safety
///
/// A [`Handler`] calls it as it was called.
#[inline(never)]
unsafe extern "C" fn handle_any(mut vcpu: Running<'_>, state_matters: bool) -> i32 {
    let shared = vcpu.shared();
    trace::exit(shared, exit::code(&vcpu));

    // Most exits are over without turning interrupts on. The mode stays
    // IN_GUEST_MODE meanwhile: a kick interrupts this CPU, which shows as soon
    // as the guest is entered.
    // SAFETY: By this function's contract: the world switch has what `Inside::stay` left.
    let inside = unsafe { Inside::adopt() };
    let irq_off = inside.irq_off();
    pmu::lose(vcpu.lend(), irq_off);
    let quick = exit::quick(vcpu.lend(), irq_off);
    if matches!(quick, Quick::Done(Next::Enter)) {
        if may_reenter(shared, irq_off) {
            return reenter(vcpu, inside, state_matters, false);
        }
        if wants_counters(shared, irq_off) {
            return reenter(vcpu, inside, state_matters, true);
        }
    }

    shared.generic.set_mode(b::OUTSIDE_GUEST_MODE);
    if !state_matters {
        guest_state::exit(irq_off);
    }
    guest_state::stop_timing(irq_off);
    let guard = inside.end(vcpu.lend());
    if matches!(quick, Quick::Done(Next::User)) {
        guard.leave();
        return Next::User.to_c();
    }
    // The interrupt that ended the guest's run, if any, is taken now.
    drop(guard);

    match after(vcpu, quick) {
        Ok(inside) => {
            guest_state::start_timing(inside.irq_off());
            guest_state::enter(inside.irq_off());
            trace::reenter(shared);
            inside.stay();
            Next::Enter.to_c()
        }
        Err(stop) => {
            leave_irqs_off();
            stop.into_c()
        }
    }
}

/// Enters the guest again, with what waits for it and, if they are to be lent, with the
/// performance counters.
#[inline(always)]
fn reenter(mut vcpu: Running<'_>, inside: Inside, state_matters: bool, lend: bool) -> i32 {
    let (shared, irq_off) = (vcpu.shared(), inside.irq_off());
    interrupt::deliver_exception(vcpu.lend(), irq_off);
    interrupt::deliver(vcpu.loaded(), irq_off);
    if lend {
        shared.generic.clear_request(request::PMU);
        pmu::own(vcpu, irq_off);
    }
    if state_matters {
        guest_state::enter(irq_off);
    }
    trace::reenter(shared);
    inside.stay();
    Next::Enter.to_c()
}

/// The rest of an exit, with interrupts on, and what [`prepare`] answers.
#[inline]
fn after(mut vcpu: Running<'_>, quick: Quick) -> Result<Inside, Stop> {
    if matches!(quick, Quick::Later) && exit::handle(vcpu.lend())? == Next::User {
        return Err(Stop::User);
    }
    prepare(vcpu)
}

/// Nothing that needs interrupts on waits for the vCPU, as far as this CPU is not
/// interrupted for it, as it is by a kick; and the next kick interrupts it. After one that the
/// exit made itself, by a device that it raised or lowered, it would not: no interrupt was sent
/// for that one, and the mode says that one was.
#[inline]
fn may_reenter(vcpu: &Shared, _: IrqOff<'_>) -> bool {
    !vcpu.generic.request_pending() && vcpu.generic.is_in_guest() && !work_pending()
}

/// The same, but that performance counters are to be lent.
#[cold]
fn wants_counters(vcpu: &Shared, _: IrqOff<'_>) -> bool {
    vcpu.generic.is_only_request(request::PMU) && vcpu.generic.is_in_guest() && !work_pending()
}

/// kvm_arch_vcpu_ioctl_run, in the VMM's thread.
pub(crate) fn ioctl(mut vcpu: Parked<'_>) -> i32 {
    let wants_to_run = vcpu.wants_to_run();
    // Before an access is completed, as with KVM_SET_REGS; and also when the guest is not to run:
    // so user space can write registers with one call, without running it.
    if let Err(error) = sync_regs::load(vcpu.lend()) {
        return error.to_errno();
    }
    let mut next = Next::Enter;
    // What user space did for the guest since the last exit.
    if vcpu.pending_io.is_some() {
        next = mmio::resume(vcpu.lend(), wants_to_run);
    }
    if next == Next::User && wants_to_run {
        sync_regs::store(vcpu);
        return next.to_c();
    }
    if !wants_to_run {
        sync_regs::store(vcpu);
        return EINTR.to_errno();
    }
    vcpu.run().set_exit_reason(b::KVM_EXIT_UNKNOWN);
    let result = vcpu.loaded_with_signals(enter);
    sync_regs::store(vcpu);
    result
}

/// Runs the guest until user space has something to do.
#[inline]
fn enter(mut vcpu: Running<'_>) -> i32 {
    let shared = vcpu.shared();
    let inside = match prepare(vcpu.lend()) {
        Err(stop) => return stop.into_c(),
        Ok(inside) => inside,
    };
    guest_state::start_timing(inside.irq_off());
    guest_state::enter(inside.irq_off());
    trace::enter(shared);
    // The handler takes it over and ends it; the world switch returns with interrupts off.
    let Inside(guard) = inside;
    // SAFETY: Interrupts are off and the vCPU is loaded; `prepare` filled the rest of
    // the switch state.
    let result = unsafe { host().switch.enter(vcpu) };
    trace::out(shared);
    drop(guard);
    result
}
