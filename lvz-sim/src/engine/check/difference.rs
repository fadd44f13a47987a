// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What compiled code did otherwise than the interpreter.

use super::finding::{Finding, Place};
use super::pass::Pass;
use crate::cpu::Op;
use crate::isa::Decoder;
use std::fmt;

/// The first difference of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub cpu: usize,
    /// The address of the instruction that wrote the value last, or, if the
    /// interpreter wrote none, of the last one of the block.
    pub pc: u64,
    pub name: &'static str,
    /// Register or address of memory.
    pub place: String,
    /// What the interpreter has there.
    pub interpreted: u128,
    /// What compiled code has there.
    pub compiled: u128,
}

impl Difference {
    /// The first one among findings in the last of `until` blocks of a pass.
    pub(super) fn first(
        pass: &Pass,
        until: usize,
        findings: &[Finding],
        cpu: usize,
        decoder: &Decoder,
    ) -> Self {
        let start = until
            .checked_sub(1)
            .and_then(|i| pass.blocks.get(i))
            .map_or(0, |block| block.ops.start);
        let culprit = |finding: &Finding| {
            let last = finding.end.saturating_sub(1);
            pass.changed_last(start..finding.end, finding.place)
                .unwrap_or(last)
        };
        let first = findings
            .iter()
            .map(|finding| (culprit(finding), *finding))
            .min_by_key(|(number, _)| *number);
        let (number, finding) = first.unwrap_or((0, Finding::new(Place::Count, 0, 0, 0)));
        let op = pass.op(number);
        let block = pass.block_of(number);
        Difference {
            cpu,
            pc: block
                .zip(op)
                .map_or(0, |(block, op)| address(block.before.pc, op)),
            name: op
                .and_then(|op| decoder.find(op.insn))
                .map_or("nonexistent", |insn| insn.encoding.name),
            place: finding.place.to_string(),
            interpreted: finding.interpreted,
            compiled: finding.compiled,
        }
    }
}

fn address(pc: u64, op: &Op) -> u64 {
    pc.wrapping_add(4 * u64::from(op.idx))
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "CPU {}: after {} at {:#x}, {} is {:#x} interpreted and {:#x} compiled",
            self.cpu, self.name, self.pc, self.place, self.interpreted, self.compiled
        )
    }
}
