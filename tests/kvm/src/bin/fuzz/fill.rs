// SPDX-License-Identifier: GPL-2.0-or-later

//! Arguments that look like what a VMM passes, with some fields gone mad.

use kvm::Memory;
use kvm::hostile::PCH_PIC;
use kvm::random::Random;
use kvm::uapi;
use la_arch::kvm::{device, para, vcpu_attr, vm_feature};
use la_arch::{csr, eiointc, ipi, one_reg, pch_pic};

use super::arena::{Arena, SCRATCH};

/// What fills in a structure.
pub(super) type Filler = fn(&mut Fill<'_>);

/// Where what a structure leads to is in a thread's arguments.
const INDIRECT: usize = 0x1000;

/// A structure that is being made.
pub(super) struct Fill<'a> {
    pub(super) random: &'a mut Random,
    pub(super) arena: &'a Arena,
    pub(super) thread: u64,
    /// Descriptors that a structure may name.
    pub(super) events: &'a [u32],
    /// The bytes so far.
    pub(super) bytes: Vec<u8>,
}

impl Fill<'_> {
    /// A field that has this value, if it is not an edge of its type.
    fn u32(&mut self, value: u32) {
        let value = match self.random.one_in(24) {
            true => self.random.edge() as u32,
            false => value,
        };
        self.bytes.extend(value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        let value = match self.random.one_in(24) {
            true => self.random.edge(),
            false => value,
        };
        self.bytes.extend(value.to_le_bytes());
    }

    /// A field that is passed on as it is: an address, or a size of memory.
    fn exactly(&mut self, value: u64) {
        self.bytes.extend(value.to_le_bytes());
    }

    fn pick_u32(&mut self, choices: &[u32]) {
        let value = self.random.pick(choices);
        self.u32(value);
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random.below(end)
    }

    /// The field with the address of something, which has these bytes.
    fn indirect(&mut self, bytes: &[u8]) {
        self.arena.write(self.thread, INDIRECT, bytes);
        let address = match self.random.below(16) {
            0 => bad_address(self.random),
            1 => {
                let room = self.random.below(bytes.len().max(1) as u64) as usize;
                self.arena.at_edge(bytes, room)
            }
            _ => self.arena.scratch(self.thread) + INDIRECT as u64,
        };
        self.exactly(address);
    }
}

/// An address that this process may not use: none of its memory is there.
pub(super) fn bad_address(random: &mut Random) -> u64 {
    match random.below(5) {
        0 => 0,
        1 => random.below(0x4000),
        // The kernel's.
        2 => 0x9000_0000_0000_0000 | random.below(1 << 28),
        3 => u64::MAX - random.below(64),
        _ => (1 << 47) + random.edge(),
    }
}

pub(super) fn mostly_zero(random: &mut Random) -> u64 {
    if random.one_in(8) { random.edge() } else { 0 }
}

pub(super) fn capability(random: &mut Random) -> u64 {
    if random.one_in(8) {
        random.edge()
    } else {
        random.below(250)
    }
}

pub(super) fn vcpu_id(random: &mut Random) -> u64 {
    match random.below(8) {
        0 => random.edge(),
        1 => random.below(300),
        _ => random.below(8),
    }
}

/// Anything.
pub(super) fn words(fill: &mut Fill<'_>) {
    for _ in 0..136 {
        let value = fill.random.edge();
        fill.exactly(value);
    }
}

pub(super) fn region(fill: &mut Fill<'_>) {
    let page = Memory::page_size() as u64;
    let slot = fill.below(6) as u32;
    fill.u32(slot);
    fill.pick_u32(&[0, 0, uapi::MEM_LOG_DIRTY_PAGES, uapi::MEM_READONLY, 3]);
    let (ram, longest) = (fill.arena.ram(), fill.arena.ram_length());
    let length = match fill.below(16) {
        0 => 0,
        1 => longest,
        2 => page,
        3 => fill.random.edge(),
        4 => 2 * page,
        _ => (1 + fill.below(256)) * page,
    };
    let guest = match fill.below(8) {
        0 => fill.random.edge(),
        1 => PCH_PIC & !(page - 1),
        2..5 => fill.below(256) * page,
        _ => 0,
    };
    let user = match fill.below(24) {
        0 => bad_address(fill.random),
        1 => fill.arena.broken_ram(),
        2 => ram + fill.below(page),
        3..10 => ram + fill.below(256) * page,
        _ => ram,
    };
    // A slot in this program's arena must end within the arena; a slot outside it
    // must not reach into this program's memory.
    let ours = (ram..ram + longest).contains(&user);
    let length = match ours {
        true => length.min(longest - (user - ram)),
        false if user == fill.arena.broken_ram() => length.min(2 * page),
        false => length.min(page),
    };
    fill.exactly(guest);
    fill.exactly(length);
    fill.exactly(user);
    // The longer structure's file, offset and padding.
    for _ in 0..16 {
        let value = mostly_zero(fill.random);
        fill.exactly(value);
    }
}

pub(super) fn dirty_log(fill: &mut Fill<'_>) {
    let slot = fill.below(6) as u32;
    fill.u32(slot);
    fill.u32(0);
    let room = fill.below(0x4000) as usize;
    fill.indirect(&vec![0xff; room]);
}

pub(super) fn clear_dirty_log(fill: &mut Fill<'_>) {
    let slot = fill.below(6) as u32;
    fill.u32(slot);
    let pages = fill.below(5) as u32 * 64;
    fill.u32(pages);
    let first = fill.below(4) * 64;
    fill.u64(first);
    fill.indirect(&[0xa5; 512]);
}

pub(super) fn irq_level(fill: &mut Fill<'_>) {
    let gsi = fill.below(66) as u32;
    fill.u32(gsi);
    let level = fill.below(2) as u32;
    fill.u32(level);
}

pub(super) fn zone(fill: &mut Fill<'_>) {
    let address = 0x3000_0000 + fill.below(4) * 8;
    fill.u64(address);
    fill.pick_u32(&[8, 4, 0, 0x1000]);
    fill.pick_u32(&[0, 0, 1]);
}

pub(super) fn routing(fill: &mut Fill<'_>) {
    let count = match fill.below(16) {
        0 => 4096,
        1 => 4097,
        _ => fill.below(70),
    };
    fill.u32(count as u32);
    fill.pick_u32(&[0, 0, 0, 0, 1]);
    for _ in 0..count.min((SCRATCH / 48 - 1) as u64) {
        let gsi = fill.below(80) as u32;
        fill.u32(gsi);
        let kind = fill.random.pick(&[1, 2, 1, 2, 3]);
        fill.u32(kind);
        fill.pick_u32(&[0, 0, 0, 0, 0, 0, 0, 1]);
        fill.bytes.extend([0; 4]);
        if kind == 1 {
            fill.u32(0);
            let pin = fill.below(66) as u32;
            fill.u32(pin);
            fill.bytes.extend([0; 24]);
        } else {
            fill.u32(0x2ff0_0000);
            fill.u32(0);
            let data = fill.below(260) as u32;
            fill.u32(data);
            fill.bytes.extend([0; 20]);
        }
    }
}

fn event(fill: &mut Fill<'_>) -> u32 {
    match fill.random.one_in(8) {
        // Not one of the standard descriptors.
        true => 3 + fill.below(64) as u32,
        false => fill.random.pick(fill.events),
    }
}

pub(super) fn irqfd(fill: &mut Fill<'_>) {
    let fd = event(fill);
    fill.bytes.extend(fd.to_le_bytes());
    let gsi = fill.below(70) as u32;
    fill.u32(gsi);
    fill.pick_u32(&[0, 0, uapi::IRQFD_DEASSIGN, uapi::IRQFD_RESAMPLE, 3]);
    let fd = event(fill);
    fill.bytes.extend(fd.to_le_bytes());
    fill.bytes.extend([0; 16]);
}

pub(super) fn ioeventfd(fill: &mut Fill<'_>) {
    let match_on = fill.below(4);
    fill.u64(match_on);
    let address = match fill.below(4) {
        0 => PCH_PIC + fill.below(0x400),
        1 => fill.random.edge(),
        _ => 0x3000_0000 + fill.below(4) * 8,
    };
    fill.u64(address);
    fill.pick_u32(&[4, 8, 2, 1, 0, 3]);
    let fd = event(fill);
    fill.bytes.extend(fd.to_le_bytes());
    fill.pick_u32(&[0, 0, 1, 2, 4, 5]);
    fill.bytes.extend([0; 36]);
}

pub(super) fn msi(fill: &mut Fill<'_>) {
    fill.u32(0x2ff0_0000);
    fill.u32(0);
    let data = fill.below(260) as u32;
    fill.u32(data);
    fill.pick_u32(&[0, 0, 0, 1]);
    fill.bytes.extend([0; 16]);
}

pub(super) fn enable_cap(fill: &mut Fill<'_>) {
    // Halt polling, manual dirty log, dirty rings, and any other.
    let capability = match fill.below(4) {
        0 => fill.below(250) as u32,
        _ => fill.random.pick(&[182, 168, 192, 223]),
    };
    fill.u32(capability);
    fill.pick_u32(&[0, 0, 0, 1]);
    let argument = match fill.below(3) {
        0 => fill.random.edge(),
        1 => fill.below(4),
        _ => 1 << fill.below(20),
    };
    fill.u64(argument);
    fill.bytes.extend([0; 88]);
}

pub(super) fn create_device(fill: &mut Fill<'_>) {
    fill.pick_u32(&[
        uapi::DEVICE_IPI,
        uapi::DEVICE_EIOINTC,
        uapi::DEVICE_PCH_PIC,
        uapi::DEVICE_DMSINTC,
    ]);
    fill.u32(0);
    fill.pick_u32(&[0, 0, 0, uapi::CREATE_DEVICE_TEST]);
}

/// A structure kvm_device_attr with a value.
fn attr(fill: &mut Fill<'_>, group: u32, attribute: u64, value: u64) {
    fill.u32(0);
    fill.u32(group);
    fill.u64(attribute);
    let bytes: Vec<u8> = value.to_le_bytes().into_iter().chain([0; 24]).collect();
    fill.indirect(&bytes);
}

pub(super) fn vm_attr(fill: &mut Fill<'_>) {
    let attribute = fill.below(14);
    attr(fill, vm_feature::GROUP, attribute, 0);
}

pub(super) fn vcpu_attr(fill: &mut Fill<'_>) {
    match fill.below(3) {
        0 => {
            // Steal time: RAM, no RAM, not aligned.
            let address = match fill.below(4) {
                0 => fill.random.edge(),
                1 => fill.below(1 << 21),
                _ => fill.below(1 << 14) << 6 | 1,
            };
            attr(fill, vcpu_attr::PVTIME_CTRL, vcpu_attr::PVTIME_GPA, address);
        }
        1 => {
            let value = fill.random.edge();
            attr(fill, vcpu_attr::CPUCFG, para::CPUCFG_FEATURE.into(), value);
        }
        _ => {
            let index = fill.below(24);
            let value = fill.random.edge();
            attr(fill, vcpu_attr::CPUCFG, index, value);
        }
    }
}

pub(super) fn device_attr(fill: &mut Fill<'_>) {
    let value = match fill.below(3) {
        0 => fill.below(8),
        1 => PCH_PIC,
        _ => fill.random.edge(),
    };
    let register = match fill.below(4) {
        0 => fill.below(0x1000),
        1 => {
            fill.random.pick(&[
                eiointc::NODETYPE,
                eiointc::IPMAP,
                eiointc::ENABLE,
                eiointc::BOUNCE,
                eiointc::ISR,
                eiointc::COREISR,
                eiointc::COREMAP,
            ]) + 4 * fill.below(8)
        }
        2 => {
            fill.random.pick(&[
                pch_pic::MASK,
                pch_pic::HTMSI_EN,
                pch_pic::EDGE,
                pch_pic::ROUTE,
                pch_pic::HTMSI_VECTOR,
                pch_pic::IRR,
                pch_pic::ISR,
                pch_pic::POLARITY,
            ]) + 8 * fill.below(4)
        }
        _ => fill
            .random
            .pick(&[ipi::STATUS, ipi::ENABLE, ipi::SET, ipi::CLEAR, ipi::MAILBOX]),
    };
    let cpu = fill.random.pick(&[0, 0, 1, 2, 7, 255, 256, 0xffff]);
    let (group, attribute) = match fill.below(8) {
        0 => (device::IPI_GRP_REGS, cpu << 16 | register),
        1 => (device::EXTIOI_GRP_REGS, cpu << 16 | register),
        2 => (device::EXTIOI_GRP_SW_STATUS, fill.below(4)),
        3 => (device::EXTIOI_GRP_CTRL, fill.below(5)),
        4 => (device::PCH_PIC_GRP_REGS, register),
        5 => (device::PCH_PIC_GRP_CTRL, fill.below(2)),
        6 => (device::DMSINTC_GRP_CTRL, fill.below(3)),
        _ => (fill.random.edge() as u32, fill.random.edge()),
    };
    attr(fill, group, attribute, value);
}

pub(super) fn regs(fill: &mut Fill<'_>) {
    for _ in 0..32 {
        let value = match fill.below(3) {
            0 => fill.below(1 << 20),
            1 => PCH_PIC + fill.below(0x400),
            _ => fill.random.edge(),
        };
        fill.exactly(value);
    }
    fill.u64(kvm::hostile::PROGRAM);
}

pub(super) fn interrupt(fill: &mut Fill<'_>) {
    let line = fill.below(32) as u32;
    let line = if fill.random.one_in(2) {
        line
    } else {
        line.wrapping_neg()
    };
    fill.u32(line);
}

/// A set of signals, which never has the one that ends KVM_RUN (SIGUSR1, 10).
pub(super) fn signal_mask(fill: &mut Fill<'_>) {
    fill.pick_u32(&[8, 8, 8, 0, 4, 16]);
    let set = fill.random.next() & !(1 << 9);
    fill.exactly(set);
    fill.exactly(0);
}

pub(super) fn mp_state(fill: &mut Fill<'_>) {
    fill.pick_u32(&[uapi::MP_RUNNABLE, uapi::MP_RUNNABLE, uapi::MP_STOPPED, 3, 9]);
}

pub(super) fn guest_debug(fill: &mut Fill<'_>) {
    fill.pick_u32(&[0, 1, 3, 0x1_0001, 0x1_0003]);
    fill.u32(0);
}

pub(super) fn one_reg(fill: &mut Fill<'_>) {
    let id = match fill.below(8) {
        0 => one_reg::cpucfg(fill.below(24) as u16),
        1 => fill
            .random
            .pick(&[one_reg::COUNTER, one_reg::VCPU_RESET, one_reg::DEBUG_INST]),
        2 => one_reg::LBT_SCR0 + fill.below(8),
        3 => one_reg::ARCH | one_reg::SIZE_U64 | fill.below(1 << 20),
        4 => one_reg::csr(fill.below(0x1000) as u16),
        _ => loop {
            let number = fill.below(0x600) as u16;
            if csr::number::name(number).is_some() {
                break one_reg::csr(number);
            }
        },
    };
    // What is no vCPU's is left to kvm-core's tests of `user_access`.
    let is_root = csr::TABLE
        .iter()
        .any(|csr| csr.class == csr::Class::Root && id == one_reg::csr(csr.number));
    fill.u64(match is_root {
        true => one_reg::csr(csr::number::ESTAT),
        false => id,
    });
    let value = match fill.below(4) {
        0 => 0,
        1 => fill.below(16),
        2 => kvm::hostile::EXCEPTIONS,
        _ => fill.random.edge(),
    };
    fill.indirect(&value.to_le_bytes());
}

pub(super) fn reg_list(fill: &mut Fill<'_>) {
    let room = fill.random.pick(&[0, 1, 64, 1000, u64::MAX]);
    fill.exactly(room);
}
