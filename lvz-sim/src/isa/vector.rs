// SPDX-License-Identifier: Apache-2.0 OR MIT

//! LSX and LASX, the vector extensions of 128 and 256 bits (Volume 2).
//!
//! Each file below is one theme with a table. A line of a table reads
//!
//! ```text
//! [element types] shape(operation): instructions, one an element type;
//! ```
//!
//! where the [`shape`] says which elements meet (Vd ← Vj op Vk, even
//! elements widened, narrowed ones ...) and the operation is a closure on
//! elements, in which `T` names the element type. The line stands for the
//! instructions of LSX that it names and for those of LASX that have the same
//! names with an `x` before them; a line with `lsx` or `lasx` behind the
//! types is for that extension alone, by its own names. A half of a register is
//! 128 bits; elements are numbered from the least significant end, as they lie in
//! memory.

/// Builds a file's table from lines as the module documentation describes.
macro_rules! vector_table {
    ($([$($t:ident)*] $($word:ident)+ $(($f:expr))?: $($enc:ident)*;)*) => {
        /// The instructions of this file.
        pub(in $crate::isa) const TABLE: &[$crate::cpu::Insn] =
            vector_table!(@rows [] $([$($t)*] $($word)+ ($($f)?): $($enc)*;)*);
    };
    (@rows [$($done:tt)*]) => { &[$($done)*] };
    // One line after the other: pairs each type with its instruction. The closure
    // is optional, which keeps it in its parentheses.
    (@rows [$($done:tt)*]
        [$($t:ident)*] lsx $shape:ident $f:tt: $($enc:ident)*; $($rest:tt)*) => {
        vector_table!(@rows [$($done)* $(
            vector_table!(@insn Lsx, &::la_arch::insn::lsx::$enc, $t $shape $f),
        )*] $($rest)*)
    };
    (@rows [$($done:tt)*]
        [$($t:ident)*] lasx $shape:ident $f:tt: $($enc:ident)*; $($rest:tt)*) => {
        vector_table!(@rows [$($done)* $(
            vector_table!(@insn Lasx, &::la_arch::insn::lasx::$enc, $t $shape $f),
        )*] $($rest)*)
    };
    (@rows [$($done:tt)*]
        [$($t:ident)*] $shape:ident $f:tt: $($enc:ident)*; $($rest:tt)*) => {
        vector_table!(@rows [$($done)* $(
            vector_table!(@insn Lsx, &::la_arch::insn::lsx::$enc, $t $shape $f),
            vector_table!(@insn Lasx, const {
                $crate::isa::vector::width::counterpart(&::la_arch::insn::lsx::$enc)
            }, $t $shape $f),
        )*] $($rest)*)
    };
    (@insn $width:ident, $encoding:expr, $t:ident $shape:ident ($($f:expr)?)) => {
        $crate::cpu::Insn {
            encoding: $encoding,
            group: <$crate::isa::vector::width::$width
                as $crate::isa::vector::width::Width>::GROUP,
            run: |cpu, bus, op| {
                #[allow(dead_code)]
                type T = $t;
                $shape::<$crate::isa::vector::width::$width, $t>(cpu, bus, op $(, $f)?)
            },
            ends: $crate::cpu::Ends::No,
        }
    };
}

pub(super) mod across;
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
mod width;

#[cfg(test)]
mod machine_tests;
#[cfg(test)]
mod tests;
