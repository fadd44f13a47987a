// SPDX-License-Identifier: GPL-2.0-or-later

//! Memory in the place of a CPU object, on which exported functions of QEMU are
//! tried: what they read and write tells where a field is.

use std::ops::Range;

/// A zeroed object of no type.
pub(crate) struct Scratch {
    words: Vec<u64>,
}

impl Scratch {
    /// One of `bytes`, which are as many as a CPU object has.
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            words: vec![0; bytes.div_ceil(8)],
        }
    }

    /// Its address for a function of QEMU, which may write to it.
    pub(crate) fn object<T>(&mut self) -> *mut T {
        self.words.as_mut_ptr().cast()
    }

    /// Number of 32-bit words.
    pub(crate) fn len32(&self) -> usize {
        self.words.len() * 2
    }

    /// Number of 64-bit words.
    pub(crate) fn len64(&self) -> usize {
        self.words.len()
    }

    /// Gives all 64-bit words a value.
    pub(crate) fn fill64(&mut self, value: u64) {
        fill(&mut self.words, value);
    }

    /// Gives all 32-bit words a value.
    pub(crate) fn fill32(&mut self, value: u32) {
        self.fill64(pair(value, value));
    }

    /// Gives the 64-bit words of a set a value.
    pub(crate) fn set64(&mut self, set: &Range<usize>, value: u64) {
        if let Some(words) = self.words.get_mut(set.clone()) {
            fill(words, value);
        }
    }

    /// Gives the 32-bit words of a set a value.
    pub(crate) fn set32(&mut self, set: &Range<usize>, value: u32) {
        let whole = set.start.div_ceil(2)..set.end / 2;
        if whole.start <= whole.end {
            self.set64(&whole, pair(value, value));
        }
        for edge in [set.start / 2, set.end / 2] {
            if let Some(word) = self.words.get_mut(edge) {
                let [first, second] = halves(*word);
                let of = |i, old| if set.contains(&i) { value } else { old };
                *word = pair(of(edge * 2, first), of(edge * 2 + 1, second));
            }
        }
    }

    /// The offsets of the bytes that are not zero.
    pub(crate) fn changed(&self) -> Vec<usize> {
        let mut changed = Vec::new();
        let (chunks, rest) = self.words.as_chunks::<CHUNK>();
        let mut look = |at: usize, words: &[u64]| {
            let bytes = words.iter().flat_map(|word| word.to_ne_bytes());
            let places = bytes.enumerate().filter(|(_, byte)| *byte != 0);
            changed.extend(places.map(|(i, _)| at * 8 + i));
        };
        for (i, chunk) in chunks.iter().enumerate() {
            if chunk.iter().fold(0, |all, word| all | word) != 0 {
                look(i * CHUNK, chunk);
            }
        }
        look(chunks.len() * CHUNK, rest);
        changed
    }
}

/// Words that are written or looked at together: QEMU's start waits for it.
const CHUNK: usize = 8;

/// Gives all words a value.
fn fill(words: &mut [u64], value: u64) {
    if value == 0 {
        // By memset.
        return words.fill(0);
    }
    let (chunks, rest) = words.as_chunks_mut::<CHUNK>();
    for chunk in chunks {
        *chunk = [value; CHUNK];
    }
    rest.fill(value);
}

/// Two 32-bit words as they are in memory.
fn pair(first: u32, second: u32) -> u64 {
    let [a, b, c, d] = first.to_ne_bytes();
    let [e, f, g, h] = second.to_ne_bytes();
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

/// The 32-bit words of a 64-bit one, as they are in memory.
fn halves(word: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_ne_bytes();
    [
        u32::from_ne_bytes([a, b, c, d]),
        u32::from_ne_bytes([e, f, g, h]),
    ]
}

/// Finds the one element of `0..count` that decides a predicate: `holds` is
/// asked about sets of elements, as a range, and answers whether the deciding
/// one is in it. If it is the one that is guessed, few questions show it. None if
/// the answers do not fit together.
pub(crate) fn bisect(
    count: usize,
    guess: Option<usize>,
    mut holds: impl FnMut(Range<usize>) -> bool,
) -> Option<usize> {
    if let Some(guess) = guess.filter(|guess| *guess < count)
        && decides(guess, count, &mut holds)
    {
        return Some(guess);
    }
    if !holds(0..count) || holds(0..0) {
        return None;
    }
    let (mut low, mut high) = (0, count);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if holds(low..middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    decides(low, count, &mut holds).then_some(low)
}

/// Whether an element decides alone, and all others do not.
fn decides(element: usize, count: usize, holds: &mut impl FnMut(Range<usize>) -> bool) -> bool {
    let behind = element + 1;
    holds(element..behind) && !holds(0..element) && !holds(behind..count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 0x6000;

    #[test]
    fn the_deciding_element_is_found() {
        for target in [0, 1, 500, 998, 999] {
            for guess in [None, Some(0), Some(target), Some(700), Some(1000)] {
                let found = bisect(1000, guess, |set| set.contains(&target));
                assert_eq!(found, Some(target), "guess {guess:?}");
            }
        }
    }

    #[test]
    fn a_right_guess_needs_few_questions() {
        let mut questions = 0;
        let found = bisect(1000, Some(321), |set| {
            questions += 1;
            set.contains(&321)
        });
        assert_eq!((found, questions), (Some(321), 3));
    }

    #[test]
    fn answers_that_do_not_fit_are_no_result() {
        for guess in [None, Some(3), Some(4)] {
            assert_eq!(bisect(1000, guess, |_| true), None);
            assert_eq!(bisect(1000, guess, |_| false), None);
            // Two elements decide, each alone.
            let either = |set: Range<usize>| set.contains(&3) || set.contains(&700);
            assert_eq!(bisect(1000, guess, either), None);
            // Two elements decide only together.
            let both = |set: Range<usize>| set.contains(&3) && set.contains(&700);
            assert_eq!(bisect(1000, guess, both), None);
        }
    }

    #[test]
    fn a_set_gets_a_value_and_the_others_stay() {
        let count = SIZE / 4;
        let sets = [0..0, 0..1, 1..1, 1..2, 3..8, 4..9, 4..8, 0..count];
        for set in sets.into_iter().chain([count - 1..count, 5..count]) {
            for value in [0, 7] {
                let mut scratch = Scratch::new(SIZE);
                scratch.fill32(100);
                scratch.set32(&set, value);
                let words = scratch.words.iter().flat_map(|word| halves(*word));
                let right = |(i, word)| word == if set.contains(&i) { value } else { 100 };
                assert!(words.enumerate().all(right), "{set:?}");
            }
        }
        for set in [0..0, 3..8, 3..30, 0..SIZE / 8] {
            let mut scratch = Scratch::new(SIZE);
            scratch.fill64(9);
            scratch.set64(&set, u64::MAX);
            let right =
                |(i, word): (usize, &u64)| *word == if set.contains(&i) { u64::MAX } else { 9 };
            assert!(scratch.words.iter().enumerate().all(right), "{set:?}");
        }
    }

    #[test]
    fn changes_are_found() {
        let mut scratch = Scratch::new(SIZE);
        assert!(scratch.changed().is_empty());
        let object: *mut u8 = scratch.object();
        for place in [0, 193, SIZE - 1] {
            // SAFETY: inside the object, which is not otherwise in use.
            unsafe { object.wrapping_add(place).write(1) };
        }
        assert_eq!(scratch.changed(), [0, 193, SIZE - 1]);
        assert_eq!(scratch.len32(), 2 * scratch.len64());
    }
}
