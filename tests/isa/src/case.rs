// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A test case, and what came out of it.

use crate::layout::{
    CONTEXT_BYTES, CONTEXT_FCC, CONTEXT_FCSR, CONTEXT_GPR, CONTEXT_HEAD, CONTEXT_VR, HOT_BYTES,
    LASX_MAGIC, LASX_SIZE, READ_ONLY, READ_ONLY_SIZE, hot_index, read_only_byte,
};
use la_arch::fcsr;

/// The registers that instructions work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// General registers; entry 0 is zero.
    pub gpr: [u64; 32],
    /// Vector registers, lowest doubleword first; that one is the floating-point
    /// register, the lower two that of LSX.
    pub vr: [[u64; 4]; 32],
    /// Condition flags, one a bit.
    pub fcc: u8,
    /// FCSR0.
    pub fcsr: u32,
}

impl State {
    /// The context record that makes the kernel load this state and go on at
    /// `pc`.
    pub fn to_context(&self, pc: u64) -> [u8; CONTEXT_BYTES] {
        let mut bytes = [0; CONTEXT_BYTES];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &pc.to_le_bytes());
        for (i, value) in self.gpr.iter().enumerate() {
            put(CONTEXT_GPR + i * 8, &value.to_le_bytes());
        }
        put(CONTEXT_HEAD, &LASX_MAGIC.to_le_bytes());
        put(CONTEXT_HEAD + 4, &LASX_SIZE.to_le_bytes());
        for (i, value) in self.vr.iter().flatten().enumerate() {
            put(CONTEXT_VR + i * 8, &value.to_le_bytes());
        }
        for i in 0..8 {
            put(CONTEXT_FCC + i, &[self.fcc >> i & 1]);
        }
        put(CONTEXT_FCSR, &self.fcsr.to_le_bytes());
        bytes
    }

    /// The state and the pc in a context record; `None` if it does not carry
    /// vector registers.
    pub fn from_context(bytes: &[u8; CONTEXT_BYTES]) -> Option<(State, u64)> {
        if word(bytes, CONTEXT_HEAD) != LASX_MAGIC {
            return None;
        }
        let mut state = State {
            gpr: [0; 32],
            vr: [[0; 4]; 32],
            fcc: 0,
            fcsr: word(bytes, CONTEXT_FCSR),
        };
        for (i, value) in state.gpr.iter_mut().enumerate() {
            *value = double(bytes, CONTEXT_GPR + i * 8);
        }
        for (i, value) in state.vr.iter_mut().flatten().enumerate() {
            *value = double(bytes, CONTEXT_VR + i * 8);
        }
        for i in 0..8 {
            state.fcc |= (bytes[CONTEXT_FCC + i] & 1) << i;
        }
        Some((state, double(bytes, 0)))
    }
}

/// The little-endian word at `at`.
pub fn word(bytes: &[u8], at: usize) -> u32 {
    (0..4).fold(0, |v, i| v | u32::from(bytes[at + i]) << (8 * i))
}

/// The little-endian doubleword at `at`.
pub fn double(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}

/// One test case: instructions and all that they can see.
#[derive(Clone, Debug)]
pub struct Case {
    /// One instruction, or the few of an LL/SC sequence.
    pub words: Vec<u32>,
    /// Address of the first.
    pub pc: u64,
    /// Registers before.
    pub state: State,
    /// The two hot parts of the memory window before.
    pub window: [u8; HOT_BYTES],
    /// The memory that the last instruction accesses, if it does: address and
    /// size.
    pub access: Option<(u64, u64)>,
}

impl Case {
    /// Address behind the last instruction.
    pub fn end(&self) -> u64 {
        self.pc + 4 * self.words.len() as u64
    }

    /// What a load of `size` bytes gets, if there is memory.
    pub fn read(&self, address: u64, size: u64) -> Option<u64> {
        (0..size).try_fold(0, |value, i| {
            let at = address.wrapping_add(i);
            let offset = at.wrapping_sub(READ_ONLY);
            let byte = match hot_index(at) {
                Some(index) => self.window[index],
                None if offset < READ_ONLY_SIZE => read_only_byte(offset),
                None => return None,
            };
            Some(value | u64::from(byte) << (8 * i))
        })
    }

    /// Stores `bytes` at `address` of `window`; false if not all of it can be
    /// written, and then nothing is.
    pub fn write(&self, window: &mut [u8; HOT_BYTES], address: u64, bytes: &[u8]) -> bool {
        let indices: Option<Vec<usize>> = (0..bytes.len() as u64)
            .map(|i| hot_index(address.wrapping_add(i)))
            .collect();
        let Some(indices) = indices else { return false };
        for (index, byte) in indices.into_iter().zip(bytes) {
            window[index] = *byte;
        }
        true
    }

    /// The same case at `pc` with no floating-point exception enabled.
    pub fn untrapped(&self, pc: u64) -> Case {
        let mut case = self.clone();
        case.pc = pc;
        case.state.fcsr &= !fcsr::ENABLES;
        case
    }
}

/// Kinds of exceptions as far as a process can tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// INE.
    Illegal,
    /// BRK.
    Breakpoint,
    /// BCE.
    BoundCheck,
    /// FPE or VFPE.
    FloatingPoint,
    /// ALE with its bad address.
    Alignment(u64),
    /// No memory at this bad address: TLBR, PIL, PIS, ADEM.
    Unmapped(u64),
    /// Store to read-only memory at this bad address: PME.
    ReadOnly(u64),
    /// Any other, described.
    Other(Unexpected),
}

/// A signal that has no [`Trap`] of its own: number and code; or an
/// exception: code and subcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unexpected {
    /// Signal number or exception code.
    pub number: i32,
    /// Signal code or exception subcode.
    pub code: i32,
}

/// What came out of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The exception, if there was one.
    pub trap: Option<Trap>,
    /// Address of the next instruction, or of the one that trapped.
    pub pc: u64,
    /// Registers after.
    pub state: State,
    /// The hot parts of the window after.
    pub window: [u8; HOT_BYTES],
}

impl Outcome {
    /// The state that a case starts from, in the form of an outcome.
    pub fn before(case: &Case) -> Self {
        Outcome {
            trap: None,
            pc: case.pc,
            state: case.state.clone(),
            window: case.window,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;
    use la_arch::insn::integer;

    #[test]
    fn context_records_carry_the_state() {
        for index in 0..50 {
            let case = generate::case(&integer::ADD_D, 3, index);
            let (state, pc) = State::from_context(&case.state.to_context(case.pc)).unwrap();
            assert_eq!((state, pc), (case.state, case.pc));
        }
        assert_eq!(State::from_context(&[0; CONTEXT_BYTES]), None);
    }

    #[test]
    fn memory_is_the_window_and_the_read_only_page() {
        let case = generate::case(&integer::LD_D, 3, 0);
        let [first, last] = crate::layout::HOT;
        assert_eq!(case.read(first, 8), Some(double(&case.window, 0)));
        assert_eq!(case.read(last + 248, 8), Some(double(&case.window, 504)));
        assert_eq!(case.read(last + 249, 8), None);
        assert_eq!(case.read(READ_ONLY, 1), Some(7));
        let mut window = case.window;
        assert!(!case.write(&mut window, READ_ONLY, &[1]));
        assert!(!case.write(&mut window, last + 255, &[1, 2]));
        assert_eq!(window, case.window);
        assert!(case.write(&mut window, last, &[1, 2]));
        assert_eq!(window[256..258], [1, 2]);
    }
}
