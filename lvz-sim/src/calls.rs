// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `--stats-calls`: which system calls the host's programs make, and when.
//!
//! A system call is the instruction `syscall` at another level than PLV0; by
//! the convention of all LoongArch systems its number is in a7 and its arguments
//! begin in a0 (Linux: Documentation/arch/loongarch/introduction.rst, "system
//! calls"). Nothing of it is the machine's business, so nothing runs otherwise
//! because it is written down.

use crate::stats::Executed;
use serde::Serialize;

/// Where arguments and number of a system call are.
const A0: usize = 4;
const A7: usize = 11;

/// One system call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Call {
    /// Number of the CPU that made it.
    pub cpu: usize,
    /// The CPU's simulated time in nanoseconds.
    pub time_ns: u64,
    /// What all CPUs had executed, the `syscall` included.
    #[serde(flatten)]
    pub executed: Executed,
    /// The first three arguments.
    pub arguments: [u64; 3],
}

/// The system calls of one CPU that have a number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    number: u64,
    seen: Vec<Call>,
}

impl Calls {
    /// For calls with this number.
    pub(crate) fn of(number: u64) -> Self {
        Calls {
            number,
            seen: Vec::new(),
        }
    }

    /// Writes a call down if it has the number. `call` adds where and when
    /// to its arguments.
    pub(crate) fn note(&mut self, gpr: &[u64; 32], call: impl FnOnce([u64; 3]) -> Call) {
        if gpr[A7] == self.number {
            let arguments = [gpr[A0], gpr[A0 + 1], gpr[A0 + 2]];
            self.seen.push(call(arguments));
        }
    }

    /// The calls in order.
    pub(crate) fn seen(&self) -> &[Call] {
        &self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calls_with_the_number_are_kept() {
        let mut calls = Calls::of(29);
        let mut gpr = [0; 32];
        for (number, argument) in [(29, 5), (63, 6), (29, 7)] {
            gpr[A7] = number;
            gpr[A0 + 1] = argument;
            calls.note(&gpr, |arguments| Call {
                cpu: 0,
                time_ns: 0,
                executed: Executed::default(),
                arguments,
            });
        }
        let seen: Vec<_> = calls.seen().iter().map(|call| call.arguments[1]).collect();
        assert_eq!(seen, [5, 7]);
    }
}
