// SPDX-License-Identifier: GPL-2.0

//! Device accesses: by the in-kernel devices on KVM's buses, or by user space.
//!
//! What user space must do before the guest can go on is kept in
//! `Owned::pending_io`; [`resume`] completes it at the next KVM_RUN.

use kvm_core::decode::{
    extend, memory, Direction, IocsrAccess, Loaded, Memory, MmioTransfer, Operand, Shape,
};
use kvm_core::exit::Fault;
use kvm_core::hypercall;

use crate::irqchip;
use crate::kvm::bindings as b;
use crate::kvm::next::Next;
use crate::kvm::slots::Srcu;
use crate::vcpu::fpu;
use crate::vcpu::owned::{Load, Owned, PendingIo};
use crate::vcpu::trace::{self, kind};
use crate::vcpu::{Parked, Running};

/// A load or store of the guest at `gpa`, where there is no memory.
#[inline]
pub(crate) fn access(srcu: &Srcu<'_>, mut vcpu: Running<'_>, gpa: u64) -> Next {
    let word = vcpu.instruction();
    let access = match memory(word) {
        Ok(Memory::Access(access)) if access.begins_at(&vcpu.switch.gpr, gpa) => access,
        Ok(Memory::Skip) => {
            vcpu.advance();
            return Next::Enter;
        }
        _ => {
            let fault = Fault::refused_access(word, &vcpu.switch.gpr, gpa);
            vcpu.queue_exception(fault);
            return Next::Enter;
        }
    };
    let direction = access.direction;
    let generic = &vcpu.shared().generic;
    match access.operand {
        // By far the most: one access of a general register.
        Operand::Gpr(register) => {
            let value = match direction {
                Direction::Read => 0,
                Direction::Write => register.read(&vcpu.switch.gpr),
            };
            let mut data = value.to_le_bytes();
            let load = Load {
                register,
                width: access.width,
                signed: access.shape == Shape::Signed,
            };
            if !srcu.bus(generic, MMIO, direction, gpa, access.width, &mut data) {
                ask(&vcpu, direction, gpa, access.width, data);
                match direction {
                    Direction::Read => vcpu.pending_io = Some(PendingIo::Load(load)),
                    // User space sees the instruction as done.
                    Direction::Write => vcpu.advance(),
                }
                return Next::User;
            }
            trace::mmio(answered(direction), access.width, gpa, data);
            if direction == Direction::Read {
                load_register(&mut vcpu, load, data);
            }
            vcpu.advance();
            Next::Enter
        }
        Operand::Fpr(register) => {
            let lanes = match direction {
                Direction::Read => [0; 4],
                Direction::Write => fpu::read(vcpu.lend(), register),
            };
            proceed(srcu, vcpu, MmioTransfer::new(access, gpa, lanes))
        }
    }
}

const MMIO: b::kvm_bus = b::kvm_bus_KVM_MMIO_BUS;

/// How the events name an access that a device in the kernel answered.
fn answered(direction: Direction) -> i32 {
    match direction {
        Direction::Read => kind::READ,
        Direction::Write => kind::WRITE,
    }
}

#[inline]
fn load_register(vcpu: &mut Owned, load: Load, data: [u8; 8]) {
    let value = extend(u64::from_le_bytes(data), load.width, load.signed);
    load.register.write(&mut vcpu.switch.gpr, value);
}

/// Asks user space for an access.
#[inline]
fn ask(vcpu: &Running<'_>, direction: Direction, gpa: u64, len: u8, data: [u8; 8]) {
    vcpu.run()
        .ask_mmio(gpa, len, direction == Direction::Write, data);
    if direction == Direction::Write {
        trace::mmio(kind::WRITE, len, gpa, data);
    }
}

/// Asks user space for the next piece of a transfer.
fn to_user(mut vcpu: Running<'_>, mut transfer: MmioTransfer) -> Next {
    let Some(request) = transfer.request() else {
        return Next::Enter;
    };
    ask(
        &vcpu,
        request.direction,
        request.gpa,
        request.len,
        request.data,
    );
    if request.direction == Direction::Write {
        transfer.complete(request.data);
        if transfer.request().is_none() {
            // The last piece: user space sees the instruction as done.
            vcpu.advance();
            return Next::User;
        }
    }
    vcpu.pending_io = Some(PendingIo::Transfer(transfer));
    Next::User
}

/// Carries a transfer on until it is done or user space is needed.
fn proceed(srcu: &Srcu<'_>, mut vcpu: Running<'_>, mut transfer: MmioTransfer) -> Next {
    let generic = &vcpu.shared().generic;
    while let Some(request) = transfer.request() {
        let mut data = request.data;
        let (direction, gpa, len) = (request.direction, request.gpa, request.len);
        if !srcu.bus(generic, MMIO, direction, gpa, len, &mut data) {
            return to_user(vcpu, transfer);
        }
        trace::mmio(answered(direction), len, gpa, data);
        transfer.complete(data);
    }
    match transfer.loaded() {
        Some(Loaded::Gpr { register, value }) => register.write(&mut vcpu.switch.gpr, value),
        Some(Loaded::Fpr {
            register,
            lanes,
            count,
        }) => fpu::write(vcpu.lend(), register, lanes, count),
        None => {}
    }
    vcpu.advance();
    Next::Enter
}

/// An iocsr* of the guest.
pub(crate) fn iocsr(mut vcpu: Running<'_>, access: IocsrAccess) -> Next {
    let shared = vcpu.shared();
    let address = access.rj.read(&vcpu.switch.gpr) as u32;
    let mut data = match access.direction {
        Direction::Read => [0; 8],
        Direction::Write => access.rd.read(&vcpu.switch.gpr).to_le_bytes(),
    };
    let register = u64::from(address);
    let (direction, width) = (access.direction, access.width);
    let done = irqchip::iocsr(shared, direction, register, width, &mut data)
        || Srcu::lock(&shared.vm().kvm).bus(
            &shared.generic,
            b::kvm_bus_KVM_IOCSR_BUS,
            direction,
            register,
            width,
            &mut data,
        );
    if done {
        if access.direction == Direction::Read {
            let value = access.completed(u64::from_le_bytes(data));
            access.rd.write(&mut vcpu.switch.gpr, value);
        }
        trace::iocsr(
            shared,
            answered(access.direction),
            i32::from(access.width),
            u64::from(address),
            u64::from_le_bytes(data),
        );
        return Next::Enter;
    }
    trace::iocsr(
        shared,
        match access.direction {
            Direction::Read => kind::READ_UNSATISFIED,
            Direction::Write => kind::WRITE,
        },
        i32::from(access.width),
        u64::from(address),
        u64::from_le_bytes(data),
    );
    let is_write = access.direction == Direction::Write;
    vcpu.run().ask_iocsr(address, access.width, is_write, data);
    if access.direction == Direction::Read {
        vcpu.pending_io = Some(PendingIo::IocsrRead(access));
    }
    Next::User
}

/// Completes what user space did, if anything; [`Next::Enter`], or [`Next::User`] if the
/// access has a further piece for it. Unless the vCPU is to run, user space is asked for no
/// more: the rest waits.
#[inline]
pub(crate) fn resume(mut vcpu: Parked<'_>, wants_to_run: bool) -> Next {
    let run = vcpu.run();
    match vcpu.pending_io {
        None => {}
        Some(PendingIo::Load(load)) => {
            let (data, gpa) = run.mmio_answer();
            trace::mmio(kind::READ, load.width, gpa, data);
            load_register(&mut vcpu, load, data);
            vcpu.advance();
        }
        Some(PendingIo::IocsrRead(access)) => {
            let value = access.completed(run.iocsr_answer());
            access.rd.write(&mut vcpu.switch.gpr, value);
        }
        Some(PendingIo::Hypercall) => {
            hypercall::resume(&mut vcpu.switch.gpr, run.hypercall_answer());
            vcpu.advance();
        }
        Some(PendingIo::Transfer(transfer)) => {
            return resume_transfer(vcpu, transfer, wants_to_run)
        }
    }
    vcpu.pending_io = None;
    Next::Enter
}

/// The same of an access of several pieces.
#[inline(never)]
fn resume_transfer(mut vcpu: Parked<'_>, mut transfer: MmioTransfer, wants_to_run: bool) -> Next {
    if let Some(request) = transfer.request() {
        if request.direction == Direction::Read {
            let (data, _) = vcpu.run().mmio_answer();
            trace::mmio(kind::READ, request.len, request.gpa, data);
            transfer.complete(data);
        }
    }
    if transfer.request().is_some() && !wants_to_run {
        vcpu.pending_io = Some(PendingIo::Transfer(transfer));
        return Next::Enter;
    }
    vcpu.pending_io = None;
    let srcu = Srcu::lock(&vcpu.vm().kvm);
    vcpu.loaded(|vcpu| proceed(&srcu, vcpu, transfer))
}
