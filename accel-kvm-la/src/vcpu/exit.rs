// SPDX-License-Identifier: GPL-2.0-or-later

//! Exits of the guest that need user space: one function a reason (QEMU:
//! kvm_cpu_exec and kvm_arch_handle_exit). None holds the BQL.

use la_arch::kvm::hypercall;

use super::record::Vcpu;
use super::run_loop::Outcome;
use super::{debug, synchronise};
use crate::kvm::abi::{
    INTERNAL_ERROR_EMULATION, MEMORY_EXIT_FLAG_PRIVATE, exit_reason, system_event,
};
use crate::kvm::run_page::RunPage;
use crate::qemu::bql::WithoutBql;
use crate::qemu::memory::{Attributes, Space};
use crate::qemu::services::services;
use crate::qemu::{log, report, runstate};

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
#[inline]
pub fn handle(vcpu: &Vcpu, page: RunPage, without: &WithoutBql) -> Next {
    match page.exit_reason() {
        exit_reason::MMIO => mmio(page),
        exit_reason::LOONGARCH_IOCSR => iocsr(vcpu, page),
        reason => handle_unusual(reason, vcpu, page, without),
    }
}

#[cold]
fn handle_unusual(reason: u32, vcpu: &Vcpu, page: RunPage, without: &WithoutBql) -> Next {
    log::trace!("vCPU {}: exit reason {reason}", vcpu.cpu.index());
    match reason {
        exit_reason::IO => io(page),
        exit_reason::HYPERCALL => user_hypercall(page),
        exit_reason::DEBUG => debug_exit(vcpu),
        exit_reason::IRQ_WINDOW_OPEN | exit_reason::INTR => Next::Leave(Outcome::Interrupt),
        exit_reason::SHUTDOWN => shutdown(),
        exit_reason::UNKNOWN => unknown(vcpu, page),
        exit_reason::FAIL_ENTRY => fail_entry(vcpu, page),
        exit_reason::INTERNAL_ERROR => internal_error(vcpu, page),
        exit_reason::SYSTEM_EVENT => system_event_exit(vcpu, page, without),
        exit_reason::DIRTY_RING_FULL => Next::ReapDirtyRings,
        exit_reason::MEMORY_FAULT => memory_fault(vcpu, page),
        reason => unheard_of(vcpu, reason),
    }
}

/// An access to a device: the device model has its own locks.
#[inline]
fn mmio(page: RunPage) -> Next {
    let access = page.access();
    if let Some(memory) = Space::memory() {
        // SAFETY: The data are in the run page, which the kernel does not touch
        // until the next KVM_RUN.
        unsafe {
            memory.access(
                access.address,
                Attributes::UNSPECIFIED,
                access.data,
                access.length,
                access.is_write,
            );
        }
    }
    Next::Enter
}

/// An access to an IOCSR register: the machine's devices look at who asks.
#[inline]
fn iocsr(vcpu: &Vcpu, page: RunPage) -> Next {
    let access = page.access();
    let Some(space) = vcpu.vm.iocsr() else {
        report::error(&format!(
            "vCPU {}: the guest uses IOCSR register {:#x}, but this machine has none; \
             use -machine virt",
            vcpu.cpu.index(),
            access.address
        ));
        return FAILED;
    };
    // SAFETY: As in `mmio`.
    unsafe {
        space.access(
            access.address,
            Attributes::requester(vcpu.cpu),
            access.data,
            access.length,
            access.is_write,
        );
    }
    Next::Enter
}

/// Accesses to ports, which no LoongArch kernel reports.
fn io(page: RunPage) -> Next {
    let access = page.port_access();
    // The data are in the page behind the run page.
    let Some(data) = page.port_data(&access, 1 << 16) else {
        report::error(&format!(
            "KVM reports an access to port {:#x} without its data",
            access.port
        ));
        return FAILED;
    };
    if let Some(ports) = Space::io() {
        for n in 0..access.count {
            // SAFETY: `port_data` has checked that all accesses are within the
            // vCPU's mapping.
            unsafe {
                ports.access(
                    u64::from(access.port),
                    Attributes::UNSPECIFIED,
                    data.wrapping_add(n * access.size).cast(),
                    access.size,
                    access.is_write,
                );
            }
        }
    }
    Next::Enter
}

/// A hypercall for user space: QEMU has none, so that the guest is told what
/// KVM tells it of codes that nobody knows.
fn user_hypercall(page: RunPage) -> Next {
    page.set_hypercall_result(hypercall::INVALID_CODE);
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

fn shutdown() -> Next {
    runstate::request_reset();
    Next::Leave(Outcome::Interrupt)
}

fn unknown(vcpu: &Vcpu, page: RunPage) -> Next {
    report::error(&format!(
        "vCPU {}: KVM: unknown exit, hardware reason {:x}",
        vcpu.cpu.index(),
        page.first_word()
    ));
    FAILED
}

fn fail_entry(vcpu: &Vcpu, page: RunPage) -> Next {
    report::error(&format!(
        "vCPU {}: KVM: the guest could not be entered, hardware reason {:#x}; \
         the kernel's log may say more",
        vcpu.cpu.index(),
        page.first_word()
    ));
    FAILED
}

fn internal_error(vcpu: &Vcpu, page: RunPage) -> Next {
    let suberror = page.kind();
    let mut message = format!(
        "vCPU {}: KVM internal error. Suberror: {suberror}",
        vcpu.cpu.index()
    );
    if suberror == INTERNAL_ERROR_EMULATION {
        message.push_str(" (emulation failure)");
    }
    for (n, word) in page.internal_data().enumerate() {
        message.push_str(&format!("\nextra data[{n}]: {word:#018x}"));
    }
    report::error(&message);
    FAILED
}

/// Shutdown, reset or crash.
fn system_event_exit(vcpu: &Vcpu, page: RunPage, without: &WithoutBql) -> Next {
    match page.kind() {
        system_event::SHUTDOWN => {
            runstate::request_shutdown();
            Next::Leave(Outcome::Interrupt)
        }
        system_event::RESET => {
            runstate::request_reset();
            Next::Leave(Outcome::Interrupt)
        }
        system_event::CRASH | system_event::SEV_TERM => {
            synchronise::own_state(vcpu);
            without.with(|bql| runstate::guest_panicked(bql, vcpu.cpu));
            Next::Enter
        }
        kind => {
            report::warning(&format!(
                "vCPU {}: KVM: unknown system event {kind}",
                vcpu.cpu.index()
            ));
            FAILED
        }
    }
}

/// Memory is private where the guest wants it shared, or the reverse.
fn memory_fault(vcpu: &Vcpu, page: RunPage) -> Next {
    let (flags, address, size) = (page.first_word(), page.second_word(), page.third_word());
    if flags & !MEMORY_EXIT_FLAG_PRIVATE != 0 {
        report::error(&format!("KVM_EXIT_MEMORY_FAULT: Unknown flag {flags:#x}"));
        return FAILED;
    }
    let to_private = flags & MEMORY_EXIT_FLAG_PRIVATE != 0;
    // SAFETY: Checks its arguments itself.
    let result = unsafe { (services().kvm_convert_memory)(address, size, to_private) };
    if result == 0 {
        return Next::Enter;
    }
    report::error(&format!(
        "vCPU {}: no memory of this kind at guest address {address:#x}",
        vcpu.cpu.index()
    ));
    FAILED
}

fn unheard_of(vcpu: &Vcpu, reason: u32) -> Next {
    report::warning(&format!(
        "vCPU {}: KVM: unknown exit reason {reason}",
        vcpu.cpu.index()
    ));
    FAILED
}
