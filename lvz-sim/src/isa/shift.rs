//! Shifts and rotations (Volume 1, 2.2.2).

use super::Group;
use super::operand::{rd, word};
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
