// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Registers of the CPU's units, filled and left to the kernel for a while: it schedules
//! away and back, and must give them back. Instructions that not every assembler knows
//! are written as words.

use std::arch::asm;

/// CPUCFG word 2; readable from user space.
pub(crate) fn cpucfg2() -> u64 {
    let word: u64;
    // SAFETY: cpucfg reads a configuration word and touches nothing else.
    unsafe { asm!("cpucfg {}, {}", out(reg) word, in(reg) 2u64) };
    word
}

/// A unit with registers.
pub(crate) struct Unit {
    /// As /proc/cpuinfo has it.
    pub(crate) name: &'static str,
    /// Its bit in CPUCFG word 2.
    bit: u32,
    /// Fills its registers with what is made of a number, yields, and compares.
    pub(crate) holds: fn(u64) -> bool,
}

/// Those that a kernel saves and restores.
pub(crate) const UNITS: [Unit; 4] = [
    Unit {
        name: "lsx",
        bit: 6,
        holds: vectors,
    },
    Unit {
        name: "lasx",
        bit: 7,
        holds: wide_vectors,
    },
    Unit {
        name: "lbt_x86",
        bit: 18,
        holds: translation,
    },
    Unit {
        name: "lbt_arm",
        bit: 19,
        holds: translation,
    },
];

impl Unit {
    /// Whether the CPU says that it has it.
    pub(crate) fn announced(&self) -> bool {
        cpucfg2() >> self.bit & 1 != 0
    }
}

fn values<const N: usize>(pattern: u64) -> [u64; N] {
    std::array::from_fn(|i| pattern.wrapping_mul(2 * i as u64 + 1))
}

/// A block that fills registers from a0, calls sched_yield (number 124), which keeps all
/// registers but a0 and the temporaries, and stores them at a1. The floating-point
/// registers are the low parts of all vector registers.
macro_rules! held {
    ($values:expr, $seen:expr, $($line:literal,)*) => {
        asm!(
            $($line,)*
            inout("$a0") $values.as_ptr() => _,
            in("$a1") $seen.as_mut_ptr(),
            out("$a7") _,
            out("$t0") _, out("$t1") _, out("$t2") _, out("$t3") _, out("$t4") _,
            out("$t5") _, out("$t6") _, out("$t7") _, out("$t8") _,
            out("$f0") _, out("$f1") _, out("$f2") _, out("$f3") _,
            out("$f4") _, out("$f5") _, out("$f6") _, out("$f7") _,
            out("$f8") _, out("$f9") _, out("$f10") _, out("$f11") _,
            out("$f12") _, out("$f13") _, out("$f14") _, out("$f15") _,
            out("$f16") _, out("$f17") _, out("$f18") _, out("$f19") _,
            out("$f20") _, out("$f21") _, out("$f22") _, out("$f23") _,
            out("$f24") _, out("$f25") _, out("$f26") _, out("$f27") _,
            out("$f28") _, out("$f29") _, out("$f30") _, out("$f31") _,
        )
    };
}

fn vectors(pattern: u64) -> bool {
    let expected = values::<64>(pattern);
    let mut seen = [0u64; 64];
    // SAFETY: reads 512 bytes and writes 512 bytes of arrays of that size; every
    // register that is written is named.
    unsafe {
        held!(
            expected, seen,
            ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "vld $vr\\i, $a0, 16 * \\i",
            ".endr",
            "ori $a7, $zero, 124",
            "syscall 0",
            ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "vst $vr\\i, $a1, 16 * \\i",
            ".endr",
        );
    }
    seen == expected
}

fn wide_vectors(pattern: u64) -> bool {
    let expected = values::<128>(pattern);
    let mut seen = [0u64; 128];
    // SAFETY: as in `vectors`, with 1024 bytes: xvld and xvst relative to a0 and a1.
    unsafe {
        held!(
            expected, seen,
            ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            ".word 0x2c800000 | (32 * \\i) << 10 | 4 << 5 | \\i",
            ".endr",
            "ori $a7, $zero, 124",
            "syscall 0",
            ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            ".word 0x2cc00000 | (32 * \\i) << 10 | 5 << 5 | \\i",
            ".endr",
        );
    }
    seen == expected
}

/// Scratch registers, flags, and the x87 stack: its top, its mode and a register of it.
fn translation(pattern: u64) -> bool {
    /// The flags that exist.
    const FLAGS: u64 = 0x8d5;
    /// FCSR0.TM.
    const STACK_MODE: u64 = 0x40;
    const TOP: u64 = 3;
    let mut given = values::<6>(pattern);
    given[4] &= FLAGS;
    let mut seen = [0u64; 9];
    // SAFETY: reads 48 bytes of `given` and writes 72 of `seen`; every register that is
    // written is named, and the stack mode is off again at the end.
    unsafe {
        held!(
            given, seen,
            // movgr2scr $scr0 to $scr3
            ".irp i, 0,1,2,3",
            "ld.d $t0, $a0, 8 * \\i",
            ".word 0x00000800 | 12 << 5 | \\i",
            ".endr",
            // x86mtflag $t0, 0x3f
            "ld.d $t0, $a0, 32",
            ".word 0x005c0020 | 0x3f << 10 | 12",
            // The stack mode, x86mttop 3, and again if x86mftop $t0 finds another top:
            // after a switch Linux 7.2 loads a thread's top and mode not when it uses binary
            // translation, but when it uses floating point, over what was set in between.
            "3:",
            "movfcsr2gr $t0, $fcsr0",
            "ori $t0, $t0, 0x40",
            "movgr2fcsr $fcsr0, $t0",
            ".word 0x00007000 | 3 << 5",
            "movfcsr2gr $t0, $fcsr0",
            ".word 0x00007400 | 12",
            "addi.d $t0, $t0, -3",
            "bnez $t0, 3b",
            "ld.d $t0, $a0, 40",
            "movgr2fr.d $f1, $t0",
            "ori $a7, $zero, 124",
            "syscall 0",
            // movscr2gr
            ".irp i, 0,1,2,3",
            ".word 0x00000c00 | \\i << 5 | 12",
            "st.d $t0, $a1, 8 * \\i",
            ".endr",
            // x86mfflag $t0, 0x3f
            ".word 0x005c0000 | 0x3f << 10 | 12",
            "st.d $t0, $a1, 32",
            "movfr2gr.d $t0, $f1",
            "st.d $t0, $a1, 40",
            // x86mftop $t0, three times at most, behind a use of floating point.
            "ori $t1, $zero, 3",
            "4:",
            "movfcsr2gr $t0, $fcsr0",
            "st.d $t0, $a1, 56",
            ".word 0x00007400 | 12",
            "st.d $t0, $a1, 48",
            "addi.d $t0, $t0, -3",
            "beqz $t0, 5f",
            "addi.d $t1, $t1, -1",
            "bnez $t1, 4b",
            "5:",
            // Without the stack mode f1 was f4.
            "movfcsr2gr $t0, $fcsr0",
            "xori $t0, $t0, 0x40",
            "movgr2fcsr $fcsr0, $t0",
            "movfr2gr.d $t0, $f4",
            "st.d $t0, $a1, 64",
        );
    }
    seen[..6] == given && seen[6] == TOP && seen[7] & STACK_MODE != 0 && seen[8] == given[5]
}
