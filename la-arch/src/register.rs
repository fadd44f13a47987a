// SPDX-License-Identifier: MIT

//! The `register!` macro: a register as a type, its fields as methods.

/// Defines 64-bit registers with named bit fields.
///
/// `field: hi:lo` gives a getter `field()` and a builder `with_field(v)`;
/// a single bit `field: n` gives `bool`s. Bits outside all fields are kept.
#[macro_export]
macro_rules! register {
    ($(
        $(#[$meta:meta])* $name:ident @ $number:path {
            $(
                $(#[$fmeta:meta])* $field:ident / $with:ident : $hi:literal $(: $lo:literal)?
            ),* $(,)?
        }
    )*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
            pub struct $name(pub u64);

            impl $name {
                /// The register's number.
                pub const NUMBER: u16 = $number;
                /// All bits that belong to a field.
                pub const FIELDS: u64 = 0 $(| $crate::register!(@mask $hi $(, $lo)?))*;
                $($crate::register!(@field $(#[$fmeta])* $field $with $hi $(, $lo)?);)*
            }

            impl From<u64> for $name {
                fn from(bits: u64) -> Self {
                    Self(bits)
                }
            }

            impl From<$name> for u64 {
                fn from(value: $name) -> u64 {
                    value.0
                }
            }
        )*
    };
    (@mask $bit:literal) => { 1u64 << $bit };
    (@mask $hi:literal, $lo:literal) => { (u64::MAX >> (63 - ($hi - $lo))) << $lo };
    (@field $(#[$fmeta:meta])* $field:ident $with:ident $bit:literal) => {
        $(#[$fmeta])*
        #[inline(always)]
        pub const fn $field(self) -> bool {
            self.0 >> $bit & 1 != 0
        }
        #[doc = concat!("The value with `", stringify!($field), "` replaced.")]
        #[inline(always)]
        #[must_use]
        pub const fn $with(self, value: bool) -> Self {
            Self(self.0 & !(1 << $bit) | (value as u64) << $bit)
        }
    };
    (@field $(#[$fmeta:meta])* $field:ident $with:ident $hi:literal, $lo:literal) => {
        $(#[$fmeta])*
        #[inline(always)]
        pub const fn $field(self) -> u64 {
            self.0 >> $lo & (u64::MAX >> (63 - ($hi - $lo)))
        }
        #[doc = concat!("The value with `", stringify!($field), "` replaced;")]
        /// excess bits are dropped.
        #[inline(always)]
        #[must_use]
        pub const fn $with(self, value: u64) -> Self {
            let mask = $crate::register!(@mask $hi, $lo);
            Self(self.0 & !mask | value << $lo & mask)
        }
    };
}
