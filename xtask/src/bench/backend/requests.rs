// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Names of KVM's ioctls (Linux: include/uapi/linux/kvm.h).

/// The type of all of KVM's requests (KVMIO).
const KVMIO: u64 = 0xae;

/// The request's number, if it is one of KVM's.
pub(super) fn number(request: u64) -> Option<u8> {
    (request >> 8 & 0xff == KVMIO).then_some(request as u8)
}

/// Whether only a vCPU's file knows the request.
pub(super) fn is_vcpu_only(number: u8) -> bool {
    matches!(
        number,
        0x80..=0x82 | 0x8c | 0x8d | 0x98 | 0x99 | 0xab | 0xac
    )
}

/// KVM_CREATE_VCPU, of the VM's file.
pub(super) const CREATE_VCPU: u8 = 0x41;
/// KVM_GET_VCPU_MMAP_SIZE, of the system's file.
pub(super) const GET_VCPU_MMAP_SIZE: u8 = 0x04;
/// KVM_HAS_DEVICE_ATTR, of any file.
pub(super) const HAS_DEVICE_ATTR: u8 = 0xe3;
/// KVM_RUN.
pub(super) const RUN: u8 = 0x80;

/// The name without `KVM_`; the number if it has none here.
pub(super) fn name(number: u8) -> String {
    let name = match number {
        0x00 => "GET_API_VERSION",
        0x01 => "CREATE_VM",
        0x03 => "CHECK_EXTENSION",
        GET_VCPU_MMAP_SIZE => "GET_VCPU_MMAP_SIZE",
        CREATE_VCPU => "CREATE_VCPU",
        0x42 => "GET_DIRTY_LOG",
        0x46 => "SET_USER_MEMORY_REGION",
        0x49 => "SET_USER_MEMORY_REGION2",
        0x60 => "CREATE_IRQCHIP",
        0x61 => "IRQ_LINE",
        0x67 => "REGISTER_COALESCED_MMIO",
        0x68 => "UNREGISTER_COALESCED_MMIO",
        0x6a => "SET_GSI_ROUTING",
        0x76 => "IRQFD",
        0x79 => "IOEVENTFD",
        RUN => "RUN",
        0x81 => "GET_REGS",
        0x82 => "SET_REGS",
        0x86 => "INTERRUPT",
        0x8b => "SET_SIGNAL_MASK",
        0x8c => "GET_FPU",
        0x8d => "SET_FPU",
        0x98 => "GET_MP_STATE",
        0x99 => "SET_MP_STATE",
        0x9b => "SET_GUEST_DEBUG",
        0xa3 => "ENABLE_CAP",
        0xa5 => "SIGNAL_MSI",
        0xab => "GET_ONE_REG",
        0xac => "SET_ONE_REG",
        0xb0 => "GET_REG_LIST",
        0xc0 => "CLEAR_DIRTY_LOG",
        0xc7 => "RESET_DIRTY_RINGS",
        0xce => "GET_STATS_FD",
        0xe0 => "CREATE_DEVICE",
        0xe1 => "SET_DEVICE_ATTR",
        0xe2 => "GET_DEVICE_ATTR",
        HAS_DEVICE_ATTR => "HAS_DEVICE_ATTR",
        number => return format!("{number:#x}"),
    };
    name.to_owned()
}
