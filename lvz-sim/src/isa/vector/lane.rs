// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Elements of vector registers.

use super::width::Width;
use crate::cpu::Cpu;
use bytemuck::Pod;

// Element 0 is the least significant one; the casts below rely on it.
const _: () = assert!(cfg!(target_endian = "little"));

/// An element type.
pub(super) trait Lane: Pod + PartialOrd {
    /// Half a register full of them.
    type Lanes: Pod + AsRef<[Self]> + AsMut<[Self]>;
    /// Width.
    const BITS: u32;
    /// An immediate as an element, sign-extended if it is negative.
    fn from_imm(imm: i32) -> Self;
    /// All ones or all zeros, what comparisons give.
    fn mask(set: bool) -> Self;
    /// The element as a shift count or bit number: modulo the width.
    fn count(self) -> u32;
    /// Shifts right, logically or arithmetically by the type, and rounds: adds
    /// the last bit shifted out.
    fn shr_round(self, n: u32) -> Self;
}

/// An element that has a type twice as wide.
pub(super) trait Widen: Lane {
    /// Twice as wide, same signedness.
    type Wide: Lane;
    /// Extends by the signedness of the type.
    fn widen(self) -> Self::Wide;
    /// Extends with zeros whatever the type.
    fn zero_extend(self) -> Self::Wide;
}

/// An element that has a type half as wide.
pub(super) trait Narrow: Lane {
    /// Half as wide; its signedness does not matter, the bits do.
    type Half: Lane;
    /// The low half.
    fn truncate(self) -> Self::Half;
    /// Saturates to the signed range of the half.
    fn saturate_signed(self) -> Self::Half;
    /// Saturates to the unsigned range of the half.
    fn saturate_unsigned(self) -> Self::Half;
}

macro_rules! lanes {
    ($($t:ty: $n:literal;)*) => { $(
        impl Lane for $t {
            type Lanes = [$t; $n];
            const BITS: u32 = <$t>::BITS;
            #[inline(always)]
            fn from_imm(imm: i32) -> Self {
                imm as $t
            }
            #[inline(always)]
            fn mask(set: bool) -> Self {
                if set { !0 } else { 0 }
            }
            #[inline(always)]
            fn count(self) -> u32 {
                self as u32 % <$t>::BITS
            }
            #[inline(always)]
            fn shr_round(self, n: u32) -> Self {
                match n % <$t>::BITS {
                    0 => self,
                    n => (self >> n).wrapping_add(self >> (n - 1) & 1),
                }
            }
        }
    )* };
}
lanes! {
    i8: 16; i16: 8; i32: 4; i64: 2; i128: 1;
    u8: 16; u16: 8; u32: 4; u64: 2; u128: 1;
}

macro_rules! widths {
    ($($narrow:ty, $wide:ty, $unsigned:ty, $signed:ty;)*) => { $(
        impl Widen for $narrow {
            type Wide = $wide;
            #[inline(always)]
            fn widen(self) -> $wide {
                <$wide>::from(self)
            }
            #[inline(always)]
            fn zero_extend(self) -> $wide {
                self as $unsigned as $wide
            }
        }
        impl Narrow for $wide {
            type Half = $unsigned;
            #[inline(always)]
            fn truncate(self) -> $unsigned {
                self as $unsigned
            }
            #[inline(always)]
            fn saturate_signed(self) -> $unsigned {
                // For an unsigned type the lower bound is its own, zero.
                let low = <$signed>::MIN as $wide;
                let low = if <$wide>::MIN == 0 { 0 } else { low };
                self.clamp(low, <$signed>::MAX as $wide) as $unsigned
            }
            #[inline(always)]
            fn saturate_unsigned(self) -> $unsigned {
                self.clamp(0, <$unsigned>::MAX as $wide) as $unsigned
            }
        }
    )* };
}
widths! {
    i8, i16, u8, i8;
    i16, i32, u16, i16;
    i32, i64, u32, i32;
    i64, i128, u64, i64;
    u8, u16, u8, i8;
    u16, u32, u16, i16;
    u32, u64, u32, i32;
    u64, u128, u64, i64;
}

/// A half, 0 or 1, of vector register `r` as elements.
#[inline(always)]
pub(super) fn read<T: Lane>(cpu: &Cpu, r: u8, half: usize) -> T::Lanes {
    bytemuck::pod_read_unaligned(bytemuck::bytes_of(&cpu.vector_half(r, half).0))
}

/// Writes a half of vector register `r`.
#[inline(always)]
pub(super) fn write<T: Lane>(cpu: &mut Cpu, r: u8, half: usize, lanes: T::Lanes) {
    let register = bytemuck::bytes_of_mut(&mut cpu.vector_half_mut(r, half).0);
    register.copy_from_slice(bytemuck::bytes_of(&lanes));
}

/// Both halves of vector register `r`.
#[inline(always)]
pub(super) fn read_all<T: Lane>(cpu: &Cpu, r: u8) -> [T::Lanes; 2] {
    [0, 1].map(|half| read::<T>(cpu, r, half))
}

/// The elements of a register that instructions of width `V` see.
#[inline(always)]
pub(super) fn elements<V: Width, T: Lane>(halves: &[T::Lanes; 2]) -> &[T] {
    bytemuck::cast_slice(&halves[..V::HALVES])
}

/// A half whose element `i` is `f(i)`.
#[inline(always)]
pub(super) fn build<T: Lane>(mut f: impl FnMut(usize) -> T) -> T::Lanes {
    let mut lanes: T::Lanes = bytemuck::Zeroable::zeroed();
    for (i, lane) in lanes.as_mut().iter_mut().enumerate() {
        *lane = f(i);
    }
    lanes
}

/// A half whose lower elements are `f` of those of `low`, and its upper ones of
/// those of `high`.
#[inline(always)]
pub(super) fn build_halves<W: Narrow>(
    low: &W::Lanes,
    high: &W::Lanes,
    mut f: impl FnMut(W) -> W::Half,
) -> <W::Half as Lane>::Lanes {
    let mut lanes: <W::Half as Lane>::Lanes = bytemuck::Zeroable::zeroed();
    let (low_half, high_half) = lanes.as_mut().split_at_mut(low.as_ref().len());
    for (lane, &wide) in low_half.iter_mut().zip(low.as_ref()) {
        *lane = f(wide);
    }
    for (lane, &wide) in high_half.iter_mut().zip(high.as_ref()) {
        *lane = f(wide);
    }
    lanes
}
