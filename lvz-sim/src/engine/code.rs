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
const MAX_LEN: usize = 64;

/// Decoded instructions kept before all are thrown away (24 MiB of them).
const MAX_OPS: usize = 1 << 20;

/// A block's number; it stays until everything is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BlockId(u32);

#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// Where in memory it begins.
    pub(super) offset: usize,
    /// Its first instruction in the arena.
    start: u32,
    /// Instructions.
    pub(super) len: u16,
    /// How often it was interpreted.
    pub(super) heat: u16,
    /// The compiler has been asked for machine code with it inside.
    pub(super) asked: bool,
    /// Its machine code, if it is compiled.
    pub(super) code: Option<Code>,
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

    /// The instructions of `block`.
    #[inline(always)]
    pub(super) fn ops(&self, block: &Block) -> &[Op] {
        let start = block.start as usize;
        self.ops
            .get(start..start + usize::from(block.len))
            .unwrap_or(&[])
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

    /// The block at `offset` in memory, decoded now if it is not known. The
    /// flag says that its page has become a page with code.
    pub(super) fn find(
        &mut self,
        ram: &mut Ram,
        decoder: &Decoder,
        offset: usize,
    ) -> (BlockId, bool) {
        if let Some(id) = self.by_offset.get(&offset) {
            return (*id, false);
        }
        if self.ops.len() + MAX_LEN > MAX_OPS {
            self.drop_all(ram);
        }
        let start = self.ops.len();
        let room = (PAGE_SIZE - offset % PAGE_SIZE) / 4;
        for idx in 0..room.min(MAX_LEN) {
            let (op, ends) = decoder.decode(ram.read(offset + idx * 4), idx as u16);
            self.ops.push(op);
            if ends == Ends::Yes {
                break;
            }
        }
        let id = BlockId(self.blocks.len() as u32);
        self.blocks.push(Block {
            offset,
            start: start as u32,
            len: (self.ops.len() - start) as u16,
            heat: 0,
            asked: false,
            code: None,
        });
        self.by_offset.insert(offset, id);
        self.by_page
            .entry(offset / PAGE_SIZE)
            .or_default()
            .push(offset);
        (id, ram.set_flag(offset, page_flag::CODE))
    }

    /// Drops the blocks of the page at `offset`, which has been written.
    pub(super) fn drop_page(&mut self, offset: usize) {
        for at in self
            .by_page
            .remove(&(offset / PAGE_SIZE))
            .unwrap_or_default()
        {
            self.by_offset.remove(&at);
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
