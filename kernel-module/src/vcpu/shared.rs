// SPDX-License-Identifier: GPL-2.0

//! The part of a vCPU for any thread in any context. Code that finds a vCPU by its number,
//! or that C calls without the vCPU's mutex, gets this part alone.

use core::ptr::NonNull;

use kernel::prelude::*;
use kernel::sync::atomic::Atomic;
use kvm_core::intc::{dmsintc, ipi};
use kvm_core::interrupt::Pending;
use la_arch::kvm::MAX_PHYID;
use la_arch::Interrupt;

use crate::kvm::alarm::Alarm;
use crate::kvm::atomic::Word;
use crate::kvm::bindings as b;
use crate::kvm::context::IrqOff;
use crate::kvm::generic_vcpu::KvmVcpu;
use crate::kvm::sync::{Class, Lock};
use crate::vcpu::{kept, Parked, Running};
use crate::vm::Vm;

/// `KVM_REQ_*`: bits of `vcpu->requests`.
pub(crate) mod request {
    use crate::kvm::bindings::constant as c;

    /// End the vCPU's sleep.
    pub(crate) const UNBLOCK: u64 = c::KVM_REQ_UNBLOCK & 0xff;
    /// Drop all translations: the vCPU gets a new GID.
    pub(crate) const TLB_FLUSH: u64 = c::KVM_REQ_TLB_FLUSH & 0xff;
    /// Write the steal-time record.
    pub(crate) const STEAL_UPDATE: u64 = c::ARCH_REQ_0;
    /// Lend the performance counters.
    pub(crate) const PMU: u64 = c::ARCH_REQ_1;
}

/// The part of a vCPU that every thread may use.
///
/// The words below have one writer each, which its function's argument proves, and are
/// read anywhere. Nothing is published with them, so they have no order.
#[pin_data]
pub(crate) struct Shared {
    /// The generic half: requests, mode, kicks.
    pub(crate) generic: KvmVcpu,
    vm: &'static Vm,
    /// The vCPU's number, as user space chose it.
    pub(crate) id: u32,
    /// Its CSR.CPUID, or [`MAX_PHYID`] until it is given one.
    cpuid: Atomic<u32>,
    /// Changes of interrupt lines that wait for the next entry.
    pub(crate) interrupts: Pending,
    /// Message interrupts that wait for the next entry.
    pub(crate) messages: dmsintc::Pending,
    /// Wakes the vCPU for its timer.
    #[pin]
    pub(crate) alarm: Alarm,
    /// The vCPU's inter-processor interrupt registers.
    #[pin]
    pub(crate) ipi: Lock<ipi::Core>,
    pub(crate) pc: Atomic<u64>,
    /// Number of the CPU that keeps the vCPU's registers, or [`kept::NOWHERE`].
    pub(crate) kept_on: Atomic<i32>,
    mp_state: Atomic<u32>,
    msgint: Atomic<bool>,
    counters_lent: Atomic<bool>,
    counter_overflown: Atomic<bool>,
}

const _: () = {
    const fn any_thread<T: Sync>() {}
    any_thread::<Shared>();
};

impl Shared {
    /// The shared part of new vCPU number `id` of `vm`.
    ///
    /// # Safety
    ///
    /// `vcpu` and `vm` live longer than the result, whatever their types say.
    pub(crate) unsafe fn new(vcpu: NonNull<b::kvm_vcpu>, vm: &Vm, id: u32) -> impl PinInit<Self> {
        // SAFETY: By this function's contract; `Shared::vm` hands out no longer borrow
        // than of itself.
        let (generic, woken, vm) = unsafe {
            let vm: &'static Vm = &*core::ptr::from_ref(vm);
            (KvmVcpu::new(vcpu), KvmVcpu::new(vcpu), vm)
        };
        pin_init!(Self {
            generic,
            vm,
            id,
            cpuid: Atomic::new(MAX_PHYID),
            interrupts: Pending::new(),
            messages: dmsintc::Pending::new(),
            alarm <- Alarm::new(woken),
            ipi <- Lock::new(Class::Ipi, ipi::Core::new()),
            pc: Atomic::new(0),
            kept_on: Atomic::new(kept::NOWHERE),
            mp_state: Atomic::new(b::KVM_MP_STATE_RUNNABLE),
            msgint: Atomic::new(false),
            counters_lent: Atomic::new(false),
            counter_overflown: Atomic::new(false),
        })
    }

    /// The VM, which outlives its vCPUs.
    #[inline]
    pub(crate) fn vm(&self) -> &Vm {
        self.vm
    }

    /// CSR.CPUID, by which the VM finds it ([`Vm::vcpu_by_cpuid`]), if it has been given.
    pub(crate) fn cpuid(&self) -> Option<u16> {
        let cpuid = self.cpuid.read_once();
        (cpuid < MAX_PHYID).then_some(cpuid as u16)
    }

    /// The vCPU has this CSR.CPUID from now on. The caller holds the VM's lock, under which it
    /// has changed the VM's table.
    pub(crate) fn set_cpuid(&self, cpuid: u16) {
        self.cpuid.write_once(cpuid.into());
    }

    /// Its number, for events.
    #[cfg(CONFIG_TRACEPOINTS)]
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// The guest's program counter. Interrupt handlers on the CPU where the vCPU is
    /// loaded read it for perf.
    #[inline]
    pub(crate) fn pc(&self) -> u64 {
        self.pc.read_once()
    }

    /// KVM_MP_STATE_*. Threads other than the vCPU's own ask for a hint alone, whether
    /// the vCPU is worth yielding to (kvm_vcpu_on_spin), and an old answer is one.
    #[inline]
    pub(crate) fn mp_state(&self) -> u32 {
        self.mp_state.read_once()
    }

    /// Whether the guest has message interrupts. User space that sets CPUCFG and sends
    /// a message from two threads at once has not said which comes first.
    pub(crate) fn has_msgint(&self) -> bool {
        self.msgint.read_once()
    }

    /// The performance counters are the guest's. Interrupt handlers on its CPU read it
    /// (kvm_arch_pmi_in_guest).
    #[inline]
    pub(crate) fn counters_lent(&self) -> bool {
        self.counters_lent.read_once()
    }

    /// Says so; on the CPU where the vCPU is loaded.
    pub(crate) fn set_counters_lent(&self, lent: bool, _: IrqOff<'_>) {
        self.counters_lent.write_once(lent);
    }

    /// A counter of the guest's, taken back, has an interrupt for it.
    #[inline]
    pub(crate) fn counter_overflown(&self) -> bool {
        self.counter_overflown.read_once()
    }

    /// Says so; on the CPU where the vCPU is loaded.
    pub(crate) fn set_counter_overflown(&self, overflown: bool, _: IrqOff<'_>) {
        self.counter_overflown.write_once(overflown);
    }

    /// Raises interrupt line `line` at the next entry. The caller kicks.
    #[inline]
    pub(crate) fn raise(&self, line: Interrupt) {
        self.interrupts.raise(line);
    }

    #[inline]
    pub(crate) fn lower(&self, line: Interrupt) {
        self.interrupts.lower(line);
    }
}

impl Running<'_> {
    /// Sets the guest's program counter.
    #[inline]
    pub(crate) fn set_pc(&mut self, pc: u64) {
        self.shared().pc.write_once(pc);
    }
}

impl Parked<'_> {
    /// As [`Running::set_pc`].
    #[inline]
    pub(crate) fn set_pc(&mut self, pc: u64) {
        self.shared().pc.write_once(pc);
    }

    /// Sets KVM_MP_STATE_*.
    pub(crate) fn set_mp_state(&mut self, state: u32) {
        self.shared().mp_state.write_once(state);
    }

    /// Says whether the guest has message interrupts.
    pub(crate) fn set_msgint(&mut self, msgint: bool) {
        self.shared().msgint.write_once(msgint);
    }
}
