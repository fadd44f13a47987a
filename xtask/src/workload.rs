// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A computation whose result both sides know: the workstation computes it
//! natively, the guest in a virtual machine, and the digests must agree.
//!
//! This file is compiled twice: here, and by the guest's `workload` program for
//! LoongArch. It uses integer, memory and IEEE 754 operations whose results the
//! standards fix, and no library function that may round differently.

/// Mixes a value into a digest (the finaliser of SplitMix64).
fn mix(digest: u64, value: u64) -> u64 {
    let mut z = (digest ^ value).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Integer arithmetic: multiplication, division, shifts, bit counts.
fn integer(seed: u64) -> u64 {
    let mut state = seed | 1;
    let mut digest = 0;
    for _ in 0..20_000 {
        state = mix(state, 1);
        let divisor = (state >> 33) | 1;
        digest = mix(
            digest,
            (state / divisor)
                ^ (state % divisor).rotate_left(17)
                ^ u64::from(state.leading_zeros() + state.count_ones()),
        );
        let wide = u128::from(state) * u128::from(digest);
        digest ^= (wide >> 64) as u64;
    }
    digest
}

/// Double and single precision: the logistic map, square roots, division,
/// fused multiply-add and conversions, all correctly rounded by the standard.
fn floating_point(seed: u64) -> u64 {
    let mut x = 0.25 + (seed % 1000) as f64 / 4000.0;
    let mut y = 1.5f32 + (seed % 100) as f32 / 64.0;
    let mut digest = 0;
    for i in 0..20_000u32 {
        x = 3.9375 * x * (1.0 - x);
        y = (y * 1.25 + f64::from(y).sqrt() as f32) / 2.5 + 0.125;
        let z = x.mul_add(f64::from(y), f64::from(i)).sqrt() / 3.0;
        digest = mix(digest, x.to_bits() ^ z.to_bits().rotate_left(7));
        digest = mix(digest, u64::from(y.to_bits()) ^ (z as i64 as u64));
    }
    digest
}

/// Memory: a table larger than a page and than a TLB way, written in one order
/// and read in another, twice.
fn memory(seed: u64) -> u64 {
    const WORDS: usize = 1 << 18;
    let mut table: Vec<u64> = (0..WORDS as u64).map(|i| mix(seed, i)).collect();
    let mut digest = 0;
    let mut at = 0;
    for round in 0..2u64 {
        for i in 0..WORDS as u64 {
            // An odd step visits every word of a table of a power of two.
            at = (at + 4097) % WORDS;
            digest = mix(digest, table[at]);
            table[at] = table[at].wrapping_add(i ^ round);
        }
    }
    digest
}

/// A part of the computation: its name, its digest of a seed, and how often it
/// must be worked out to take about as long as the others.
type Part = (&'static str, fn(u64) -> u64, u64);

/// The parts by name, for measuring each by itself.
#[allow(dead_code, reason = "the workstation measures nothing")]
pub(crate) const PARTS: &[Part] = &[
    ("integer", integer, 80),
    ("floating-point", floating_point, 10),
    ("memory", memory, 3),
];

/// The digest of all parts for one seed.
pub(crate) fn digest(seed: u64) -> u64 {
    let digest = mix(integer(seed), floating_point(seed));
    mix(digest, memory(seed))
}
