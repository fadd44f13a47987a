// SPDX-License-Identifier: GPL-2.0-or-later

//! The thread that has QEMU collect dirty rings (`dirty_ring`).

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};

use crate::qemu::bql::Bql;
use crate::qemu::{dirty, thread};

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
    pub(super) fn is_none(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Waits for the collection with this number; for none if it is 0.
    pub(super) fn wait_for(&self, collection: u64) {
        self.0.store(collection, Ordering::Relaxed);
    }

    /// Whether it is over.
    pub(super) fn is_done(&self) -> bool {
        COLLECTOR.lock().done >= self.0.load(Ordering::Relaxed)
    }
}

/// Whether all that was asked for has been collected.
pub fn is_idle() -> bool {
    let collector = COLLECTOR.lock();
    collector.asked == collector.done
}

/// Asks for a collection that begins from now on.
pub(super) fn ask() -> std::io::Result<u64> {
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
