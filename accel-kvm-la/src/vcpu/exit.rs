// SPDX-License-Identifier: GPL-2.0-or-later

//! Exits of the guest that need user space: one function a reason (QEMU:
//! kvm_cpu_exec and kvm_arch_handle_exit). None holds the BQL.

use la_arch::kvm::hypercall;

use super::outcome::Outcome;
use super::state::Vcpu;
use super::{debug, synchronise};
use crate::kvm::abi::{INTERNAL_ERROR_EMULATION, MEMORY_EXIT_FLAG_PRIVATE};
use crate::kvm::exit::{Access, Exit, PortAccess, Rare, RareExit};
use crate::qemu::bql::WithoutBql;
use crate::qemu::memory::{self, Attributes, Space};
use crate::qemu::{report, runstate};

/// What comes after an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The guest runs on.
    Enter,
    /// The run loop ends.
    Leave(Outcome),
    /// [`dirty_ring::full`](super::dirty_ring::full) says.
    ReapDirtyRings,
}

const FAILED: Next = Next::Leave(Outcome::Failed);

/// Does what the exit asks for.
#[inline(always)]
pub fn handle(vcpu: &Vcpu, exit: Exit<'_>, without: &WithoutBql) -> Next {
    // What is remembered of the address, or all there is to it.
    let (mut access, remembered, attributes, slow): (_, _, _, fn(&_, _) -> _) = match exit {
        Exit::Mmio(access) => (access, &vcpu.devices, Attributes::UNSPECIFIED, mmio),
        Exit::Iocsr(access) => (access, &vcpu.iocsrs, Attributes::requester(vcpu.cpu), iocsr),
        Exit::Rare(rare) => return handle_rare(vcpu, rare, without),
    };
    if remembered.access(&mut access, attributes) {
        Next::Enter
    } else {
        slow(vcpu, access)
    }
}

#[cold]
fn handle_rare(vcpu: &Vcpu, mut rare: Rare<'_>, without: &WithoutBql) -> Next {
    let exit = rare.exit();
    log::trace!("vCPU {}: {exit:x?}", vcpu.cpu.index());
    match exit {
        RareExit::Port(access) => port(access),
        RareExit::Hypercall(result) => {
            // QEMU has none: the guest is told what KVM tells it of unknown codes.
            *result = hypercall::INVALID_CODE;
            Next::Enter
        }
        RareExit::Debug => debug_exit(vcpu),
        RareExit::Interrupted => Next::Leave(Outcome::Interrupt),
        RareExit::Shutdown | RareExit::Reset => {
            runstate::request_reset();
            Next::Leave(Outcome::Interrupt)
        }
        RareExit::PowerOff => {
            runstate::request_shutdown();
            Next::Leave(Outcome::Interrupt)
        }
        RareExit::Crash => {
            synchronise::own_state(vcpu);
            without.with(|bql| runstate::guest_panicked(bql, vcpu.cpu));
            Next::Enter
        }
        RareExit::DirtyRingFull => Next::ReapDirtyRings,
        RareExit::MemoryFault {
            flags,
            address,
            size,
        } => memory_fault(vcpu, flags, address, size),
        RareExit::UnknownToKvm(reason) => fail(
            vcpu,
            &format!("KVM: unknown exit, hardware reason {reason:x}"),
        ),
        RareExit::FailedEntry(reason) => fail(
            vcpu,
            &format!(
                "KVM: the guest could not be entered, hardware reason {reason:#x}; \
                 the kernel's log may say more"
            ),
        ),
        RareExit::InternalError { suberror, data } => internal_error(vcpu, suberror, data),
        RareExit::UnknownSystemEvent(event) => {
            warn(vcpu, &format!("KVM: unknown system event {event}"))
        }
        RareExit::Unknown(reason) => warn(vcpu, &format!("KVM: unknown exit reason {reason}")),
    }
}

/// Ends the run loop with an error that names the vCPU.
fn fail(vcpu: &Vcpu, message: &str) -> Next {
    report::error(&format!("vCPU {}: {message}", vcpu.cpu.index()));
    FAILED
}

/// The same with a warning, as the C backend has it.
fn warn(vcpu: &Vcpu, message: &str) -> Next {
    report::warning(&format!("vCPU {}: {message}", vcpu.cpu.index()));
    FAILED
}

/// An access to a device: the device model has its own locks.
#[cold]
#[inline(never)]
fn mmio(vcpu: &Vcpu, mut access: Access<'_>) -> Next {
    if let Some(memory) = Space::memory() {
        vcpu.devices
            .access_anew(memory, &mut access, Attributes::UNSPECIFIED);
    }
    Next::Enter
}

/// An access to an IOCSR register: the machine's devices look at the requester.
#[cold]
#[inline(never)]
fn iocsr(vcpu: &Vcpu, mut access: Access<'_>) -> Next {
    let Some(space) = vcpu.vm.iocsr() else {
        return no_iocsr(vcpu, access.address);
    };
    vcpu.iocsrs
        .access_anew(space, &mut access, Attributes::requester(vcpu.cpu));
    Next::Enter
}

#[cold]
fn no_iocsr(vcpu: &Vcpu, register: u64) -> Next {
    fail(
        vcpu,
        &format!(
            "the guest uses IOCSR register {register:#x}, but this machine has none; \
             use -machine virt"
        ),
    )
}

/// Accesses to a port.
fn port(access: PortAccess<'_>) -> Next {
    let Some(data) = access.data else {
        report::error(&format!(
            "KVM reports an access to port {:#x} without its data",
            access.port
        ));
        return FAILED;
    };
    if let Some(ports) = Space::io() {
        for one in data.chunks_mut(access.size.max(1)) {
            ports.access(
                u64::from(access.port),
                Attributes::UNSPECIFIED,
                one,
                access.is_write,
            );
        }
    }
    Next::Enter
}

/// A breakpoint or a step: of the guest's own making it is the guest's.
fn debug_exit(vcpu: &Vcpu) -> Next {
    match debug::is_ours(vcpu) {
        Ok(true) => Next::Leave(Outcome::Debug),
        Ok(false) => Next::Enter,
        Err(error) => {
            report::error(&error.to_string());
            FAILED
        }
    }
}

fn internal_error(vcpu: &Vcpu, suberror: u32, data: &[u64]) -> Next {
    let mut message = format!("KVM internal error. Suberror: {suberror}");
    if suberror == INTERNAL_ERROR_EMULATION {
        message.push_str(" (emulation failure)");
    }
    for (n, word) in data.iter().enumerate() {
        message.push_str(&format!("\nextra data[{n}]: {word:#018x}"));
    }
    fail(vcpu, &message)
}

/// Memory is private where the guest wants it shared, or the reverse.
fn memory_fault(vcpu: &Vcpu, flags: u64, address: u64, size: u64) -> Next {
    if flags & !MEMORY_EXIT_FLAG_PRIVATE != 0 {
        report::error(&format!("KVM_EXIT_MEMORY_FAULT: Unknown flag {flags:#x}"));
        return FAILED;
    }
    let to_private = flags & MEMORY_EXIT_FLAG_PRIVATE != 0;
    if memory::convert(address, size, to_private) {
        return Next::Enter;
    }
    fail(
        vcpu,
        &format!("no memory of this kind at guest address {address:#x}"),
    )
}
