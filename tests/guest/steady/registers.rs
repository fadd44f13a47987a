// SPDX-License-Identifier: Apache-2.0 OR MIT

//! All registers of user space full of values for a while, without a system call
//! in between: a stop of the CPU in the meantime must give them back.

use std::arch::global_asm;

/// Where each kind begins, in words: general registers by their numbers, vector
/// registers, condition flags, control register of the floating point unit.
const GENERAL: usize = 0;
const VECTOR: usize = 32;
const FLAGS: usize = VECTOR + 64;
const CONTROL: usize = FLAGS + 8;
const WORDS: usize = CONTROL + 1;

/// Registers that are not filled: zero, the thread's pointer, the stack's, and
/// a2, which counts.
const NOT_FILLED: [usize; 4] = [0, 2, 3, 6];

// a0: the values, a1: where to store what is found, a2: how often to spin.
global_asm!(
    ".pushsection .text.kvm_la_hold, \"ax\", @progbits",
    ".globl kvm_la_hold",
    ".type kvm_la_hold, @function",
    "kvm_la_hold:",
    "addi.d $sp, $sp, -192",
    "st.d $ra, $sp, 0",
    "st.d $r21, $sp, 8",
    ".irp i, 22,23,24,25,26,27,28,29,30,31",
    "st.d $r\\i, $sp, 16 + 8 * (\\i - 22)",
    ".endr",
    ".irp i, 24,25,26,27,28,29,30,31",
    "fst.d $f\\i, $sp, 96 + 8 * (\\i - 24)",
    ".endr",
    "movfcsr2gr $t0, $fcsr0",
    "st.d $t0, $sp, 160",
    "st.d $a1, $sp, 168",
    ".irp i, 0,1,2,3,4,5,6,7",
    "ld.d $t0, $a0, 8 * (96 + \\i)",
    "movgr2cf $fcc\\i, $t0",
    ".endr",
    "ld.d $t0, $a0, 8 * 104",
    "movgr2fcsr $fcsr0, $t0",
    ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    "vld $vr\\i, $a0, 8 * 32 + 16 * \\i",
    ".endr",
    // a0, the base, last.
    ".irp i, 1,5,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,4",
    "ld.d $r\\i, $a0, 8 * \\i",
    ".endr",
    "1:",
    "addi.d $a2, $a2, -1",
    "bnez $a2, 1b",
    "ld.d $a2, $sp, 168",
    ".irp i, 1,4,5,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    "st.d $r\\i, $a2, 8 * \\i",
    ".endr",
    ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    "vst $vr\\i, $a2, 8 * 32 + 16 * \\i",
    ".endr",
    ".irp i, 0,1,2,3,4,5,6,7",
    "movcf2gr $t0, $fcc\\i",
    "st.d $t0, $a2, 8 * (96 + \\i)",
    ".endr",
    "movfcsr2gr $t0, $fcsr0",
    "st.d $t0, $a2, 8 * 104",
    "ld.d $t0, $sp, 160",
    "movgr2fcsr $fcsr0, $t0",
    ".irp i, 24,25,26,27,28,29,30,31",
    "fld.d $f\\i, $sp, 96 + 8 * (\\i - 24)",
    ".endr",
    ".irp i, 22,23,24,25,26,27,28,29,30,31",
    "ld.d $r\\i, $sp, 16 + 8 * (\\i - 22)",
    ".endr",
    "ld.d $r21, $sp, 8",
    "ld.d $ra, $sp, 0",
    "addi.d $sp, $sp, 192",
    "ret",
    ".size kvm_la_hold, . - kvm_la_hold",
    ".popsection",
);

unsafe extern "C" {
    fn kvm_la_hold(values: *const u64, seen: *mut u64, spins: u64);
}

/// Whether the CPU has all of them: LSX is bit 6 of CPUCFG word 2.
pub(crate) fn supported() -> bool {
    crate::system::cpucfg(2) & 1 << 6 != 0
}

/// Values and what was found of them.
pub(crate) struct Registers {
    values: [u64; WORDS],
    seen: [u64; WORDS],
    flags: usize,
}

impl Registers {
    /// Of the condition flags the first `flags` are used.
    pub(crate) fn new(flags: usize) -> Self {
        Self {
            values: [0; WORDS],
            seen: [0; WORDS],
            flags,
        }
    }

    /// Fills the registers with values made of `seed`, spins, and compares.
    pub(crate) fn hold(&mut self, seed: u64, spins: u64) -> Result<(), String> {
        for (i, value) in self.values.iter_mut().enumerate() {
            *value = (seed ^ (i as u64) << 40).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        }
        for (i, flag) in self.values[FLAGS..CONTROL].iter_mut().enumerate() {
            *flag = if i < self.flags { *flag >> 45 & 1 } else { 0 };
        }
        // A rounding mode (bits 8 and 9) and sticky flags (16 to 20), no traps.
        self.values[CONTROL] &= 0x1f << 16 | 3 << 8;
        self.seen = self.values;
        // SAFETY: both arrays have WORDS words; the function keeps what the calling
        // convention wants kept, and the control register.
        unsafe { kvm_la_hold(self.values.as_ptr(), self.seen.as_mut_ptr(), spins.max(1)) };
        for (i, (value, seen)) in self.values.iter().zip(&self.seen).enumerate() {
            if value != seen && !NOT_FILLED.contains(&i) {
                return Err(format!("{} is {seen:#x}, not {value:#x}", name(i)));
            }
        }
        Ok(())
    }
}

/// The name of what a word holds.
fn name(word: usize) -> String {
    match word {
        GENERAL..VECTOR => format!("r{word}"),
        VECTOR..FLAGS => format!("half {} of vr{}", word % 2, (word - VECTOR) / 2),
        FLAGS..CONTROL => format!("fcc{}", word - FLAGS),
        _ => "fcsr0".to_owned(),
    }
}
