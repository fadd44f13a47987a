// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Random choices that a seed replays.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng};

/// The choices of one case.
#[derive(Debug)]
pub struct Rng(Xoshiro256PlusPlus);

impl Rng {
    /// The generator of case `index` of test `name`: cases do not depend on
    /// each other, so that each can be replayed alone.
    pub fn new(seed: u64, name: &str, index: usize) -> Self {
        // FNV-1a over all that identifies the case.
        let bytes = name.bytes().chain((index as u64).to_le_bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325 ^ seed, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
        });
        Rng(Xoshiro256PlusPlus::seed_from_u64(hash))
    }

    /// Any value.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A value below `n`, which is not 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of `choices`, which is not empty.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}
