// SPDX-License-Identifier: GPL-2.0

//! The events of `trace/kvm_la_trace.h`: one untaken branch each while they
//! are off, nothing in a kernel without tracepoints.

#[cfg(CONFIG_TRACEPOINTS)]
use crate::kvm::bindings as b;
use crate::kvm::bindings::constant as c;
use crate::vcpu::shared::Shared;

/// Whether a tracepoint is on.
#[cfg(CONFIG_TRACEPOINTS)]
macro_rules! wanted {
    ($point:ident) => {
        // SAFETY: The key of a tracepoint may be asked for at any time.
        unsafe { kernel::jump_label::static_branch_unlikely!(b::$point, b::tracepoint, key) }
    };
}

/// Makes a function of each event. The vCPU's number and pc are read only if the event is
/// traced.
macro_rules! events {
    ($(
        $(#[$meta:meta])*
        $name:ident => $point:ident, $call:ident(
            $($of:ident)? $(, $and:ident)?; $($arg:ident: $kind:ty),*
        );
    )*) => {$(
        $(#[$meta])*
        #[inline(always)]
        #[allow(clippy::as_underscore, reason = "C's unsigned long is a usize, ours a u64")]
        pub(crate) fn $name(vcpu: &Shared $(, $arg: $kind)*) {
            #[cfg(CONFIG_TRACEPOINTS)]
            {
                if wanted!($point) {
                    // SAFETY: Takes plain values. An `unsigned long` is a usize in the
                    // bindings, which is as wide as a register.
                    unsafe {
                        b::$call($(vcpu.$of() as _,)? $(vcpu.$and() as _,)? $($arg as _),*)
                    };
                }
            }
            let _ = vcpu;
            #[cfg(not(CONFIG_TRACEPOINTS))]
            {
                let _ = ($($arg,)*);
            }
        }
    )*};
}

events! {
    /// Into the guest from user space.
    enter => __tracepoint_kvm_enter, rust_do_trace_kvm_enter(id, pc;);
    /// Into the guest again after an exit.
    reenter => __tracepoint_kvm_reenter, rust_do_trace_kvm_reenter(id, pc;);
    /// Back to user space.
    out => __tracepoint_kvm_out, rust_do_trace_kvm_out(id, pc;);
    /// Any exit, with its exception code.
    exit => __tracepoint_kvm_exit, rust_do_trace_kvm_exit(id, pc; reason: u32);
    /// An `idle`.
    exit_idle => __tracepoint_kvm_exit_idle, rust_do_trace_kvm_exit_idle(id, pc; reason: u32);
    /// A `cacop`.
    exit_cache => __tracepoint_kvm_exit_cache, rust_do_trace_kvm_exit_cache(id, pc; reason: u32);
    /// A `cpucfg`.
    exit_cpucfg => __tracepoint_kvm_exit_cpucfg,
        rust_do_trace_kvm_exit_cpucfg(id, pc; reason: u32);
    /// A csr*.
    exit_csr => __tracepoint_kvm_exit_csr, rust_do_trace_kvm_exit_csr(id, pc; reason: u32);
    /// Any sensitive instruction.
    exit_gspr => __tracepoint_kvm_exit_gspr, rust_do_trace_kvm_exit_gspr(id; word: u32);
    /// Floating-point or vector state is [`SAVED`] or [`RESTORED`].
    aux => __tracepoint_kvm_aux, rust_do_trace_kvm_aux(pc; operation: u32, state: u32);
    /// An iocsr*, by [`kind`].
    iocsr => __tracepoint_kvm_iocsr,
        rust_do_trace_kvm_iocsr(; kind: i32, len: i32, address: u64, value: u64);
    /// The vCPU has a new GID.
    vpid_change => __tracepoint_kvm_vpid_change, rust_do_trace_kvm_vpid_change(; vpid: u64);
}

/// Of [`aux`]: from the CPU to memory.
pub(crate) const SAVED: u32 = c::KVM_TRACE_AUX_SAVE as u32;
/// The other way.
pub(crate) const RESTORED: u32 = c::KVM_TRACE_AUX_RESTORE as u32;

/// The widest unit, for [`aux`].
pub(crate) mod unit {
    use crate::kvm::bindings::constant as c;

    pub(crate) const FPU: u32 = c::KVM_TRACE_AUX_FPU as u32;
    pub(crate) const LSX: u32 = c::KVM_TRACE_AUX_LSX as u32;
    pub(crate) const LASX: u32 = c::KVM_TRACE_AUX_LASX as u32;
}

/// Whether one of the events that a csr* makes is traced.
#[inline(always)]
pub(crate) fn csr_exit_wanted() -> bool {
    #[cfg(CONFIG_TRACEPOINTS)]
    {
        wanted!(__tracepoint_kvm_exit)
            || wanted!(__tracepoint_kvm_exit_gspr)
            || wanted!(__tracepoint_kvm_exit_csr)
            || wanted!(__tracepoint_kvm_reenter)
    }
    #[cfg(not(CONFIG_TRACEPOINTS))]
    false
}

/// Reasons of the events of single instructions.
pub(crate) mod reason {
    use crate::kvm::bindings::constant as c;

    /// `idle`.
    pub(crate) const IDLE: u32 = c::KVM_TRACE_EXIT_IDLE as u32;
    /// `cacop`.
    pub(crate) const CACHE: u32 = c::KVM_TRACE_EXIT_CACHE as u32;
    /// `cpucfg`.
    pub(crate) const CPUCFG: u32 = c::KVM_TRACE_EXIT_CPUCFG as u32;
    /// csr*.
    pub(crate) const CSR: u32 = c::KVM_TRACE_EXIT_CSR as u32;
}

/// What an access to a device was, for [`mmio`] and [`iocsr`].
pub(crate) mod kind {
    use crate::kvm::bindings::constant as c;

    /// A read that no device in the kernel answers.
    pub(crate) const READ_UNSATISFIED: i32 = c::KVM_TRACE_IOCSR_READ_UNSATISFIED as i32;
    pub(crate) const READ: i32 = c::KVM_TRACE_IOCSR_READ as i32;
    pub(crate) const WRITE: i32 = c::KVM_TRACE_IOCSR_WRITE as i32;
}

/// The generic event kvm_mmio: an access to a device, by [`kind`].
#[inline(always)]
pub(crate) fn mmio(kind: i32, len: u8, address: u64, data: [u8; 8]) {
    #[cfg(CONFIG_TRACEPOINTS)]
    // SAFETY: Takes plain values.
    unsafe {
        b::kvm_la_trace_mmio(kind, i32::from(len), address, u64::from_le_bytes(data))
    };
    #[cfg(not(CONFIG_TRACEPOINTS))]
    let _ = (kind, len, address, data);
}
