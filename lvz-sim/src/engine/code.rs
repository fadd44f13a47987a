// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Decoded blocks: straight runs of instructions, found by where in memory
//! they are, so that all address spaces share them.
//!
//! Like the software TLB it is a pure cache: a store to a page with blocks in
//! it drops them (from the next block on), and where a block ends depends only
//! on where it begins.

use super::jit::memory::Code;
use crate::cpu::{Ends, Op};
use crate::isa::Decoder;
use crate::mem::ram::{PAGE_SIZE, Ram, page_flag};
use rustc_hash::FxHashMap;

/// Longest block. Interrupts wait for the end of one.
pub(super) const MAX_LEN: usize = 64;

/// Decoded instructions kept before all are thrown away (24 MiB of them).
const MAX_OPS: usize = 1 << 20;

/// A block's number; it stays until everything is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BlockId(u32);

impl BlockId {
    /// The number of no block.
    const NONE: BlockId = BlockId(u32::MAX);
}

/// How control left a block for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the instruction behind it.
    On,
    /// By a jump.
    Jump,
}

/// A block's instructions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ops {
    /// The first in the arena.
    start: u32,
    pub(super) len: u16,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// Where in memory it begins.
    pub(super) offset: usize,
    pub(super) ops: Ops,
    /// The blocks of its page to which it leads by each [`Way`], once they are known.
    next: [BlockId; 2],
    /// Its machine code, if it is compiled.
    pub(super) code: Option<Code>,
    /// How often it was interpreted.
    pub(super) heat: u16,
    /// The compiler has been asked for machine code with it inside.
    pub(super) asked: bool,
    /// It ends with a branch to a fixed address, or only because it is long.
    leads: bool,
    /// Its page has been written since.
    dropped: bool,
}

impl Block {
    /// Is without machine code, as if it had never been executed.
    pub(super) fn cool(&mut self) {
        (self.heat, self.asked, self.code) = (0, false, None);
    }
}

/// All blocks.
pub(super) struct CodeCache {
    ops: Vec<Op>,
    blocks: Vec<Block>,
    by_offset: FxHashMap<usize, BlockId>,
    by_page: FxHashMap<usize, Vec<usize>>,
    /// Grows whenever blocks are dropped.
    pub(super) generation: u64,
    /// Grows whenever all blocks are dropped, or all machine code is forgotten.
    pub(super) epoch: u64,
}

impl CodeCache {
    pub(super) fn new() -> Self {
        CodeCache {
            ops: Vec::new(),
            blocks: Vec::new(),
            by_offset: FxHashMap::default(),
            by_page: FxHashMap::default(),
            generation: 0,
            epoch: 0,
        }
    }

    /// A block by its number.
    #[inline(always)]
    pub(super) fn block(&self, id: BlockId) -> Option<&Block> {
        self.blocks.get(id.0 as usize)
    }

    /// A block by its number, to change.
    #[inline(always)]
    pub(super) fn block_mut(&mut self, id: BlockId) -> Option<&mut Block> {
        self.blocks.get_mut(id.0 as usize)
    }

    /// The instructions of a block.
    #[inline(always)]
    pub(super) fn ops(&self, ops: Ops) -> &[Op] {
        let start = ops.start as usize;
        self.ops
            .get(start..start + usize::from(ops.len))
            .unwrap_or(&[])
    }

    /// The instructions of the block with this number.
    pub(super) fn ops_of(&self, id: BlockId) -> &[Op] {
        self.block(id).map_or(&[][..], |block| self.ops(block.ops))
    }

    /// The block of the same page to which the block `from` leads by `way`, if it is known.
    #[inline(always)]
    pub(super) fn next(&self, from: BlockId, way: Way) -> Option<(BlockId, &Block)> {
        let id = self.block(from)?.next[way as usize];
        Some((id, self.block(id)?))
    }

    /// Whether a block leads to the same address whenever control leaves it the same way.
    #[inline(always)]
    pub(super) fn leads(&self, id: BlockId) -> bool {
        self.block(id).is_some_and(|block| block.leads)
    }

    /// Notes that the block `from`, which [leads](Self::leads), has led to `to`, `distance`
    /// bytes further, by `way`. Inside a page it always will: the addresses of both are
    /// translated alike, and both blocks are dropped together.
    pub(super) fn link(&mut self, from: BlockId, way: Way, to: BlockId, distance: u64) {
        let Some(there) = self.block(to).map(|to| to.offset) else {
            return;
        };
        if let Some(block) = self.block_mut(from)
            && block.offset / PAGE_SIZE == there / PAGE_SIZE
            && (block.offset as u64).wrapping_add(distance) == there as u64
        {
            block.next[way as usize] = to;
        }
    }

    /// The decoded instructions, which a test makes other than what was compiled.
    #[cfg(test)]
    pub(super) fn all_ops_mut(&mut self) -> &mut [Op] {
        &mut self.ops
    }

    /// The block that begins at `offset` in memory, if it is known.
    pub(super) fn known(&self, offset: usize) -> Option<&Block> {
        self.block(*self.by_offset.get(&offset)?)
    }

    /// Says of a block that is known whether the compiler has it.
    pub(super) fn set_asked(&mut self, offset: usize, asked: bool) {
        if let Some(&id) = self.by_offset.get(&offset)
            && let Some(block) = self.block_mut(id)
        {
            block.asked = asked;
        }
    }

    /// The block at `offset` in memory, which may be `guess`, decoded now if it is not
    /// known. The flag says that its page has become a page with code.
    pub(super) fn find(
        &mut self,
        ram: &mut Ram,
        decoder: &Decoder,
        offset: usize,
        guess: Option<BlockId>,
    ) -> (BlockId, bool) {
        if let Some(guess) = guess
            && let Some(block) = self.block(guess)
            && block.offset == offset
            && !block.dropped
        {
            return (guess, false);
        }
        if let Some(id) = self.by_offset.get(&offset) {
            return (*id, false);
        }
        if self.ops.len() + MAX_LEN > MAX_OPS {
            self.drop_all(ram);
        }
        let start = self.ops.len();
        let room = (PAGE_SIZE - offset % PAGE_SIZE) / 4;
        let mut end = Ends::No;
        for idx in 0..room.min(MAX_LEN) {
            let (op, ends) = decoder.decode(ram.read(offset + idx * 4), idx as u16);
            self.ops.push(op);
            end = ends;
            if ends != Ends::No {
                break;
            }
        }
        let id = BlockId(self.blocks.len() as u32);
        self.blocks.push(Block {
            offset,
            ops: Ops {
                start: start as u32,
                len: (self.ops.len() - start) as u16,
            },
            next: [BlockId::NONE; 2],
            code: None,
            heat: 0,
            asked: false,
            leads: end != Ends::Yes,
            dropped: false,
        });
        self.by_offset.insert(offset, id);
        self.by_page
            .entry(offset / PAGE_SIZE)
            .or_default()
            .push(offset);
        (id, ram.set_flag(offset, page_flag::CODE))
    }

    /// A block of these instructions, which is found nowhere: memory may have others at `offset`.
    pub(super) fn detached(&mut self, decoder: &Decoder, offset: usize, words: &[u32]) -> BlockId {
        let start = self.ops.len() as u32;
        let ops = (0..)
            .zip(words)
            .map(|(idx, word)| decoder.decode(*word, idx));
        self.ops.extend(ops.map(|(op, _)| op));
        let id = BlockId(self.blocks.len() as u32);
        self.blocks.push(Block {
            offset,
            ops: Ops {
                start,
                len: words.len() as u16,
            },
            next: [BlockId::NONE; 2],
            code: None,
            heat: 0,
            asked: false,
            leads: false,
            dropped: true,
        });
        id
    }

    /// Drops the blocks of the page at `offset`, which has been written.
    pub(super) fn drop_page(&mut self, offset: usize) {
        for at in self
            .by_page
            .remove(&(offset / PAGE_SIZE))
            .unwrap_or_default()
        {
            if let Some(id) = self.by_offset.remove(&at)
                && let Some(block) = self.block_mut(id)
            {
                block.dropped = true;
            }
        }
        self.generation += 1;
    }

    /// Forgets all machine code, which is about to be overwritten.
    pub(super) fn forget_code(&mut self) {
        self.blocks.iter_mut().for_each(Block::cool);
        self.generation += 1;
        self.epoch += 1;
    }

    /// Drops everything.
    pub(super) fn drop_all(&mut self, ram: &mut Ram) {
        for page in self.by_page.keys() {
            ram.clear_flag(page * PAGE_SIZE, page_flag::CODE);
        }
        self.ops.clear();
        self.blocks.clear();
        self.by_offset.clear();
        self.by_page.clear();
        self.generation += 1;
        self.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Model;
    use la_arch::insn::integer as enc;

    const PAGE: usize = 0x10_0000;
    /// `b 16`.
    const B_16: u32 = enc::B.bits | 4 << 10;
    /// `jirl $zero, $ra, 0`.
    const RETURN: u32 = enc::JIRL.bits | 1 << 5;

    struct Machine {
        ram: Ram,
        decoder: Decoder,
        code: CodeCache,
    }

    impl Machine {
        fn new() -> Self {
            let mut ram = Ram::new(16 << 20).unwrap();
            for at in [PAGE, PAGE + 0xff0] {
                ram.write(at, B_16);
            }
            for at in [PAGE + 0x10, PAGE + 0x1000] {
                ram.write(at, RETURN);
            }
            Machine {
                ram,
                decoder: Decoder::new(&Model::default()),
                code: CodeCache::new(),
            }
        }

        fn find(&mut self, offset: usize, guess: Option<BlockId>) -> BlockId {
            let (ram, decoder) = (&mut self.ram, &self.decoder);
            self.code.find(ram, decoder, offset, guess).0
        }

        fn next(&self, from: BlockId) -> Option<BlockId> {
            self.code.next(from, Way::Jump).map(|(id, _)| id)
        }
    }

    #[test]
    fn blocks_of_a_page_lead_to_each_other() {
        let mut m = Machine::new();
        let (from, to) = (m.find(PAGE, None), m.find(PAGE + 0x10, None));
        assert!(m.code.leads(from) && !m.code.leads(to));
        assert_eq!(m.next(from), None);
        m.code.link(from, Way::Jump, to, 0x10);
        assert_eq!(m.next(from), Some(to));
        assert!(m.code.next(from, Way::On).is_none());
    }

    #[test]
    fn blocks_of_other_pages_and_addresses_are_looked_up() {
        let mut m = Machine::new();
        let (from, to) = (m.find(PAGE + 0xff0, None), m.find(PAGE + 0x1000, None));
        m.code.link(from, Way::Jump, to, 0x10);
        assert_eq!(m.next(from), None, "the next page may be elsewhere");
        let (from, to) = (m.find(PAGE, None), m.find(PAGE + 0x10, None));
        m.code.link(from, Way::Jump, to, 0x4010);
        assert_eq!(m.next(from), None, "another address of the same page");
    }

    #[test]
    fn a_guess_is_taken_if_it_is_the_block_and_its_page_is_as_it_was() {
        let mut m = Machine::new();
        let (one, other) = (m.find(PAGE, None), m.find(PAGE + 0x10, None));
        assert_eq!(m.find(PAGE, Some(one)), one);
        assert_eq!(m.find(PAGE, Some(other)), one);
        m.code.link(one, Way::Jump, other, 0x10);
        m.ram.write(PAGE, RETURN);
        m.code.drop_page(PAGE);
        let anew = m.find(PAGE, Some(one));
        assert_ne!(anew, one);
        assert!(!m.code.leads(anew) && m.next(anew).is_none());
    }
}
