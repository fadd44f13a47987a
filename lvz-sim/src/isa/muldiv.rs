//! Multiplication and division (Volume 1, 2.2.1).

use super::Group;
use super::operand::{rd, word};
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
