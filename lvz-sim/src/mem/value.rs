// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What loads and stores move.

/// A value that loads and stores move: `u8`, `u16`, `u32`, `u64`, `u128`
/// (little-endian; so are the computers that this runs on).
pub trait Value: Copy + bytemuck::Pod {
    /// Size in bytes.
    const SIZE: u8;
    const ZERO: Self;
    /// From the low bits of a wide value.
    fn truncate(wide: u128) -> Self;
    /// To a wide value, zero-extended.
    fn widen(self) -> u128;
}

macro_rules! values {
    ($($t:ty)*) => {
        $(impl Value for $t {
            const SIZE: u8 = size_of::<$t>() as u8;
            const ZERO: Self = 0;
            #[inline(always)]
            fn truncate(wide: u128) -> Self {
                wide as $t
            }
            #[inline(always)]
            fn widen(self) -> u128 {
                u128::from(self)
            }
        })*
    };
}
values!(u8 u16 u32 u64 u128);
