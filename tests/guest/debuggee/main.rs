// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a debugger, or a measurement of dirty pages, is pointed at.
//!
//! `debuggee step CPU` calls a few instructions again and again on that CPU and
//! says where they are; `debuggee dirty MIB RATE CPU` goes round in a buffer of
//! that size and writes to RATE MiB of it a second; `debuggee break` executes a
//! `break` instruction of its own.

use std::arch::{asm, global_asm};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Pages are at least this large.
const PAGE: usize = 4096;

/// Bytes in a MiB.
const MIB: u64 = 1 << 20;

/// Between two pieces of writing.
const PIECE: Duration = Duration::from_millis(10);

/// Affinity masks go up to this many CPUs.
const CPUS: usize = 64;

// A system call keeps a1 to a7 and loses t0 to t8.
// The offsets of these instructions are known to the cases that step through
// them (tests/machine/stepping.py, which has the list).
global_asm!(
    ".text",
    ".balign 64",
    ".globl debuggee_subject",
    ".type debuggee_subject, @function",
    "debuggee_subject:",
    "move $a2, $ra",
    "ori $t0, $zero, 2",
    "1: addi.d $t0, $t0, -1",
    "bnez $t0, 1b",
    "bl debuggee_callee",
    "ld.d $t1, $a0, 0",
    "addi.d $t1, $t1, 1",
    "st.d $t1, $a0, 0",
    "2: ll.d $t2, $a1, 0",
    "addi.d $t2, $t2, 1",
    "sc.d $t2, $a1, 0",
    "beqz $t2, 2b",
    "ori $a7, $zero, 173",
    "syscall 0",
    "blt $a0, $zero, 2b",
    "beq $zero, $zero, 3f",
    "break 0",
    "3: jirl $zero, $a2, 0",
    "debuggee_callee:",
    "jirl $zero, $ra, 0",
    ".size debuggee_subject, . - debuggee_subject",
);

unsafe extern "C" {
    /// Adds 1 to what both point to.
    fn debuggee_subject(counter: *mut u64, word: *mut u64);
    /// sched_setaffinity(2).
    fn sched_setaffinity(pid: i32, size: usize, mask: *const u64) -> i32;
}

/// Keeps this thread on a CPU.
fn pin(cpu: usize) -> Result<(), String> {
    let mask = 1u64
        .checked_shl(u32::try_from(cpu).unwrap_or(u32::MAX))
        .filter(|_| cpu < CPUS)
        .ok_or_else(|| format!("no CPU {cpu}"))?;
    // SAFETY: The mask is as long as is said.
    if unsafe { sched_setaffinity(0, size_of_val(&mask), &raw const mask) } != 0 {
        return Err(format!("cannot run on CPU {cpu}"));
    }
    Ok(())
}

fn step(cpu: usize) -> Result<(), String> {
    pin(cpu)?;
    let counter = AtomicU64::new(0);
    let word = AtomicU64::new(0);
    let subject = debuggee_subject as *const () as usize;
    println!(
        "KVM-LA-DEBUGGEE subject {subject:#x} counter {:p} word {:p}",
        counter.as_ptr(),
        word.as_ptr()
    );
    loop {
        // SAFETY: Both pointers are of words that only this thread uses. The
        // function keeps the registers that a C function keeps.
        unsafe { debuggee_subject(counter.as_ptr(), word.as_ptr()) };
        let (counter, word) = (counter.load(Ordering::Relaxed), word.load(Ordering::Relaxed));
        if counter != word {
            return Err(format!("the counters are {counter} and {word}"));
        }
    }
}

fn dirty(size: u64, rate: u64, cpu: usize) -> Result<(), String> {
    pin(cpu)?;
    let mut memory = vec![1u8; usize::try_from(size * MIB).map_err(|error| error.to_string())?];
    println!("KVM-LA-DEBUGGEE dirty {size} MiB");
    let started = Instant::now();
    let (mut at, mut written) = (0, 0u64);
    loop {
        let due = started.elapsed().as_micros() as u64 * rate * MIB / 1_000_000;
        while written < due {
            if let Some(byte) = memory.get_mut(at) {
                *byte = byte.wrapping_add(1);
            }
            written += PAGE as u64;
            at = (at + PAGE) % memory.len();
        }
        std::hint::black_box(&memory);
        std::thread::sleep(PIECE);
    }
}

fn run(words: &[&str]) -> Result<(), String> {
    let number = |word: &str| word.parse::<u64>().map_err(|error| format!("{word}: {error}"));
    match words {
        ["step", cpu] => step(number(cpu)? as usize),
        ["dirty", size, rate, cpu] => dirty(number(size)?, number(rate)?, number(cpu)? as usize),
        ["break"] => {
            // SAFETY: The signal that follows ends the process.
            unsafe { asm!("break 0") };
            Ok(())
        }
        _ => Err("usage: debuggee step CPU | dirty MIB RATE CPU | break".to_owned()),
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("KVM-LA-DEBUGGEE wrong: {error}");
            ExitCode::FAILURE
        }
    }
}
