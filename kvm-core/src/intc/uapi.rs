//! Numbers of Linux 7.2's user interface: arch/loongarch/include/uapi/asm/kvm.h
//! (device attributes) and include/uapi/linux/kvm.h (routing).

/// IPI registers; attribute: vCPU number in 25:16, register offset in 7:0.
pub const IPI_GRP_REGS: u32 = 0x4000_0001;

/// EIOINTC registers; attribute: vCPU number in 31:16, offset in 15:0.
pub const EXTIOI_GRP_REGS: u32 = 0x4000_0002;
/// EIOINTC state that is no register.
pub const EXTIOI_GRP_SW_STATUS: u32 = 0x4000_0003;
/// Number of vCPUs, read-only.
pub const EXTIOI_SW_STATUS_NUM_CPU: u64 = 0;
/// Features of the paravirtual extension, read-only.
pub const EXTIOI_SW_STATUS_FEATURE: u64 = 1;
/// Configuration of the paravirtual extension.
pub const EXTIOI_SW_STATUS_STATE: u64 = 2;
/// EIOINTC commands.
pub const EXTIOI_GRP_CTRL: u32 = 0x4000_0004;
/// Sets the number of vCPUs, 32 bits, at most 256.
pub const EXTIOI_CTRL_INIT_NUM_CPU: u64 = 0;
/// Sets the features of the paravirtual extension, 32 bits.
pub const EXTIOI_CTRL_INIT_FEATURE: u64 = 1;
/// Ends a restore.
pub const EXTIOI_CTRL_LOAD_FINISHED: u64 = 3;

/// PCH-PIC registers; attribute: register offset.
pub const PCH_PIC_GRP_REGS: u32 = 0x4000_0005;
/// PCH-PIC commands.
pub const PCH_PIC_GRP_CTRL: u32 = 0x4000_0006;
/// Sets the MMIO base, 64 bits.
pub const PCH_PIC_CTRL_INIT: u64 = 0;

/// DMSINTC commands.
pub const DMSINTC_GRP_CTRL: u32 = 0x4000_0007;
/// Sets the first message address, 64 bits, once.
pub const DMSINTC_MSG_ADDR_BASE: u64 = 0;
/// Sets the length of the message addresses in bytes, 64 bits, once.
pub const DMSINTC_MSG_ADDR_SIZE: u64 = 1;

/// Pins of the one in-kernel irqchip.
pub const KVM_IRQCHIP_NUM_PINS: u32 = 64;
/// Number of in-kernel irqchips that routes can name.
pub const KVM_NR_IRQCHIPS: u32 = 1;
/// Route type: pin of an irqchip.
pub const KVM_IRQ_ROUTING_IRQCHIP: u32 = 1;
/// Route type: message.
pub const KVM_IRQ_ROUTING_MSI: u32 = 2;
