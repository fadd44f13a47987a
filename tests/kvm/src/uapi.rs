// SPDX-License-Identifier: GPL-2.0-or-later

//! Structures and numbers of the interface
//! (Linux include/uapi/linux/kvm.h, arch/loongarch/include/uapi/asm/kvm.h).

/// Structures whose every byte may have any value.
pub trait Plain: Copy {}

/// Structures in which no address stands, and that nothing follows.
pub trait NoAddress: Plain {}

impl Plain for u32 {}
impl Plain for u64 {}
impl NoAddress for u32 {}

macro_rules! without_address {
    ($($name:ident)*) => { $(impl NoAddress for $name {})* };
}

without_address! {
    Regs Fpu CreateDevice IrqLevel Irqfd Ioeventfd Msi GuestDebug EnableCap PreFault
}

macro_rules! structures {
    ($(
        $(#[$meta:meta])*
        $name:ident, $size:literal {
            $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
        }
    )*) => {
        $(
            $(#[$meta])*
            #[repr(C)]
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub struct $name {
                $($(#[$field_meta])* pub $field: $type,)*
            }
            impl Plain for $name {}
            const _: () = assert!(size_of::<$name>() == $size);
        )*
    };
}

structures! {
    /// struct kvm_userspace_memory_region.
    MemoryRegion, 32 {
        /// Which slot.
        slot: u32,
        /// KVM_MEM_*.
        flags: u32,
        /// Guest-physical address.
        guest: u64,
        /// Size in bytes; 0 removes the slot.
        size: u64,
        /// Address in this process.
        user: u64,
    }
    /// struct kvm_pre_fault_memory.
    PreFault, 64 {
        /// Guest-physical address; afterwards, of what is left.
        guest: u64,
        /// Size in bytes; afterwards, of what is left.
        size: u64,
        /// None exist.
        flags: u64,
        /// Zero.
        pad: [u64; 5],
    }
    /// struct kvm_regs.
    Regs, 264 {
        /// General registers.
        gpr: [u64; 32],
        /// Program counter.
        pc: u64,
    }
    /// struct kvm_fpu.
    Fpu, 1040 {
        /// Control and status.
        fcsr: u32,
        /// Not used.
        pad: u32,
        /// Condition flags, a byte each.
        fcc: u64,
        /// Registers of 256 bits.
        fpr: [[u64; 4]; 32],
    }
    /// struct kvm_one_reg.
    OneReg, 16 {
        /// Which register.
        id: u64,
        /// Address of the value.
        address: u64,
    }
    /// struct kvm_create_device.
    CreateDevice, 12 {
        /// KVM_DEV_TYPE_*.
        kind: u32,
        /// The new descriptor.
        fd: u32,
        /// KVM_CREATE_DEVICE_TEST.
        flags: u32,
    }
    /// struct kvm_device_attr.
    DeviceAttr, 24 {
        /// None is defined.
        flags: u32,
        /// KVM_DEV_*_GRP_*.
        group: u32,
        /// Which value of the group.
        attribute: u64,
        /// Address of the value.
        address: u64,
    }
    /// struct kvm_irq_level.
    IrqLevel, 8 {
        /// GSI.
        irq: u32,
        /// 1 raises the line, 0 lowers it.
        level: u32,
    }
    /// struct kvm_irqfd.
    Irqfd, 32 {
        /// The eventfd that raises it.
        fd: u32,
        /// The line that it raises.
        gsi: u32,
        /// KVM_IRQFD_FLAG_*.
        flags: u32,
        /// The eventfd that KVM signals at the end of interrupt.
        resample_fd: u32,
        /// Not used.
        pad: [u64; 2],
    }
    /// struct kvm_ioeventfd.
    Ioeventfd, 64 {
        /// The value to match.
        datamatch: u64,
        /// Guest-physical address.
        address: u64,
        /// Length of the access.
        length: u32,
        /// The eventfd.
        fd: i32,
        /// KVM_IOEVENTFD_FLAG_*.
        flags: u32,
        /// Not used.
        pad: [u32; 9],
    }
    /// struct kvm_msi.
    Msi, 32 {
        /// Low half of the address.
        address_lo: u32,
        /// High half of the address.
        address_hi: u32,
        /// What the device writes there.
        data: u32,
        /// KVM_MSI_VALID_DEVID.
        flags: u32,
        /// Which device writes, if the flag says so.
        device: u32,
        /// Not used.
        pad: [u32; 3],
    }
    /// struct kvm_irq_routing without its entries.
    RoutingHeader, 8 {
        /// How many entries follow.
        count: u32,
        /// None is defined.
        flags: u32,
    }
    /// struct kvm_irq_routing_entry.
    RoutingEntry, 48 {
        /// The line that is routed.
        gsi: u32,
        /// KVM_IRQ_ROUTING_*.
        kind: u32,
        /// KVM_MSI_VALID_DEVID.
        flags: u32,
        /// Not used.
        pad: u32,
        /// By kind: chip and pin; or address low, high, data.
        of: [u32; 8],
    }
    /// struct kvm_guest_debug; LoongArch has nothing of its own in it.
    GuestDebug, 8 {
        /// KVM_GUESTDBG_*.
        control: u32,
        /// Not used.
        pad: u32,
    }
    /// struct kvm_enable_cap.
    EnableCap, 104 {
        /// KVM_CAP_*.
        capability: u32,
        /// None is defined.
        flags: u32,
        /// By capability.
        arguments: [u64; 4],
        /// Not used.
        pad: [u64; 8],
    }
    /// struct kvm_dirty_log.
    DirtyLog, 16 {
        /// Which slot.
        slot: u32,
        /// Not used.
        pad: u32,
        /// Address of the bitmap.
        bitmap: u64,
    }
    /// struct kvm_clear_dirty_log.
    ClearDirtyLog, 24 {
        /// Which slot.
        slot: u32,
        /// How many pages.
        pages: u32,
        /// The first of them.
        first: u64,
        /// Address of the bitmap.
        bitmap: u64,
    }
}

impl RoutingEntry {
    /// A GSI that is a pin of a chip.
    pub fn pin(gsi: u32, chip: u32, pin: u32) -> Self {
        Self {
            gsi,
            kind: ROUTING_IRQCHIP,
            flags: 0,
            pad: 0,
            of: [chip, pin, 0, 0, 0, 0, 0, 0],
        }
    }

    /// A GSI that is a message to the EIOINTC (QEMU's virt board:
    /// VIRT_PCH_MSI_ADDR_LOW).
    pub fn message(gsi: u32, data: u32) -> Self {
        Self::message_to(gsi, 0x2ff0_0000, data)
    }

    /// To a message with this address and these data.
    pub fn message_to(gsi: u32, address: u64, data: u32) -> Self {
        let (low, high) = (address as u32, (address >> 32) as u32);
        Self {
            gsi,
            kind: ROUTING_MSI,
            flags: 0,
            pad: 0,
            of: [low, high, data, 0, 0, 0, 0, 0],
        }
    }
}

/// KVM_MEM_LOG_DIRTY_PAGES.
pub const MEM_LOG_DIRTY_PAGES: u32 = 1;
/// KVM_MEM_READONLY.
pub const MEM_READONLY: u32 = 2;

/// KVM_IRQFD_FLAG_DEASSIGN.
pub const IRQFD_DEASSIGN: u32 = 1;
/// KVM_IRQFD_FLAG_RESAMPLE.
pub const IRQFD_RESAMPLE: u32 = 2;

/// KVM_IRQ_ROUTING_IRQCHIP.
pub const ROUTING_IRQCHIP: u32 = 1;
/// KVM_IRQ_ROUTING_MSI.
pub const ROUTING_MSI: u32 = 2;

/// KVM_IOEVENTFD_FLAG_DATAMATCH.
pub const IOEVENTFD_DATAMATCH: u32 = 1;
/// KVM_IOEVENTFD_FLAG_DEASSIGN.
pub const IOEVENTFD_DEASSIGN: u32 = 4;

/// KVM_CREATE_DEVICE_TEST.
pub const CREATE_DEVICE_TEST: u32 = 1;

/// KVM_DEV_TYPE_LOONGARCH_IPI.
pub const DEVICE_IPI: u32 = 12;
/// KVM_DEV_TYPE_LOONGARCH_EIOINTC.
pub const DEVICE_EIOINTC: u32 = 13;
/// KVM_DEV_TYPE_LOONGARCH_PCHPIC.
pub const DEVICE_PCH_PIC: u32 = 14;
/// KVM_DEV_TYPE_LOONGARCH_DMSINTC.
pub const DEVICE_DMSINTC: u32 = 15;

/// KVM_MP_STATE_RUNNABLE.
pub const MP_RUNNABLE: u32 = 0;
/// KVM_MP_STATE_STOPPED.
pub const MP_STOPPED: u32 = 5;

/// What KVM_CHECK_EXTENSION is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Capability {
    /// Its number, KVM_CAP_*.
    pub number: u32,
    /// That constant, as text.
    pub name: &'static str,
}

macro_rules! capabilities {
    ($($name:ident = $number:literal;)*) => {
        /// Capabilities.
        pub mod capability {
            use super::Capability;
            $(
                #[doc = concat!("KVM_CAP_", stringify!($name))]
                pub const $name: Capability = Capability {
                    number: $number,
                    name: concat!("KVM_CAP_", stringify!($name)),
                };
            )*
            /// All of these.
            pub const ALL: &[Capability] = &[$($name),*];
        }
    };
}

capabilities! {
    IRQCHIP = 0;
    USER_MEMORY = 3;
    NR_VCPUS = 9;
    NR_MEMSLOTS = 10;
    MP_STATE = 14;
    COALESCED_MMIO = 15;
    SYNC_MMU = 16;
    SET_GUEST_DEBUG = 23;
    IRQ_ROUTING = 25;
    IRQFD = 32;
    IOEVENTFD = 36;
    ENABLE_CAP = 54;
    MAX_VCPUS = 66;
    ONE_REG = 70;
    SYNC_REGS = 74;
    SIGNAL_MSI = 77;
    READONLY_MEM = 81;
    IRQFD_RESAMPLE = 82;
    DEVICE_CTRL = 89;
    VCPU_ATTRIBUTES = 127;
    MAX_VCPU_ID = 128;
    IMMEDIATE_EXIT = 136;
    MANUAL_DIRTY_LOG_PROTECT2 = 168;
    HALT_POLL = 182;
    STEAL_TIME = 187;
    SET_GUEST_DEBUG2 = 195;
    DIRTY_LOG_RING_ACQ_REL = 223;
    PRE_FAULT_MEMORY = 236;
}
