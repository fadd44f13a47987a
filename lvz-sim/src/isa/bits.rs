// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Extension, counting, reordering, bit fields and masks (Volume 1, 2.2.3).

use super::operand::{rd, word};
use crate::cpu::{Cpu, Group, Op, Step};
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
fn field(msb: i16, lsb: i32) -> Option<u64> {
    let top = (msb as u32).checked_sub(lsb as u32)?;
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
    MASKEQZ => rd!(|rj, rk| if rk == 0 { 0 } else { rj });
    MASKNEZ => rd!(|rj, rk| if rk != 0 { 0 } else { rj });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{In, jk, rd_of, run_with};
    use super::enc;
    use crate::cpu::Stop;

    const X: u64 = 0x0123_4567_89ab_cdef;

    #[test]
    fn extension() {
        assert_eq!(rd_of(&enc::EXT_W_B, jk(0x180, 0)), 0xffff_ffff_ffff_ff80);
        assert_eq!(rd_of(&enc::EXT_W_B, jk(0xff7f, 0)), 0x7f);
        assert_eq!(rd_of(&enc::EXT_W_H, jk(X, 0)), 0xffff_ffff_ffff_cdef);
    }

    #[test]
    fn counts_look_at_their_width_only() {
        for (encoding, input, count) in [
            (&enc::CLO_W, 0xffff_0000, 16),
            (&enc::CLO_W, u64::MAX, 32),
            (&enc::CLO_W, 0xffff_ffff_0000_0000, 0),
            (&enc::CLZ_W, 0xffff_ffff_0000_0000, 32),
            (&enc::CLZ_W, 0x1234, 19),
            (&enc::CTO_W, u64::MAX, 32),
            (&enc::CTO_W, 0x17, 3),
            (&enc::CTZ_W, 0xffff_ffff_0000_0000, 32),
            (&enc::CTZ_W, 0x50, 4),
            (&enc::CLO_D, 0xffff_ffff_8000_0000, 33),
            (&enc::CLZ_D, 0, 64),
            (&enc::CLZ_D, 1, 63),
            (&enc::CTO_D, u64::MAX, 64),
            (&enc::CTO_D, 0x1_ffff_ffff, 33),
            (&enc::CTZ_D, 0, 64),
            (&enc::CTZ_D, 1 << 40, 40),
        ] {
            assert_eq!(
                rd_of(encoding, jk(input, 0)),
                count,
                "{} {input:#x}",
                encoding.name
            );
        }
    }

    #[test]
    fn bytepick_counts_bytes_from_the_left_of_rk() {
        let pick = |encoding, imm| {
            let input = jk(0x0011_2233_4455_6677, 0x8899_aabb_ccdd_eeff);
            rd_of(encoding, In { imm, ..input })
        };
        assert_eq!(pick(&enc::BYTEPICK_W, 0), 0xffff_ffff_ccdd_eeff);
        assert_eq!(pick(&enc::BYTEPICK_W, 1), 0xffff_ffff_ddee_ff44);
        assert_eq!(pick(&enc::BYTEPICK_W, 3), 0xffff_ffff_ff44_5566);
        assert_eq!(pick(&enc::BYTEPICK_D, 0), 0x8899_aabb_ccdd_eeff);
        assert_eq!(pick(&enc::BYTEPICK_D, 5), 0xddee_ff00_1122_3344);
        assert_eq!(pick(&enc::BYTEPICK_D, 7), 0xff00_1122_3344_5566);
    }

    #[test]
    fn reversals() {
        for (encoding, reversed) in [
            (&enc::REVB_2H, 0xffff_ffff_ab89_efcd),
            (&enc::REVB_4H, 0x2301_6745_ab89_efcd),
            (&enc::REVB_2W, 0x6745_2301_efcd_ab89),
            (&enc::REVB_D, 0xefcd_ab89_6745_2301),
            (&enc::REVH_2W, 0x4567_0123_cdef_89ab),
            (&enc::REVH_D, 0xcdef_89ab_4567_0123),
            (&enc::BITREV_4B, 0xffff_ffff_91d5_b3f7),
            (&enc::BITREV_8B, 0x80c4_a2e6_91d5_b3f7),
            (&enc::BITREV_W, 0xffff_ffff_f7b3_d591),
            (&enc::BITREV_D, 0xf7b3_d591_e6a2_c480),
        ] {
            assert_eq!(rd_of(encoding, jk(X, 0)), reversed, "{}", encoding.name);
        }
    }

    fn bit_field(msb: i16, lsb: i32) -> In {
        In {
            rd: 0x1111_1111_1111_1111,
            imm: lsb,
            imm2: msb,
            ..jk(X, 0)
        }
    }

    #[test]
    fn bit_fields() {
        assert_eq!(rd_of(&enc::BSTRPICK_W, bit_field(15, 4)), 0xcde);
        assert_eq!(
            rd_of(&enc::BSTRPICK_W, bit_field(31, 0)),
            0xffff_ffff_89ab_cdef
        );
        assert_eq!(rd_of(&enc::BSTRPICK_D, bit_field(63, 0)), X);
        assert_eq!(rd_of(&enc::BSTRPICK_D, bit_field(63, 32)), 0x0123_4567);
        assert_eq!(rd_of(&enc::BSTRPICK_D, bit_field(63, 63)), 0);
        assert_eq!(rd_of(&enc::BSTRINS_W, bit_field(15, 8)), 0x1111_ef11);
        assert_eq!(
            rd_of(&enc::BSTRINS_W, bit_field(31, 0)),
            0xffff_ffff_89ab_cdef
        );
        assert_eq!(
            rd_of(&enc::BSTRINS_D, bit_field(63, 56)),
            0xef11_1111_1111_1111
        );
        assert_eq!(rd_of(&enc::BSTRINS_D, bit_field(63, 0)), X);
    }

    #[test]
    fn a_bit_field_upside_down_does_not_exist() {
        for encoding in [
            &enc::BSTRPICK_W,
            &enc::BSTRPICK_D,
            &enc::BSTRINS_W,
            &enc::BSTRINS_D,
        ] {
            let (_, step) = run_with(encoding, bit_field(3, 4), |_| {});
            assert_eq!(step, Err(Stop::Trap), "{}", encoding.name);
        }
    }

    #[test]
    fn conditional_masks() {
        assert_eq!(rd_of(&enc::MASKEQZ, jk(X, 0)), 0);
        assert_eq!(rd_of(&enc::MASKEQZ, jk(X, 1 << 63)), X);
        assert_eq!(rd_of(&enc::MASKNEZ, jk(X, 0)), X);
        assert_eq!(rd_of(&enc::MASKNEZ, jk(X, 1 << 63)), 0);
    }
}
