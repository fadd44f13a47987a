// SPDX-License-Identifier: GPL-2.0

//! csrrd, csrwr and csrxchg that exited (Linux: kvm/exit.c kvm_handle_csr).

use super::table::{is_software, write_rule, CsrFeatures, COUNTERS};
use super::CsrFile;
use crate::decode::{CsrAccess, CsrOp, Gprs};
use la_arch::csr::number::PERFCTRL0;

/// Outcome of [`emulate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emulated {
    /// Done: continue after the instruction.
    Done,
    /// The guest has performance counters: lend them and repeat the
    /// instruction, which will then not exit.
    LendCounters,
}

/// Carries out `access` of a guest: rd receives the old value, whole, also
/// after csrxchg, whose mask governs only what is written. Undefined numbers
/// read zero and are not written (Volume 1, 4.2.1).
pub fn emulate(
    file: &mut CsrFile,
    access: CsrAccess,
    gprs: &mut Gprs,
    features: CsrFeatures,
) -> Emulated {
    let lendable = 2 * u16::from(features.counters.min(COUNTERS));
    if access.number.wrapping_sub(PERFCTRL0) < lendable {
        return Emulated::LendCounters;
    }
    if !in_memory(file, access, gprs) {
        access.rd.write(gprs, 0);
    }
    Emulated::Done
}

/// Carries out `access` if it is to a register that lives in memory and is no
/// counter, as [`emulate`] would whatever the guest's features are; false, with
/// nothing done, if it is not. Linux guests with PERF_EVENTS make four such accesses
/// at each switch of threads (since 7.3, hw_breakpoint.c: MWPS and FWPS).
#[inline(always)]
pub fn emulate_in_memory(file: &mut CsrFile, access: CsrAccess, gprs: &mut Gprs) -> bool {
    access.number.wrapping_sub(PERFCTRL0) >= 2 * u16::from(COUNTERS)
        && in_memory(file, access, gprs)
}

/// An access to a register that lives in memory; false, with nothing done, if it is
/// none.
#[inline(always)]
fn in_memory(file: &mut CsrFile, access: CsrAccess, gprs: &mut Gprs) -> bool {
    let number = access.number;
    let cell = match file.cell(number) {
        Some(cell) if is_software(number) => cell,
        _ => return false,
    };
    let old = *cell;
    let mask = match access.op {
        CsrOp::Read => 0,
        CsrOp::Write => u64::MAX,
        CsrOp::Exchange { mask } => mask.read(gprs),
    };
    if access.op != CsrOp::Read {
        *cell = write_rule(number).apply(old, access.rd.read(gprs), mask);
    }
    access.rd.write(gprs, old);
    true
}
