// SPDX-License-Identifier: GPL-2.0

//! The events of `trace/kvm_la_trace.h`: one untaken branch each while nobody
//! traces, nothing in a kernel without tracepoints.

#[cfg(CONFIG_TRACEPOINTS)]
use crate::bindings as b;

macro_rules! events {
    ($(
        $(#[$meta:meta])*
        $name:ident => $point:ident, $call:ident ($($arg:ident: $kind:ty),*);
    )*) => {$(
        $(#[$meta])*
        #[inline(always)]
        pub(crate) fn $name($($arg: $kind),*) {
            #[cfg(CONFIG_TRACEPOINTS)]
            {
                // SAFETY: The key of a tracepoint may be asked for at any time.
                let wanted = unsafe {
                    kernel::jump_label::static_branch_unlikely!(b::$point, b::tracepoint, key)
                };
                if wanted {
                    // SAFETY: Takes plain values. An `unsigned long` is a usize in the
                    // bindings, which is as wide as a register.
                    unsafe { b::$call($($arg as _),*) };
                }
            }
            #[cfg(not(CONFIG_TRACEPOINTS))]
            {
                let _ = ($($arg,)*);
            }
        }
    )*};
}

events! {
    /// Into the guest from user space.
    enter => __tracepoint_kvm_enter, rust_do_trace_kvm_enter(vcpu: u32, pc: u64);
    /// Into the guest again after an exit.
    reenter => __tracepoint_kvm_reenter, rust_do_trace_kvm_reenter(vcpu: u32, pc: u64);
    /// Back to user space.
    out => __tracepoint_kvm_out, rust_do_trace_kvm_out(vcpu: u32, pc: u64);
    /// Any exit, with its exception code.
    exit => __tracepoint_kvm_exit, rust_do_trace_kvm_exit(vcpu: u32, pc: u64, reason: u32);
    /// An `idle`.
    exit_idle => __tracepoint_kvm_exit_idle,
        rust_do_trace_kvm_exit_idle(vcpu: u32, pc: u64, reason: u32);
    /// A `cacop`.
    exit_cache => __tracepoint_kvm_exit_cache,
        rust_do_trace_kvm_exit_cache(vcpu: u32, pc: u64, reason: u32);
    /// A `cpucfg`.
    exit_cpucfg => __tracepoint_kvm_exit_cpucfg,
        rust_do_trace_kvm_exit_cpucfg(vcpu: u32, pc: u64, reason: u32);
    /// A csr*.
    exit_csr => __tracepoint_kvm_exit_csr,
        rust_do_trace_kvm_exit_csr(vcpu: u32, pc: u64, reason: u32);
    /// Any sensitive instruction.
    exit_gspr => __tracepoint_kvm_exit_gspr, rust_do_trace_kvm_exit_gspr(vcpu: u32, word: u32);
    /// Floating-point or vector state is saved (0) or restored (1).
    aux => __tracepoint_kvm_aux, rust_do_trace_kvm_aux(pc: u64, operation: u32, state: u32);
    /// An iocsr*: an unsatisfied read (0), a read (1) or a write (2).
    iocsr => __tracepoint_kvm_iocsr,
        rust_do_trace_kvm_iocsr(kind: i32, len: i32, address: u64, value: u64);
    /// The vCPU has a new GID.
    vpid_change => __tracepoint_kvm_vpid_change, rust_do_trace_kvm_vpid_change(vpid: u64);
}

/// Reasons of the events of single instructions.
pub(crate) mod reason {
    /// `idle`.
    pub(crate) const IDLE: u32 = 64;
    /// `cacop`.
    pub(crate) const CACHE: u32 = 65;
    /// `cpucfg`.
    pub(crate) const CPUCFG: u32 = 66;
    /// csr*.
    pub(crate) const CSR: u32 = 67;
}

/// The generic event kvm_mmio: an unsatisfied read (0), a read (1) or a write
/// (2) of a device.
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
