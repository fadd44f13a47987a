// SPDX-License-Identifier: GPL-2.0-or-later

//! A vCPU whose dirty ring is full runs on when its pages are collected (QEMU:
//! kvm_cpu_exec, KVM_EXIT_DIRTY_RING_FULL).
//!
//! A QEMU tree has a function for that. In a QEMU that was built without us only its
//! log collects: it has work done in every vCPU's thread and waits for it, so that two
//! vCPUs which asked it at once would wait for each other. A thread asks it instead,
//! and a vCPU whose ring is full leaves its run loop, does that work and comes back
//! until the ring is empty.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::run_loop::Outcome;
use super::state::Vcpu;
use crate::qemu::bql::{Bql, WithoutBql};
use crate::qemu::dirty::{self, Reaper};
use crate::qemu::{report, thread};

/// How long a vCPU whose ring is full is away before it looks again.
const PAUSE: Duration = Duration::from_micros(50);

/// What the collecting thread was asked for and has done: both only grow.
#[derive(Debug)]
struct Collector {
    started: bool,
    asked: u64,
    done: u64,
}

static COLLECTOR: Mutex<Collector> = Mutex::new(Collector {
    started: false,
    asked: 0,
    done: 0,
});
static ASKED: Condvar = Condvar::new();

/// The collection that a vCPU waits for.
#[derive(Debug, Default)]
pub struct Ticket(AtomicU64);

impl Ticket {
    /// Whether the vCPU waits for none.
    #[inline]
    fn is_none(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Whether it is over.
    fn is_done(&self) -> bool {
        COLLECTOR.lock().done >= self.0.load(Ordering::Relaxed)
    }
}

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
            Ok(ticket) => vcpu.ring_ticket.0.store(ticket, Ordering::Relaxed),
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
        vcpu.ring_ticket.0.store(0, Ordering::Relaxed);
        dirty::wait_for_limit(without, vcpu.cpu);
    }
}

/// Whether all that was asked for has been collected.
pub fn is_idle() -> bool {
    let collector = COLLECTOR.lock();
    collector.asked == collector.done
}

/// Asks for a collection that begins from now on.
fn ask() -> std::io::Result<u64> {
    let mut collector = COLLECTOR.lock();
    if !collector.started {
        std::thread::Builder::new()
            .name("kvm-la-rings".to_owned())
            .spawn(collect)?;
        collector.started = true;
    }
    collector.asked = collector.asked.wrapping_add(1);
    ASKED.notify_one();
    Ok(collector.asked)
}

/// The thread, which lives as long as QEMU.
fn collect() {
    thread::register_rcu();
    loop {
        let mut collector = COLLECTOR.lock();
        while collector.asked == collector.done {
            ASKED.wait(&mut collector);
        }
        let asked = collector.asked;
        drop(collector);
        let bql = Bql::lock();
        dirty::sync_log(&bql);
        bql.unlock();
        COLLECTOR.lock().done = asked;
    }
}
