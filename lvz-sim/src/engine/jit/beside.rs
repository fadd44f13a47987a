// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The compiler on a thread of its own, to which regions go as copies.

use super::compiler::{Compiled, Compiler};
use super::error::JitError;
use super::region::Region;
use super::runtime::Helpers;
use crate::engine::code::BlockId;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Regions that wait at most. While these are compiled no other is taken, and the blocks that
/// are executed most often are the first to ask when one is: so a new loop does not
/// wait behind others.
const MAX_WAITING: usize = 3;

/// The thread works for at most one part in so many of the time that the machine has run,
/// and some for the beginning.
const SHARE: u32 = 10;
const FOR_THE_BEGINNING: Duration = Duration::from_millis(20);

/// A region to be compiled.
pub(super) struct Job {
    /// The block that gets the code.
    pub(super) id: BlockId,
    /// The epoch in which `id` means that block.
    pub(super) epoch: u64,
    pub(super) region: Region,
}

/// A region that was compiled.
pub(super) struct Done {
    pub(super) job: Job,
    pub(super) compiled: Result<Compiled, JitError>,
    took: Duration,
}

/// The way to the thread, which ends when this is dropped.
pub(super) struct Beside {
    jobs: Sender<Job>,
    done: Receiver<Done>,
    waiting: usize,
    begun: Instant,
    /// How long the regions that are done took.
    spent: Duration,
    /// The thread has had its share of the time.
    rests: bool,
}

impl Beside {
    /// Starts the thread; `None` if the system has none to give.
    pub(super) fn new(mut compiler: Compiler, helpers: Helpers) -> Option<Self> {
        let (jobs, todo) = channel::<Job>();
        let (ready, done) = channel();
        let work = move || {
            for job in todo {
                let begun = Instant::now();
                let compiled = compiler.region(&job.region, &helpers);
                let took = begun.elapsed();
                let done = Done {
                    job,
                    compiled,
                    took,
                };
                if ready.send(done).is_err() {
                    return;
                }
            }
        };
        let name = "lvz-sim compiler".to_owned();
        thread::Builder::new().name(name).spawn(work).ok()?;
        Some(Beside {
            jobs,
            done,
            waiting: 0,
            begun: Instant::now(),
            spent: Duration::ZERO,
            rests: false,
        })
    }

    /// No more regions are taken for now, or only those of `very_hot` blocks.
    pub(super) fn is_full(&self, very_hot: bool) -> bool {
        self.rests && !very_hot || self.waiting >= MAX_WAITING
    }

    /// Gives the thread a region.
    pub(super) fn ask(&mut self, job: Job) {
        // Without its thread, whose panic has been reported, all stays interpreted.
        let _ = self.jobs.send(job);
        self.waiting += 1;
    }

    /// The next region that is ready, if there is one.
    pub(super) fn done(&mut self) -> Option<Done> {
        if self.waiting == 0 && !self.rests {
            return None;
        }
        self.rests = self.spent > self.begun.elapsed() / SHARE + FOR_THE_BEGINNING;
        let done = self.done.try_recv().ok()?;
        self.waiting -= 1;
        self.spent += done.took;
        Some(done)
    }
}
