// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What floating-point handlers share: registers as formats see them, and the end of an operation.
//!
//! A floating-point register is the lowest doubleword of the vector register of the same number.
//! Scalar instructions leave what is above alone (or not: `Cpu::written_below`), and the manual lets a single-precision result put any
//! value above its 32 bits (volume 1, 3.1.3.1); both follow QEMU, where such results are NaN-boxed.

use crate::cpu::{Cpu, Step};
use crate::fp::{Env, Fcsr, Flags, Float, Trap};
use la_arch::Exception;

/// Bits 63:32 of a NaN-boxed single-precision result.
const BOX: u64 = 0xffff_ffff_0000_0000;

/// The 64 bits of floating-point register `r`.
#[inline(always)]
pub(super) fn get_raw(cpu: &Cpu, r: u8) -> u64 {
    cpu.vr[usize::from(r & 31)].0[0]
}

/// Writes the 64 bits of floating-point register `r`.
#[inline(always)]
pub(super) fn set_raw(cpu: &mut Cpu, r: u8, value: u64) {
    cpu.vr[usize::from(r & 31)].0[0] = value;
    cpu.written_below(r, 64);
}

/// A format as floating-point registers hold it.
pub(super) trait Scalar: Float {
    /// The number in register `r`.
    fn get(cpu: &Cpu, r: u8) -> Self::Bits;
    /// Writes a number to register `r`.
    fn set(cpu: &mut Cpu, r: u8, value: Self::Bits);
}

impl Scalar for f32 {
    #[inline(always)]
    fn get(cpu: &Cpu, r: u8) -> u32 {
        get_raw(cpu, r) as u32
    }
    #[inline(always)]
    fn set(cpu: &mut Cpu, r: u8, value: u32) {
        set_raw(cpu, r, u64::from(value) | BOX);
    }
}

impl Scalar for f64 {
    #[inline(always)]
    fn get(cpu: &Cpu, r: u8) -> u64 {
        get_raw(cpu, r)
    }
    #[inline(always)]
    fn set(cpu: &mut Cpu, r: u8, value: u64) {
        set_raw(cpu, r, value);
    }
}

/// Runs an operation with floating point enabled and the rounding mode of FCSR, and records its
/// exceptions there. The result may be written only if this succeeds.
#[inline(always)]
pub(super) fn operate<R>(cpu: &mut Cpu, operation: impl FnOnce(&Cpu, &mut Env) -> R) -> Step<R> {
    cpu.require_fp()?;
    let mut env = Fcsr::from_bits(cpu.fcsr)
        .env()
        .with_exact(cpu.exact_estimates);
    let result = operation(cpu, &mut env);
    record(cpu, env.flags)?;
    Ok(result)
}

#[inline(always)]
fn record(cpu: &mut Cpu, raised: Flags) -> Step {
    let mut fcsr = Fcsr::from_bits(cpu.fcsr);
    let recorded = fcsr.record(raised);
    cpu.fcsr = fcsr.bits();
    recorded.map_err(|Trap| cpu.raise(Exception::FPE))
}

/// Condition flag `c`.
#[inline(always)]
pub(super) fn condition(cpu: &Cpu, c: u8) -> bool {
    cpu.fcc >> (c & 7) & 1 != 0
}

/// Writes condition flag `c`.
#[inline(always)]
pub(super) fn set_condition(cpu: &mut Cpu, c: u8, value: bool) {
    let bit = 1 << (c & 7);
    cpu.fcc = cpu.fcc & !bit | if value { bit } else { 0 };
}
