// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a flash holds, by blocks, which copies share until one of them is written.

use super::geometry::{BLOCK, ERASED};
use std::ops::Range;
use std::sync::Arc;

/// A block of [`BLOCK`] bytes.
pub(super) type Block = Arc<[u8]>;

/// Whole blocks.
#[derive(Clone, Debug)]
pub(super) struct Contents(Vec<Block>);

/// The block of a byte, and where in it the byte is.
fn split(offset: usize) -> (usize, usize) {
    (offset / BLOCK, offset % BLOCK)
}

impl Contents {
    /// Blocks with these bytes, whose last one is whole.
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(bytes.chunks_exact(BLOCK).map(Block::from).collect())
    }

    /// In bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len() * BLOCK
    }

    pub(super) fn blocks(&self) -> &[Block] {
        &self.0
    }

    /// The byte at an offset, erased behind the end.
    pub(super) fn byte(&self, offset: usize) -> u8 {
        let (number, at) = split(offset);
        let block = self.0.get(number).and_then(|block| block.get(at));
        block.copied().unwrap_or(ERASED)
    }

    /// The bytes of a range.
    pub(super) fn bytes(&self, range: Range<usize>) -> Vec<u8> {
        range.map(|offset| self.byte(offset)).collect()
    }

    /// Clears the bits of a byte that are clear in `with`.
    pub(super) fn program(&mut self, offset: usize, with: u8) {
        let (number, at) = split(offset);
        let block = self.0.get_mut(number);
        if let Some(byte) = block.and_then(|block| Arc::make_mut(block).get_mut(at)) {
            *byte &= with;
        }
    }

    /// Erases the block of a byte; what it held. `None` behind the end.
    pub(super) fn erase(&mut self, offset: usize) -> Option<Block> {
        let block = self.0.get_mut(split(offset).0)?;
        Some(std::mem::replace(block, vec![ERASED; BLOCK].into()))
    }

    /// Has the block of a byte hold again what [`Self::erase`] took.
    pub(super) fn put_back(&mut self, offset: usize, block: Block) {
        if let Some(there) = self.0.get_mut(split(offset).0) {
            *there = block;
        }
    }

    /// Has block `number` hold `block`.
    #[must_use = "whether there is such a block, and of this size"]
    pub(super) fn replace(&mut self, number: usize, block: Block) -> bool {
        match self.0.get_mut(number) {
            Some(there) if there.len() == block.len() => {
                *there = block;
                true
            }
            _ => false,
        }
    }

    /// The blocks that are not what they are in `original`, with their numbers.
    pub(super) fn changed<'c>(
        &'c self,
        original: &'c Self,
    ) -> impl Iterator<Item = (usize, &'c Block)> {
        let both = self.0.iter().zip(&original.0).enumerate();
        both.filter_map(|(number, (now, before))| {
            (!Arc::ptr_eq(now, before) && now != before).then_some((number, now))
        })
    }
}
