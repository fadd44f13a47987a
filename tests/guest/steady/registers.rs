// SPDX-License-Identifier: Apache-2.0 OR MIT

//! All registers of user space full of values for a while, without a system call
//! in between: a stop of the CPU in the meantime must give them back.

use std::arch::global_asm;

/// Where each kind begins, in words: general registers by their numbers, vector
/// registers, condition flags, control register of the floating point unit; then the
/// whole registers of LASX, scratch registers, flags and the top of the x87 stack of binary
/// translation, and which of these two units the CPU has.
const GENERAL: usize = 0;
const VECTOR: usize = 32;
const FLAGS: usize = VECTOR + 64;
const CONTROL: usize = FLAGS + 8;
const WIDE: usize = CONTROL + 2;
const SCRATCH: usize = WIDE + 128;
const EFLAGS: usize = SCRATCH + 4;
const TOP: usize = EFLAGS + 1;
const UNITS: usize = TOP + 1;
const WORDS: usize = UNITS + 1;

/// Bits of the word at [`UNITS`].
const HAS_LASX: u64 = 1;
const HAS_LBT: u64 = 2;

/// FCSR0.TM: operands of floating-point instructions count from the top of the stack. With
/// it the kernel and KVM have to save and restore the top beside the registers.
const STACK_MODE: u64 = 1 << 6;

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
    ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    "vld $vr\\i, $a0, 8 * 32 + 16 * \\i",
    ".endr",
    // Instructions that not every assembler knows are written as words.
    "ld.d $t0, $a0, 8 * 240",
    "st.d $t0, $sp, 176",
    "andi $t1, $t0, 1",
    "beqz $t1, 2f",
    // xvld $xrI, $a0, 8 * 106 + 32 * I
    ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    ".word 0x2c800000 | (8 * 106 + 32 * \\i) << 10 | 4 << 5 | \\i",
    ".endr",
    "2:",
    "andi $t1, $t0, 2",
    "beqz $t1, 3f",
    // movgr2scr $scrI, $t0; x86mtflag $t0, 0x3f
    ".irp i, 0,1,2,3",
    "ld.d $t0, $a0, 8 * (234 + \\i)",
    ".word 0x00000800 | 12 << 5 | \\i",
    ".endr",
    "ld.d $t0, $a0, 8 * 238",
    ".word 0x005c0020 | 0x3f << 10 | 12",
    // x86mttop has its number in itself. Whatever it is, as many instructions are executed.
    "ld.d $t0, $a0, 8 * 239",
    "la.pcrel $t1, 4f",
    "alsl.d $t1, $t0, $t1, 3",
    "jr $t1",
    "4:",
    ".irp i, 0,1,2,3,4,5,6,7",
    ".word 0x00007000 | \\i << 5",
    "b 3f",
    ".endr",
    "3:",
    // With the stack mode, which needs the unit of binary translation.
    "ld.d $t0, $a0, 8 * 104",
    "movgr2fcsr $fcsr0, $t0",
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
    "ld.d $t1, $sp, 176",
    "andi $t0, $t1, 1",
    "beqz $t0, 2f",
    // xvst $xrI, $a2, 8 * 106 + 32 * I
    ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    ".word 0x2cc00000 | (8 * 106 + 32 * \\i) << 10 | 6 << 5 | \\i",
    ".endr",
    "2:",
    "andi $t0, $t1, 2",
    "beqz $t0, 3f",
    // movscr2gr $t0, $scrI; x86mfflag $t0, 0x3f
    ".irp i, 0,1,2,3",
    ".word 0x00000c00 | \\i << 5 | 12",
    "st.d $t0, $a2, 8 * (234 + \\i)",
    ".endr",
    ".word 0x005c0000 | 0x3f << 10 | 12",
    "st.d $t0, $a2, 8 * 238",
    // x86mftop $t0
    ".word 0x00007400 | 12",
    "st.d $t0, $a2, 8 * 239",
    "3:",
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

/// Whether the CPU has what is always filled: LSX is bit 6 of CPUCFG word 2.
pub(crate) fn supported() -> bool {
    crate::system::cpucfg(2) & 1 << 6 != 0
}

/// The further units: LASX is bit 7, binary translation for x86 bit 18.
fn units() -> u64 {
    let word = crate::system::cpucfg(2);
    let lasx = if word >> 7 & 1 != 0 { HAS_LASX } else { 0 };
    let lbt = if word >> 18 & 1 != 0 { HAS_LBT } else { 0 };
    lasx | lbt
}

/// Their names.
pub(crate) fn unit_names() -> impl Iterator<Item = &'static str> {
    let units = units();
    [("lasx", HAS_LASX), ("lbt", HAS_LBT)]
        .into_iter()
        .filter_map(move |(name, bit)| (units & bit != 0).then_some(name))
}

/// Values and what was found of them.
pub(crate) struct Registers {
    values: [u64; WORDS],
    seen: [u64; WORDS],
    flags: usize,
    units: u64,
}

impl Registers {
    /// Of the condition flags the first `flags` are used.
    pub(crate) fn new(flags: usize) -> Self {
        Self {
            values: [0; WORDS],
            seen: [0; WORDS],
            flags,
            units: units(),
        }
    }

    /// Makes values of `seed` for the next [`Self::hold`].
    pub(crate) fn choose(&mut self, seed: u64) {
        for (i, value) in self.values.iter_mut().enumerate() {
            *value = (seed ^ (i as u64) << 40).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        }
        for (i, flag) in self.values[FLAGS..CONTROL].iter_mut().enumerate() {
            *flag = if i < self.flags { *flag >> 45 & 1 } else { 0 };
        }
        // A rounding mode (bits 8 and 9) and sticky flags (16 to 20), no traps.
        self.values[CONTROL] &= 0x1f << 16 | 3 << 8;
        self.values[EFLAGS] &= 0x8d5;
        self.values[TOP] = seed & 7;
        self.values[UNITS] = self.units;
        if self.units & HAS_LASX != 0 {
            // The low halves are those of LSX.
            for i in 0..32 {
                let low = [self.values[WIDE + 4 * i], self.values[WIDE + 4 * i + 1]];
                self.values[VECTOR + 2 * i..][..2].copy_from_slice(&low);
            }
        }
        if self.units & HAS_LBT != 0 {
            self.values[CONTROL] |= STACK_MODE;
        }
        self.seen = self.values;
    }

    /// Fills the registers, spins, and takes down what they hold then.
    pub(crate) fn hold(&mut self, spins: u64) {
        // SAFETY: both arrays have WORDS words; the function keeps what the calling
        // convention wants kept, and the control register.
        unsafe { kvm_la_hold(self.values.as_ptr(), self.seen.as_mut_ptr(), spins.max(1)) };
    }

    /// Compares.
    pub(crate) fn verify(&self) -> Result<(), String> {
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
        CONTROL..WIDE => "fcsr0".to_owned(),
        WIDE..SCRATCH => format!("quarter {} of xr{}", (word - WIDE) % 4, (word - WIDE) / 4),
        SCRATCH..EFLAGS => format!("scr{}", word - SCRATCH),
        EFLAGS => "eflags".to_owned(),
        _ => "top".to_owned(),
    }
}
