// SPDX-License-Identifier: GPL-2.0-or-later

//! What small functions of QEMU access, read from their instructions: a check
//! of offsets that cannot be tried.

use la_arch::insn::Encoding;
use la_arch::insn::integer::{
    JIRL, LD_B, LD_BU, LD_D, LD_W, LD_WU, LDPTR_D, LDPTR_W, ST_B, ST_D, ST_W, STPTR_D, STPTR_W,
};

use super::image::Image;

/// Loads and stores with a displacement, and its scale.
const ACCESSES: &[(Encoding, i64)] = &[
    (LD_B, 1),
    (LD_BU, 1),
    (LD_W, 1),
    (LD_WU, 1),
    (LD_D, 1),
    (ST_B, 1),
    (ST_W, 1),
    (ST_D, 1),
    (LDPTR_W, 4),
    (LDPTR_D, 4),
    (STPTR_W, 4),
    (STPTR_D, 4),
];

/// The stack pointer and the return address register (LoongArch ELF psABI).
const RA: u8 = 1;
const SP: u8 = 3;

/// Whether the function at an address accesses a member at this offset of an
/// object, within its first `words` instructions and before it returns.
pub(crate) fn accesses(image: &Image, function: usize, offset: usize, words: usize) -> bool {
    for i in 0..words {
        let Some(word) = i
            .checked_mul(4)
            .and_then(|bytes| function.checked_add(bytes))
            .and_then(|at| image.u32(at))
        else {
            return false;
        };
        let operands = JIRL.operands(word);
        if JIRL.matches(word) && operands.rd == 0 && operands.rj == RA {
            return false;
        }
        let found = ACCESSES.iter().any(|(encoding, scale)| {
            let operands = encoding.operands(word);
            encoding.matches(word)
                && operands.rj != SP
                && usize::try_from(i64::from(operands.imm) * scale) == Ok(offset)
        });
        if found {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use la_arch::insn::Operands;
    use la_arch::insn::integer::ADDI_D;

    #[test]
    fn a_store_before_the_return_is_seen() {
        let a0 = |imm| Operands {
            rd: 12,
            rj: 4,
            imm,
            ..Operands::default()
        };
        let words = [
            ADDI_D.encode(&a0(199)),
            ST_B.encode(&a0(199)),
            JIRL.encode(&Operands {
                rj: RA,
                ..Operands::default()
            }),
            STPTR_W.encode(&a0(53)),
        ];
        let memory: Vec<u64> = words
            .chunks_exact(2)
            .map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32)
            .collect();
        let image = Image::of_memory(&memory);
        let start = image.span().start;
        assert!(accesses(&image, start, 199, 16));
        // Only an addition, a store after the return, an offset of nothing.
        assert!(!accesses(&image, start, 198, 16));
        assert!(!accesses(&image, start, 212, 16));
        assert!(accesses(&image, start + 12, 212, 1));
        assert!(!accesses(&image, start, 199, 1));
    }
}
