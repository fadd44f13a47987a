// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Finds the instruction of a word.

use crate::cpu::{Cpu, Ends, Insn, Model, Op, Step, Stop};
use crate::mem::Bus;
use la_arch::Exception;
use rustc_hash::FxHashSet;

/// Instructions of a CPU model, bucketed by the top ten bits of their words.
pub struct Decoder {
    buckets: Vec<Vec<&'static Insn>>,
    /// Bits of the instructions that access memory.
    accesses: FxHashSet<u32>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

impl Decoder {
    /// Collects what `model` implements.
    pub fn new(model: &Model) -> Self {
        let mut buckets = vec![Vec::new(); 1024];
        for insn in super::all().filter(|i| model.implements(i)) {
            for (top, bucket) in buckets.iter_mut().enumerate() {
                let word = (top as u32) << 22;
                let mask = insn.encoding.mask() & 0xffc0_0000;
                if word & mask == insn.encoding.bits & mask {
                    bucket.push(insn);
                }
            }
        }
        let accesses = super::accesses_memory().map(|insn| insn.encoding.bits);
        Decoder {
            buckets,
            accesses: accesses.collect(),
        }
    }

    /// Whether `word` is a load, a store or an atomic.
    pub fn accesses_memory(&self, word: u32) -> bool {
        self.find(word)
            .is_some_and(|insn| self.accesses.contains(&insn.encoding.bits))
    }

    /// The instruction that `word` encodes, if the model has it.
    pub fn find(&self, word: u32) -> Option<&'static Insn> {
        self.buckets[(word >> 22) as usize]
            .iter()
            .copied()
            .find(|insn| insn.encoding.matches(word))
    }

    /// Decodes `word` as instruction number `idx` of a block.
    pub fn decode(&self, word: u32, idx: u16) -> (Op, Ends) {
        let Some(insn) = self.find(word) else {
            let op = Op {
                run: nonexistent,
                insn: word,
                imm: 0,
                idx,
                rd: 0,
                rj: 0,
                rk: 0,
                ra: 0,
                imm2: 0,
            };
            return (op, Ends::Yes);
        };
        let o = insn.encoding.operands(word);
        let op = Op {
            run: insn.run,
            insn: word,
            imm: o.imm,
            idx,
            rd: o.rd,
            rj: o.rj,
            rk: o.rk,
            ra: o.ra,
            imm2: o.imm2,
        };
        (op, insn.ends)
    }
}

fn nonexistent(cpu: &mut Cpu, _bus: &mut Bus, _op: &Op) -> Step {
    let stop: Stop = cpu.raise(Exception::INE);
    Err(stop)
}
