// SPDX-License-Identifier: GPL-2.0-or-later

//! A vCPU whose dirty ring is full runs on when its pages are collected (QEMU:
//! kvm_cpu_exec, KVM_EXIT_DIRTY_RING_FULL).
//!
//! A QEMU tree has a function for that. In a QEMU that was built without us only its
//! log collects: it has work done in every vCPU's thread and waits for it, so that two
//! vCPUs which asked it at once would wait for each other. A thread asks it instead,
//! and a vCPU whose ring is full leaves its run loop, does that work and comes back
//! until the ring is empty.

use std::time::Duration;

use super::collector::ask;
use super::outcome::Outcome;
use super::state::Vcpu;
use crate::qemu::bql::WithoutBql;
use crate::qemu::dirty::{self, Reaper};
use crate::qemu::report;

/// How long a vCPU whose ring is full is away before it looks again.
const PAUSE: Duration = Duration::from_micros(50);

/// The vCPU's ring is full: has it collected, and says if the run loop ends for that.
pub fn full(vcpu: &Vcpu, without: &WithoutBql) -> Option<Outcome> {
    if let Some(reaper) = Reaper::find() {
        // With a limit only this vCPU's ring: collecting all of them would spare the
        // others their wait.
        let own = dirty::is_limited().then_some(vcpu.cpu);
        without.with(|bql| reaper.reap(bql, own));
        dirty::wait_for_limit(without, vcpu.cpu);
        return None;
    }
    if vcpu.ring_ticket.is_none() {
        match ask() {
            Ok(ticket) => vcpu.ring_ticket.wait_for(ticket),
            Err(error) => {
                report::error(&format!("no thread to collect dirty rings: {error}"));
                return Some(Outcome::Failed);
            }
        }
    }
    std::thread::sleep(PAUSE);
    Some(Outcome::Interrupt)
}

/// Before the vCPU enters its run loop: if its ring was collected meanwhile, it waits
/// for as long as a limit on its rate has it wait.
#[inline]
pub fn before_run(vcpu: &Vcpu, without: &WithoutBql) {
    if !vcpu.ring_ticket.is_none() && vcpu.ring_ticket.is_done() {
        vcpu.ring_ticket.wait_for(0);
        dirty::wait_for_limit(without, vcpu.cpu);
    }
}
