// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The program that runs cases inside QEMU.
//!
//! Each case ends in a signal, at the latest from the `break` behind it. The
//! signal handler writes what the kernel saved, which is the whole register
//! state, into the result record, puts the next case's state in its place and
//! returns from the signal, which starts the next case.

use crate::asm::{A0, A1, A2, A3, Assembler, T0, T1, T2, T3, T4};
use crate::layout::{
    CASE_BYTES, CASES, CONTEXT_BYTES, DATA, EXCEPTION_BYTES, HOLE, HOLE_SIZE, HOT, HOT_SIZE,
    RESULT_BYTES, RESULTS, TEXT, UCONTEXT_MCONTEXT, WINDOW, WINDOW_SIZE,
};
use la_arch::insn::{Operands, integer, lasx, lsx};

/// System call numbers (include/uapi/asm-generic/unistd.h).
mod number {
    pub(super) const WRITE: u64 = 64;
    pub(super) const EXIT_GROUP: u64 = 94;
    pub(super) const SETITIMER: u64 = 103;
    pub(super) const SIGALTSTACK: u64 = 132;
    pub(super) const RT_SIGACTION: u64 = 134;
    pub(super) const RT_SIGRETURN: u64 = 139;
    pub(super) const MUNMAP: u64 = 215;
}

/// SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS.
const SIGNALS: [u64; 6] = [4, 5, 7, 8, 11, 31];
/// `SA_SIGINFO | SA_ONSTACK | SA_NODEFER`.
const SA_FLAGS: u64 = 4 | 0x0800_0000 | 0x4000_0000;

/// `stack_t` at [`DATA`].
const ALT_STACK: u64 = DATA;
/// `struct sigaction`.
const ACTION: u64 = DATA + 0x40;
/// Next result, next case, number of cases left.
const CURSOR: u64 = DATA + 0x80;
/// `struct itimerval`.
const TIMER: u64 = DATA + 0xc0;
/// Seconds after which a process that does not end is killed (SIGALRM).
const TIME_LIMIT: u64 = 300;
/// The signal stack.
const STACK: u64 = DATA + 0x1_0000;
const STACK_SIZE: u64 = 0x1_0000;

/// The driver: code at [`TEXT`] (also the entry point) and initial contents
/// of [`DATA`].
#[derive(Debug)]
pub struct Driver {
    /// Code.
    pub text: Vec<u8>,
    /// Variables.
    pub data: Vec<u8>,
}

/// Builds the driver for `count` cases.
pub fn build(count: usize) -> Driver {
    let mut a = Assembler::default();
    // The kernel saves LASX registers once a process has used them.
    a.rrr(&lasx::XVXOR_V, 0, 0, 0);
    a.li(A0, ALT_STACK);
    a.li(A1, 0);
    a.syscall(number::SIGALTSTACK);
    // ITIMER_REAL.
    a.li(A0, 0);
    a.li(A1, TIMER);
    a.li(A2, 0);
    a.syscall(number::SETITIMER);
    for signal in SIGNALS {
        a.li(A0, signal);
        a.li(A1, ACTION);
        a.li(A2, 0);
        a.li(A3, 8);
        a.syscall(number::RT_SIGACTION);
    }
    a.li(A0, HOLE);
    a.li(A1, HOLE_SIZE);
    a.syscall(number::MUNMAP);
    // Its result goes to record 0, which is never read.
    a.emit(&integer::BREAK, Operands::default());
    let handler = TEXT + a.position() as u64 * 4;
    build_handler(&mut a, count);

    let mut data = vec![0; 0x100];
    let mut put = |address: u64, value: u64| {
        let at = (address - DATA) as usize;
        data[at..at + 8].copy_from_slice(&value.to_le_bytes());
    };
    put(ALT_STACK, STACK);
    put(ALT_STACK + 16, STACK_SIZE);
    put(ACTION, handler);
    put(ACTION + 8, SA_FLAGS);
    put(TIMER + 16, TIME_LIMIT);
    put(CURSOR, RESULTS);
    put(CURSOR + 8, CASES);
    put(CURSOR + 16, count as u64);
    Driver {
        text: a.finish(),
        data,
    }
}

fn build_handler(a: &mut Assembler, count: usize) {
    let (result, case, left) = (T1, T2, T3);
    a.li(T0, CURSOR);
    a.rri(&integer::LD_D, result, T0, 0);
    a.rri(&integer::LD_D, case, T0, 8);
    a.rri(&integer::LD_D, left, T0, 16);
    copy(a, (A1, 0), (result, 0), EXCEPTION_BYTES);
    a.rri(&integer::ADDI_D, A2, A2, UCONTEXT_MCONTEXT);
    copy(a, (A2, 0), (result, EXCEPTION_BYTES), CONTEXT_BYTES);
    for (part, address) in HOT.into_iter().enumerate() {
        a.li(T4, address);
        let offset = EXCEPTION_BYTES + CONTEXT_BYTES + part * HOT_SIZE as usize;
        copy(a, (T4, 0), (result, offset), HOT_SIZE as usize);
    }
    let finished = a.forward(&integer::BEQZ, 0, left);
    copy(a, (case, 0), (A2, 0), CONTEXT_BYTES);
    for (part, address) in HOT.into_iter().enumerate() {
        a.li(T4, address);
        let offset = CONTEXT_BYTES + part * HOT_SIZE as usize;
        copy(a, (case, offset), (T4, 0), HOT_SIZE as usize);
    }
    a.rri(&integer::ADDI_D, result, result, RESULT_BYTES as i32);
    a.rri(&integer::ADDI_D, case, case, CASE_BYTES as i32);
    a.rri(&integer::ADDI_D, left, left, -1);
    a.rri(&integer::ST_D, result, T0, 0);
    a.rri(&integer::ST_D, case, T0, 8);
    a.rri(&integer::ST_D, left, T0, 16);
    a.syscall(number::RT_SIGRETURN);

    a.bind(finished);
    let record = RESULT_BYTES as u64;
    write_all(a, RESULTS + record, record * count as u64);
    write_all(a, WINDOW, WINDOW_SIZE);
    a.li(A0, 0);
    a.syscall(number::EXIT_GROUP);
}

/// Copies `bytes`, a multiple of 16, through vector register 0.
fn copy(a: &mut Assembler, from: (u8, usize), to: (u8, usize), bytes: usize) {
    for offset in (0..bytes).step_by(16) {
        a.rri(&lsx::VLD, 0, from.0, (from.1 + offset) as i32);
        a.rri(&lsx::VST, 0, to.0, (to.1 + offset) as i32);
    }
}

/// Writes memory to standard output; exits with status 1 if that fails.
fn write_all(a: &mut Assembler, address: u64, bytes: u64) {
    let (from, left) = (T1, T2);
    a.li(from, address);
    a.li(left, bytes);
    let again = a.position();
    a.li(A0, 1);
    a.rrr(&integer::OR, A1, from, 0);
    a.rrr(&integer::OR, A2, left, 0);
    a.syscall(number::WRITE);
    let written = a.forward(&integer::BGE, 0, A0);
    a.li(A0, 1);
    a.syscall(number::EXIT_GROUP);
    a.bind(written);
    a.rrr(&integer::ADD_D, from, from, A0);
    a.rrr(&integer::SUB_D, left, left, A0);
    a.backward(&integer::BNE, 0, left, again);
}
