// SPDX-License-Identifier: GPL-2.0

//! The small hooks that generic KVM calls, and a check of all hooks against
//! their C prototypes.

use crate::bindings as b;
use crate::context::PreemptGuard;
use crate::csr::{self, num};
use crate::interrupt;
use crate::vcpu::Vcpu;

const NO_SUCH_IOCTL: i32 = -(b::ENOIOCTLCMD as i32);
const INVALID: i32 = -(b::EINVAL as i32);

/// kvm_arch_dev_ioctl: /dev/kvm has none of ours.
#[no_mangle]
pub(crate) extern "C" fn kvm_arch_dev_ioctl(
    _file: *mut b::file,
    _ioctl: u32,
    _argument: usize,
) -> isize {
    NO_SUCH_IOCTL as isize
}

/// kvm_arch_vcpu_precreate.
#[no_mangle]
pub(crate) extern "C" fn kvm_arch_vcpu_precreate(_kvm: *mut b::kvm, _id: u32) -> i32 {
    0
}

/// kvm_arch_vcpu_fault: nothing to map beyond the generic pages.
#[no_mangle]
pub(crate) extern "C" fn kvm_arch_vcpu_fault(
    _vcpu: *mut b::kvm_vcpu,
    _fault: *mut b::vm_fault,
) -> b::vm_fault_t {
    b::vm_fault_reason_VM_FAULT_SIGBUS
}

/// kvm_arch_vcpu_ioctl_translate.
#[no_mangle]
pub(crate) extern "C" fn kvm_arch_vcpu_ioctl_translate(
    _vcpu: *mut b::kvm_vcpu,
    _translation: *mut b::kvm_translation,
) -> i32 {
    INVALID
}

/// KVM_GET_SREGS does not exist here.
#[no_mangle]
pub(crate) extern "C" fn kvm_arch_vcpu_ioctl_get_sregs(
    _vcpu: *mut b::kvm_vcpu,
    _sregs: *mut b::kvm_sregs,
) -> i32 {
    NO_SUCH_IOCTL
}

/// KVM_SET_SREGS does not exist here.
#[no_mangle]
pub(crate) extern "C" fn kvm_arch_vcpu_ioctl_set_sregs(
    _vcpu: *mut b::kvm_vcpu,
    _sregs: *mut b::kvm_sregs,
) -> i32 {
    NO_SUCH_IOCTL
}

/// KVM_GET_REGS.
///
/// # Safety
///
/// C calls it with the vCPU's mutex held and a kernel copy of the structure.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_vcpu_ioctl_get_regs(
    vcpu: *mut b::kvm_vcpu,
    regs: *mut b::kvm_regs,
) -> i32 {
    // SAFETY: By this function's contract.
    let (vcpu, regs) = unsafe { (Vcpu::from_c(vcpu), &mut *regs) };
    regs.gpr = *vcpu.gprs();
    regs.pc = vcpu.switch.pc.get();
    0
}

/// KVM_SET_REGS.
///
/// # Safety
///
/// As for [`kvm_arch_vcpu_ioctl_get_regs`].
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_vcpu_ioctl_set_regs(
    vcpu: *mut b::kvm_vcpu,
    regs: *mut b::kvm_regs,
) -> i32 {
    // SAFETY: By this function's contract.
    let (vcpu, regs) = unsafe { (Vcpu::from_c(vcpu), &*regs) };
    let gprs = vcpu.gprs();
    *gprs = regs.gpr;
    gprs[0] = 0;
    vcpu.switch.pc.set(regs.pc);
    0
}

// User space's registers have the layout of the kernel's: they are copied at once.
const _: () = assert!(
    size_of::<b::fpureg>() == 32
        && size_of::<b::kvm_fpu>() == core::mem::offset_of!(b::kvm_fpu, fpr) + 32 * 32
        && core::mem::offset_of!(b::kvm_fpu, fpr) == 16
);

/// KVM_GET_FPU.
///
/// # Safety
///
/// As for [`kvm_arch_vcpu_ioctl_get_regs`].
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_vcpu_ioctl_get_fpu(
    vcpu: *mut b::kvm_vcpu,
    out: *mut b::kvm_fpu,
) -> i32 {
    // SAFETY: By this function's contract; the vCPU is not loaded, so that its
    // registers are in memory.
    unsafe {
        let fpu = &*Vcpu::from_c(vcpu).units.fpu.get();
        (*out).fcsr = fpu.fcsr;
        (*out).fcc = fpu.fcc;
        let out = &mut (*out).fpr;
        out.as_mut_ptr()
            .copy_from_nonoverlapping(fpu.fpr.as_ptr().cast(), out.len());
    }
    0
}

/// KVM_SET_FPU.
///
/// # Safety
///
/// As for [`kvm_arch_vcpu_ioctl_get_regs`].
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_vcpu_ioctl_set_fpu(
    vcpu: *mut b::kvm_vcpu,
    new: *mut b::kvm_fpu,
) -> i32 {
    // SAFETY: As for `kvm_arch_vcpu_ioctl_get_fpu`.
    unsafe {
        let fpu = &mut *Vcpu::from_c(vcpu).units.fpu.get();
        fpu.fcsr = (*new).fcsr;
        fpu.fcc = (*new).fcc;
        let new = &(*new).fpr;
        let registers = fpu.fpr.as_mut_ptr().cast();
        new.as_ptr().copy_to_nonoverlapping(registers, new.len());
    }
    0
}

/// KVM_GET_MP_STATE.
///
/// # Safety
///
/// As for [`kvm_arch_vcpu_ioctl_get_regs`].
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_vcpu_ioctl_get_mpstate(
    vcpu: *mut b::kvm_vcpu,
    state: *mut b::kvm_mp_state,
) -> i32 {
    // SAFETY: By this function's contract.
    unsafe { (*state).mp_state = Vcpu::from_c(vcpu).mp_state() };
    0
}

/// KVM_SET_MP_STATE.
///
/// # Safety
///
/// As for [`kvm_arch_vcpu_ioctl_get_regs`].
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_vcpu_ioctl_set_mpstate(
    vcpu: *mut b::kvm_vcpu,
    state: *mut b::kvm_mp_state,
) -> i32 {
    // SAFETY: By this function's contract.
    let (vcpu, state) = unsafe { (Vcpu::from_c(vcpu), (*state).mp_state) };
    if state != b::KVM_MP_STATE_RUNNABLE && state != b::KVM_MP_STATE_STOPPED {
        return INVALID;
    }
    vcpu.set_mp_state(state);
    0
}

/// What KVM_SET_GUEST_DEBUG can do: software breakpoints. The CPU offers
/// nothing to step a guest with, so stepping is refused rather than accepted
/// and not done.
pub(crate) const GUEST_DEBUG: u32 = b::KVM_GUESTDBG_ENABLE | b::KVM_GUESTDBG_USE_SW_BP;

/// KVM_SET_GUEST_DEBUG.
///
/// # Safety
///
/// As for [`kvm_arch_vcpu_ioctl_get_regs`].
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_vcpu_ioctl_set_guest_debug(
    vcpu: *mut b::kvm_vcpu,
    debug: *mut b::kvm_guest_debug,
) -> i32 {
    // SAFETY: By this function's contract.
    unsafe {
        let control = (*debug).control;
        if control & !GUEST_DEBUG != 0 {
            return INVALID;
        }
        (*vcpu).guest_debug = if control & b::KVM_GUESTDBG_ENABLE != 0 {
            control as _
        } else {
            0
        };
    }
    0
}

/// kvm_arch_vcpu_runnable: a sleeping vCPU has a reason to wake.
///
/// # Safety
///
/// C calls it for a live vCPU, from any thread.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_vcpu_runnable(vcpu: *mut b::kvm_vcpu) -> i32 {
    // SAFETY: By this function's contract.
    let vcpu = unsafe { Vcpu::from_c(vcpu) };
    let running = vcpu.mp_state() == b::KVM_MP_STATE_RUNNABLE;
    i32::from(running && vcpu.interrupts.peek().raised() != 0)
}

/// kvm_cpu_has_pending_timer: the vCPU's own thread asks before it sleeps.
///
/// # Safety
///
/// C calls it for the loaded vCPU.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_cpu_has_pending_timer(vcpu: *mut b::kvm_vcpu) -> i32 {
    // SAFETY: By this function's contract.
    let vcpu = unsafe { Vcpu::from_c(vcpu) };
    if vcpu.mp_state() != b::KVM_MP_STATE_RUNNABLE {
        return 0;
    }
    i32::from(interrupt::is_pending(vcpu, PreemptGuard::new().pinned()))
}

/// kvm_arch_vcpu_should_kick: whether a kick must interrupt the guest.
///
/// # Safety
///
/// C calls it for a live vCPU.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_vcpu_should_kick(vcpu: *mut b::kvm_vcpu) -> i32 {
    // SAFETY: By this function's contract.
    let mode = unsafe { b::kvm_la_exiting_guest_mode(vcpu) };
    i32::from(mode == b::IN_GUEST_MODE as i32)
}

/// kvm_arch_vcpu_in_kernel: the loaded vCPU's guest is in its kernel.
#[no_mangle]
pub(crate) extern "C" fn kvm_arch_vcpu_in_kernel(_vcpu: *mut b::kvm_vcpu) -> bool {
    // No other vCPU's registers are loaded meanwhile.
    let _guard = PreemptGuard::new();
    la_arch::csr::Crmd(csr::guest_read::<{ num::CRMD }>()).plv() == 0
}

/// kvm_arch_vcpu_preempted_in_kernel: not known of a vCPU that is off the CPU.
#[no_mangle]
pub(crate) extern "C" fn kvm_arch_vcpu_preempted_in_kernel(_vcpu: *mut b::kvm_vcpu) -> bool {
    false
}

/// kvm_arch_vcpu_get_ip: for perf.
///
/// # Safety
///
/// C calls it on the CPU where the vCPU is loaded, in an interrupt handler.
#[cfg(CONFIG_GUEST_PERF_EVENTS)]
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_vcpu_get_ip(vcpu: *mut b::kvm_vcpu) -> usize {
    // SAFETY: By this function's contract. The vCPU's thread, which alone changes
    // the word, does not run meanwhile; it does so by one instruction.
    unsafe { Vcpu::from_c(vcpu).switch.pc.as_ptr().read_volatile() as usize }
}

/// kvm_arch_pmi_in_guest: a counter's interrupt while a vCPU is loaded belongs
/// to the guest, unless the guest has the counters.
///
/// # Safety
///
/// C calls it with the vCPU that is loaded on this CPU, or null, in an interrupt
/// handler.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_pmi_in_guest(vcpu: *mut b::kvm_vcpu) -> bool {
    // SAFETY: By this function's contract.
    !vcpu.is_null() && !unsafe { Vcpu::from_c(vcpu) }.flag(crate::vcpu::flag::PMU)
}

/// kvm_arch_sync_dirty_log: nothing is kept back.
#[no_mangle]
pub(crate) extern "C" fn kvm_arch_sync_dirty_log(
    _kvm: *mut b::kvm,
    _slot: *mut b::kvm_memory_slot,
) {
}

/// Compares each hook with the C prototype that bindgen found.
macro_rules! check {
    ($($module:path: $($hook:ident)*;)*) => {
        const _: () = {
            $($(let _ = if true { b::$hook } else { { use $module as m; m::$hook } };)*)*
        };
    };
}

check! {
    crate::cpu:
        kvm_arch_enable_virtualization_cpu
        kvm_arch_disable_virtualization_cpu;
    crate::hooks:
        kvm_arch_dev_ioctl
        kvm_arch_vcpu_precreate
        kvm_arch_vcpu_fault
        kvm_arch_vcpu_ioctl_translate
        kvm_arch_vcpu_ioctl_get_sregs
        kvm_arch_vcpu_ioctl_set_sregs
        kvm_arch_vcpu_ioctl_get_regs
        kvm_arch_vcpu_ioctl_set_regs
        kvm_arch_vcpu_ioctl_get_fpu
        kvm_arch_vcpu_ioctl_set_fpu
        kvm_arch_vcpu_ioctl_get_mpstate
        kvm_arch_vcpu_ioctl_set_mpstate
        kvm_arch_vcpu_ioctl_set_guest_debug
        kvm_arch_vcpu_runnable
        kvm_cpu_has_pending_timer
        kvm_arch_vcpu_should_kick
        kvm_arch_vcpu_in_kernel
        kvm_arch_vcpu_preempted_in_kernel
        kvm_arch_pmi_in_guest
        kvm_arch_sync_dirty_log;
    crate::ioctl:
        kvm_arch_vm_ioctl
        kvm_arch_vcpu_ioctl
        kvm_arch_vcpu_unlocked_ioctl;
    crate::irqchip::routing:
        kvm_set_msi
        kvm_set_routing_entry
        kvm_arch_set_irq_inatomic
        kvm_vm_ioctl_irq_line
        kvm_arch_irqchip_in_kernel
        kvm_arch_intc_initialized;
    crate::mmu:
        kvm_arch_prepare_memory_region
        kvm_arch_commit_memory_region
        kvm_arch_mmu_enable_log_dirty_pt_masked
        kvm_arch_flush_shadow_all
        kvm_arch_flush_shadow_memslot
        kvm_unmap_gfn_range
        kvm_age_gfn
        kvm_test_age_gfn;
    crate::run:
        kvm_arch_vcpu_ioctl_run;
    crate::vcpu:
        kvm_arch_vcpu_postcreate
        kvm_arch_vcpu_load
        kvm_arch_vcpu_put
        kvm_arch_vcpu_create
        kvm_arch_vcpu_destroy;
    crate::vm:
        kvm_arch_init_vm
        kvm_arch_destroy_vm
        kvm_vm_ioctl_check_extension;
}

#[cfg(CONFIG_GUEST_PERF_EVENTS)]
check! { crate::hooks: kvm_arch_vcpu_get_ip; }
