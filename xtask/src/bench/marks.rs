// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Marks that a program in the machine makes (`tests/guest/marks.py`), among the ioctls
//! that lvz-sim lists.

use anyhow::{Result, anyhow};
use serde_json::Value;

/// The module with which programs make them.
pub(super) const PROGRAM: &str = include_str!("../../../tests/guest/marks.py");

/// The system call `ioctl` (Linux: include/uapi/asm-generic/unistd.h).
pub(super) const IOCTL: u64 = 29;

/// The request that is a mark; its argument is the mark's number.
pub(super) const REQUEST: u64 = 0x4b4c;

/// One ioctl of any program.
pub(super) struct Call {
    /// The host's until then.
    pub(super) host_instructions: u64,
    pub(super) file: u64,
    pub(super) request: u64,
    pub(super) argument: u64,
}

/// All ioctls in order, which the simulator lists CPU by CPU.
pub(super) fn calls(stats: &Value) -> Result<Vec<Call>> {
    let mut calls: Vec<Call> = stats["calls"]
        .as_array()
        .ok_or_else(|| anyhow!("the simulator listed no ioctls: is it older than this checkout?"))?
        .iter()
        .map(|call| {
            let argument = |n: usize| {
                call["arguments"][n]
                    .as_u64()
                    .ok_or_else(|| anyhow!("an ioctl without a number in the simulator's figures"))
            };
            Ok(Call {
                host_instructions: host_instructions(call)?,
                // Descriptors and requests are C's int.
                file: argument(0)? & 0xffff_ffff,
                request: argument(1)? & 0xffff_ffff,
                argument: argument(2)?,
            })
        })
        .collect::<Result<_>>()?;
    calls.sort_by_key(|call| call.host_instructions);
    Ok(calls)
}

/// Of what the machine had executed at a moment, the host's part.
pub(super) fn host_instructions(executed: &Value) -> Result<u64> {
    executed["instructions"]
        .as_u64()
        .zip(executed["guest"].as_u64())
        .and_then(|(all, guest)| all.checked_sub(guest))
        .ok_or_else(|| anyhow!("the simulator did not say what was executed until a moment"))
}

/// The place of a mark in the list.
pub(super) fn position(calls: &[Call], number: usize) -> Result<usize> {
    calls
        .iter()
        .position(|call| call.request == REQUEST && call.argument == number as u64)
        .ok_or_else(|| anyhow!("mark {number} is missing"))
}
