// SPDX-License-Identifier: Apache-2.0 OR MIT

//! LSX, the 128-bit vector extension (Volume 2).
//!
//! Each file below is one theme with a table. A line of a table reads
//!
//! ```text
//! [element types] shape(operation): instructions, one an element type;
//! ```
//!
//! where the [`shape`] says which elements meet (Vd ← Vj op Vk, even
//! elements widened, narrowed halves ...) and the operation is a closure on
//! elements, in which `T` names the element type. A register is 128 bits; elements are numbered from the least
//! significant end, as they lie in memory.

/// Builds a file's table from lines as the module documentation describes.
macro_rules! lsx_table {
    ($([$($t:ident)*] $shape:ident $(($f:expr))?: $($enc:ident)*;)*) => {
        /// The instructions of this file.
        pub(in $crate::isa) const TABLE: &[$crate::cpu::Insn] =
            lsx_table!(@rows [] $([$($t)*] $shape $(($f))?: $($enc)*;)*);
    };
    (@rows [$($done:tt)*]) => { &[$($done)*] };
    // One line after the other: pairs each type with its instruction.
    (@rows [$($done:tt)*]
        [$($t:ident)*] $shape:ident ($f:expr): $($enc:ident)*; $($rest:tt)*) => {
        lsx_table!(@rows [$($done)* $(
            $crate::cpu::Insn {
                encoding: &::la_arch::insn::lsx::$enc,
                group: $crate::cpu::Group::Lsx,
                run: |cpu, bus, op| {
                    #[allow(dead_code)]
                    type T = $t;
                    $shape::<$t>(cpu, bus, op, $f)
                },
                ends: $crate::cpu::Ends::No,
            },
        )*] $($rest)*)
    };
    (@rows [$($done:tt)*]
        [$($t:ident)*] $shape:ident: $($enc:ident)*; $($rest:tt)*) => {
        lsx_table!(@rows [$($done)* $(
            $crate::cpu::Insn {
                encoding: &::la_arch::insn::lsx::$enc,
                group: $crate::cpu::Group::Lsx,
                run: |cpu, bus, op| $shape::<$t>(cpu, bus, op),
                ends: $crate::cpu::Ends::No,
            },
        )*] $($rest)*)
    };
}

pub(super) mod arithmetic;
pub(super) mod bits;
pub(super) mod compare;
pub(super) mod float;
pub(super) mod float_compare;
pub(super) mod float_convert;
mod float_shape;
mod lane;
pub(super) mod memory;
pub(super) mod narrow;
mod shape;
pub(super) mod shift;
pub(super) mod shuffle;
pub(super) mod transfer;
pub(super) mod widen;

#[cfg(test)]
mod machine_tests;
#[cfg(test)]
mod tests;
