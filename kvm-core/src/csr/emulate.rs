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
    let number = access.number;
    let lendable = 2 * u16::from(features.counters.min(COUNTERS));
    if number.wrapping_sub(PERFCTRL0) < lendable {
        return Emulated::LendCounters;
    }
    if !is_software(number) {
        access.rd.write(gprs, 0);
        return Emulated::Done;
    }
    let old = file.get(number);
    let written = match access.op {
        CsrOp::Read => None,
        CsrOp::Write => Some((u64::MAX, access.rd.read(gprs))),
        CsrOp::Exchange { mask } => Some((mask.read(gprs), access.rd.read(gprs))),
    };
    if let Some((mask, value)) = written {
        let new = write_rule(number).apply(old, value, mask);
        file.set(number, new);
    }
    access.rd.write(gprs, old);
    Emulated::Done
}
