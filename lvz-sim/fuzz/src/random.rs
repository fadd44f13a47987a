// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Choices made of bytes.

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Numbers of the bytes as long as there are any, then of a generator with the bytes' digest
/// for its seed: a program is as long for few bytes as for many.
pub(super) struct Random<'a> {
    bytes: &'a [u8],
    rest: SplitMix64,
}

impl<'a> Random<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        // FNV-1a.
        let digest = bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
                (digest ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
            });
        Random {
            bytes,
            rest: SplitMix64::seed_from_u64(digest),
        }
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.bytes.split_first_chunk::<N>() {
            Some((first, others)) => {
                self.bytes = others;
                *first
            }
            None => {
                self.bytes = &[];
                let mut bytes = [0; N];
                self.rest.fill_bytes(&mut bytes);
                bytes
            }
        }
    }

    pub(super) fn next(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    pub(super) fn word(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    /// A number below `limit`, which is at most 65,536 and not zero.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        match limit {
            ..=0x100 => usize::from(self.take::<1>()[0]) % limit,
            _ => usize::from(u16::from_le_bytes(self.take())) % limit,
        }
    }

    /// One of several.
    pub(super) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// A number in whose bits those of another are all over. With one multiplication the low bits
/// of a series would be the same or take turns, and so what targets choose by them.
pub fn mixed(number: u64) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let high = number.wrapping_mul(ODD);
    (high ^ high >> 32).wrapping_mul(ODD)
}
