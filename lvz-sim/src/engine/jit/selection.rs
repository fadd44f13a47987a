// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What is compiled together: blocks of one page that lead to each other, so that a
//! loop keeps its registers.

use super::super::code::{Block, CodeCache};
use super::forms;
use super::region::{Item, MAX_BLOCKS, Part, Region};
use crate::cpu::Ends;
use crate::isa::Decoder;
use crate::mem::ram::PAGE_SIZE;

/// Instructions of a region.
const MAX_OPS: usize = 400;

/// The region around `root`, of blocks that were interpreted at least `warm`
/// times and are in no other region's beginning.
pub(super) fn around(root: &Block, code: &CodeCache, decoder: &Decoder, warm: u16) -> Region {
    let page = root.offset / PAGE_SIZE;
    let mut parts = vec![part(root, code, decoder)];
    let (mut next, mut ops) = (0, usize::from(root.ops.len));
    while let Some(from) = parts.get(next) {
        let targets: Vec<usize> = from.successors().collect();
        next += 1;
        for target in targets {
            let known = parts.iter().any(|p| p.offset == target);
            if known || target / PAGE_SIZE != page || parts.len() >= MAX_BLOCKS {
                continue;
            }
            let Some(block) = code
                .known(target)
                .filter(|b| b.heat >= warm && b.code.is_none())
            else {
                continue;
            };
            ops += usize::from(block.ops.len);
            if ops > MAX_OPS {
                break;
            }
            parts.push(part(block, code, decoder));
        }
    }
    Region::new(parts)
}

fn part(block: &Block, code: &CodeCache, decoder: &Decoder) -> Part {
    let items = code.ops(block.ops).iter().map(|op| {
        let insn = decoder.find(op.insn);
        Item {
            op: *op,
            form: insn.and_then(|insn| forms::of(insn.encoding, op)),
            ends: insn.is_none_or(|insn| insn.ends != Ends::No),
            light: insn.is_some_and(forms::is_light),
        }
    });
    Part {
        offset: block.offset,
        items: items.collect(),
        live: 0,
        unstored: 0,
    }
}
