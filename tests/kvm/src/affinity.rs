// SPDX-License-Identifier: GPL-2.0-or-later

//! Keeping a thread on a CPU.

use crate::error::Result;
use crate::sys;
use crate::units::Call;

/// sched_setaffinity (asm-generic/unistd.h).
const SYS_SCHED_SETAFFINITY: i64 = 122;
const SYS_GETCPU: i64 = 168;

/// The calling thread, by its number.
const SELF: u64 = 0;

/// Keeps the thread that made it on CPU 0 as long as it lives; afterwards the thread
/// may run on the first 64.
#[derive(Debug)]
pub struct OneCpu(());

impl OneCpu {
    /// From now on.
    pub fn new() -> Result<Self> {
        allow(1).map(Self)
    }
}

impl Drop for OneCpu {
    fn drop(&mut self) {
        // At worst the thread stays where it is.
        let _ = allow(u64::MAX);
    }
}

/// The calling thread runs on this CPU, one of the first 64, from now on.
pub fn run_on(cpu: u32) -> Result<()> {
    allow(1 << cpu)
}

/// [`run_on`] as a call of [`crate::units::hold`].
pub fn moving_to(mask: &u64) -> Call {
    let at = core::ptr::from_ref(mask).expose_provenance() as u64;
    Call::new(
        SYS_SCHED_SETAFFINITY as u64,
        [SELF, size_of_val(mask) as u64, at, 0, 0],
    )
}

/// Where the calling thread is.
pub fn here() -> Result<u32> {
    let mut cpu = 0u32;
    let at = (&raw mut cpu).expose_provenance() as u64;
    // SAFETY: `cpu` lives; the call writes a number to it.
    unsafe { sys::call_system("getcpu", SYS_GETCPU, [at, 0, 0, 0, 0]) }?;
    Ok(std::hint::black_box(cpu))
}

/// The calling thread may run on the CPUs of this mask.
fn allow(mask: u64) -> Result<()> {
    let arguments = [
        SELF,
        size_of_val(&mask) as u64,
        (&raw const mask).expose_provenance() as u64,
        0,
        0,
    ];
    // SAFETY: the mask lives and is as long as is said; the call only reads it.
    unsafe { sys::call_system("sched_setaffinity", SYS_SCHED_SETAFFINITY, arguments) }.map(|_| ())
}
