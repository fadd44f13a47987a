// SPDX-License-Identifier: GPL-2.0

//! The world switch: the state it works on, and the page it runs in.
//!
//! `switch.S` has the code and says why it runs in directly mapped memory.

use core::arch::{asm, global_asm};
use core::cell::{Cell, UnsafeCell};
use core::mem::offset_of;

use kernel::prelude::*;

use crate::bindings as b;
use crate::run::Handler;

/// What the world switch reads and writes, at the start of a `Vcpu`.
///
/// Belongs to the thread that holds the vCPU's mutex; the cells exist because entry
/// points share the `Vcpu` by reference.
#[repr(C)]
pub(crate) struct Switch {
    /// The guest's general registers; r0 stays 0.
    pub(crate) gpr: UnsafeCell<[u64; 32]>,
    /// The guest's program counter.
    pub(crate) pc: Cell<u64>,
    /// Root ESTAT of the last exit.
    pub(crate) estat: Cell<u64>,
    /// Root BADV of the last exit: a guest physical address.
    pub(crate) badv: Cell<u64>,
    /// Root BADI of the last exit: the instruction.
    pub(crate) badi: Cell<u64>,
    /// Address of the exit stub, for EENTRY.
    pub(crate) entry: Cell<u64>,
    /// Stage-2 table, physical.
    pub(crate) guest_pgd: Cell<u64>,
    /// GTLBC with TGID of this vCPU; `vpid` keeps it.
    pub(crate) guest_gtlbc: Cell<u64>,
    /// GTLBC with TGID 0.
    pub(crate) host_gtlbc: Cell<u64>,
    /// ECFG.VS of the host.
    pub(crate) host_ecfg: Cell<u64>,
    /// EENTRY of the host; differs between CPUs.
    pub(crate) host_eentry: Cell<u64>,
    /// PGDL of the host: the VMM's page table.
    pub(crate) host_pgd: Cell<u64>,
    host_sp: Cell<u64>,
    host_tp: Cell<u64>,
    host_percpu: Cell<u64>,
    /// Called with the `Switch` after each exit, interrupts off; enters the
    /// guest again if the result is positive.
    pub(crate) handler: Cell<Option<Handler>>,
}

global_asm!(
    include_str!("switch.S"),
    GPR = const offset_of!(Switch, gpr),
    PC = const offset_of!(Switch, pc),
    ESTAT = const offset_of!(Switch, estat),
    BADV = const offset_of!(Switch, badv),
    BADI = const offset_of!(Switch, badi),
    ENTRY = const offset_of!(Switch, entry),
    GUEST_PGD = const offset_of!(Switch, guest_pgd),
    GUEST_GTLBC = const offset_of!(Switch, guest_gtlbc),
    HOST_GTLBC = const offset_of!(Switch, host_gtlbc),
    HOST_ECFG = const offset_of!(Switch, host_ecfg),
    HOST_EENTRY = const offset_of!(Switch, host_eentry),
    HOST_PGD = const offset_of!(Switch, host_pgd),
    HOST_SP = const offset_of!(Switch, host_sp),
    HOST_TP = const offset_of!(Switch, host_tp),
    HOST_PERCPU = const offset_of!(Switch, host_percpu),
    HANDLER = const offset_of!(Switch, handler),
);

extern "C" {
    static kvm_la_switch_begin: [u8; 0];
    static kvm_la_switch_enter: [u8; 0];
    static kvm_la_switch_end: [u8; 0];
}

/// The page of directly mapped memory that holds a copy of the switch code.
pub(crate) struct SwitchPage {
    address: usize,
}

impl SwitchPage {
    /// Allocates the page and copies the code into it.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: No precondition; 0 is failure.
        let address = unsafe { b::kvm_la_get_zeroed_pages(0) };
        if address == 0 {
            return Err(ENOMEM);
        }
        let begin = &raw const kvm_la_switch_begin as usize;
        let end = &raw const kvm_la_switch_end as usize;
        // SAFETY: The code is a few hundred bytes between two symbols of this
        // module; the page is fresh and larger.
        unsafe {
            core::ptr::copy_nonoverlapping(
                begin as *const u8,
                address as *mut u8,
                end.wrapping_sub(begin),
            )
        };
        // SAFETY: Makes the copy visible to instruction fetch on this CPU;
        // others fetch the page for the first time after a later barrier.
        unsafe { asm!("dbar 0", "ibar 0", options(nostack)) };
        Ok(Self {
            address: address as usize,
        })
    }

    /// Address of the exit stub, for EENTRY.
    pub(crate) fn exit_entry(&self) -> u64 {
        self.address as u64
    }

    /// Runs the guest of `switch` until its handler returns a value <= 0, and
    /// returns that value.
    ///
    /// # Safety
    ///
    /// Interrupts are off; every field of `switch` is set up for this CPU; it
    /// and the current stack are in directly mapped memory (as kmalloc's and
    /// the kernel's stacks are); the current vCPU's guest registers are loaded.
    pub(crate) unsafe fn enter(&self, switch: &Switch) -> i32 {
        let offset = (&raw const kvm_la_switch_enter as usize)
            .wrapping_sub(&raw const kvm_la_switch_begin as usize);
        // SAFETY: The copy of `kvm_la_switch_enter`, which has this signature.
        let enter: unsafe extern "C" fn(*const Switch) -> i32 =
            unsafe { core::mem::transmute(self.address.wrapping_add(offset)) };
        // SAFETY: By this function's contract.
        unsafe { enter(switch) }
    }
}

impl Drop for SwitchPage {
    fn drop(&mut self) {
        // SAFETY: Allocated in `new`; no vCPU exists any more.
        unsafe { b::kvm_la_free_pages(self.address as u64 as _, 0) };
    }
}
