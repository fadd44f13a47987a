// SPDX-License-Identifier: GPL-2.0-or-later

//! Structures and numbers of KVM (Linux: include/uapi/linux/kvm.h,
//! arch/loongarch/include/uapi/asm/kvm.h).

use std::ffi::c_ulong;

const KVMIO: u8 = 0xae;

/// Numbers of ioctls, as their direction, size and KVM's own number make them.
pub mod request {
    use super::*;

    /// Runs the vCPU.
    pub const KVM_RUN: c_ulong = nix::request_code_none!(KVMIO, 0x80);
    /// Reads general registers and pc.
    pub const KVM_GET_REGS: c_ulong = nix::request_code_read!(KVMIO, 0x81, size_of::<Regs>());
    /// Writes general registers and pc.
    pub const KVM_SET_REGS: c_ulong = nix::request_code_write!(KVMIO, 0x82, size_of::<Regs>());
    /// Changes an interrupt line of the vCPU.
    pub const KVM_INTERRUPT: c_ulong =
        nix::request_code_write!(KVMIO, 0x86, size_of::<Interrupt>());
    /// Reads floating-point and vector registers.
    pub const KVM_GET_FPU: c_ulong = nix::request_code_read!(KVMIO, 0x8c, size_of::<Fpu>());
    /// Writes floating-point and vector registers.
    pub const KVM_SET_FPU: c_ulong = nix::request_code_write!(KVMIO, 0x8d, size_of::<Fpu>());
    /// Reads the vCPU's run state.
    pub const KVM_GET_MP_STATE: c_ulong =
        nix::request_code_read!(KVMIO, 0x98, size_of::<MpState>());
    /// Writes the vCPU's run state.
    pub const KVM_SET_MP_STATE: c_ulong =
        nix::request_code_write!(KVMIO, 0x99, size_of::<MpState>());
    /// Reads one register.
    pub const KVM_GET_ONE_REG: c_ulong = nix::request_code_write!(KVMIO, 0xab, size_of::<OneReg>());
    /// Writes one register.
    pub const KVM_SET_ONE_REG: c_ulong = nix::request_code_write!(KVMIO, 0xac, size_of::<OneReg>());
    /// Lists the registers that there are.
    pub const KVM_GET_REG_LIST: c_ulong =
        nix::request_code_readwrite!(KVMIO, 0xb0, size_of::<u64>());
    /// Makes a device, or with a flag only says whether it could.
    pub const KVM_CREATE_DEVICE: c_ulong =
        nix::request_code_readwrite!(KVMIO, 0xe0, size_of::<CreateDevice>());
    /// Writes an attribute.
    pub const KVM_SET_DEVICE_ATTR: c_ulong =
        nix::request_code_write!(KVMIO, 0xe1, size_of::<DeviceAttr>());
    /// Reads an attribute.
    pub const KVM_GET_DEVICE_ATTR: c_ulong =
        nix::request_code_write!(KVMIO, 0xe2, size_of::<DeviceAttr>());
    /// Whether there is an attribute.
    pub const KVM_HAS_DEVICE_ATTR: c_ulong =
        nix::request_code_write!(KVMIO, 0xe3, size_of::<DeviceAttr>());
}

/// Capabilities.
pub mod capability {
    /// KVM_GET_MP_STATE and KVM_SET_MP_STATE.
    pub const MP_STATE: u32 = 14;
    /// Registers in the run page: the sets that there are.
    pub const SYNC_REGS: u32 = 74;
    /// KVM_CREATE_DEVICE.
    pub const DEVICE_CTRL: u32 = 89;
    /// KVM_IRQFD: an eventfd raises an interrupt without an exit.
    pub const IRQFD: u32 = 32;
}

/// Reasons of exits (KVM_EXIT_*).
pub mod exit_reason {
    /// Unknown to the kernel.
    pub const UNKNOWN: u32 = 0;
    /// Access to a port; not on LoongArch.
    pub const IO: u32 = 2;
    /// Hypercall that user space answers.
    pub const HYPERCALL: u32 = 3;
    /// Breakpoint or step.
    pub const DEBUG: u32 = 4;
    /// Access to a device.
    pub const MMIO: u32 = 6;
    /// An interrupt could be injected.
    pub const IRQ_WINDOW_OPEN: u32 = 7;
    /// The guest shut down in a way that asks for a reset.
    pub const SHUTDOWN: u32 = 8;
    /// The CPU refused to enter the guest; not on LoongArch.
    pub const FAIL_ENTRY: u32 = 9;
    /// A signal is pending.
    pub const INTR: u32 = 10;
    /// KVM could not go on.
    pub const INTERNAL_ERROR: u32 = 17;
    /// Reset, shutdown or crash by the guest's firmware interface.
    pub const SYSTEM_EVENT: u32 = 24;
    /// The vCPU's dirty ring is full.
    pub const DIRTY_RING_FULL: u32 = 31;
    /// Access to an IOCSR register.
    pub const LOONGARCH_IOCSR: u32 = 38;
    /// Memory is private where shared is needed, or the reverse.
    pub const MEMORY_FAULT: u32 = 39;
}

/// Types of system events (KVM_SYSTEM_EVENT_*).
pub mod system_event {
    /// Off.
    pub const SHUTDOWN: u32 = 1;
    /// The guest asks to be started anew.
    pub const RESET: u32 = 2;
    /// The guest says that it has crashed.
    pub const CRASH: u32 = 3;
    /// Termination of a confidential guest, taken for a crash.
    pub const SEV_TERM: u32 = 6;
}

/// Suberror of an internal error: an instruction could not be emulated.
pub const INTERNAL_ERROR_EMULATION: u32 = 1;
/// The only flag of a memory fault that is known.
pub const MEMORY_EXIT_FLAG_PRIVATE: u64 = 1 << 3;
/// The vCPU runs when told to (KVM_MP_STATE_RUNNABLE).
pub const MP_STATE_RUNNABLE: u32 = 0;
/// KVM_CREATE_DEVICE_TEST.
pub const CREATE_DEVICE_TEST: u32 = 1;

/// Device types (KVM_DEV_TYPE_LOONGARCH_*).
pub mod device_type {
    /// Inter-processor interrupts.
    pub const IPI: u32 = 12;
    /// Extended I/O interrupt controller.
    pub const EIOINTC: u32 = 13;
    /// Platform controller hub.
    pub const PCH_PIC: u32 = 14;
    /// Message interrupts.
    pub const DMSINTC: u32 = 15;
}

/// `struct kvm_regs`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Regs {
    /// General registers.
    pub gpr: [u64; 32],
    /// Program counter.
    pub pc: u64,
}

/// `struct kvm_fpu`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fpu {
    /// FCSR0.
    pub fcsr: u32,
    /// Fills the gap.
    pub pad: u32,
    /// The eight condition flags, a byte each.
    pub fcc: u64,
    /// The registers, four lanes each.
    pub fpr: [[u64; 4]; 32],
}

/// `struct kvm_one_reg`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct OneReg {
    /// The register.
    pub id: u64,
    /// Address of its value.
    pub addr: u64,
}

/// `struct kvm_interrupt`: the number, negative to lower the line.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Interrupt {
    /// The number.
    pub irq: i32,
}

/// `struct kvm_mp_state`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct MpState {
    /// KVM_MP_STATE_*.
    pub mp_state: u32,
}

/// `struct kvm_device_attr`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct DeviceAttr {
    /// None is defined.
    pub flags: u32,
    /// KVM_DEV_*_GRP_*, of the device's kind.
    pub group: u32,
    /// Which value of the group.
    pub attr: u64,
    /// Address of its value.
    pub addr: u64,
}

/// `struct kvm_create_device`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CreateDevice {
    /// KVM_DEV_TYPE_*.
    pub type_: u32,
    /// The device, for the caller.
    pub fd: u32,
    /// [`CREATE_DEVICE_TEST`] or 0.
    pub flags: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_the_kernels() {
        assert_eq!(request::KVM_RUN, 0xae80);
        assert_eq!(request::KVM_GET_REGS, 0x8108_ae81);
        assert_eq!(request::KVM_SET_REGS, 0x4108_ae82);
        assert_eq!(request::KVM_INTERRUPT, 0x4004_ae86);
        assert_eq!(request::KVM_GET_FPU, 0x8410_ae8c);
        assert_eq!(request::KVM_GET_ONE_REG, 0x4010_aeab);
        assert_eq!(request::KVM_SET_ONE_REG, 0x4010_aeac);
        assert_eq!(request::KVM_GET_REG_LIST, 0xc008_aeb0);
        assert_eq!(request::KVM_CREATE_DEVICE, 0xc00c_aee0);
        assert_eq!(request::KVM_SET_DEVICE_ATTR, 0x4018_aee1);
        assert_eq!(request::KVM_HAS_DEVICE_ATTR, 0x4018_aee3);
        assert_eq!(request::KVM_SET_MP_STATE, 0x4004_ae99);
    }
}
