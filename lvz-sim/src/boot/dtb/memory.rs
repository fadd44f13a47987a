// SPDX-License-Identifier: Apache-2.0 OR MIT

//! How much memory a device tree says there is (Devicetree Specification 0.4, 3.4).

use super::{BELOW_ROOT, Blocks, Token, string, token, word};

/// Cells of an address and of a size below the root, if it does not say (2.3.5).
const ADDRESS_CELLS: u32 = 2;
const SIZE_CELLS: u32 = 1;
const CELL: usize = 4;

/// Bytes of all ranges in the nodes /memory and /memory@...; `None` without such a node, or if
/// `bytes` is no tree.
pub(crate) fn memory(bytes: &[u8]) -> Option<u64> {
    let blocks = Blocks::of(bytes)?;
    let (mut address, mut size) = (ADDRESS_CELLS, SIZE_CELLS);
    let (mut at, mut depth, mut in_memory, mut total) = (0, 0, false, None);
    loop {
        let (token, next) = token(blocks.structure, at)?;
        at = next;
        match token {
            Token::Begin(name) => {
                depth += 1;
                if depth == BELOW_ROOT {
                    in_memory = name == b"memory" || name.starts_with(b"memory@");
                }
            }
            Token::End => depth = depth.checked_sub(1)?,
            Token::Property { name, value } => match (depth, string(blocks.strings, name)?) {
                (1, b"#address-cells") => address = word(value, 0)?,
                (1, b"#size-cells") => size = word(value, 0)?,
                (BELOW_ROOT, b"reg") if in_memory => {
                    total = Some(
                        total
                            .unwrap_or(0u64)
                            .checked_add(sizes(value, address, size)?)?,
                    );
                }
                _ => {}
            },
            Token::Nop => {}
            Token::Last => return total,
        }
    }
}

/// The sum of the sizes in a property `reg`.
fn sizes(reg: &[u8], address: u32, size: u32) -> Option<u64> {
    let (address, size) = (address as usize, size as usize);
    let entry = address.checked_add(size)?.checked_mul(CELL)?;
    let mut sum = 0u64;
    for entry in reg.chunks_exact(entry.max(1)) {
        let cells = entry.get(address * CELL..)?.chunks_exact(CELL);
        // Of more than two cells the last ones.
        let bytes = cells.fold(0, |bytes, cell| {
            bytes << 32 | u64::from(word(cell, 0).unwrap_or(0))
        });
        sum = sum.checked_add(bytes)?;
    }
    Some(sum)
}
