// SPDX-License-Identifier: GPL-2.0-or-later

//! The descriptors on which calls are made, shared by a worker's threads.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use kvm::Memory;
use kvm::random::Random;

/// What a descriptor is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// /dev/kvm.
    System,
    Vm,
    Vcpu,
    /// An in-kernel device.
    Device,
    /// Statistics.
    Stats,
}

pub(super) const KINDS: [Kind; 5] = [
    Kind::System,
    Kind::Vm,
    Kind::Vcpu,
    Kind::Device,
    Kind::Stats,
];

/// A descriptor.
pub(super) struct Target {
    pub(super) kind: Kind,
    pub(super) fd: OwnedFd,
    /// What a vCPU shares with user space.
    pub(super) page: Option<Memory>,
}

/// Descriptors by kinds.
#[derive(Default)]
pub(super) struct Targets(Mutex<[Vec<Arc<Target>>; KINDS.len()]>);

impl Targets {
    /// Adds a descriptor; one of the same kind goes if there are many.
    pub(super) fn add(&self, kind: Kind, fd: OwnedFd, run_size: usize, random: &mut Random) {
        let page = (kind == Kind::Vcpu)
            .then(|| Memory::of(fd.as_fd(), run_size).ok())
            .flatten();
        let target = Arc::new(Target { kind, fd, page });
        let limit = match kind {
            Kind::System => 1,
            Kind::Vm => 3,
            Kind::Vcpu | Kind::Device => 6,
            Kind::Stats => 3,
        };
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let list = &mut kinds[kind as usize];
        // Let go of after the lock: closing can take long.
        let gone = (list.len() >= limit)
            .then(|| list.swap_remove(random.below(list.len() as u64) as usize));
        list.push(target);
        drop(kinds);
        drop(gone);
    }

    /// One of a kind.
    pub(super) fn pick(&self, kind: Kind, random: &mut Random) -> Option<Arc<Target>> {
        let kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let list = &kinds[kind as usize];
        list.get(random.below(list.len() as u64) as usize).cloned()
    }

    /// Lets go of one of a kind.
    pub(super) fn drop_one(&self, kind: Kind, random: &mut Random) {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let list = &mut kinds[kind as usize];
        let gone =
            (list.len() > 1).then(|| list.swap_remove(random.below(list.len() as u64) as usize));
        drop(kinds);
        drop(gone);
    }
}
