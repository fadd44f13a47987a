// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Between general registers and elements, and immediates into registers.

use super::lane::{Lane, build, elements, read, read_all};
use super::shape::halves;
use super::width::Width;
use crate::cpu::{Cpu, Op, Step};
use crate::mem::Bus;
use la_arch::Exception;

vector_table! {
    [u8 u16] lsx vinsgr2vr(|a| a as _): VINSGR2VR_B VINSGR2VR_H;
    [u32 u64] vinsgr2vr(|a| a as _): VINSGR2VR_W VINSGR2VR_D;
    [u8 u16 u32 u64] vreplgr2vr(|a| a as _):
        VREPLGR2VR_B VREPLGR2VR_H VREPLGR2VR_W VREPLGR2VR_D;
    [i8 i16 u8 u16] lsx vpickve2gr(|a| a as _):
        VPICKVE2GR_B VPICKVE2GR_H VPICKVE2GR_BU VPICKVE2GR_HU;
    [i32 i64 u32 u64] vpickve2gr(|a| a as _):
        VPICKVE2GR_W VPICKVE2GR_D VPICKVE2GR_WU VPICKVE2GR_DU;
    [u64] vldi: VLDI;
}

/// Selected element of Vd ← rj; the others stay.
#[inline(always)]
fn vinsgr2vr<V: Width, T: Lane>(cpu: &mut Cpu, _: &mut Bus, op: &Op, f: impl Fn(u64) -> T) -> Step {
    let value = f(cpu.get(op.rj));
    let count = 128 / T::BITS as usize;
    let selected = op.imm as usize & (V::HALVES * count - 1);
    halves::<V, T>(cpu, op, |cpu, half| {
        let mut d = read::<T>(cpu, op.rd, half);
        if selected / count == half {
            d.as_mut()[selected % count] = value;
        }
        d
    })
}

/// Every element of Vd ← rj.
#[inline(always)]
fn vreplgr2vr<V: Width, T: Lane>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(u64) -> T,
) -> Step {
    let value = f(cpu.get(op.rj));
    halves::<V, T>(cpu, op, |_, _| build::<T>(|_| value))
}

/// rd ← selected element of Vj, extended by its type.
#[inline(always)]
fn vpickve2gr<V: Width, T: Lane>(
    cpu: &mut Cpu,
    _: &mut Bus,
    op: &Op,
    f: impl Fn(T) -> u64,
) -> Step {
    V::require(cpu)?;
    let j = read_all::<T>(cpu, op.rj);
    let j = elements::<V, T>(&j);
    cpu.set(op.rd, f(j[op.imm as usize & (j.len() - 1)]));
    Ok(())
}

/// `vldi`: every doubleword of Vd ← a pattern, see [`pattern`].
#[inline(always)]
fn vldi<V: Width, T: Lane<Lanes = [u64; 2]>>(cpu: &mut Cpu, _: &mut Bus, op: &Op) -> Step {
    let Some(value) = pattern(op.imm) else {
        return Err(cpu.raise(Exception::INE));
    };
    halves::<V, T>(cpu, op, |_, _| [value; 2])
}

/// What `vldi` puts into 64 bits (Volume 2, `VLDI`). Bit 12 clear: bits 11:10
/// are the element width and 9:0 a signed value. Bit 12 set: bits 11:8 are a
/// mode and 7:0 its byte; modes above 12 do not exist.
pub(crate) fn pattern(imm: i32) -> Option<u64> {
    let byte = imm as u64 & 0xff;
    if imm & 1 << 12 == 0 {
        let value = i64::from(imm << 22 >> 22) as u64;
        return Some(match imm >> 10 & 3 {
            0 => byte * 0x0101_0101_0101_0101,
            1 => (value & 0xffff) * 0x0001_0001_0001_0001,
            2 => (value & 0xffff_ffff) * 0x0000_0001_0000_0001,
            _ => value,
        });
    }
    let words = |word: u64| word | word << 32;
    // A floating-point number in few bits: sign, one exponent bit that is
    // repeated `repeat` times after its complement, six bits.
    let float = |repeat: u32| {
        let (sign, e, low) = (byte >> 7, byte >> 6 & 1, byte & 0x3f);
        let exponent = (e ^ 1) << repeat | (e * ((1 << repeat) - 1));
        (sign << (repeat + 1) | exponent) << 6 | low
    };
    Some(match imm >> 8 & 15 {
        mode @ 0..=3 => words(byte << (8 * mode)),
        mode @ 4..=5 => (byte << (8 * (mode - 4))) * 0x0001_0001_0001_0001,
        6 => words(byte << 8 | 0xff),
        7 => words(byte << 16 | 0xffff),
        8 => byte * 0x0101_0101_0101_0101,
        9 => (0..8).fold(0, |v, i| v | ((byte >> i & 1) * 0xff) << (8 * i)),
        10 => words(float(5) << 19),
        11 => float(5) << 19,
        12 => float(8) << 48,
        _ => return None,
    })
}
