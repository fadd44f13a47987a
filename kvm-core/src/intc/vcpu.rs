// SPDX-License-Identifier: GPL-2.0

//! What the controllers see of the vCPUs, and what they do to them.

use la_arch::kvm::MAX_VCPUS;
use la_arch::Interrupt;

/// A vCPU's number as user space chose it with `KVM_CREATE_VCPU`
/// (`vcpu->vcpu_id`), 0 to 255 (`KVM_MAX_VCPUS` of asm/kvm_host.h). It is not
/// the guest's CPU number ([`Vcpus::by_cpuid`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct VcpuId(u8);

impl VcpuId {
    /// How many there can be.
    pub const COUNT: usize = MAX_VCPUS as usize;

    /// The number, if it is below [`VcpuId::COUNT`].
    pub const fn new(id: u32) -> Option<Self> {
        if id < Self::COUNT as u32 {
            Some(Self(id as u8))
        } else {
            None
        }
    }

    /// The number: a byte holds exactly the range.
    pub const fn from_byte(id: u8) -> Self {
        Self(id)
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The number as an index into an array of [`VcpuId::COUNT`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Which vCPUs exist.
pub trait Vcpus {
    /// The vCPU whose CSR.CPUID the VMM set to `cpuid` (Linux
    /// kvm/vcpu.c:`kvm_get_vcpu_by_cpuid`); `None` if no vCPU has it.
    fn by_cpuid(&self, cpuid: u32) -> Option<VcpuId>;

    /// Whether the vCPU was created (Linux `kvm_get_vcpu_by_id`).
    fn contains(&self, vcpu: VcpuId) -> bool;
}

/// Where the controllers send their output.
pub trait Effects: Vcpus {
    /// Raises or lowers a line of a vCPU and kicks it. Called under the
    /// controller's lock, possibly from hard interrupt context; repeating a
    /// level is allowed and must do no harm.
    fn set_line(&mut self, vcpu: VcpuId, line: Interrupt, level: bool);
}

/// Where the PCH-PIC sends its output.
pub trait Vectors {
    /// Raises or lowers a vector of the EIOINTC: locks it and calls
    /// [`Eiointc::set_vector`](super::eiointc::Eiointc::set_vector).
    fn set_vector(&mut self, vector: u8, level: bool);
}
