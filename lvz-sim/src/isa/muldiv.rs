// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Multiplication and division (Volume 1, 2.2.1).

use super::operand::{rd, word};
use crate::cpu::Group;
use la_arch::insn::integer as enc;

/// The divisor to divide by.
///
/// The manual allows any result when the divisor is zero, and no exception. We
/// give what QEMU gives, which divides by one: the quotient is the dividend
/// and the remainder zero.
macro_rules! divisor {
    ($rk:expr) => {
        match $rk {
            0 => 1,
            divisor => divisor,
        }
    };
}

// The most negative number divided by minus one overflows: its quotient is
// itself and the remainder zero (QEMU's choice again), as `wrapping_*` has it.
// The `.w` forms use bits 31:0 of the sources; without CPUCFG2.DIV32 software
// has to provide sign-extended ones.

crate::insn_table! { Group::Integer;
    MUL_W => rd!(|rj, rk| word(rj.wrapping_mul(rk) as u32));
    MULH_W => rd!(|rj, rk| ((i64::from(rj as i32) * i64::from(rk as i32)) >> 32) as u64);
    MULH_WU => rd!(|rj, rk| word(((u64::from(rj as u32) * u64::from(rk as u32)) >> 32) as u32));
    MUL_D => rd!(|rj, rk| rj.wrapping_mul(rk));
    MULH_D => rd!(|rj, rk| ((i128::from(rj as i64) * i128::from(rk as i64)) >> 64) as u64);
    MULH_DU => rd!(|rj, rk| ((u128::from(rj) * u128::from(rk)) >> 64) as u64);
    MULW_D_W => rd!(|rj, rk| (i64::from(rj as i32) * i64::from(rk as i32)) as u64);
    MULW_D_WU => rd!(|rj, rk| u64::from(rj as u32) * u64::from(rk as u32));
    DIV_W => rd!(|rj, rk| (rj as i32).wrapping_div(divisor!(rk as i32)) as u64);
    MOD_W => rd!(|rj, rk| (rj as i32).wrapping_rem(divisor!(rk as i32)) as u64);
    DIV_WU => rd!(|rj, rk| word(rj as u32 / divisor!(rk as u32)));
    MOD_WU => rd!(|rj, rk| word(rj as u32 % divisor!(rk as u32)));
    DIV_D => rd!(|rj, rk| (rj as i64).wrapping_div(divisor!(rk as i64)) as u64);
    MOD_D => rd!(|rj, rk| (rj as i64).wrapping_rem(divisor!(rk as i64)) as u64);
    DIV_DU => rd!(|rj, rk| rj / divisor!(rk));
    MOD_DU => rd!(|rj, rk| rj % divisor!(rk));
}

#[cfg(test)]
mod tests {
    use super::super::testing::{jk, rd_of};
    use super::enc;

    const MINUS_1: u64 = u64::MAX;
    const MIN_W: u64 = 0xffff_ffff_8000_0000;
    const MIN_D: u64 = 1 << 63;

    #[test]
    fn products() {
        for (encoding, rj, rk, product) in [
            (&enc::MUL_W, 0x1_0001_0000, 0xffff, 0xffff_ffff_ffff_0000),
            (&enc::MULH_W, MIN_W, MIN_W, 0x4000_0000),
            (&enc::MULH_W, MINUS_1, 1, MINUS_1),
            (&enc::MULH_WU, MIN_W, MIN_W, 0x4000_0000),
            (&enc::MULH_WU, MINUS_1, MINUS_1, 0xffff_ffff_ffff_fffe),
            (&enc::MUL_D, MINUS_1, 3, MINUS_1 - 2),
            (&enc::MULH_D, MIN_D, MIN_D, 1 << 62),
            (&enc::MULH_D, MINUS_1, 1, MINUS_1),
            (&enc::MULH_DU, MINUS_1, MINUS_1, MINUS_1 - 1),
            (&enc::MULW_D_W, MIN_W, 0x7fff_ffff, 0xc000_0000_8000_0000),
            (
                &enc::MULW_D_WU,
                MINUS_1,
                0x5_ffff_ffff,
                0xffff_fffe_0000_0001,
            ),
        ] {
            let name = encoding.name;
            assert_eq!(
                rd_of(encoding, jk(rj, rk)),
                product,
                "{name} {rj:#x} {rk:#x}"
            );
        }
    }

    #[test]
    fn quotients_and_remainders() {
        let minus = |x: u64| x.wrapping_neg();
        for (div, rem, rj, rk, quotient, remainder) in [
            (&enc::DIV_W, &enc::MOD_W, minus(7), 2, minus(3), minus(1)),
            (&enc::DIV_W, &enc::MOD_W, 7, minus(2), minus(3), 1),
            (&enc::DIV_W, &enc::MOD_W, MIN_W, MINUS_1, MIN_W, 0),
            (&enc::DIV_W, &enc::MOD_W, minus(7), 0, minus(7), 0),
            (&enc::DIV_WU, &enc::MOD_WU, MIN_W, 1, MIN_W, 0),
            (&enc::DIV_WU, &enc::MOD_WU, MINUS_1, 16, 0xfff_ffff, 15),
            (&enc::DIV_WU, &enc::MOD_WU, MINUS_1, 0, MINUS_1, 0),
            (&enc::DIV_WU, &enc::MOD_WU, 5, MIN_W, 0, 5),
            (&enc::DIV_D, &enc::MOD_D, minus(7), 2, minus(3), minus(1)),
            (&enc::DIV_D, &enc::MOD_D, MIN_D, MINUS_1, MIN_D, 0),
            (&enc::DIV_D, &enc::MOD_D, 7, 0, 7, 0),
            (&enc::DIV_DU, &enc::MOD_DU, MINUS_1, 16, MINUS_1 >> 4, 15),
            (&enc::DIV_DU, &enc::MOD_DU, MINUS_1, 0, MINUS_1, 0),
        ] {
            let name = div.name;
            assert_eq!(rd_of(div, jk(rj, rk)), quotient, "{name} {rj:#x} {rk:#x}");
            let name = rem.name;
            assert_eq!(rd_of(rem, jk(rj, rk)), remainder, "{name} {rj:#x} {rk:#x}");
        }
    }
}
