// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The tables as a whole.

use super::{ABSENT, Decoder, all};
use crate::cpu::Ends;
use crate::cpu::Model;
use la_arch::insn::{Encoding, atomic, bound, integer, lbt};

/// Encodings whose handlers are with those of other groups.
fn elsewhere(encoding: &Encoding) -> bool {
    [integer::CPUCFG, integer::DBCL].contains(encoding)
        || encoding.name.starts_with("fld")
        || encoding.name.starts_with("fst")
}

fn ours() -> impl Iterator<Item = &'static Encoding> {
    [integer::ALL, atomic::ALL, bound::ALL]
        .into_iter()
        .flatten()
        .filter(|encoding| !elsewhere(encoding))
}

#[test]
fn every_encoding_decodes_to_itself_unless_the_model_lacks_it() {
    let decoder = Decoder::new(&Model::default());
    for encoding in ours() {
        for seed in 0..64u32 {
            let operands = seed.wrapping_mul(0x9e37_79b9) & encoding.format.operand_bits;
            let found = decoder.find(encoding.bits | operands);
            let expected = (encoding.announced_by == 0).then_some(encoding.name);
            assert_eq!(
                found.map(|insn| insn.encoding.name),
                expected,
                "{}",
                encoding.name
            );
        }
    }
}

#[test]
fn every_encoding_is_in_one_table_once() {
    for encoding in ours() {
        let entries = all().filter(|insn| insn.encoding == encoding).count();
        assert_eq!(entries, 1, "{}", encoding.name);
    }
}

#[test]
fn every_encoding_of_binary_translation_is_implemented_or_argued() {
    for encoding in lbt::ALL {
        let implemented = all().filter(|insn| insn.encoding == encoding).count();
        let argued = ABSENT.iter().filter(|(e, _)| *e == encoding).count();
        assert_eq!(implemented + argued, 1, "{}", encoding.name);
    }
    let ones = Decoder::new(&"la664".parse().unwrap());
    assert!(ABSENT.iter().all(|(e, _)| ones.find(e.bits).is_none()));
}

#[test]
fn control_transfers_and_ibar_end_blocks() {
    let ending: Vec<_> = all()
        .filter(|insn| insn.ends != Ends::No && ours().any(|e| e == insn.encoding))
        .map(|insn| insn.encoding.name)
        .collect();
    let mut expected = vec![
        "beqz", "bnez", "jirl", "b", "bl", "beq", "bne", "blt", "bge", "bltu", "bgeu", "syscall",
        "break", "ibar",
    ];
    expected.sort_by_key(|name| ending.iter().position(|e| e == name));
    assert_eq!(ending, expected);
}
