// SPDX-License-Identifier: GPL-2.0-or-later

//! The gdb stub, and the guest's memory as a debugger sees it.

use super::bql::Bql;
use super::cpu::Cpu;
use super::services::services;

/// Whether the debugger has a breakpoint at `pc`. Without the BQL, as in QEMU's own
/// kvm_handle_debug.
pub fn has_breakpoint(cpu: Cpu, pc: u64) -> bool {
    // SAFETY: The CPU is alive.
    let breakpoint = unsafe { (services().kvm_find_sw_breakpoint)(cpu.as_ptr(), pc) };
    !breakpoint.is_null()
}

/// Whether the debugger has any breakpoint.
pub fn has_breakpoints(_bql: &Bql, cpu: Cpu) -> bool {
    // SAFETY: The CPU is alive and the BQL held.
    unsafe { (services().kvm_sw_breakpoints_active)(cpu.as_ptr()) != 0 }
}

/// Tells the debugger that the vCPU has stopped for it.
pub fn stopped(_bql: &Bql, cpu: Cpu) {
    // SAFETY: The CPU is alive and the BQL held.
    unsafe { (services().cpu_handle_guest_debug)(cpu.as_ptr()) };
}

/// Has KVM told anew what is debugged of the vCPU, which calls `kvm_arch_update_guest_debug`. A
/// kernel that refuses has no breakpoints either.
pub fn update_flags(_bql: &Bql, cpu: Cpu) {
    // SAFETY: The CPU is alive and the BQL held.
    unsafe { (services().kvm_update_guest_debug)(cpu.as_ptr(), 0) };
}

/// Reads the guest's word at a virtual address.
pub fn read_word(_bql: &Bql, cpu: Cpu, address: u64) -> Option<u32> {
    let mut bytes = [0; 4];
    access(cpu, address, &mut bytes, false).then(|| u32::from_le_bytes(bytes))
}

/// Writes the guest's word at a virtual address.
pub fn write_word(_bql: &Bql, cpu: Cpu, address: u64, word: u32) -> bool {
    access(cpu, address, &mut word.to_le_bytes(), true)
}

fn access(cpu: Cpu, address: u64, bytes: &mut [u8; 4], is_write: bool) -> bool {
    // SAFETY: The CPU is alive, the BQL held (the callers have it), the buffer
    // as long as said.
    let failed = unsafe {
        (services().cpu_memory_rw_debug)(
            cpu.as_ptr(),
            address,
            bytes.as_mut_ptr().cast(),
            bytes.len(),
            is_write,
        )
    };
    failed == 0
}
