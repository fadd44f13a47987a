// SPDX-License-Identifier: GPL-2.0-or-later

//! What QEMU calls under the BQL.

use crate::qemu::bql::Bql;
use crate::qemu::cpu::Cpu;
use crate::qemu::opaque::CPUState;

/// Does `work` for a CPU that QEMU calls a hook for, under the BQL; nothing for null.
///
/// # Safety
///
/// `cpu` is null or a LoongArchCPU that is alive, and QEMU holds the BQL around the hook.
pub(super) unsafe fn under_bql<T>(
    cpu: *mut CPUState,
    work: impl FnOnce(&Bql, Cpu) -> T,
) -> Option<T> {
    // SAFETY: By this function's contract.
    let cpu = unsafe { Cpu::from_raw(cpu) }?;
    // SAFETY: By this function's contract.
    let bql = unsafe { Bql::assume_held() };
    Some(work(&bql, cpu))
}
