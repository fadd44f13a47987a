// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Bound-checking floating-point loads and stores (volume 1, 3.2.7). As for the integer ones the
//! address is `rj` itself; QEMU adds `rk`, its bound, to it.

use super::bound::{above, not_above};
use super::fp_memory::{load, store};
use crate::cpu::Group;
use la_arch::insn::bound as enc;

/// A handler that loads or stores a format, in memory an integer type, where the check allows.
macro_rules! bounded {
    ($access:ident, $format:ty, $value:ty, $check:ident) => {
        |cpu, bus, op| {
            cpu.require_fp()?;
            let va = $check::<$value>(cpu, op)?;
            $access::<$format>(cpu, bus, op, va)
        }
    };
}

crate::insn_table! { Group::Bound;
    FLDGT_S => bounded!(load, f32, u32, above);
    FLDGT_D => bounded!(load, f64, u64, above);
    FLDLE_S => bounded!(load, f32, u32, not_above);
    FLDLE_D => bounded!(load, f64, u64, not_above);
    FSTGT_S => bounded!(store, f32, u32, above);
    FSTGT_D => bounded!(store, f64, u64, above);
    FSTLE_S => bounded!(store, f32, u32, not_above);
    FSTLE_D => bounded!(store, f64, u64, not_above);
}
