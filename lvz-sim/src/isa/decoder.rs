// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Finds the instruction of a word.

use crate::cpu::{Cpu, Ends, Insn, Model, Op, Step, Stop};
use crate::mem::Bus;
use la_arch::Exception;
use la_arch::insn::Encoding;
use rustc_hash::FxHashSet;

/// How many of a word's top bits choose a bucket.
const TOP: u32 = 10;

/// Instructions of a CPU model, bucketed by the top bits of their words.
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
        let mut buckets = vec![Vec::new(); 1 << TOP];
        for insn in super::all().filter(|i| model.implements(i)) {
            for top in tops(insn.encoding) {
                buckets[top].push(insn);
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
        self.buckets[(word >> (32 - TOP)) as usize]
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

/// All top bits that words of an instruction have.
fn tops(encoding: &Encoding) -> impl Iterator<Item = usize> {
    let top = |word: u32| (word >> (32 - TOP)) as usize;
    let (fixed, free) = (top(encoding.bits), top(!encoding.mask()));
    // The subsets of the free bits, which end where they begin.
    let next =
        move |&subset: &usize| Some(subset.wrapping_sub(free) & free).filter(|&bits| bits != 0);
    std::iter::successors(Some(0), next).map(move |subset| fixed | subset)
}

fn nonexistent(cpu: &mut Cpu, _bus: &mut Bus, _op: &Op) -> Step {
    let stop: Stop = cpu.raise(Exception::INE);
    Err(stop)
}
