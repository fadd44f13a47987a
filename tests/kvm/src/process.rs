// SPDX-License-Identifier: GPL-2.0-or-later

//! Child processes that are traced.

use crate::error::{Error, Result};
use crate::sys;
use crate::units::Vectors;

/// System calls (asm-generic/unistd.h).
const EXIT_GROUP: i64 = 94;
const PTRACE: i64 = 117;
const WAIT4: i64 = 260;

/// Requests (linux/ptrace.h).
const TRACEME: u64 = 0;
const CONT: u64 = 7;
const GETREGSET: u64 = 0x4204;
const SETREGSET: u64 = 0x4205;
/// NT_LOONGARCH_LSX (linux/elf.h).
const LSX: u64 = 0xa02;

/// A child of this process.
#[derive(Clone, Copy, Debug)]
pub struct Child(pub i64);

/// Ends this process, a child that [`crate::units::Call::fork`] made.
pub fn end(status: u64) -> ! {
    // SAFETY: takes a number, and does not return.
    let _ = unsafe { sys::call_system("exit_group", EXIT_GROUP, [status, 0, 0, 0, 0]) };
    std::process::abort()
}

/// This process's parent traces it.
pub fn trace_me() -> Result<()> {
    // SAFETY: takes numbers.
    unsafe { sys::call_system("ptrace", PTRACE, [TRACEME, 0, 0, 0, 0]) }.map(|_| ())
}

impl Child {
    /// Waits until it ends or, if it is traced, stops: its status as waitpid has it.
    pub fn wait(self) -> Result<i32> {
        let mut status = 0i32;
        let at = (&raw mut status).expose_provenance() as u64;
        // SAFETY: `status` lives; the call writes an int.
        unsafe { sys::call_system("wait4", WAIT4, [self.0 as u64, at, 0, 0, 0]) }?;
        Ok(std::hint::black_box(status))
    }

    /// Lets it go on.
    pub fn go_on(self) -> Result<()> {
        // SAFETY: takes numbers.
        unsafe { sys::call_system("ptrace", PTRACE, [CONT, self.0 as u64, 0, 0, 0]) }.map(|_| ())
    }

    /// The vector registers of one that is stopped.
    pub fn vectors(self) -> Result<Vectors> {
        let mut vectors = [[0; 2]; 32];
        self.regset(GETREGSET, &mut vectors)?;
        Ok(vectors)
    }

    /// Sets them.
    pub fn set_vectors(self, vectors: &Vectors) -> Result<()> {
        self.regset(SETREGSET, &mut { *vectors })
    }

    fn regset(self, request: u64, vectors: &mut Vectors) -> Result<()> {
        let mut part = [
            (&raw mut *vectors).expose_provenance() as u64,
            size_of_val(vectors) as u64,
        ];
        let part = (&raw mut part).expose_provenance() as u64;
        // SAFETY: an iovec of `vectors`, which both live.
        let result =
            unsafe { sys::call_system("ptrace", PTRACE, [request, self.0 as u64, LSX, part, 0]) };
        std::hint::black_box(vectors);
        result.map(|_| ())
    }
}

/// What a call of [`crate::units::hold`] returned.
pub fn result(call: &'static str, value: i64) -> Result<i64> {
    match value {
        0.. => Ok(value),
        _ => Err(Error {
            call,
            errno: value.wrapping_neg() as i32,
        }),
    }
}
