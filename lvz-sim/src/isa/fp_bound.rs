//! Bound-checking floating-point loads and stores (volume 1, 3.2.7): the address is `rj` itself and
//! must be aligned, and the bound is `rk`.

use super::fp_memory::{load, store};
use crate::cpu::{Cpu, Value};
use crate::isa::{Group, Op, Step};
use la_arch::Exception;
use la_arch::insn::bound as enc;

/// Checks alignment, then the bound, in the order of their priority (volume 1, 6.2.3); returns the
/// address.
#[inline(always)]
fn checked<T: Value>(
    cpu: &mut Cpu,
    op: &Op,
    in_bounds: impl FnOnce(u64, u64) -> bool,
) -> Step<u64> {
    cpu.require_fp()?;
    let va = cpu.get(op.rj);
    if !va.is_multiple_of(u64::from(T::SIZE)) {
        return Err(cpu.raise_at(Exception::ALE, va));
    }
    if !in_bounds(va, cpu.get(op.rk)) {
        return Err(cpu.raise_at(Exception::BCE, va));
    }
    Ok(va)
}

/// A handler that loads or stores a format (held in the integer type) if a condition holds.
macro_rules! bounded {
    ($access:ident, $format:ty, $value:ty, $condition:ident) => {
        |cpu, bus, op| {
            let va = checked::<$value>(cpu, op, |va, bound| va.$condition(&bound))?;
            $access::<$format>(cpu, bus, op, va)
        }
    };
}

crate::insn_table! { Group::Bound;
    FLDGT_S => bounded!(load, f32, u32, gt);
    FLDGT_D => bounded!(load, f64, u64, gt);
    FLDLE_S => bounded!(load, f32, u32, le);
    FLDLE_D => bounded!(load, f64, u64, le);
    FSTGT_S => bounded!(store, f32, u32, gt);
    FSTGT_D => bounded!(store, f64, u64, gt);
    FSTLE_S => bounded!(store, f32, u32, le);
    FSTLE_D => bounded!(store, f64, u64, le);
}
