// SPDX-License-Identifier: Apache-2.0 OR MIT

//! LoongArch floating-point arithmetic as pure functions on bit patterns.
//!
//! Scalar instructions and vector lanes call the same functions: operands and results are bit
//! patterns of a [`Format`], the rounding mode comes in and the exceptions go out through an
//! [`Env`]. Nothing here reads or writes a register; [`Fcsr`] turns the exceptions of one
//! instruction into its effect on the control and status register.
//!
//! Two implementations stand behind each arithmetic function. The exact one works on integers and
//! covers every case. The fast one lets the computer's own floating-point unit round, which every
//! supported host does as IEEE 754 says when rounding to nearest, and finds out by exact means
//! whether the result is inexact; it declines whatever is near the limits of the format. So results
//! do not depend on the host, its rounding mode or its exception flags.
//!
//! Facts taken from the LoongArch Reference Manual, volume 1:
//! - 3.1.1 NaN propagation: a signalling NaN goes before a quiet one; among equals `fa` goes before
//!   `fj`, and `fj` before `fk`; the default NaN is positive with only the quiet bit set.
//! - 3.1.4 exceptions: tininess is detected after rounding; a tiny result raises underflow if it is
//!   inexact, or in any case if the underflow exception is enabled; overflow raises inexact also.
//!
//! What the manual leaves open follows QEMU's LoongArch target, which was validated against
//! silicon: integer conversions give 0 for a NaN and saturate, `flogb` of a negative number is
//! invalid, `frsqrt` rounds the square root and then the quotient, and `inf * 0 + qNaN` is invalid.

mod arith;
mod compare;
mod convert;
mod env;
mod fast;
mod fcsr;
mod fma;
mod format;
mod integral;
mod round;
#[cfg(test)]
mod tests;

pub(crate) use arith::{add, div, mul, recip, recip_estimate, rsqrt, rsqrt_estimate, sqrt, sub};
pub(crate) use compare::{Condition, class, max, max_magnitude, min, min_magnitude};
pub(crate) use convert::{convert, from_i64, from_u64, to_i32, to_i64, to_u32, to_u64};
pub(crate) use env::{Env, Flags, Round};
pub(crate) use fast::Float;
pub(crate) use fcsr::{ALL_BUT_CAUSE, Fcsr, INEXACT_CAUSE_AND_FLAG, MODE_AND_ENABLES, Trap};
pub(crate) use fma::{fmadd, fmsub, fnmadd, fnmsub};
pub(crate) use format::{Format, Half};
pub(crate) use integral::{logb, round_to_integral, scaleb};
