// SPDX-License-Identifier: MIT

//! Numbers of KVM's LoongArch interface that are not register ids: device
//! attributes and limits (Linux: arch/loongarch/include/uapi/asm/kvm.h) and
//! the guest's interface (asm/kvm_para.h, uapi/asm/kvm_para.h).

/// Pins of the one in-kernel interrupt controller chip (KVM_IRQCHIP_NUM_PINS).
pub const IRQCHIP_NUM_PINS: u32 = 64;
/// vCPUs of one VM (KVM_MAX_VCPUS, asm/kvm_host.h).
pub const MAX_VCPUS: u32 = 256;
/// Physical CPU ids; also the value of CSR.CPUID of a vCPU that has none yet
/// (KVM_MAX_PHYID, asm/kvm_host.h).
pub const MAX_PHYID: u32 = 256;
/// CPUCFG words that a vCPU has (KVM_MAX_CPUCFG_REGS, asm/kvm_host.h).
pub const CPUCFG_WORDS: usize = 21;
/// CSR numbers that KVM accepts are below this (CSR_MAX_NUMS, asm/kvm_host.h).
pub const CSR_NUMBERS: u16 = 0x800;

/// Flags of KVM_SET_GUEST_DEBUG.
pub mod guest_debug {
    /// Debugging is on (KVM_GUESTDBG_ENABLE).
    pub const ENABLE: u32 = 1;
    /// Step one instruction (KVM_GUESTDBG_SINGLESTEP).
    pub const SINGLESTEP: u32 = 2;
    /// Software breakpoints leave to user space (KVM_GUESTDBG_USE_SW_BP).
    pub const USE_SW_BP: u32 = 0x1_0000;
}

/// Attributes of the VM file descriptor, for KVM_HAS_DEVICE_ATTR.
pub mod vm_feature {
    /// The only group (KVM_LOONGARCH_VM_FEAT_CTRL).
    pub const GROUP: u32 = 0;
    /// 128-bit vectors.
    pub const LSX: u64 = 0;
    /// 256-bit vectors.
    pub const LASX: u64 = 1;
    /// x86 binary translation.
    pub const X86BT: u64 = 2;
    /// Arm binary translation.
    pub const ARMBT: u64 = 3;
    /// MIPS binary translation.
    pub const MIPSBT: u64 = 4;
    /// Performance counters.
    pub const PMU: u64 = 5;
    /// Paravirtual inter-processor interrupts.
    pub const PV_IPI: u64 = 6;
    /// Paravirtual steal time.
    pub const PV_STEALTIME: u64 = 7;
    /// Hardware page table walker.
    pub const PTW: u64 = 8;
    /// Message interrupts.
    pub const MSGINT: u64 = 9;
    /// Paravirtual preemption hint.
    pub const PV_PREEMPT: u64 = 10;
}

/// Attributes of the vCPU file descriptor.
pub mod vcpu_attr {
    /// Group of CPUCFG words: the attribute is the index.
    pub const CPUCFG: u32 = 0;
    /// Group of steal time.
    pub const PVTIME_CTRL: u32 = 1;
    /// In [`PVTIME_CTRL`]: guest-physical address of the steal-time record.
    pub const PVTIME_GPA: u64 = 0;
}

/// Groups and attributes of the in-kernel devices.
pub mod device {
    /// IPI: registers; the attribute has the vCPU in 25:16, the register's offset in 7:0.
    pub const IPI_GRP_REGS: u32 = 0x4000_0001;
    /// Extended I/O interrupt controller: registers; the attribute has the vCPU in
    /// 31:16, the register's offset in 15:0.
    pub const EXTIOI_GRP_REGS: u32 = 0x4000_0002;
    /// Extended I/O interrupt controller: state that no register shows.
    pub const EXTIOI_GRP_SW_STATUS: u32 = 0x4000_0003;
    /// Number of CPUs, read-only.
    pub const EXTIOI_SW_STATUS_NUM_CPU: u64 = 0;
    /// Features of the virtual extension, read-only.
    pub const EXTIOI_SW_STATUS_FEATURE: u64 = 1;
    /// State of the virtual extension.
    pub const EXTIOI_SW_STATUS_STATE: u64 = 2;
    /// Extended I/O interrupt controller: control.
    pub const EXTIOI_GRP_CTRL: u32 = 0x4000_0004;
    /// Sets the number of CPUs, 32 bits, at most 256.
    pub const EXTIOI_CTRL_INIT_NUM_CPU: u64 = 0;
    /// Sets the features of the virtual extension, 32 bits.
    pub const EXTIOI_CTRL_INIT_FEATURE: u64 = 1;
    /// All registers have been written: derived state may be computed.
    pub const EXTIOI_CTRL_LOAD_FINISHED: u64 = 3;
    /// Platform controller hub: registers; the attribute is the offset.
    pub const PCH_PIC_GRP_REGS: u32 = 0x4000_0005;
    /// Platform controller hub: control.
    pub const PCH_PIC_GRP_CTRL: u32 = 0x4000_0006;
    /// Sets the address of the registers, 64 bits.
    pub const PCH_PIC_CTRL_INIT: u64 = 0;
    /// Direct message interrupt controller: control.
    pub const DMSINTC_GRP_CTRL: u32 = 0x4000_0007;
    /// Sets the address of its message window, 64 bits, once.
    pub const DMSINTC_MSG_ADDR_BASE: u64 = 0;
    /// Sets the size of its message window in bytes, 64 bits, once.
    pub const DMSINTC_MSG_ADDR_SIZE: u64 = 1;
}

/// CPUCFG leaves and feature bits that KVM adds for its guests.
pub mod para {
    /// First leaf of the range that software emulates.
    pub const CPUCFG_BASE: u32 = 0x4000_0000;
    /// Leaf of the signature.
    pub const CPUCFG_SIGNATURE: u32 = CPUCFG_BASE;
    /// Leaf of the feature bits; also the attribute that sets them.
    pub const CPUCFG_FEATURE: u32 = CPUCFG_BASE + 4;
    /// The signature: "KVM\0", little endian.
    pub const SIGNATURE: u32 = u32::from_le_bytes(*b"KVM\0");
    /// Feature bit: inter-processor interrupts by hypercall.
    pub const FEATURE_IPI: u32 = 1;
    /// Feature bit: steal time.
    pub const FEATURE_STEAL_TIME: u32 = 2;
    /// Feature bit: the steal-time record tells that a vCPU is preempted.
    pub const FEATURE_PREEMPT: u32 = 3;
    /// Feature bit, set by the VMM: virtual extension of the extended I/O
    /// interrupt controller.
    pub const FEATURE_VIRT_EXTIOI: u32 = 24;
    /// Feature bit, set by the VMM: it answers hypercalls itself.
    pub const FEATURE_USER_HCALL: u32 = 25;
    /// Steal-time address: bit that says that the record is in use.
    pub const STEAL_PHYS_VALID: u64 = 1;
    /// Steal-time address: bits of the address.
    pub const STEAL_PHYS_MASK: u64 = !0x3f;
    /// Bit of the record's `preempted` byte.
    pub const VCPU_PREEMPTED: u8 = 1;
}

/// Codes of `hvcl`, functions and results (asm/kvm_para.h).
pub mod hypercall {
    /// Code of `hvcl`: service by KVM, function in a0.
    pub const SERVICE: u16 = 0x100;
    /// Code of `hvcl`: software breakpoint.
    pub const SWDBG: u16 = 0x101;
    /// Code of `hvcl`: service by user space.
    pub const USER_SERVICE: u16 = 0x102;
    /// Function of [`SERVICE`]: send an inter-processor interrupt.
    pub const FUNC_IPI: u64 = 1;
    /// Function of [`SERVICE`]: announce the steal-time record.
    pub const FUNC_NOTIFY: u64 = 2;
    /// Result: done.
    pub const SUCCESS: u64 = 0;
    /// Result: no such code or function.
    pub const INVALID_CODE: u64 = -1i64 as u64;
    /// Result: a parameter is out of range.
    pub const INVALID_PARAMETER: u64 = -2i64 as u64;
}
