// SPDX-License-Identifier: GPL-2.0

//! The in-kernel interrupt controllers: `kvm_core::intc` as KVM devices.
//!
//! # Life
//!
//! A controller is made when user space creates the device and lives as long
//! as the VM: its registers are on an I/O bus, and generic KVM destroys the
//! devices after `kvm_arch_destroy_vm`. The pointers in [`Chips`] are set once,
//! under `kvm->lock`.
//!
//! # Locks
//!
//! Each controller has a [`Lock`](crate::sync::Lock), taken with interrupts off
//! because irqfd injects from interrupt handlers; PCH-PIC before EIOINTC, IPI
//! of one vCPU at a time. Under them a line of a vCPU is changed (atomically)
//! and the vCPU is kicked, nothing else.

pub(crate) mod device;
pub(crate) mod dmsintc;
pub(crate) mod eiointc;
pub(crate) mod ipi;
pub(crate) mod pch_pic;
pub(crate) mod routing;

use core::sync::atomic::{AtomicPtr, Ordering};

use kernel::prelude::*;
use kvm_core::decode::Direction;
use kvm_core::intc::{Effects, IntcError, VcpuId, Vcpus};

use la_arch::iocsr as reg;
use la_arch::Interrupt;

use self::device::Registers;
use crate::bindings as b;
use crate::cpu::host;
use crate::vcpu::Vcpu;
use crate::vm::Vm;

/// The controllers of a VM; null until they are created.
pub(crate) struct Chips {
    pub(crate) ipi: AtomicPtr<ipi::Chip>,
    pub(crate) eiointc: AtomicPtr<eiointc::Chip>,
    pub(crate) pch_pic: AtomicPtr<pch_pic::Chip>,
    pub(crate) dmsintc: AtomicPtr<dmsintc::Chip>,
}

/// The chip behind `pointer`, if it was created.
fn get<T>(pointer: &AtomicPtr<T>) -> Option<&T> {
    // SAFETY: Null or set once to a chip that lives as long as the VM.
    unsafe { pointer.load(Ordering::Acquire).as_ref() }
}

impl Chips {
    /// None yet.
    pub(crate) const fn new() -> Self {
        Self {
            ipi: AtomicPtr::new(core::ptr::null_mut()),
            eiointc: AtomicPtr::new(core::ptr::null_mut()),
            pch_pic: AtomicPtr::new(core::ptr::null_mut()),
            dmsintc: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// All three that make a board.
    pub(crate) fn complete(&self) -> bool {
        get(&self.ipi).is_some() && get(&self.eiointc).is_some() && get(&self.pch_pic).is_some()
    }
}

impl Drop for Chips {
    fn drop(&mut self) {
        fn free<T>(pointer: &AtomicPtr<T>) {
            let chip = pointer.swap(core::ptr::null_mut(), Ordering::Relaxed);
            if !chip.is_null() {
                // SAFETY: Came from `KBox::into_raw`; the VM is going, and
                // its buses have gone.
                drop(unsafe { KBox::from_raw(chip) });
            }
        }
        free(&self.pch_pic);
        free(&self.eiointc);
        free(&self.dmsintc);
        free(&self.ipi);
    }
}

/// Where controllers send their output.
pub(crate) struct Sink<'a> {
    vm: &'a Vm,
    /// The vCPU on whose thread this is, which need not be kicked.
    current: Option<&'a Vcpu>,
}

impl<'a> Sink<'a> {
    /// For the controllers of `vm`, on the thread of `current` if any.
    pub(crate) fn new(vm: &'a Vm, current: Option<&'a Vcpu>) -> Self {
        Self { vm, current }
    }

    fn vcpu(&self, id: VcpuId) -> Option<&'a Vcpu> {
        self.vm.vcpu_by_id(u32::from(id.get()))
    }
}

impl Vcpus for Sink<'_> {
    fn by_cpuid(&self, cpuid: u32) -> Option<VcpuId> {
        VcpuId::new(self.vm.vcpu_by_cpuid(u64::from(cpuid))?.id)
    }

    fn contains(&self, vcpu: VcpuId) -> bool {
        self.vcpu(vcpu).is_some()
    }
}

impl Effects for Sink<'_> {
    fn set_line(&mut self, vcpu: VcpuId, line: Interrupt, level: bool) {
        let Some(target) = self.vcpu(vcpu) else {
            return;
        };
        if level {
            target.raise(line);
        } else {
            target.lower(line);
        }
        // Its own thread sees the change before it enters the guest again.
        if !self
            .current
            .is_some_and(|current| core::ptr::eq(current, target))
        {
            target.kick();
        }
    }
}

/// An iocsr* of the guest, if an in-kernel controller has the register. These two
/// take nearly all; finding them on the bus would cost as much as the access.
#[inline]
pub(crate) fn iocsr(
    vcpu: &Vcpu,
    direction: Direction,
    address: u64,
    size: u8,
    data: &mut [u8; 8],
) -> bool {
    let end = address.wrapping_add(u64::from(size));
    let chips = &vcpu.vm().chips;
    if address >= reg::IPI_BASE && end <= reg::IPI_BASE + reg::IPI_SIZE {
        get(&chips.ipi).is_some_and(|_| access(&ipi::Bus, vcpu, direction, address, size, data))
    } else if address >= reg::EIOINTC_BASE && end <= reg::EIOINTC_BASE + reg::EIOINTC_SIZE {
        get(&chips.eiointc)
            .is_some_and(|chip| access(chip.registers(), vcpu, direction, address, size, data))
    } else {
        false
    }
}

#[inline]
fn access<R: Registers>(
    registers: &R,
    vcpu: &Vcpu,
    direction: Direction,
    address: u64,
    size: u8,
    data: &mut [u8; 8],
) -> bool {
    let size = u32::from(size);
    match direction {
        Direction::Read => *data = registers.read(vcpu, address, size).to_le_bytes(),
        Direction::Write => {
            let unused = 64u32.saturating_sub(size * 8) & 63;
            let value = u64::from_le_bytes(*data) << unused >> unused;
            registers.write(vcpu, address, size, value);
        }
    }
    true
}

/// Raises the lines that the controllers hold up again, after the vCPU's reset has
/// dropped them: the controllers are not reset with it, and would tell of no line
/// that did not change.
pub(crate) fn repeat_lines(vcpu: &Vcpu) {
    let Some(id) = VcpuId::new(vcpu.id) else {
        return;
    };
    let mut sink = Sink::new(vcpu.vm(), Some(vcpu));
    vcpu.ipi.with(|core| core.repeat(id, &mut sink));
    if let Some(chip) = get(&vcpu.vm().chips.eiointc) {
        chip.repeat(id, &mut sink);
    }
}

/// The error number of a controller.
pub(crate) fn failure(error: IntcError) -> Error {
    Error::from_errno(-error.errno())
}

/// Registers the device types with KVM.
pub(crate) fn register() -> Result {
    let mut done = 0;
    let all = device::all();
    for ops in all {
        if ops.needs_msgint && !host().processor.msgint {
            done += 1;
            continue;
        }
        // SAFETY: The table is static.
        let result = kernel::error::to_result(unsafe {
            b::kvm_register_device_ops(&raw const ops.ops, ops.kind)
        });
        if result.is_err() {
            unregister_first(done);
            return result;
        }
        done += 1;
    }
    Ok(())
}

fn unregister_first(count: usize) {
    for ops in device::all().iter().take(count) {
        // SAFETY: KVM forgets a type whether or not it was registered.
        unsafe { b::kvm_unregister_device_ops(ops.kind) };
    }
}

/// Takes the device types back.
pub(crate) fn unregister() {
    unregister_first(device::all().len());
}
