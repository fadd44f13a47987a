// SPDX-License-Identifier: Apache-2.0 OR MIT

//! From an instruction word to the function that executes it.
//!
//! Each instruction group is a file below with a table of [`Insn`]s: an
//! encoding from `la-arch` and its [`Handler`](crate::cpu::Handler) (`cpu/op.rs`). [`Decoder`] is built once from
//! the tables that the CPU model has; everything else is INE.

use crate::cpu::Insn;

mod absent;
#[cfg(test)]
mod address_tests;
mod alu;
mod atomic;
mod bits;
mod bound;
mod branch;
mod crc;
#[cfg(test)]
mod csr_tests;
mod decoder;
mod fp_arith;
mod fp_bound;
mod fp_compare;
mod fp_convert;
mod fp_memory;
mod fp_move;
mod fp_operands;
#[cfg(test)]
mod fp_tests;
mod frequent;
mod lbt;
#[cfg(test)]
mod lint_tests;
mod load_store;
mod lvz;
mod misc;
mod muldiv;
mod operand;
mod privileged;
mod shift;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod timer_tests;
mod vector;
pub use absent::ABSENT;
pub use decoder::Decoder;
pub(crate) use frequent::{execute, execute_last};
pub(crate) use vector::transfer::pattern as vldi_pattern;

/// Builds a group's table: `table!(Group::Integer; ADD_W => add_w, B => b, @ends; ...)`
/// where the left names are constants of the `la_arch::insn` module in scope as
/// `enc`.
#[macro_export]
macro_rules! insn_table {
    ($group:expr; $($enc:ident => $run:expr $(, @$ends:ident)?;)*) => {
        /// The group's instructions.
        pub(crate) const TABLE: &[$crate::cpu::Insn] = &[
            $($crate::cpu::Insn {
                encoding: &enc::$enc,
                group: $group,
                run: $run,
                ends: $crate::insn_table!(@ends $($ends)?),
            }),*
        ];
    };
    (@ends) => { $crate::cpu::Ends::No };
    (@ends ends) => { $crate::cpu::Ends::Yes };
    (@ends branch) => { $crate::cpu::Ends::Branch };
}

/// Every instruction that this simulator implements.
pub fn all() -> impl Iterator<Item = &'static Insn> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// Those that load or store data, atomics among them.
fn accesses_memory() -> impl Iterator<Item = &'static Insn> {
    let tables: [&'static [Insn]; 7] = [
        atomic::TABLE,
        bound::TABLE,
        load_store::TABLE,
        fp_bound::TABLE,
        fp_memory::TABLE,
        lbt::mips::TABLE,
        vector::memory::TABLE,
    ];
    let others = |insn: &&Insn| {
        ["asrt", "preld"]
            .iter()
            .any(|name| insn.encoding.name.starts_with(name))
    };
    tables
        .into_iter()
        .flatten()
        .filter(move |insn| !others(insn))
}

/// One table a file.
const TABLES: &[&[Insn]] = &[
    alu::TABLE,
    atomic::TABLE,
    bits::TABLE,
    bound::TABLE,
    branch::TABLE,
    crc::TABLE,
    load_store::TABLE,
    misc::TABLE,
    muldiv::TABLE,
    shift::TABLE,
    privileged::TABLE,
    lvz::TABLE,
    fp_arith::TABLE,
    fp_bound::TABLE,
    fp_compare::TABLE,
    fp_convert::TABLE,
    fp_memory::TABLE,
    fp_move::TABLE,
    lbt::arm::TABLE,
    lbt::integer::TABLE,
    lbt::mips::TABLE,
    lbt::state::TABLE,
    lbt::x86::TABLE,
    lbt::x86_shift::TABLE,
    vector::across::TABLE,
    vector::arithmetic::TABLE,
    vector::bits::TABLE,
    vector::compare::TABLE,
    vector::float::TABLE,
    vector::float_compare::TABLE,
    vector::float_convert::TABLE,
    vector::memory::TABLE,
    vector::narrow::TABLE,
    vector::shift::TABLE,
    vector::shuffle::TABLE,
    vector::transfer::TABLE,
    vector::widen::TABLE,
];
