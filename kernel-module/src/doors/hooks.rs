// SPDX-License-Identifier: GPL-2.0

//! The table of all functions that generic KVM calls by name: what C passes, and which
//! function of ours gets it. Each is checked against its C prototype.

use kernel::prelude::*;

use crate::cpu::csr::{self, num};
use crate::cpu::host;
use crate::doors::File;
use crate::doors::{capability, ioctl, registers};
use crate::exits::{halt, run};
use crate::irqchip::routing;
use crate::kvm::bindings as b;
use crate::kvm::context::{Pinned, PreemptGuard};
use crate::kvm::error::no_such_ioctl;
use crate::kvm::from_c::{callbacks, Unmade};
use crate::kvm::slots::{ConstSlot, SlotPointer};
use crate::mmu;
use crate::mmu::Locked;
use crate::vcpu::notified::{Arriving, Notified};
use crate::vcpu::shared::Shared;
use crate::vcpu::{life, load};
use crate::vcpu::{Loaded, Parked, Vcpu};
use crate::vm::{self, Vm};

/// Makes the functions ([`callbacks!`]), under the names that C calls them by.
macro_rules! hooks {
    ($(
        $(#[$meta:meta])*
        $hook:ident($($name:ident: $kind:ty),*) $(-> $result:ty)? = $ours:expr;
    )*) => {$(
        callbacks! {
            $(#[$meta])*
            #[no_mangle]
            pub(crate) $hook[]($($name: $kind),*) $(-> $result)? = $ours;
        }

        $(#[$meta])*
        const _: () = {
            let _ = if true { b::$hook } else { $hook };
        };
    )*};
}

hooks! {
    // The processors.
    kvm_arch_disable_virtualization_cpu() = host::disable;

    // VMs.
    kvm_arch_init_vm(kvm: Unmade<'_, b::kvm>, kind: usize) -> i32 = vm::create;
    kvm_arch_destroy_vm(kvm: Pin<KBox<Vm>>) = vm::destroy;
    kvm_vm_ioctl_check_extension(kvm: *mut b::kvm, extension: isize) -> i32
        = capability::check_extension;
    kvm_arch_vm_ioctl(file: File<&Vm>, ioctl: u32, argument: usize) -> i32 = ioctl::vm;
    /// /dev/kvm has none of ours.
    kvm_arch_dev_ioctl(file: *mut b::file, ioctl: u32, argument: usize) -> isize =
        |_, _, _| no_such_ioctl();

    // Memory, with `slots_lock`.
    kvm_arch_prepare_memory_region(
        kvm: &Vm,
        old: ConstSlot<'_>,
        new: Option<&mut b::kvm_memory_slot>,
        change: b::kvm_mr_change
    ) -> i32 = mmu::prepare_memory_region;
    kvm_arch_commit_memory_region(
        kvm: &Vm,
        old: Option<SlotPointer<'_>>,
        new: ConstSlot<'_>,
        change: b::kvm_mr_change
    ) = mmu::commit_memory_region;
    kvm_arch_flush_shadow_memslot(kvm: &Vm, slot: Option<SlotPointer<'_>>) = mmu::flush_slot;
    kvm_arch_flush_shadow_all(kvm: &Vm) = mmu::flush_all;
    /// Nothing is kept back.
    kvm_arch_sync_dirty_log(kvm: &Vm, slot: Option<SlotPointer<'_>>) = |_, _| ();

    // Memory, with `mmu_lock`.
    kvm_arch_mmu_enable_log_dirty_pt_masked(
        kvm: Locked<'_>,
        slot: Option<SlotPointer<'_>>,
        offset: u64,
        mask: usize
    ) = mmu::log_dirty;
    kvm_unmap_gfn_range(kvm: Locked<'_>, range: &mut b::kvm_gfn_range) -> bool = mmu::unmap_range;
    kvm_age_gfn(kvm: Locked<'_>, range: &mut b::kvm_gfn_range) -> bool = mmu::age;
    kvm_test_age_gfn(kvm: Locked<'_>, range: &mut b::kvm_gfn_range) -> bool = mmu::test_age;

    // Interrupts of a VM.
    kvm_set_msi(
        entry: &mut b::kvm_kernel_irq_routing_entry,
        kvm: &Vm,
        source: i32,
        level: i32,
        status: bool
    ) -> i32 = routing::set_msi;
    kvm_set_routing_entry(
        kvm: *mut b::kvm,
        entry: &mut b::kvm_kernel_irq_routing_entry,
        user: &b::kvm_irq_routing_entry
    ) -> i32 = routing::set_entry;
    kvm_arch_set_irq_inatomic(
        entry: &mut b::kvm_kernel_irq_routing_entry,
        kvm: &Vm,
        source: i32,
        level: i32,
        status: bool
    ) -> i32 = routing::set_irq_in_atomic;
    kvm_vm_ioctl_irq_line(kvm: &Vm, level: &mut b::kvm_irq_level, status: bool) -> i32 =
        routing::irq_line;
    kvm_arch_irqchip_in_kernel(kvm: &Vm) -> bool = |vm: &Vm| vm.chips.complete();
    /// irqfds may be assigned.
    kvm_arch_intc_initialized(kvm: &Vm) -> bool = |vm: &Vm| vm.chips.complete();

    // The life of a vCPU.
    kvm_arch_vcpu_precreate(kvm: *mut b::kvm, id: u32) -> i32 = |_, _| Ok(());
    kvm_arch_vcpu_create(vcpu: Unmade<'_, b::kvm_vcpu>) -> i32 =
        |new: Unmade<'_, b::kvm_vcpu>| life::create(new, run::handler());
    kvm_arch_vcpu_postcreate(vcpu: &Shared) = life::published;
    kvm_arch_vcpu_destroy(vcpu: Pin<KBox<Vcpu>>) = life::destroy;
    kvm_arch_vcpu_load(vcpu: Arriving<'_>, cpu: i32) = load::scheduled_in;
    kvm_arch_vcpu_put(vcpu: Notified<'_>) = load::scheduled_out;

    // ioctls of a vCPU, with its mutex.
    kvm_arch_vcpu_ioctl_run(vcpu: Parked<'_>) -> i32 = run::ioctl;
    kvm_arch_vcpu_ioctl(file: File<Parked<'_>>, ioctl: u32, argument: usize) -> isize = ioctl::vcpu;
    kvm_arch_vcpu_ioctl_get_regs(vcpu: Parked<'_>, regs: &mut b::kvm_regs) -> i32 =
        registers::get;
    kvm_arch_vcpu_ioctl_set_regs(vcpu: Parked<'_>, regs: &mut b::kvm_regs) -> i32 =
        registers::set;
    kvm_arch_vcpu_ioctl_get_fpu(vcpu: Parked<'_>, fpu: &mut b::kvm_fpu) -> i32 =
        registers::get_fpu;
    kvm_arch_vcpu_ioctl_set_fpu(vcpu: Parked<'_>, fpu: &mut b::kvm_fpu) -> i32 =
        registers::set_fpu;
    kvm_arch_vcpu_ioctl_get_mpstate(vcpu: Parked<'_>, state: &mut b::kvm_mp_state) -> i32 =
        registers::get_mp_state;
    kvm_arch_vcpu_ioctl_set_mpstate(vcpu: Parked<'_>, state: &mut b::kvm_mp_state) -> i32 =
        registers::set_mp_state;
    kvm_arch_vcpu_ioctl_set_guest_debug(vcpu: Parked<'_>, debug: &mut b::kvm_guest_debug) -> i32 =
        ioctl::set_guest_debug;
    /// Does not exist here.
    kvm_arch_vcpu_ioctl_get_sregs(vcpu: Parked<'_>, sregs: *mut b::kvm_sregs) -> i32 =
        |_, _| no_such_ioctl();
    /// Does not exist here.
    kvm_arch_vcpu_ioctl_set_sregs(vcpu: Parked<'_>, sregs: *mut b::kvm_sregs) -> i32 =
        |_, _| no_such_ioctl();
    /// Does not exist here.
    kvm_arch_vcpu_ioctl_translate(vcpu: Parked<'_>, translation: *mut b::kvm_translation) -> i32 =
        |_, _| EINVAL;

    // vCPUs, from any thread, but for those that are loaded on this one.
    kvm_arch_vcpu_unlocked_ioctl(file: File<&Shared>, ioctl: u32, argument: usize) -> isize =
        ioctl::vcpu_unlocked;
    /// A sleeping vCPU has a reason to wake.
    kvm_arch_vcpu_runnable(vcpu: &Shared) -> i32 = halt::is_asked_for;
    /// The vCPU's own thread asks while it polls and before it sleeps, the vCPU loaded.
    kvm_cpu_has_pending_timer(vcpu: Loaded<'_>) -> i32 = halt::is_interrupted;
    /// Whether a kick must interrupt the guest.
    kvm_arch_vcpu_should_kick(vcpu: &Shared) -> i32 =
        |vcpu: &Shared| vcpu.generic.must_be_interrupted();
    /// The loaded vCPU's guest is in its kernel.
    kvm_arch_vcpu_in_kernel(vcpu: Loaded<'_>) -> bool = |_: Loaded<'_>| {
        // No other vCPU's registers are loaded meanwhile.
        let _guard = PreemptGuard::new();
        la_arch::csr::Crmd(csr::guest_read::<{ num::CRMD }>()).plv() == 0
    };
    /// Not known of a vCPU that is off the CPU.
    kvm_arch_vcpu_preempted_in_kernel(vcpu: &Shared) -> bool = |_| false;
    /// Nothing to map beyond the generic pages.
    kvm_arch_vcpu_fault(vcpu: &Shared, fault: *mut b::vm_fault) -> b::vm_fault_t =
        |_, _| b::vm_fault_reason_VM_FAULT_SIGBUS;

    // vCPUs, in an interrupt handler on the CPU where it is loaded.
    /// For perf.
    #[cfg(CONFIG_GUEST_PERF_EVENTS)]
    kvm_arch_vcpu_get_ip(vcpu: &Shared) -> usize = |vcpu: &Shared| vcpu.pc() as usize;
    /// A counter's interrupt while a vCPU is loaded belongs to the guest, unless the
    /// guest has the counters.
    kvm_arch_pmi_in_guest(vcpu: Option<&Shared>) -> bool =
        |vcpu: Option<&Shared>| vcpu.is_some_and(|vcpu| !vcpu.counters_lent());
}

/// Switches the extension on, on this CPU.
///
/// # Safety
///
/// C calls it on the CPU's hotplug thread, or with interrupts off.
#[no_mangle]
unsafe extern "C" fn kvm_arch_enable_virtualization_cpu() -> i32 {
    // SAFETY: By this function's contract.
    host::enable(unsafe { Pinned::assume() })
}

const _: () = {
    let _ = if true {
        b::kvm_arch_enable_virtualization_cpu
    } else {
        kvm_arch_enable_virtualization_cpu
    };
};
