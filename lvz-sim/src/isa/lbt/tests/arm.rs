// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Flags against Arm's manual, by examples.

use super::super::super::testing::{In, RD};
use super::{ZF, machine};
use la_arch::insn::{Encoding, lbt as enc};

/// Arm's flags after an instruction, as `armmfflag` has them: N, Z, C, V from bit 3 down.
fn arm(encoding: &Encoding, rj: u64, rk: u64, old: u32, condition: i32) -> u32 {
    let mut m = machine();
    for (value, name) in [
        (old << 28, &enc::ARMMTFLAG),
        (0, encoding),
        (0, &enc::ARMMFFLAG),
    ] {
        let imm = match name.format.immediate_widths()[0] {
            8 => 0x39,
            _ => condition,
        };
        let shift = rk as i16;
        let input = In {
            rd: value.into(),
            rj,
            rk,
            imm,
            imm2: shift,
        };
        assert_eq!(m.exec(name, input), Ok(()), "{}", name.name);
    }
    m.cpu.get(RD) as u32 >> 28
}

#[test]
fn arm_arithmetic_sets_its_flags_under_its_condition() {
    // N Z C V after, from none before; condition 14 is always.
    for (encoding, a, b, expected) in [
        (&enc::ARMADD_W, 0x7fff_ffff, 1, 0b1001),
        (&enc::ARMADD_W, 0xffff_ffff, 1, 0b0110),
        // C is the borrow, as measured.
        (&enc::ARMSUB_W, 1, 2, 0b1010),
        (&enc::ARMSUB_W, 2, 2, 0b0100),
        (&enc::ARMSUB_W, 0x8000_0000, 1, 0b0001),
        (&enc::ARMADC_W, 0xffff_fffe, 1, 0b1000),
        // C clear: a borrow comes in.
        (&enc::ARMSBC_W, 2, 1, 0b0100),
        (&enc::ARMAND_W, 0xf0, 0x0f, 0b0100),
        (&enc::ARMOR_W, 0x8000_0000, 1, 0b1000),
        (&enc::ARMXOR_W, 5, 5, 0b0100),
        (&enc::ARMSLL_W, 0x8000_0001, 1, 0b0010),
        (&enc::ARMSLL_W, 1, 32, 0b0110),
        (&enc::ARMSLL_W, 1, 33, 0b0100),
        (&enc::ARMSRL_W, 3, 1, 0b0010),
        (&enc::ARMSRL_W, 0x8000_0000, 32, 0b0110),
        (&enc::ARMSRA_W, 0x8000_0000, 255, 0b1010),
        (&enc::ARMROTR_W, 1, 1, 0b1010),
        (&enc::ARMROTR_W, 0x8000_0000, 32, 0b1010),
        (&enc::ARMROTR_W, 0x8000_0000, 0, 0b1000),
        (&enc::ARMSLLI_W, 0xc000_0000, 1, 0b1010),
        (&enc::ARMSRLI_W, 1, 1, 0b0110),
        (&enc::ARMSRAI_W, 0x8000_0001, 1, 0b1010),
        (&enc::ARMROTRI_W, 1, 1, 0b1010),
        (&enc::ARMNOT_W, 0xffff_ffff, 0, 0b0100),
        (&enc::ARMMOV_W, 1 << 32, 0, 0b0100),
        (&enc::ARMMOV_D, 1 << 63, 0, 0b1000),
        (&enc::ARMRRX_W, 1, 0, 0b0110),
    ] {
        let name = encoding.name;
        assert_eq!(arm(encoding, a, b, 0, 14), expected, "{name} {a:#x} {b}");
        // The condition "equal" does not hold: nothing changes.
        assert_eq!(arm(encoding, a, b, 0b1011, 0), 0b1011, "{name}");
    }
    // With C set: it goes in at the top, and no borrow comes in.
    assert_eq!(arm(&enc::ARMRRX_W, 0, 0, 0b0010, 14), 0b1000);
    assert_eq!(arm(&enc::ARMSBC_W, 2, 2, 0b0010, 14), 0b0100);
    assert_eq!(arm(&enc::ARMADC_W, 0xffff_fffe, 1, 0b0010, 14), 0b0110);
}

#[test]
fn arm_moves_under_a_condition() {
    for (flags, expected) in [(ZF, 7), (0, 9)] {
        let mut m = machine();
        m.cpu.lbt.eflags = flags;
        let input = In {
            rd: 9,
            rj: 7,
            ..In::default()
        };
        assert_eq!(m.exec(&enc::ARMMOVE, input), Ok(()));
        assert_eq!(m.rd(), expected);
    }
}
