// SPDX-License-Identifier: GPL-2.0

//! KVM_RUN: into the guest and out again.
//!
//! [`kvm_arch_vcpu_ioctl_run`] loads the vCPU and calls the world switch; that
//! calls [`handle_exit`] after each exit, which answers with [`Next::to_c`]
//! or a negative error number.

use core::arch::asm;

use kernel::{error::to_result, prelude::*};

use crate::bindings as b;
use crate::bindings::constant as c;
use crate::context::{IrqGuard, IrqOff};
use crate::cpu::host;
use crate::exit;
use crate::fpu;
use crate::interrupt;
use crate::mmio;
use crate::next::{Next, Quick, Stop};
use crate::pmu;
use crate::steal;
use crate::switch::Switch;
use crate::sync_regs;
use crate::trace;
use crate::vcpu::{flag, request, Vcpu};
use crate::vpid;

/// xfer_to_guest_mode_work_pending: a signal or rescheduling waits for the thread.
#[inline(always)]
fn work_pending() -> bool {
    let flags: u64;
    // SAFETY: Reads the thread's flags: $tp is its thread_info in the kernel.
    unsafe {
        asm!("ld.d {flags}, $tp, {at}", flags = out(reg) flags, at = const c::THREAD_FLAGS,
            options(nostack, readonly))
    };
    flags & c::XFER_TO_GUEST_MODE_WORK != 0
}

/// Interrupts on: handles signals, rescheduling and requests. Ok if the
/// way is free.
fn check(vcpu: &Vcpu) -> Result<(), Stop> {
    if work_pending() {
        // SAFETY: On the vCPU's thread with interrupts on.
        to_result(unsafe { b::kvm_la_xfer_to_guest_mode_handle_work(vcpu.kvm_vcpu) })?;
    }
    if vcpu.mp_state() == b::KVM_MP_STATE_STOPPED {
        return Err(stopped(vcpu).into());
    }
    if !vcpu.request_pending() {
        return Ok(());
    }
    if vcpu.check_request(request::TLB_FLUSH) {
        vpid::drop_entries(vcpu);
    }
    // SAFETY: On the vCPU's thread.
    if unsafe { b::kvm_la_dirty_ring_check_request(vcpu.kvm_vcpu) } {
        return Err(Stop::User);
    }
    if vcpu.check_request(request::STEAL_UPDATE) {
        steal::update(vcpu);
    }
    Ok(())
}

/// A stopped vCPU sleeps until a signal or a kick, and goes back to user space,
/// which alone can start it.
fn stopped(vcpu: &Vcpu) -> Error {
    // SAFETY: On the vCPU's thread, which may sleep.
    unsafe { b::kvm_vcpu_halt(vcpu.kvm_vcpu) };
    // SAFETY: As in `check`.
    match to_result(unsafe { b::kvm_la_xfer_to_guest_mode_handle_work(vcpu.kvm_vcpu) }) {
        Err(error) => error,
        Ok(()) => {
            vcpu.run().set_exit_reason(b::KVM_EXIT_INTR);
            EINTR
        }
    }
}

/// Prepares entry: interrupts are off and everything is loaded. They are on if it
/// stops.
fn prepare(vcpu: &Vcpu) -> Result<IrqGuard, Stop> {
    loop {
        check(vcpu)?;
        let guard = IrqGuard::new();
        let irq_off = guard.irq_off();
        interrupt::deliver_exception(vcpu, irq_off);
        vpid::check(vcpu, irq_off);
        // From here on a kick sends an interrupt; what was asked for before is
        // seen below.
        vcpu.set_mode(b::IN_GUEST_MODE);
        interrupt::deliver(vcpu, irq_off);
        if vcpu.request_pending() {
            late_requests(vcpu, irq_off);
        }
        vcpu.clear_flag(flag::CSR_SAVED);
        if may_reenter(vcpu, irq_off) {
            return Ok(guard);
        }
        if vcpu.flag(flag::PMU) {
            pmu::lose(vcpu, irq_off);
            vcpu.make_request(request::PMU);
        }
        vcpu.set_mode(b::OUTSIDE_GUEST_MODE);
    }
}

/// Requests that touch the CPU. The GID is current.
fn late_requests(vcpu: &Vcpu, irq_off: IrqOff<'_>) {
    if vcpu.check_request(request::PMU) {
        pmu::own(vcpu, irq_off);
    }
    if vcpu.check_request(request::TLB_FLUSH_GPA) {
        vpid::flush_gpa(vcpu.flush_gpa.get(), irq_off);
    }
    if vcpu.check_request(request::FPU_LOAD) {
        fpu::own(vcpu, irq_off.pinned());
    }
    if vcpu.check_request(request::LBT_LOAD) {
        fpu::own_lbt(vcpu, irq_off.pinned());
    }
}

/// What the world switch calls after each exit, interrupts off.
pub(crate) type Handler = unsafe extern "C" fn(*const Switch) -> i32;

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
/// `switch` is the first field of a vCPU that this thread runs.
unsafe extern "C" fn handle_exit(switch: *const Switch) -> i32 {
    // SAFETY: By this function's contract.
    let vcpu = unsafe { &*switch.cast::<Vcpu>() };
    // SAFETY: The world switch calls this with interrupts off.
    let irq_off = unsafe { IrqOff::assume() };
    if exit::csr_in_memory(vcpu, irq_off) {
        return Next::Enter.to_c();
    }
    handle_any(vcpu, false)
}

/// The handler where the state is left first.
///
/// # Safety
///
/// As for [`handle_exit`].
unsafe extern "C" fn handle_exit_of_state(switch: *const Switch) -> i32 {
    // SAFETY: By this function's contract.
    let vcpu = unsafe { &*switch.cast::<Vcpu>() };
    // SAFETY: Paired with the entry, interrupts off.
    unsafe { b::kvm_la_guest_state_exit() };
    handle_any(vcpu, true)
}

/// Any exit. Guest state was left if `state_matters`, and must be entered again.
#[inline(never)]
extern "C" fn handle_any(vcpu: &Vcpu, state_matters: bool) -> i32 {
    trace::exit(vcpu.id, vcpu.switch.pc.get(), exit::code(vcpu));

    // Most exits are over without turning interrupts on. The mode stays
    // IN_GUEST_MODE meanwhile: a kick interrupts this CPU, which shows as soon
    // as the guest is entered.
    // SAFETY: The world switch calls this with interrupts off, and expects the same
    // again.
    let guard = unsafe { IrqGuard::adopt() };
    let irq_off = guard.irq_off();
    pmu::lose(vcpu, irq_off);
    let quick = exit::quick(vcpu, irq_off);
    if matches!(quick, Quick::Done(Next::Enter)) && may_reenter(vcpu, irq_off) {
        interrupt::deliver_exception(vcpu, irq_off);
        interrupt::deliver(vcpu, irq_off);
        if state_matters {
            // SAFETY: Interrupts are off.
            unsafe { b::kvm_la_guest_state_enter() };
        }
        trace::reenter(vcpu.id, vcpu.switch.pc.get());
        guard.leave();
        return Next::Enter.to_c();
    }

    vcpu.set_mode(b::OUTSIDE_GUEST_MODE);
    // SAFETY: Paired with the entry, interrupts off.
    unsafe {
        if !state_matters {
            b::kvm_la_guest_state_exit();
        }
        b::kvm_la_guest_timing_exit();
    }
    if matches!(quick, Quick::Done(Next::User)) {
        guard.leave();
        return Next::User.to_c();
    }
    // The interrupt that ended the guest's run, if any, is taken now.
    drop(guard);

    match after(vcpu, quick) {
        Ok(guard) => {
            // SAFETY: Interrupts are off.
            unsafe {
                b::kvm_la_guest_timing_enter();
                b::kvm_la_guest_state_enter();
            }
            trace::reenter(vcpu.id, vcpu.switch.pc.get());
            guard.leave();
            Next::Enter.to_c()
        }
        Err(stop) => {
            IrqGuard::new().leave();
            stop.to_c()
        }
    }
}

/// The rest of an exit, with interrupts on, and what [`prepare`] answers.
#[inline]
fn after(vcpu: &Vcpu, quick: Quick) -> Result<IrqGuard, Stop> {
    if matches!(quick, Quick::Later) && exit::handle(vcpu)? == Next::User {
        return Err(Stop::User);
    }
    prepare(vcpu)
}

/// Nothing that needs interrupts on waits for the vCPU, as far as this CPU is not
/// interrupted for it, as it is by a kick.
#[inline]
fn may_reenter(vcpu: &Vcpu, _: IrqOff<'_>) -> bool {
    !vcpu.request_pending() && !work_pending()
}

/// kvm_arch_vcpu_ioctl_run.
///
/// # Safety
///
/// C calls it with the vCPU's mutex held, in the VMM's thread.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_vcpu_ioctl_run(kvm_vcpu: *mut b::kvm_vcpu) -> i32 {
    // SAFETY: By this function's contract.
    let vcpu = unsafe { Vcpu::from_c(kvm_vcpu) };
    // SAFETY: The vCPU is alive.
    let wants_to_run = unsafe { (*kvm_vcpu).wants_to_run };
    let mut next = Next::Enter;
    // What user space did for the guest since the last exit.
    if let Some(pending) = vcpu.pending_io.take() {
        next = mmio::resume(vcpu, pending, wants_to_run);
    }
    if next == Next::User && wants_to_run {
        sync_regs::store(vcpu);
        return next.to_c();
    }
    // Also when the guest is not to run: so user space can write registers
    // with one call, without running it.
    if let Err(error) = sync_regs::load(vcpu) {
        return error.to_errno();
    }
    if !wants_to_run {
        sync_regs::store(vcpu);
        return EINTR.to_errno();
    }
    vcpu.run().set_exit_reason(b::KVM_EXIT_UNKNOWN);
    // SAFETY: The host's registers are saved, so that the guest's may be loaded.
    unsafe { b::kvm_la_lose_fpu() };
    // SAFETY: Balanced below.
    unsafe {
        b::vcpu_load(kvm_vcpu);
        b::kvm_sigset_activate(kvm_vcpu);
    }
    let result = match prepare(vcpu) {
        Err(stop) => stop.to_c(),
        Ok(_guard) => {
            // SAFETY: Interrupts are off and the vCPU is loaded; `vcpu_load` and
            // `prepare` filled the rest of the switch state.
            let result = unsafe {
                b::kvm_la_guest_timing_enter();
                b::kvm_la_guest_state_enter();
                trace::enter(vcpu.id, vcpu.switch.pc.get());
                host().switch.enter(&vcpu.switch)
            };
            trace::out(vcpu.id, vcpu.switch.pc.get());
            // The world switch returned with interrupts off.
            result
        }
    };
    // SAFETY: Balances the above.
    unsafe {
        b::kvm_sigset_deactivate(kvm_vcpu);
        b::vcpu_put(kvm_vcpu);
    }
    sync_regs::store(vcpu);
    result
}
