// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Blocks that are compiled together, and which of their registers are loaded and stored.

use super::form::{Form, Way};
use crate::cpu::Op;

/// Blocks of a region.
pub(super) const MAX_BLOCKS: usize = 48;
const _: () = assert!(MAX_BLOCKS <= u64::BITS as usize);

/// An instruction of a region.
#[derive(Clone, Copy)]
pub(super) struct Item {
    pub(super) op: Op,
    /// How it is compiled; its handler is called where there is no form.
    pub(super) form: Option<&'static Form>,
    /// It ends its block.
    pub(super) ends: bool,
    /// Without a form: its handler works on registers alone.
    pub(super) light: bool,
}

impl Item {
    /// Control does not simply reach the next instruction.
    pub(super) fn leaves(&self) -> bool {
        match self.form {
            Some(form) => form.way.is_some(),
            None => self.ends,
        }
    }

    /// The general registers that it reads before it writes any, one a bit.
    fn reads(&self) -> u32 {
        self.form.map_or(0, |form| form.reads(&self.op))
    }

    /// The general registers whose values are those in memory or new after it.
    pub(super) fn writes(&self) -> u32 {
        let op = &self.op;
        match self.form {
            Some(form) => form.writes(op),
            None if self.light => 1 << (op.rd & 31),
            // Whatever field names a result.
            None => [op.rd, op.rj, op.rk, op.ra]
                .iter()
                .fold(0, |set, r| set | 1 << (r & 31)),
        }
    }
}

/// A block of a region.
pub(super) struct Part {
    /// Where in memory it begins.
    pub(super) offset: usize,
    pub(super) items: Vec<Item>,
    /// The general registers that must be loaded before it.
    pub(super) live: u32,
    /// The general registers that need not have been stored before it, if they are newer
    /// than those in memory.
    pub(super) unstored: u32,
}

impl Part {
    /// The general registers that its forms write.
    fn writes(&self) -> u32 {
        let forms = self.items.iter().filter(|item| item.form.is_some());
        forms.fold(0, |set, item| set | item.writes()) & !1
    }

    /// Where in memory control may go from here by itself.
    pub(super) fn successors(&self) -> impl Iterator<Item = usize> {
        let next = self.offset + 4 * self.items.len();
        let last = self.items.last();
        let way = last.and_then(|i| Some((i.form?.way?, i.op)));
        let branch = way.and_then(|(way, op)| {
            let from = next - 4;
            let target = from.wrapping_add_signed(4 * op.imm as isize);
            (way != Way::Register).then_some(target)
        });
        let falls = match way {
            Some((way, _)) => way == Way::Condition,
            // An instruction without a form that ends a block may go anywhere.
            None => !last.is_some_and(Item::leaves),
        };
        branch.into_iter().chain(falls.then_some(next))
    }
}

/// Blocks, the first of which is where the region is entered.
pub(super) struct Region {
    pub(super) parts: Vec<Part>,
}

impl Region {
    /// A region of these blocks, of which `live` and `unstored` are found here.
    pub(super) fn new(parts: Vec<Part>) -> Self {
        let mut region = Region { parts };
        region.find_unstored();
        region.find_live();
        region
    }

    /// Which part begins at `offset`.
    pub(super) fn part_at(&self, offset: usize) -> Option<usize> {
        self.parts.iter().position(|p| p.offset == offset)
    }

    /// For each part, the parts that control may reach from it inside the region, one a bit.
    fn reach(&self) -> Vec<u64> {
        let direct = |part: &Part| {
            part.successors()
                .filter_map(|offset| self.part_at(offset))
                .fold(0, |set, at| set | 1 << at)
        };
        let mut reach: Vec<u64> = self.parts.iter().map(direct).collect();
        for by in 0..reach.len() {
            for from in 0..reach.len() {
                let onward = reach[by];
                if reach[from] & 1 << by != 0 {
                    reach[from] |= onward;
                }
            }
        }
        reach
    }

    /// Finds `unstored` of all parts: what the loops around them write.
    fn find_unstored(&mut self) {
        let reach = self.reach();
        let written: Vec<u32> = self.parts.iter().map(Part::writes).collect();
        for (at, part) in self.parts.iter_mut().enumerate() {
            // Parts that reach each other are in one loop.
            let around = (0..reach.len())
                .filter(|&other| reach[at] & 1 << other != 0 && reach[other] & 1 << at != 0);
            part.unstored = around.fold(0, |set, other| set | written[other]);
        }
    }

    /// Finds `live` of all parts, from the last instruction to the first.
    fn find_live(&mut self) {
        loop {
            let mut changed = false;
            for at in (0..self.parts.len()).rev() {
                let part = &self.parts[at];
                let after = part
                    .successors()
                    .filter_map(|offset| self.part_at(offset))
                    .fold(0, |set, i| set | self.parts[i].live);
                let live = part
                    .items
                    .iter()
                    .rev()
                    .fold(after, |set, item| set & !item.writes() | item.reads());
                let live = (live | part.unstored) & !1;
                changed |= live != part.live;
                self.parts[at].live = live;
            }
            if !changed {
                return;
            }
        }
    }
}
