// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The chip's part of message interrupts: a write into the window of addresses goes to
//! the CPU and vector that the address names (Linux: irq-loongarch-avec.c; QEMU:
//! hw/intc/loongarch_dintc.c). A CPU that does not exist, or whose node has
//! MISC_FUNC.AVEC_EN clear, gets nothing.

use crate::cpu::Vectors;
use la_arch::avec::{CPU_BITS, CPU_SHIFT, VECTOR_SHIFT};
use serde::{Deserialize, Serialize};

/// Messages on their way to CPUs, which take them before their next instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Avec {
    waiting: Vec<Vectors>,
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) cpu: usize,
    pub(crate) vector: u8,
}

impl Target {
    /// What an offset in the window names.
    pub(crate) fn of(offset: u64) -> Self {
        let cpu = offset >> CPU_SHIFT & ((1 << CPU_BITS) - 1);
        Self {
            cpu: cpu as usize,
            vector: (offset >> VECTOR_SHIFT) as u8,
        }
    }
}

impl Avec {
    /// Nothing is on its way to `cpus` CPUs.
    pub(crate) fn new(cpus: usize) -> Self {
        Self {
            waiting: vec![Vectors::default(); cpus],
        }
    }

    /// Whether a saved state fits this machine.
    pub(crate) fn same_shape(&self, other: &Self) -> bool {
        self.waiting.len() == other.waiting.len()
    }

    /// Sends a message; whether there is such a CPU.
    pub(crate) fn send(&mut self, target: Target) -> bool {
        let word = usize::from(target.vector / 64);
        let waiting = self.waiting.get_mut(target.cpu);
        waiting.is_some_and(|waiting| {
            waiting[word] |= 1 << (target.vector % 64);
            true
        })
    }

    /// What has come for CPU `cpu`.
    pub(crate) fn take(&mut self, cpu: usize) -> Option<Vectors> {
        let waiting = self.waiting.get_mut(cpu)?;
        let vectors = std::mem::take(waiting);
        (vectors != Vectors::default()).then_some(vectors)
    }
}
