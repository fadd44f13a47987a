// SPDX-License-Identifier: Apache-2.0 OR MIT

//! State, conditions and gates; `x86` and `arm` have the flags of arithmetic.

mod arm;
mod mips;
mod x86;

use super::super::testing::{In, Machine, jk};
use crate::cpu::{Group, Model, Stop, Via};
use la_arch::csr::{Euen, number};
use la_arch::insn::lbt as enc;
use la_arch::{Exception, insn};

const CF: u32 = 1;
const PF: u32 = 4;
const AF: u32 = 0x10;
const ZF: u32 = 0x40;
const SF: u32 = 0x80;
const OF: u32 = 0x800;
const ALL: u32 = CF | PF | AF | ZF | SF | OF;

fn machine() -> Machine {
    let model: Model = "la664".parse().expect("a model");
    let mut machine = Machine::of(model);
    let euen = Euen(0).with_fpe(true).with_bte(true).0;
    machine
        .cpu
        .csr_write(&mut machine.bus, Via::Csr, number::EUEN, euen);
    machine
}

#[test]
fn conditions() {
    // x86's condition codes by the flags that make each true and false.
    for (condition, yes, no) in [
        (0, 0, ZF),
        (1, ZF, CF),
        (2, CF, 0),
        (3, ZF, SF),
        (4, ZF, CF),
        (5, CF, ZF),
        (6, SF | OF, SF),
        (7, SF | OF | ZF, OF),
        (8, OF, SF | OF),
        (9, ZF | SF | OF, 0),
        (10, SF, OF),
        (11, OF, SF),
        (12, OF, SF),
        (13, SF, OF),
        (14, PF, AF),
        (15, AF, PF),
    ] {
        for (flags, expected) in [(yes, 1), (no, 0)] {
            let mut m = machine();
            m.cpu.lbt.eflags = flags;
            let input = In {
                imm: condition,
                ..In::default()
            };
            assert_eq!(m.exec(&enc::SETX86J, input), Ok(()));
            assert_eq!(m.rd(), expected, "{condition} {flags:#x}");
        }
    }
    // Arm's, by N Z C V.
    type Holds = fn(bool, bool, bool, bool) -> bool;
    let holds: [Holds; 8] = [
        |_, z, _, _| z,
        |_, _, c, _| c,
        |n, _, _, _| n,
        |_, _, _, v| v,
        |_, z, c, _| c && !z,
        |n, _, _, v| n == v,
        |n, z, _, v| !z && n == v,
        |_, _, _, _| true,
    ];
    for (pair, holds) in (0..).zip(holds) {
        for bits in 0..16u32 {
            let [n, z, c, v] = [3, 2, 1, 0].map(|place| bits >> place & 1 != 0);
            let mut m = machine();
            let input = In {
                rd: u64::from(bits) << 28,
                imm: 0x39,
                ..In::default()
            };
            assert_eq!(m.exec(&enc::ARMMTFLAG, input), Ok(()));
            for inverted in [false, true] {
                let input = In {
                    imm: 2 * pair + i32::from(inverted),
                    ..In::default()
                };
                assert_eq!(m.exec(&enc::SETARMJ, input), Ok(()));
                let expected = holds(n, z, c, v) != (inverted && pair != 7);
                assert_eq!(m.rd(), u64::from(expected), "{pair} {inverted} {bits:04b}");
            }
        }
    }
}

#[test]
fn masks_choose_flags() {
    let mut m = machine();
    let with = |rd, imm| In {
        rd,
        imm,
        ..In::default()
    };
    assert_eq!(m.exec(&enc::X86MTFLAG, with(u64::MAX, 0x3f)), Ok(()));
    assert_eq!(m.cpu.lbt.eflags, ALL);
    for (mask, flag) in [
        (1, CF),
        (2, PF),
        (4, AF),
        (8, ZF),
        (16, SF),
        (32, OF),
        (0xc0, 0),
    ] {
        assert_eq!(m.exec(&enc::X86MFFLAG, with(7, mask)), Ok(()));
        assert_eq!(m.rd(), u64::from(flag));
        let mut other = machine();
        assert_eq!(other.exec(&enc::X86MTFLAG, with(u64::MAX, mask)), Ok(()));
        assert_eq!(other.cpu.lbt.eflags, flag);
    }
    // AF and PF are none of Arm's.
    m.cpu.lbt.eflags = AF;
    assert_eq!(m.exec(&enc::ARMMTFLAG, with(0xf000_0000, 0xff)), Ok(()));
    assert_eq!(m.cpu.lbt.eflags, AF | CF | ZF | SF | OF);
    assert_eq!(m.exec(&enc::ARMMFFLAG, with(0, 0xff)), Ok(()));
    assert_eq!(m.rd(), 0xffff_ffff_f000_0000);
}

#[test]
fn scratch_registers_and_jumps() {
    let mut m = machine();
    for n in 0..4u8 {
        let step = m.exec_with(&enc::MOVGR2SCR, jk(0x1000 + u64::from(n), 0), |op| {
            op.rd = n
        });
        assert_eq!(step, Ok(()));
    }
    for n in 0..4u8 {
        let step = m.exec_with(&enc::MOVSCR2GR, In::default(), |op| op.rj = n);
        assert_eq!((step, m.rd()), (Ok(()), 0x1000 + u64::from(n)));
    }
    let back = In {
        imm: -2,
        ..In::default()
    };
    assert_eq!(m.exec(&enc::JISCR0, back), Err(Stop::Jump));
    assert_eq!(m.cpu.pc, 0x1000 - 8);
    assert_eq!(m.exec(&enc::JISCR1, back), Err(Stop::Jump));
    assert_eq!(m.cpu.pc, 0x1001 - 8);
    assert_eq!(m.cpu.lbt.scr[0], super::super::testing::PC);
}

#[test]
fn carries_go_through_results() {
    for (carry, encoding, rj, rk, expected) in [
        (true, &enc::ADC_B, 0x7f, 0, 0xffff_ffff_ffff_ff80),
        (true, &enc::ADC_D, u64::MAX, 0, 0),
        (true, &enc::SBC_H, 0, 0, u64::MAX),
        (false, &enc::SBC_W, 0, 1, u64::MAX),
        (true, &enc::RCR_B, 0, 1, 0xffff_ffff_ffff_ff80),
        (true, &enc::RCR_B, 0, 9, 0),
        (false, &enc::RCR_H, 1, 2, 0xffff_ffff_ffff_8000),
        (true, &enc::RCR_W, 0, 1, 0xffff_ffff_8000_0000),
        (true, &enc::RCR_D, 1, 63, 0b110),
        (false, &enc::ROTR_B, 1, 9, 0xffff_ffff_ffff_ff80),
        (false, &enc::ROTR_H, 1, 1, 0xffff_ffff_ffff_8000),
    ] {
        let mut m = machine();
        m.cpu.lbt.eflags = if carry { CF } else { 0 };
        assert_eq!(m.exec(encoding, jk(rj, rk)), Ok(()));
        assert_eq!(m.rd(), expected, "{} {rj:#x} {rk}", encoding.name);
    }
    let mut m = machine();
    let input = In {
        rj: 0x7fff_f000,
        imm: 1,
        ..In::default()
    };
    assert_eq!(m.exec(&enc::ADDU12I_W, input), Ok(()));
    assert_eq!(m.rd(), 0xffff_ffff_8000_0000);
    assert_eq!(m.exec(&enc::ADDU12I_D, In { imm: -16, ..input }), Ok(()));
    assert_eq!(m.rd(), 0x7fff_f000 - 0x1_0000);
    assert_eq!(
        m.exec(
            &enc::RCRI_B,
            In {
                rj: 1,
                imm: 1,
                ..In::default()
            }
        ),
        Ok(())
    );
    assert_eq!(m.rd(), 0);
}

#[test]
fn the_top_of_the_stack_wraps() {
    let mut m = machine();
    let nothing = In::default();
    assert_eq!(m.exec(&enc::X86DECTOP, nothing), Ok(()));
    assert_eq!(m.exec(&enc::X86MFTOP, nothing), Ok(()));
    assert_eq!(m.rd(), 7);
    assert_eq!(m.exec(&enc::X86INCTOP, nothing), Ok(()));
    assert_eq!(m.cpu.lbt.top, 0);
    assert_eq!(m.exec(&enc::X86MTTOP, In { imm: 5, ..nothing }), Ok(()));
    assert_eq!(m.cpu.lbt.top, 5);
}

#[test]
fn loops_go_on_while_their_counter_and_zero_say_so() {
    for (flags, counter, equal, unequal) in [(ZF, 1, 1, 0), (0, 1, 0, 1), (ZF, 0, 0, 0)] {
        let mut m = machine();
        m.cpu.lbt.eflags = flags;
        assert_eq!(m.exec(&enc::SETX86LOOPE, jk(counter, 0)), Ok(()));
        assert_eq!(m.rd(), equal);
        assert_eq!(m.exec(&enc::SETX86LOOPNE, jk(counter, 0)), Ok(()));
        assert_eq!(m.rd(), unequal);
    }
}

#[test]
fn all_of_it_needs_bte() {
    let mut m = machine();
    m.cpu.lbt.eflags = ALL;
    m.cpu.csr_write(&mut m.bus, Via::Csr, number::EUEN, 7);
    let before = m.cpu.lbt;
    let lbt = || super::super::all().filter(|insn| insn.group == Group::Lbt);
    assert!(lbt().count() > 150);
    for insn in lbt() {
        let (exception, _) = m.trap(insn.encoding, In { rd: 3, ..jk(1, 2) });
        assert_eq!(exception, Exception::BTD, "{}", insn.encoding.name);
    }
    assert_eq!((m.cpu.lbt, m.cpu.fcsr), (before, 0));
}

#[test]
fn stack_mode_counts_registers_from_the_top() {
    let mut m = machine();
    let nothing = In::default();
    assert_eq!(m.exec(&enc::X86SETTM, nothing), Ok(()));
    assert_eq!(m.exec(&enc::X86MTTOP, In { imm: 6, ..nothing }), Ok(()));
    // FCSR0.TM is read and written like the rest.
    let fcsr0 = |op: &mut crate::cpu::Op| op.rj = 0;
    let read = m.exec_with(&insn::fp::MOVFCSR2GR, nothing, fcsr0);
    assert_eq!((read, m.rd()), (Ok(()), 0x40));
    for (value, expected) in [(0, 0), (0xff, 0x5f), (0x40, 0x40)] {
        let input = In {
            rj: value,
            ..nothing
        };
        let write = m.exec_with(&insn::fp::MOVGR2FCSR, input, |op| op.rd = 0);
        assert_eq!((write, m.cpu.fcsr), (Ok(()), expected));
    }
    let fadd = &insn::fp::FADD_D;
    let operands = la_arch::insn::Operands {
        rd: 1,
        rj: 2,
        rk: 9,
        ..Default::default()
    };
    let (op, _) = super::super::Decoder::new(&m.cpu.model).decode(fadd.encode(&operands), 0);
    let op = m.cpu.in_stack_mode(&op, fadd.format.regs);
    assert_eq!((op.rd, op.rj, op.rk), (7, 0, 9));
    assert_eq!(m.exec(&enc::X86CLRTM, nothing), Ok(()));
    assert_eq!(m.cpu.fcsr, 0);
}
