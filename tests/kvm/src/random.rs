// SPDX-License-Identifier: GPL-2.0-or-later

//! Random numbers that a seed fixes: a failure can be run again.

/// A generator (SplitMix64 of Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts from a seed and a stream's number: different streams of one seed
    /// are as different as those of different seeds.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed ^ stream.wrapping_mul(0xd605_bbb5_8c8a_bc03));
        // The first numbers of near seeds are near each other no more.
        random.next();
        random
    }

    /// Any number.
    #[allow(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }

    /// True once in `times`.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// A number of the kind at which programs break: small, near a power of two,
    /// negative, near a page, or any.
    pub fn edge(&mut self) -> u64 {
        let near = self.below(5).wrapping_sub(2);
        match self.below(8) {
            0 => self.below(16),
            1 => (1u64 << self.below(64)).wrapping_add(near),
            2 => near,
            3 => self.below(64) << 14,
            4 => (self.below(1 << 20) << 12).wrapping_add(near),
            5 => self.next() & 0xffff_ffff,
            6 => u64::MAX << self.below(64),
            _ => self.next(),
        }
    }
}
