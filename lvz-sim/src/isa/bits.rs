//! Extension, counting, reordering and bit fields (Volume 1, 2.2.3).

use super::operand::{rd, word};
use super::{Group, Op, Step};
use crate::cpu::Cpu;
use crate::mem::Bus;
use la_arch::Exception;
use la_arch::insn::integer as enc;

/// Swaps the bytes of each halfword.
#[inline(always)]
fn revb_4h(x: u64) -> u64 {
    const LOW: u64 = 0x00ff_00ff_00ff_00ff;
    (x & LOW) << 8 | x >> 8 & LOW
}

/// Swaps the halfwords of each word.
#[inline(always)]
fn revh_2w(x: u64) -> u64 {
    const LOW: u64 = 0x0000_ffff_0000_ffff;
    (x & LOW) << 16 | x >> 16 & LOW
}

/// Reverses the bits of each byte.
#[inline(always)]
fn bitrev_8b(x: u64) -> u64 {
    x.reverse_bits().swap_bytes()
}

/// Four bytes of `{rk[31:0], rj[31:0]}`, starting `bytes` from the left.
#[inline(always)]
fn bytepick_w(rj: u64, rk: u64, bytes: u64) -> u64 {
    let both = rk << 32 | rj & 0xffff_ffff;
    word((both >> (32 - 8 * (bytes & 3))) as u32)
}

/// Eight bytes of `{rk, rj}`, starting `bytes` from the left.
#[inline(always)]
fn bytepick_d(rj: u64, rk: u64, bytes: u64) -> u64 {
    let both = u128::from(rk) << 64 | u128::from(rj);
    (both >> (64 - 8 * (bytes & 7))) as u64
}

/// The `msb - lsb + 1` low bits; `None` if `msb < lsb`.
#[inline(always)]
fn field(msb: u8, lsb: i32) -> Option<u64> {
    let top = u32::from(msb).checked_sub(lsb as u32)?;
    // The two are at most 63, and `!top & 63` is `63 - top`.
    Some(u64::MAX >> (!top & 63))
}

/// A handler of a bit field instruction: a value made of rd, rj, the field's
/// mask in the low bits, and its position.
///
/// The manual gives `msb < lsb` no meaning; like QEMU, we say that there is no
/// such instruction.
macro_rules! bstr {
    (|$rd:ident, $rj:ident, $mask:ident, $lsb:ident| $value:expr) => {
        |cpu: &mut Cpu, _bus: &mut Bus, op: &Op| -> Step {
            let Some($mask) = field(op.imm2, op.imm) else {
                return Err(cpu.raise(Exception::INE));
            };
            let ($rd, $rj, $lsb) = (cpu.get(op.rd), cpu.get(op.rj), op.imm as u32 & 63);
            cpu.set(op.rd, $value);
            Ok(())
        }
    };
}

/// `rd` with the field at `lsb` replaced by the low bits of `rj`.
#[inline(always)]
fn bstrins(rd: u64, rj: u64, mask: u64, lsb: u32) -> u64 {
    rd & !(mask << lsb) | (rj & mask) << lsb
}

crate::insn_table! { Group::Integer;
    EXT_W_B => rd!(|rj| rj as i8 as u64);
    EXT_W_H => rd!(|rj| rj as i16 as u64);
    CLO_W => rd!(|rj| (rj as u32).leading_ones().into());
    CLZ_W => rd!(|rj| (rj as u32).leading_zeros().into());
    CTO_W => rd!(|rj| (rj as u32).trailing_ones().into());
    CTZ_W => rd!(|rj| (rj as u32).trailing_zeros().into());
    CLO_D => rd!(|rj| rj.leading_ones().into());
    CLZ_D => rd!(|rj| rj.leading_zeros().into());
    CTO_D => rd!(|rj| rj.trailing_ones().into());
    CTZ_D => rd!(|rj| rj.trailing_zeros().into());
    BYTEPICK_W => rd!(|rj, rk, imm| bytepick_w(rj, rk, imm));
    BYTEPICK_D => rd!(|rj, rk, imm| bytepick_d(rj, rk, imm));
    REVB_2H => rd!(|rj| word(revb_4h(rj) as u32));
    REVB_4H => rd!(|rj| revb_4h(rj));
    REVB_2W => rd!(|rj| rj.swap_bytes().rotate_left(32));
    REVB_D => rd!(|rj| rj.swap_bytes());
    REVH_2W => rd!(|rj| revh_2w(rj));
    REVH_D => rd!(|rj| revh_2w(rj).rotate_left(32));
    BITREV_4B => rd!(|rj| word(bitrev_8b(rj) as u32));
    BITREV_8B => rd!(|rj| bitrev_8b(rj));
    BITREV_W => rd!(|rj| word((rj as u32).reverse_bits()));
    BITREV_D => rd!(|rj| rj.reverse_bits());
    BSTRINS_W => bstr!(|rd, rj, mask, lsb| word(bstrins(rd, rj, mask, lsb) as u32));
    BSTRINS_D => bstr!(|rd, rj, mask, lsb| bstrins(rd, rj, mask, lsb));
    BSTRPICK_W => bstr!(|_rd, rj, mask, lsb| word((rj >> lsb & mask) as u32));
    BSTRPICK_D => bstr!(|_rd, rj, mask, lsb| rj >> lsb & mask);
}
