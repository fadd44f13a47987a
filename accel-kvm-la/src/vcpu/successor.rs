// SPDX-License-Identifier: GPL-2.0-or-later

//! Where an instruction's successor is (LoongArch Reference Manual volume 1, 2.2.8
//! branches, 2.2.7 atomic access, 4.2.6 ERTN).

use la_arch::insn::integer::{B, BEQ, BEQZ, BGE, BGEU, BL, BLT, BLTU, BNE, BNEZ, JIRL};
use la_arch::insn::{Encoding, atomic, fp, privileged};

/// At most this many instructions are between `ll` and its `sc` (volume 1,
/// 2.2.7.3: more need not succeed).
const PAIR: u64 = 16;

/// Bytes of an instruction.
const SIZE: u64 = 4;

/// What a vCPU has before the instruction.
pub trait Machine {
    /// A general register.
    fn gpr(&self, n: u8) -> u64;
    /// A condition flag.
    fn cf(&self, n: u8) -> bool;
    /// Where `ertn` goes.
    fn exception_return(&self) -> u64;
    /// The instruction at an address, if there is memory.
    fn word(&self, address: u64) -> Option<u32>;
}

/// Whether `word` is one of these.
fn is_one(word: u32, encodings: &[Encoding]) -> bool {
    encodings.iter().any(|encoding| encoding.matches(word))
}

/// Where a branch goes if it is taken, and whether it is.
fn branch(pc: u64, word: u32, machine: &impl Machine) -> Option<(u64, bool)> {
    let relative = |encoding: &Encoding| {
        let offset = i64::from(encoding.operands(word).imm) * SIZE as i64;
        pc.wrapping_add_signed(offset)
    };
    type Condition = fn(u64, u64) -> bool;
    let two: [(Encoding, Condition); 6] = [
        (BEQ, |j, d| j == d),
        (BNE, |j, d| j != d),
        (BLT, |j, d| (j as i64) < d as i64),
        (BGE, |j, d| j as i64 >= d as i64),
        (BLTU, |j, d| j < d),
        (BGEU, |j, d| j >= d),
    ];
    for (encoding, condition) in two {
        if encoding.matches(word) {
            let operands = encoding.operands(word);
            let taken = condition(machine.gpr(operands.rj), machine.gpr(operands.rd));
            return Some((relative(&encoding), taken));
        }
    }
    for (encoding, zero) in [(BEQZ, true), (BNEZ, false)] {
        if encoding.matches(word) {
            let taken = (machine.gpr(encoding.operands(word).rj) == 0) == zero;
            return Some((relative(&encoding), taken));
        }
    }
    for (encoding, set) in [(fp::BCEQZ, false), (fp::BCNEZ, true)] {
        if encoding.matches(word) {
            let taken = machine.cf(encoding.operands(word).rj & 7) == set;
            return Some((relative(&encoding), taken));
        }
    }
    for encoding in [B, BL] {
        if encoding.matches(word) {
            return Some((relative(&encoding), true));
        }
    }
    if JIRL.matches(word) {
        let operands = JIRL.operands(word);
        let offset = i64::from(operands.imm) * SIZE as i64;
        let target = machine.gpr(operands.rj).wrapping_add_signed(offset);
        return Some((target, true));
    }
    None
}

/// Where a pair that begins at `pc` is left: behind its `sc`, and where branches
/// between them go. A stop in between would make every `sc` fail.
fn pair(pc: u64, machine: &impl Machine) -> Option<Vec<u64>> {
    let mut exits = Vec::new();
    for n in 1..=PAIR {
        let at = pc.wrapping_add(n * SIZE);
        let word = machine.word(at)?;
        let sc = [
            atomic::SC_W,
            atomic::SC_D,
            atomic::SC_Q,
            atomic::SCREL_W,
            atomic::SCREL_D,
        ];
        if is_one(word, &sc) {
            let inside = pc..=at;
            exits.retain(|exit| !inside.contains(exit));
            exits.push(at.wrapping_add(SIZE));
            exits.sort_unstable();
            exits.dedup();
            return Some(exits);
        }
        // The registers at the branch are not known yet.
        if let Some((target, _)) = branch(at, word, machine) {
            if JIRL.matches(word) {
                return None;
            }
            exits.push(target);
        }
    }
    None
}

/// Where the vCPU can be after the instruction `word` at `pc`, exceptions
/// that it returns from left out: one address but for an atomic pair.
pub fn successors(pc: u64, word: u32, machine: &impl Machine) -> Vec<u64> {
    let ll = [atomic::LL_W, atomic::LL_D, atomic::LLACQ_W, atomic::LLACQ_D];
    if is_one(word, &ll)
        && let Some(exits) = pair(pc, machine)
    {
        return exits;
    }
    if privileged::ERTN.matches(word) {
        return vec![machine.exception_return()];
    }
    match branch(pc, word, machine) {
        Some((target, true)) => vec![target],
        Some((_, false)) | None => vec![pc.wrapping_add(SIZE)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use la_arch::insn::Operands;
    use std::collections::HashMap;

    #[derive(Default)]
    struct Fake {
        gprs: HashMap<u8, u64>,
        flags: u8,
        code: HashMap<u64, u32>,
    }

    impl Machine for Fake {
        fn gpr(&self, n: u8) -> u64 {
            self.gprs.get(&n).copied().unwrap_or(0)
        }
        fn cf(&self, n: u8) -> bool {
            self.flags >> n & 1 != 0
        }
        fn exception_return(&self) -> u64 {
            0x9000
        }
        fn word(&self, address: u64) -> Option<u32> {
            self.code.get(&address).copied()
        }
    }

    fn code(encoding: Encoding, rd: u8, rj: u8, imm: i32) -> u32 {
        encoding.encode(&Operands {
            rd,
            rj,
            imm,
            ..Operands::default()
        })
    }

    fn next(machine: &Fake, word: u32) -> Vec<u64> {
        successors(0x1000, word, machine)
    }

    #[test]
    fn branches_go_where_their_registers_say() {
        let mut machine = Fake::default();
        machine.gprs.extend([(4, 1), (5, u64::MAX), (6, 0x2000)]);
        // r4 is 1, r5 is -1 or the largest number.
        for (encoding, rj, rd, taken) in [
            (BEQ, 4, 4, true),
            (BEQ, 4, 5, false),
            (BNE, 4, 5, true),
            (BLT, 5, 4, true),
            (BLT, 4, 5, false),
            (BGE, 4, 5, true),
            (BLTU, 4, 5, true),
            (BGEU, 4, 5, false),
            (BGEU, 4, 4, true),
        ] {
            let expected = if taken { 0x1000 - 8 } else { 0x1004 };
            assert_eq!(
                next(&machine, code(encoding, rd, rj, -2)),
                [expected],
                "{encoding:?}"
            );
        }
        assert_eq!(next(&machine, code(BEQZ, 0, 0, 3)), [0x100c]);
        assert_eq!(next(&machine, code(BNEZ, 0, 0, 3)), [0x1004]);
        assert_eq!(next(&machine, code(B, 0, 0, -0x40)), [0xf00]);
        assert_eq!(next(&machine, code(BL, 0, 0, 0x40)), [0x1100]);
        assert_eq!(next(&machine, code(JIRL, 1, 6, 1)), [0x2004]);
    }

    #[test]
    fn flags_decide_their_branches() {
        let machine = Fake {
            flags: 1 << 3,
            ..Fake::default()
        };
        assert_eq!(next(&machine, code(fp::BCNEZ, 0, 3, 2)), [0x1008]);
        assert_eq!(next(&machine, code(fp::BCEQZ, 0, 3, 2)), [0x1004]);
        assert_eq!(next(&machine, code(fp::BCEQZ, 0, 2, 2)), [0x1008]);
    }

    #[test]
    fn what_is_no_branch_goes_on() {
        let machine = Fake::default();
        assert_eq!(next(&machine, 0x0340_0000), [0x1004], "nop");
        assert_eq!(next(&machine, 0x002b_0000), [0x1004], "syscall");
        assert_eq!(next(&machine, privileged::ERTN.bits), [0x9000]);
    }

    #[test]
    fn an_atomic_pair_is_one_step() {
        let mut machine = Fake::default();
        let ll = code(atomic::LL_D, 4, 5, 0);
        machine.code.extend([
            (0x1004, code(BNE, 4, 6, 4)),
            (0x1008, 0x0340_0000),
            (0x100c, code(atomic::SC_D, 4, 5, 0)),
            (0x1010, code(BEQZ, 0, 4, -4)),
        ]);
        assert_eq!(next(&machine, ll), [0x1010, 0x1014]);
        // Alone it is an instruction like others.
        machine.code.clear();
        assert_eq!(next(&machine, ll), [0x1004]);
    }
}
