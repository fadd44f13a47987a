// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Shifts and rotations (Volume 1, 2.2.2).

use super::operand::{rd, word};
use crate::cpu::Group;
use la_arch::insn::integer as enc;

// The `wrapping_*` shifts use as many low bits of the amount as the manual
// says: five for words, six for doublewords. The same goes for rotations.

#[inline(always)]
fn sll_w(value: u64, amount: u64) -> u64 {
    word((value as u32).wrapping_shl(amount as u32))
}

#[inline(always)]
fn srl_w(value: u64, amount: u64) -> u64 {
    word((value as u32).wrapping_shr(amount as u32))
}

#[inline(always)]
fn sra_w(value: u64, amount: u64) -> u64 {
    (value as i32).wrapping_shr(amount as u32) as u64
}

#[inline(always)]
fn rotr_w(value: u64, amount: u64) -> u64 {
    word((value as u32).rotate_right(amount as u32 & 31))
}

#[inline(always)]
fn sra_d(value: u64, amount: u64) -> u64 {
    (value as i64).wrapping_shr(amount as u32) as u64
}

crate::insn_table! { Group::Integer;
    SLL_W => rd!(|rj, rk| sll_w(rj, rk));
    SRL_W => rd!(|rj, rk| srl_w(rj, rk));
    SRA_W => rd!(|rj, rk| sra_w(rj, rk));
    ROTR_W => rd!(|rj, rk| rotr_w(rj, rk));
    SLL_D => rd!(|rj, rk| rj.wrapping_shl(rk as u32));
    SRL_D => rd!(|rj, rk| rj.wrapping_shr(rk as u32));
    SRA_D => rd!(|rj, rk| sra_d(rj, rk));
    ROTR_D => rd!(|rj, rk| rj.rotate_right(rk as u32 & 63));
    SLLI_W => rd!(|rj, imm| sll_w(rj, imm));
    SRLI_W => rd!(|rj, imm| srl_w(rj, imm));
    SRAI_W => rd!(|rj, imm| sra_w(rj, imm));
    ROTRI_W => rd!(|rj, imm| rotr_w(rj, imm));
    SLLI_D => rd!(|rj, imm| rj.wrapping_shl(imm as u32));
    SRLI_D => rd!(|rj, imm| rj.wrapping_shr(imm as u32));
    SRAI_D => rd!(|rj, imm| sra_d(rj, imm));
    ROTRI_D => rd!(|rj, imm| rj.rotate_right(imm as u32 & 63));
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ji, jk, rd_of};
    use super::enc;

    const X: u64 = 0x8765_4321_89ab_cdef;

    #[test]
    fn words_use_five_bits_of_the_amount() {
        assert_eq!(rd_of(&enc::SLL_W, jk(X, 0xe4)), 0xffff_ffff_9abc_def0);
        assert_eq!(rd_of(&enc::SRL_W, jk(X, 0xe4)), 0x089a_bcde);
        assert_eq!(rd_of(&enc::SRL_W, jk(X, 0x20)), 0xffff_ffff_89ab_cdef);
        assert_eq!(rd_of(&enc::SRA_W, jk(X, 0xe4)), 0xffff_ffff_f89a_bcde);
        assert_eq!(rd_of(&enc::ROTR_W, jk(X, 0xe4)), 0xffff_ffff_f89a_bcde);
        assert_eq!(rd_of(&enc::ROTR_W, jk(X, 8)), 0xffff_ffff_ef89_abcd);
    }

    #[test]
    fn doublewords_use_six_bits_of_the_amount() {
        assert_eq!(rd_of(&enc::SLL_D, jk(X, 0xc4)), 0x7654_3218_9abc_def0);
        assert_eq!(rd_of(&enc::SRL_D, jk(X, 0xc4)), 0x0876_5432_189a_bcde);
        assert_eq!(rd_of(&enc::SRA_D, jk(X, 0xc4)), 0xf876_5432_189a_bcde);
        assert_eq!(rd_of(&enc::ROTR_D, jk(X, 0xc4)), 0xf876_5432_189a_bcde);
        assert_eq!(rd_of(&enc::ROTR_D, jk(X, 40)), 0x2189_abcd_ef87_6543);
    }

    #[test]
    fn immediate_amounts() {
        assert_eq!(rd_of(&enc::SLLI_W, ji(X, 31)), 0xffff_ffff_8000_0000);
        assert_eq!(rd_of(&enc::SLLI_W, ji(X, 0)), 0xffff_ffff_89ab_cdef);
        assert_eq!(rd_of(&enc::SRLI_W, ji(X, 31)), 1);
        assert_eq!(rd_of(&enc::SRAI_W, ji(X, 31)), u64::MAX);
        assert_eq!(rd_of(&enc::ROTRI_W, ji(X, 28)), 0xffff_ffff_9abc_def8);
        assert_eq!(rd_of(&enc::SLLI_D, ji(X, 60)), 0xf000_0000_0000_0000);
        assert_eq!(rd_of(&enc::SRLI_D, ji(X, 63)), 1);
        assert_eq!(rd_of(&enc::SRAI_D, ji(X, 60)), 0xffff_ffff_ffff_fff8);
        assert_eq!(rd_of(&enc::ROTRI_D, ji(X, 63)), 0x0eca_8643_1357_9bdf);
    }
}
