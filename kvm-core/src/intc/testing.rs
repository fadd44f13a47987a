// SPDX-License-Identifier: GPL-2.0

//! A sink that remembers what it is told, for the controllers' tests.

use super::{Effects, VcpuId, Vcpus, Vectors};
use la_arch::Interrupt;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const fn vcpu(id: u8) -> VcpuId {
    VcpuId::from_byte(id)
}

/// vCPUs with their CPU numbers, and the lines that are high.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sink {
    cpuids: BTreeMap<u32, VcpuId>,
    pub(crate) high: BTreeSet<(VcpuId, Interrupt)>,
    /// Every call.
    pub(crate) calls: Vec<(VcpuId, Interrupt, bool)>,
}

impl Sink {
    /// The vCPUs (id, CPU number).
    pub(crate) fn new(vcpus: &[(u8, u32)]) -> Self {
        Self {
            cpuids: vcpus.iter().map(|&(id, cpuid)| (cpuid, vcpu(id))).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn is_high(&self, id: u8, line: Interrupt) -> bool {
        self.high.contains(&(vcpu(id), line))
    }
}

impl Vcpus for Sink {
    fn by_cpuid(&self, cpuid: u32) -> Option<VcpuId> {
        self.cpuids.get(&cpuid).copied()
    }

    fn contains(&self, vcpu: VcpuId) -> bool {
        self.cpuids.values().any(|&id| id == vcpu)
    }
}

impl Effects for Sink {
    fn set_line(&mut self, vcpu: VcpuId, line: Interrupt, level: bool) {
        assert!(self.contains(vcpu), "line of a vCPU that does not exist");
        self.calls.push((vcpu, line, level));
        if level {
            self.high.insert((vcpu, line));
        } else {
            self.high.remove(&(vcpu, line));
        }
    }
}

/// The vectors that are up.
#[derive(Clone, Debug, Default)]
pub(crate) struct VectorSink {
    pub(crate) up: BTreeSet<u8>,
    pub(crate) calls: Vec<(u8, bool)>,
}

impl Vectors for VectorSink {
    fn set_vector(&mut self, vector: u8, level: bool) {
        self.calls.push((vector, level));
        if level {
            self.up.insert(vector);
        } else {
            self.up.remove(&vector);
        }
    }
}
