// SPDX-License-Identifier: GPL-2.0-or-later

//! The run loop (QEMU: accel/kvm/kvm-all.c, kvm_cpu_exec): into the guest until
//! something needs the rest of QEMU.

use nix::errno::Errno;

use super::exit::{self, Next};
use super::kick;
use super::outcome::Outcome;
use super::state::{Authority, Vcpu};
use super::{dirty_ring, step, synchronise};
use crate::kvm::abi::exit_reason;
use crate::kvm::run::Run;
use crate::kvm::run_page::RunPage;
use crate::qemu::bql::{Bql, WithoutBql};
use crate::qemu::thread::Running;
use crate::qemu::{report, runstate};
use crate::regs::Level;

/// Runs the vCPU. The BQL is given up for the time in between.
pub fn exec(bql: Bql, vcpu: &Vcpu) -> (Bql, Outcome) {
    if vcpu.cpu.halted() != 0 {
        return (bql, Outcome::Halted);
    }
    let page = match vcpu.page() {
        Ok(page) => page,
        Err(error) => {
            report::error(&error.to_string());
            runstate::internal_error(&bql, vcpu.cpu);
            return (bql, Outcome::Failed);
        }
    };
    if !step::begin(&bql, vcpu) {
        return (bql, Outcome::Debug);
    }
    let without = bql.unlock();
    let outcome = run_until_left(vcpu, page, &without);
    let bql = without.lock();
    match outcome {
        Outcome::Debug => {
            // The debugger's stub takes single registers from QEMU's copy as it is.
            synchronise::own_state(vcpu);
            step::end(&bql, vcpu);
        }
        Outcome::Failed => runstate::internal_error(&bql, vcpu.cpu),
        Outcome::Interrupt | Outcome::Halted => {}
    }
    (bql, outcome)
}

/// Enters the guest again and again, until an exit is for others.
fn run_until_left(vcpu: &Vcpu, mut page: RunPage, without: &WithoutBql) -> Outcome {
    dirty_ring::before_run(vcpu, without);
    let mut running = Running::start(without, vcpu.cpu);
    vcpu.set_in_run_loop(true);
    let run = Run::of(vcpu.cpu);
    let exit_request = vcpu.cpu.exit_request();
    let outcome = loop {
        if vcpu.authority() != Authority::Kvm
            && !synchronise::put(vcpu, Level::Runtime, "at runtime")
        {
            break Outcome::Failed;
        }
        kick::honour_exit_request(exit_request, &page);
        vcpu.note_run();
        if let Err(outcome) = entered(run.run(), vcpu, &page) {
            break outcome;
        }
        match exit::handle(vcpu, page.exit(), without) {
            Next::Enter => {}
            Next::Leave(outcome) => break outcome,
            Next::ReapDirtyRings => {
                // A thread that waits for all vCPUs to stop must not wait for this one
                // while this one waits for theirs.
                drop(running);
                let left = dirty_ring::full(vcpu, without);
                running = Running::start(without, vcpu.cpu);
                if let Some(outcome) = left {
                    break outcome;
                }
            }
        }
    };

    vcpu.set_in_run_loop(false);
    drop(running);
    outcome
}

/// Whether KVM_RUN, which returned `result`, has left an exit in the page; else why the loop ends.
#[inline(always)]
fn entered(result: i32, vcpu: &Vcpu, page: &RunPage) -> Result<(), Outcome> {
    if result >= 0 {
        return Ok(());
    }
    match result.wrapping_neg() {
        libc::EINTR => {
            kick::eat(page);
            Err(Outcome::Interrupt)
        }
        libc::EAGAIN => {
            // What is pending may not be completed yet.
            page.set_immediate_exit(false);
            Err(Outcome::Interrupt)
        }
        libc::EFAULT if page.exit_reason() == exit_reason::MEMORY_FAULT => Ok(()),
        errno => {
            report::error(&format!(
                "kvm run failed: vCPU {}: KVM_RUN: {}",
                vcpu.cpu.index(),
                Errno::from_raw(errno).desc()
            ));
            Err(Outcome::Failed)
        }
    }
}
