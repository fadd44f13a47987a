// SPDX-License-Identifier: GPL-2.0-or-later

//! Functions and globals of QEMU by their names.

use std::ffi::{CString, c_void};

use super::image::{Image, symbol};
use super::refusal::Refusal;
use crate::qemu::opaque::CPUState;
use crate::qemu::services::{LinkServices, Services};

pub(crate) fn services() -> Result<Services, Refusal> {
    let link = LinkServices {
        set_current_cpu,
        dirty_ring_reap: None,
        iocsr_address_space: None,
    };
    if symbol(c"current_cpu").is_none() {
        return Err(Refusal::Symbols(vec!["current_cpu"]));
    }
    let find = |name: &'static str| {
        address(name).map_or(std::ptr::null_mut(), |address| {
            std::ptr::with_exposed_provenance_mut::<c_void>(address)
        })
    };
    // SAFETY: these are the addresses that QEMU, or the C library, exports under
    // the names; the types are those of their headers.
    unsafe { Services::resolve(find, link) }.map_err(Refusal::Symbols)
}

/// The address of an exported symbol.
pub(crate) fn address(name: &'static str) -> Result<usize, Refusal> {
    let exported = || Image::of_process()?.export(name.as_bytes());
    exported()
        .or_else(|| CString::new(name).ok().and_then(|name| symbol(&name)))
        .ok_or_else(|| Refusal::Symbols(vec![name]))
}

/// Stores `current_cpu` (include/hw/core/cpu.h), a variable of each thread:
/// dlsym answers with the calling thread's.
///
/// # Safety
///
/// `cpu` is null or a CPU that outlives the thread's use of the variable.
unsafe extern "C" fn set_current_cpu(cpu: *mut CPUState) {
    let Some(address) = symbol(c"current_cpu") else {
        return;
    };
    let variable = std::ptr::with_exposed_provenance_mut::<*mut CPUState>(address);
    // SAFETY: the calling thread's own variable, of this type.
    unsafe { variable.write(cpu) };
}
