// SPDX-License-Identifier: GPL-2.0-or-later

//! The calls of the interface: on what, by what number, with which argument
//! (Linux include/uapi/linux/kvm.h).

use super::fill::{self, Filler};
use super::target::Kind;

pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) number: u64,
    pub(super) argument: Argument,
    /// Whether it can succeed on a LoongArch host: then some of the calls must.
    pub(super) succeeds: bool,
    /// How often it is chosen beside others.
    pub(super) weight: u64,
}

/// What a call is given.
#[derive(Clone, Copy)]
pub(super) enum Argument {
    Number(fn(&mut kvm::random::Random) -> u64),
    /// The address of a structure, made by this.
    Structure(Filler),
}

/// The letter of KVM's calls, and the directions of their arguments
/// (asm-generic/ioctl.h).
const KVMIO: u64 = 0xae << 8;
const WRITE: u64 = 1 << 30;
const READ: u64 = 2 << 30;

const fn number(
    kind: Kind,
    name: &'static str,
    number: u64,
    weight: u64,
    of: fn(&mut kvm::random::Random) -> u64,
) -> Call {
    Call {
        name,
        kind,
        number: KVMIO | number,
        argument: Argument::Number(of),
        succeeds: true,
        weight,
    }
}

const fn structure(
    kind: Kind,
    name: &'static str,
    (direction, number, size): (u64, u64, u64),
    weight: u64,
    filler: Filler,
) -> Call {
    Call {
        name,
        kind,
        number: direction | size << 16 | KVMIO | number,
        argument: Argument::Structure(filler),
        succeeds: true,
        weight,
    }
}

/// A call that always fails on LoongArch.
const fn failing(call: Call) -> Call {
    Call {
        succeeds: false,
        ..call
    }
}

use Kind::{Device, System, Vcpu, Vm};

/// Every call that is tried with arguments of its own shape.
pub(super) const CALLS: &[Call] = &[
    number(System, "GET_API_VERSION", 0x00, 1, fill::mostly_zero),
    number(System, "CREATE_VM", 0x01, 2, fill::mostly_zero),
    number(System, "CHECK_EXTENSION", 0x03, 4, fill::capability),
    number(System, "GET_VCPU_MMAP_SIZE", 0x04, 1, fill::mostly_zero),
    number(Vm, "CREATE_VCPU", 0x41, 8, fill::vcpu_id),
    structure(Vm, "GET_DIRTY_LOG", (WRITE, 0x42, 16), 6, fill::dirty_log),
    structure(
        Vm,
        "SET_USER_MEMORY_REGION",
        (WRITE, 0x46, 32),
        16,
        fill::region,
    ),
    failing(structure(
        Vm,
        "SET_USER_MEMORY_REGION2",
        (WRITE, 0x49, 160),
        4,
        fill::region,
    )),
    number(Vm, "CREATE_IRQCHIP", 0x60, 2, fill::mostly_zero),
    structure(Vm, "IRQ_LINE", (WRITE, 0x61, 8), 12, fill::irq_level),
    structure(
        Vm,
        "IRQ_LINE_STATUS",
        (READ | WRITE, 0x67, 8),
        6,
        fill::irq_level,
    ),
    structure(
        Vm,
        "REGISTER_COALESCED_MMIO",
        (WRITE, 0x67, 16),
        2,
        fill::zone,
    ),
    structure(
        Vm,
        "UNREGISTER_COALESCED_MMIO",
        (WRITE, 0x68, 16),
        2,
        fill::zone,
    ),
    structure(Vm, "SET_GSI_ROUTING", (WRITE, 0x6a, 8), 4, fill::routing),
    structure(Vm, "IRQFD", (WRITE, 0x76, 32), 8, fill::irqfd),
    structure(Vm, "IOEVENTFD", (WRITE, 0x79, 64), 8, fill::ioeventfd),
    structure(Vm, "SIGNAL_MSI", (WRITE, 0xa5, 32), 12, fill::msi),
    structure(Vm, "ENABLE_CAP", (WRITE, 0xa3, 104), 6, fill::enable_cap),
    number(Vm, "CHECK_EXTENSION_VM", 0x03, 2, fill::capability),
    structure(
        Vm,
        "CLEAR_DIRTY_LOG",
        (READ | WRITE, 0xc0, 24),
        6,
        fill::clear_dirty_log,
    ),
    failing(number(Vm, "RESET_DIRTY_RINGS", 0xc7, 1, fill::mostly_zero)),
    number(Vm, "GET_STATS_FD", 0xce, 1, fill::mostly_zero),
    failing(structure(
        Vm,
        "CREATE_GUEST_MEMFD",
        (READ | WRITE, 0xd4, 64),
        1,
        fill::words,
    )),
    failing(structure(
        Vm,
        "SET_MEMORY_ATTRIBUTES",
        (WRITE, 0xd2, 32),
        1,
        fill::words,
    )),
    structure(
        Vm,
        "CREATE_DEVICE",
        (READ | WRITE, 0xe0, 12),
        8,
        fill::create_device,
    ),
    structure(
        Vm,
        "HAS_DEVICE_ATTR_VM",
        (WRITE, 0xe3, 24),
        4,
        fill::vm_attr,
    ),
    number(Vcpu, "RUN", 0x80, 12, fill::mostly_zero),
    structure(Vcpu, "GET_REGS", (READ, 0x81, 264), 6, fill::words),
    structure(Vcpu, "SET_REGS", (WRITE, 0x82, 264), 8, fill::regs),
    failing(structure(
        Vcpu,
        "GET_SREGS",
        (READ, 0x83, 0),
        1,
        fill::words,
    )),
    failing(structure(
        Vcpu,
        "TRANSLATE",
        (READ | WRITE, 0x85, 24),
        1,
        fill::words,
    )),
    structure(Vcpu, "INTERRUPT", (WRITE, 0x86, 4), 16, fill::interrupt),
    structure(
        Vcpu,
        "SET_SIGNAL_MASK",
        (WRITE, 0x8b, 4),
        1,
        fill::signal_mask,
    ),
    structure(Vcpu, "GET_FPU", (READ, 0x8c, 1040), 6, fill::words),
    structure(Vcpu, "SET_FPU", (WRITE, 0x8d, 1040), 6, fill::words),
    structure(Vcpu, "GET_MP_STATE", (READ, 0x98, 4), 4, fill::words),
    structure(Vcpu, "SET_MP_STATE", (WRITE, 0x99, 4), 4, fill::mp_state),
    structure(
        Vcpu,
        "SET_GUEST_DEBUG",
        (WRITE, 0x9b, 8),
        4,
        fill::guest_debug,
    ),
    failing(structure(
        Vcpu,
        "ENABLE_CAP_VCPU",
        (WRITE, 0xa3, 104),
        2,
        fill::enable_cap,
    )),
    structure(Vcpu, "GET_ONE_REG", (WRITE, 0xab, 16), 16, fill::one_reg),
    structure(Vcpu, "SET_ONE_REG", (WRITE, 0xac, 16), 24, fill::one_reg),
    // Only the Rust module has it.
    failing(structure(
        Vcpu,
        "GET_REG_LIST",
        (READ | WRITE, 0xb0, 8),
        4,
        fill::reg_list,
    )),
    number(Vcpu, "GET_STATS_FD_VCPU", 0xce, 1, fill::mostly_zero),
    structure(
        Vcpu,
        "SET_DEVICE_ATTR_VCPU",
        (WRITE, 0xe1, 24),
        8,
        fill::vcpu_attr,
    ),
    structure(
        Vcpu,
        "GET_DEVICE_ATTR_VCPU",
        (WRITE, 0xe2, 24),
        8,
        fill::vcpu_attr,
    ),
    structure(
        Vcpu,
        "HAS_DEVICE_ATTR_VCPU",
        (WRITE, 0xe3, 24),
        4,
        fill::vcpu_attr,
    ),
    structure(
        Device,
        "SET_DEVICE_ATTR",
        (WRITE, 0xe1, 24),
        24,
        fill::device_attr,
    ),
    structure(
        Device,
        "GET_DEVICE_ATTR",
        (WRITE, 0xe2, 24),
        24,
        fill::device_attr,
    ),
    // Upstream's devices say of none that they have it.
    failing(structure(
        Device,
        "HAS_DEVICE_ATTR",
        (WRITE, 0xe3, 24),
        4,
        fill::device_attr,
    )),
];
