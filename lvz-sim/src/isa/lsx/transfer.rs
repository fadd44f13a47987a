// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Between general registers and elements, and immediates into registers.

use super::lane::{Lane, build, read, write};
use crate::cpu::{Cpu, Op, Step};
use crate::mem::Bus;
use la_arch::Exception;

lsx_table! {
    [u8 u16 u32 u64] vinsgr2vr(|a| a as _): VINSGR2VR_B VINSGR2VR_H VINSGR2VR_W VINSGR2VR_D;
    [u8 u16 u32 u64] vreplgr2vr(|a| a as _):
        VREPLGR2VR_B VREPLGR2VR_H VREPLGR2VR_W VREPLGR2VR_D;
    [i8 i16 i32 i64] vpickve2gr(|a| a as _):
        VPICKVE2GR_B VPICKVE2GR_H VPICKVE2GR_W VPICKVE2GR_D;
    [u8 u16 u32 u64] vpickve2gr(|a| a as _):
        VPICKVE2GR_BU VPICKVE2GR_HU VPICKVE2GR_WU VPICKVE2GR_DU;
    [u64] vldi: VLDI;
}

/// The element that the immediate selects.
#[inline(always)]
fn selected<T: Lane>(op: &Op) -> usize {
    op.imm as usize & (128 / T::BITS as usize - 1)
}

/// Selected element of Vd ← rj; the others stay.
#[inline(always)]
fn vinsgr2vr<T: Lane>(cpu: &mut Cpu, _: &mut Bus, op: &Op, f: impl Fn(u64) -> T) -> Step {
    cpu.require_lsx()?;
    let mut d = read::<T>(cpu, op.rd);
    d.as_mut()[selected::<T>(op)] = f(cpu.get(op.rj));
    write::<T>(cpu, op.rd, d);
    Ok(())
}

/// Every element of Vd ← rj.
#[inline(always)]
fn vreplgr2vr<T: Lane>(cpu: &mut Cpu, _: &mut Bus, op: &Op, f: impl Fn(u64) -> T) -> Step {
    cpu.require_lsx()?;
    let value = f(cpu.get(op.rj));
    write::<T>(cpu, op.rd, build::<T>(|_| value));
    Ok(())
}

/// rd ← selected element of Vj, extended by its type.
#[inline(always)]
fn vpickve2gr<T: Lane>(cpu: &mut Cpu, _: &mut Bus, op: &Op, f: impl Fn(T) -> u64) -> Step {
    cpu.require_lsx()?;
    let value = read::<T>(cpu, op.rj).as_ref()[selected::<T>(op)];
    cpu.set(op.rd, f(value));
    Ok(())
}

/// `vldi`: both halves of Vd ← a pattern, see [`pattern`].
#[inline(always)]
fn vldi<T: Lane>(cpu: &mut Cpu, _: &mut Bus, op: &Op) -> Step {
    let Some(value) = pattern(op.imm) else {
        return Err(cpu.raise(Exception::INE));
    };
    cpu.require_lsx()?;
    write::<u64>(cpu, op.rd, [value; 2]);
    Ok(())
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
