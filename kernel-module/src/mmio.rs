// SPDX-License-Identifier: GPL-2.0

//! Device accesses: by the in-kernel devices on KVM's buses, or by user space.
//!
//! What user space must do before the guest can go on is kept in
//! `Vcpu::pending_io`; [`resume`] completes it at the next KVM_RUN.

use kvm_core::decode::{
    extend, memory, next_pc, Direction, IocsrAccess, Loaded, Memory, MmioTransfer, Operand, Shape,
};
use kvm_core::exit::Fault;
use kvm_core::hypercall;

use crate::bindings as b;
use crate::fpu;
use crate::interrupt::queue_exception;
use crate::irqchip;
use crate::next::Next;
use crate::slots::Srcu;
use crate::trace;
use crate::vcpu::{Load, PendingIo, Vcpu};

fn finish_instruction(vcpu: &Vcpu) {
    vcpu.switch.pc.set(next_pc(vcpu.switch.pc.get()));
}

/// A load or store of the guest at `gpa`, where there is no memory.
#[inline]
pub(crate) fn access(srcu: &Srcu<'_>, gpa: u64) -> Next {
    let vcpu = srcu.vcpu();
    let word = vcpu.switch.badi.get() as u32;
    let access = match memory(word) {
        Ok(Memory::Access(access)) if access.begins_at(vcpu.gprs(), gpa) => access,
        Ok(Memory::Skip) => {
            finish_instruction(vcpu);
            return Next::Enter;
        }
        _ => {
            queue_exception(vcpu, Fault::refused_access(word, vcpu.gprs(), gpa));
            return Next::Enter;
        }
    };
    let direction = access.direction;
    match access.operand {
        // By far the most: one access of a general register.
        Operand::Gpr(register) => {
            let value = match direction {
                Direction::Read => 0,
                Direction::Write => register.read(vcpu.gprs()),
            };
            let mut data = value.to_le_bytes();
            let load = Load {
                register,
                width: access.width,
                signed: access.shape == Shape::Signed,
            };
            if !srcu.bus(MMIO, direction, gpa, access.width, &mut data) {
                ask(vcpu, direction, gpa, access.width, data);
                match direction {
                    Direction::Read => vcpu.pending_io.set(Some(PendingIo::Load(load))),
                    // User space sees the instruction as done.
                    Direction::Write => finish_instruction(vcpu),
                }
                return Next::User;
            }
            trace::mmio(kind(direction), access.width, gpa, data);
            if direction == Direction::Read {
                load_register(vcpu, load, data);
            }
            finish_instruction(vcpu);
            Next::Enter
        }
        Operand::Fpr(register) => {
            let lanes = match direction {
                Direction::Read => [0; 4],
                Direction::Write => fpu::read(vcpu, register),
            };
            proceed(srcu, MmioTransfer::new(access, gpa, lanes))
        }
    }
}

const MMIO: b::kvm_bus = b::kvm_bus_KVM_MMIO_BUS;

/// How the events name a read that a device answered.
const READ: i32 = 1;
/// A write.
const WRITE: i32 = 2;

fn kind(direction: Direction) -> i32 {
    match direction {
        Direction::Read => READ,
        Direction::Write => WRITE,
    }
}

#[inline]
fn load_register(vcpu: &Vcpu, load: Load, data: [u8; 8]) {
    let value = extend(u64::from_le_bytes(data), load.width, load.signed);
    load.register.write(vcpu.gprs(), value);
}

/// Asks user space for an access.
#[inline]
fn ask(vcpu: &Vcpu, direction: Direction, gpa: u64, len: u8, data: [u8; 8]) {
    vcpu.run()
        .ask_mmio(gpa, len, direction == Direction::Write, data);
    if direction == Direction::Write {
        trace::mmio(WRITE, len, gpa, data);
    }
}

/// Asks user space for the next piece of a transfer.
fn to_user(vcpu: &Vcpu, mut transfer: MmioTransfer) -> Next {
    let Some(request) = transfer.request() else {
        return Next::Enter;
    };
    ask(
        vcpu,
        request.direction,
        request.gpa,
        request.len,
        request.data,
    );
    if request.direction == Direction::Write {
        transfer.complete(request.data);
        if transfer.request().is_none() {
            // The last piece: user space sees the instruction as done.
            finish_instruction(vcpu);
            return Next::User;
        }
    }
    vcpu.pending_io.set(Some(PendingIo::Transfer(transfer)));
    Next::User
}

/// Carries a transfer on until it is done or user space is needed.
fn proceed(srcu: &Srcu<'_>, mut transfer: MmioTransfer) -> Next {
    let vcpu = srcu.vcpu();
    while let Some(request) = transfer.request() {
        let mut data = request.data;
        if !srcu.bus(MMIO, request.direction, request.gpa, request.len, &mut data) {
            return to_user(vcpu, transfer);
        }
        trace::mmio(kind(request.direction), request.len, request.gpa, data);
        transfer.complete(data);
    }
    match transfer.loaded() {
        Some(Loaded::Gpr { register, value }) => register.write(vcpu.gprs(), value),
        Some(Loaded::Fpr {
            register,
            lanes,
            count,
        }) => fpu::write(vcpu, register, lanes, count),
        None => {}
    }
    finish_instruction(vcpu);
    Next::Enter
}

/// An iocsr* of the guest.
pub(crate) fn iocsr(vcpu: &Vcpu, access: IocsrAccess) -> Next {
    let address = access.rj.read(vcpu.gprs()) as u32;
    let mut data = match access.direction {
        Direction::Read => [0; 8],
        Direction::Write => access.rd.read(vcpu.gprs()).to_le_bytes(),
    };
    let register = u64::from(address);
    let (direction, width) = (access.direction, access.width);
    let answered = irqchip::iocsr(vcpu, direction, register, width, &mut data)
        || Srcu::lock(vcpu).bus(
            b::kvm_bus_KVM_IOCSR_BUS,
            direction,
            register,
            width,
            &mut data,
        );
    if answered {
        if access.direction == Direction::Read {
            let value = access.completed(u64::from_le_bytes(data));
            access.rd.write(vcpu.gprs(), value);
        }
        trace::iocsr(
            kind(access.direction),
            i32::from(access.width),
            u64::from(address),
            u64::from_le_bytes(data),
        );
        return Next::Enter;
    }
    trace::iocsr(
        if access.direction == Direction::Write {
            WRITE
        } else {
            0
        },
        i32::from(access.width),
        u64::from(address),
        u64::from_le_bytes(data),
    );
    let is_write = access.direction == Direction::Write;
    vcpu.run().ask_iocsr(address, access.width, is_write, data);
    if access.direction == Direction::Read {
        vcpu.pending_io.set(Some(PendingIo::IocsrRead(access)));
    }
    Next::User
}

/// Completes what user space did; [`Next::Enter`], or [`Next::User`] if the access has a
/// further piece for it. Unless the vCPU is to run, user space is asked for no
/// more: the rest waits.
pub(crate) fn resume(vcpu: &Vcpu, pending: PendingIo, wants_to_run: bool) -> Next {
    let run = vcpu.run();
    match pending {
        PendingIo::Load(load) => {
            let (data, gpa) = run.mmio_answer();
            trace::mmio(READ, load.width, gpa, data);
            load_register(vcpu, load, data);
            finish_instruction(vcpu);
            Next::Enter
        }
        PendingIo::Transfer(mut transfer) => {
            if let Some(request) = transfer.request() {
                if request.direction == Direction::Read {
                    let (data, _) = run.mmio_answer();
                    trace::mmio(READ, request.len, request.gpa, data);
                    transfer.complete(data);
                }
            }
            if transfer.request().is_some() && !wants_to_run {
                vcpu.pending_io.set(Some(PendingIo::Transfer(transfer)));
                return Next::Enter;
            }
            proceed(&Srcu::lock(vcpu), transfer)
        }
        PendingIo::IocsrRead(access) => {
            let value = access.completed(run.iocsr_answer());
            access.rd.write(vcpu.gprs(), value);
            Next::Enter
        }
        PendingIo::Hypercall => {
            hypercall::resume(vcpu.gprs(), run.hypercall_answer());
            finish_instruction(vcpu);
            Next::Enter
        }
    }
}
