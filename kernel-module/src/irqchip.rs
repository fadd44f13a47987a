// SPDX-License-Identifier: GPL-2.0

//! The in-kernel interrupt controllers: `kvm_core::intc` as KVM devices.
//!
//! # Life
//!
//! A controller is made when user space creates the device and lives as long
//! as the VM: its registers are on an I/O bus, and generic KVM destroys the
//! devices after `kvm_arch_destroy_vm`.
//!
//! # Locks
//!
//! Each controller has a [`Lock`](crate::kvm::sync::Lock), taken with interrupts off
//! because irqfd injects from interrupt handlers; PCH-PIC before EIOINTC, IPI
//! of one vCPU at a time. Under them a line of a vCPU is changed (atomically)
//! and the vCPU is kicked, nothing else.

pub(crate) mod device;
pub(crate) mod dmsintc;
pub(crate) mod eiointc;
pub(crate) mod ipi;
pub(crate) mod pch_pic;
pub(crate) mod routing;

use kernel::prelude::*;
use kvm_core::decode::Direction;
use kvm_core::intc::{Effects, VcpuId, Vcpus};

use la_arch::iocsr as reg;
use la_arch::Interrupt;

use self::device::Registers;
use crate::cpu::host::host;
use crate::kvm::once::OnceBox;
use crate::vcpu::shared::Shared;
use crate::vm::Vm;

/// The controllers of a VM, as far as they were created. They are dropped with the VM,
/// whose buses have gone then.
pub(crate) struct Chips {
    pub(crate) pch_pic: OnceBox<pch_pic::Chip>,
    pub(crate) eiointc: OnceBox<eiointc::Chip>,
    pub(crate) dmsintc: OnceBox<dmsintc::Chip>,
    pub(crate) ipi: OnceBox<ipi::Chip>,
}

impl Chips {
    /// None yet.
    pub(crate) const fn new() -> Self {
        Self {
            pch_pic: OnceBox::new(),
            eiointc: OnceBox::new(),
            dmsintc: OnceBox::new(),
            ipi: OnceBox::new(),
        }
    }

    /// All three that make a board.
    pub(crate) fn complete(&self) -> bool {
        self.ipi.get().is_some() && self.eiointc.get().is_some() && self.pch_pic.get().is_some()
    }
}

/// Where controllers send their output.
pub(crate) struct Sink<'a> {
    vm: &'a Vm,
    /// The vCPU on whose thread this is, which need not be kicked.
    current: Option<&'a Shared>,
}

impl<'a> Sink<'a> {
    /// For the controllers of `vm`, on the thread of `current` if any.
    pub(crate) fn new(vm: &'a Vm, current: Option<&'a Shared>) -> Self {
        Self { vm, current }
    }

    fn vcpu(&self, id: VcpuId) -> Option<&'a Shared> {
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
            target.generic.kick();
        }
    }
}

/// An iocsr* of the guest, if an in-kernel controller has the register. These two
/// take nearly all; finding them on the bus would cost as much as the access.
#[inline]
pub(crate) fn iocsr(
    vcpu: &Shared,
    direction: Direction,
    address: u64,
    size: u8,
    data: &mut [u8; 8],
) -> bool {
    let end = address.wrapping_add(u64::from(size));
    let chips = &vcpu.vm().chips;
    if address >= reg::IPI_BASE && end <= reg::IPI_BASE + reg::IPI_SIZE {
        let ipi = |chip| access(ipi::BUS, chip, vcpu, direction, address, size, data);
        chips.ipi.get().is_some_and(ipi)
    } else if address >= reg::EIOINTC_BASE && end <= reg::EIOINTC_BASE + reg::EIOINTC_SIZE {
        let eiointc = |chip| access(eiointc::MAIN, chip, vcpu, direction, address, size, data);
        chips.eiointc.get().is_some_and(eiointc)
    } else {
        false
    }
}

#[inline]
fn access<R: Registers>(
    _: R,
    chip: &R::Chip,
    vcpu: &Shared,
    direction: Direction,
    address: u64,
    size: u8,
    data: &mut [u8; 8],
) -> bool {
    let size = u32::from(size);
    match direction {
        Direction::Read => *data = R::read(chip, vcpu, address, size).to_le_bytes(),
        Direction::Write => {
            let unused = 64u32.saturating_sub(size * 8) & 63;
            let value = u64::from_le_bytes(*data) << unused >> unused;
            R::write(chip, vcpu, address, size, value);
        }
    }
    true
}

/// Raises the lines that the controllers hold up again, after the vCPU's reset has
/// dropped them: the controllers are not reset with it, and would tell of no line
/// that did not change.
pub(crate) fn repeat_lines(vcpu: &Shared) {
    let Some(id) = VcpuId::new(vcpu.id) else {
        return;
    };
    let mut sink = Sink::new(vcpu.vm(), Some(vcpu));
    vcpu.ipi.with(|core| core.repeat(id, &mut sink));
    if let Some(chip) = vcpu.vm().chips.eiointc.get() {
        chip.repeat(id, &mut sink);
    }
}

/// Registers the device types with KVM.
pub(crate) fn register() -> Result {
    for (done, kind) in device::all().iter().enumerate() {
        if kind.needs_msgint && !host().processor.msgint {
            continue;
        }
        if let Err(error) = kind.register() {
            device::all()
                .iter()
                .take(done)
                .for_each(device::Ops::unregister);
            return Err(error);
        }
    }
    Ok(())
}

/// Takes the device types back.
pub(crate) fn unregister() {
    device::all().iter().for_each(device::Ops::unregister);
}
