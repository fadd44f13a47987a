// SPDX-License-Identifier: GPL-2.0

//! The world switch: the state it works on, and the page it runs in.
//!
//! `switch.S` has the code and says why it runs in directly mapped memory.

use core::arch::{asm, global_asm};
use core::mem::offset_of;

use kernel::prelude::*;
use la_arch::csr::{Crmd, Ecfg, Prmd};
use la_arch::lvz::Gstat;

use crate::cpu::csr::{self, num};
use crate::cpu::host::host;
use crate::kvm::context::IrqOff;
use crate::kvm::pages::ZeroedPage;
use crate::vcpu::owned::Owned;
use crate::vcpu::resident::Resident;
use crate::vcpu::shared::Shared;
use crate::vcpu::{Running, Vcpu};
use crate::vm::Vm;

/// What the world switch calls after each exit, interrupts off. It gives the handler the
/// [`Running`] that [`SwitchPage::enter`] got, for the time of the call. Nothing else calls
/// it.
pub(crate) type Handler = unsafe extern "C" fn(Running<'_>) -> i32;

/// What the world switch reads and writes, but for the guest's pc ([`Shared::pc`]) and
/// the host's EENTRY ([`Resident::host_eentry`]).
#[repr(C)]
pub(crate) struct Switch {
    /// The guest's general registers; r0 stays 0.
    pub(crate) gpr: [u64; 32],
    /// Root ESTAT of the last exit.
    pub(crate) estat: u64,
    /// Root BADV of the last exit: a guest physical address.
    pub(crate) badv: u64,
    /// Root BADI of the last exit: the instruction.
    pub(crate) badi: u64,
    /// Address of the exit stub, for EENTRY.
    entry: u64,
    /// Stage-2 table, physical.
    guest_pgd: u64,
    /// GTLBC with TGID of this vCPU; `vpid` keeps it.
    pub(crate) guest_gtlbc: u64,
    /// GTLBC with TGID 0.
    pub(crate) host_gtlbc: u64,
    /// ECFG.VS of the host.
    host_ecfg: u64,
    /// PGDL of the host: the VMM's page table.
    host_pgd: u64,
    host_sp: u64,
    host_tp: u64,
    host_percpu: u64,
    /// Called with the vCPU after each exit, interrupts off; enters the
    /// guest again if the result is positive.
    handler: Handler,
}

impl Switch {
    /// That of a new vCPU of `vm`.
    pub(crate) fn new(vm: &Vm, handler: Handler) -> Self {
        Self {
            gpr: [0; 32],
            estat: 0,
            badv: 0,
            badi: 0,
            entry: host().switch.exit_entry(),
            guest_pgd: vm.table_address(),
            guest_gtlbc: 0,
            host_gtlbc: 0,
            host_ecfg: csr::read::<{ num::ECFG }>() & ECFG_VS,
            host_pgd: vm.kvm.vmm_pgd(),
            host_sp: 0,
            host_tp: 0,
            host_percpu: 0,
            handler,
        }
    }
}

/// ECFG.VS: how far apart the entries of two interrupts are.
const ECFG_VS: u64 = Ecfg(0).with_vs(7).0;

const SWITCH: usize = offset_of!(Vcpu, owned) + offset_of!(Owned, switch);

global_asm!(
    include_str!("switch.S"),
    GPR = const SWITCH + offset_of!(Switch, gpr),
    PC = const offset_of!(Vcpu, shared) + offset_of!(Shared, pc),
    ESTAT = const SWITCH + offset_of!(Switch, estat),
    BADV = const SWITCH + offset_of!(Switch, badv),
    BADI = const SWITCH + offset_of!(Switch, badi),
    ENTRY = const SWITCH + offset_of!(Switch, entry),
    GUEST_PGD = const SWITCH + offset_of!(Switch, guest_pgd),
    GUEST_GTLBC = const SWITCH + offset_of!(Switch, guest_gtlbc),
    HOST_GTLBC = const SWITCH + offset_of!(Switch, host_gtlbc),
    HOST_ECFG = const SWITCH + offset_of!(Switch, host_ecfg),
    HOST_EENTRY = const offset_of!(Vcpu, resident) + offset_of!(Resident, host_eentry),
    HOST_PGD = const SWITCH + offset_of!(Switch, host_pgd),
    HOST_SP = const SWITCH + offset_of!(Switch, host_sp),
    HOST_TP = const SWITCH + offset_of!(Switch, host_tp),
    HOST_PERCPU = const SWITCH + offset_of!(Switch, host_percpu),
    HANDLER = const SWITCH + offset_of!(Switch, handler),
    CSR_CRMD = const num::CRMD,
    CSR_PRMD = const num::PRMD,
    CSR_ECFG = const num::ECFG,
    CSR_ESTAT = const num::ESTAT,
    CSR_ERA = const num::ERA,
    CSR_BADV = const num::BADV,
    CSR_BADI = const num::BADI,
    CSR_EENTRY = const num::EENTRY,
    CSR_GTLBC = const num::GTLBC,
    CSR_PGDL = const num::PGDL,
    CSR_SAVE4 = const num::SAVE0 + 4,
    CSR_SAVE5 = const num::SAVE0 + 5,
    CSR_GSTAT = const num::GSTAT,
    ECFG_VS = const ECFG_VS,
    CRMD_IE = const Crmd(0).with_ie(true).0,
    GSTAT_PGM = const Gstat(0).with_pgm(true).0,
    PRMD_PIE = const Prmd(0).with_pie(true).0,
);

extern "C" {
    static kvm_la_switch_begin: [u8; 0];
    static kvm_la_switch_enter: [u8; 0];
    static kvm_la_switch_wait: [u8; 0];
    static kvm_la_switch_end: [u8; 0];
}

/// The page of directly mapped memory that holds a copy of the switch code.
pub(crate) struct SwitchPage(ZeroedPage);

impl SwitchPage {
    /// Allocates the page and copies the code into it.
    pub(crate) fn new() -> Result<Self> {
        let page = ZeroedPage::new()?;
        let begin = &raw const kvm_la_switch_begin as usize;
        let end = &raw const kvm_la_switch_end as usize;
        // SAFETY: The code is a few hundred bytes between two symbols of this
        // module; the page is fresh and larger. The barriers make the copy visible to
        // instruction fetch on this CPU; others fetch the page for the first time
        // after a later barrier.
        unsafe {
            let code = begin as *const u8;
            code.copy_to_nonoverlapping(page.as_ptr(), end.wrapping_sub(begin));
            asm!("dbar 0", "ibar 0", options(nostack));
        }
        Ok(Self(page))
    }

    /// Address of the exit stub, for EENTRY.
    fn exit_entry(&self) -> u64 {
        self.0.as_ptr() as u64
    }

    /// Runs the guest of `vcpu` until its handler returns a value <= 0, and
    /// returns that value.
    ///
    /// # Safety
    ///
    /// Interrupts are off; the vCPU is loaded and prepared; the current stack is in
    /// directly mapped memory (as the kernel's stacks are).
    pub(crate) unsafe fn enter(&self, mut vcpu: Running<'_>) -> i32 {
        let enter = self.copy_of(&raw const kvm_la_switch_enter);
        // SAFETY: The copy of `kvm_la_switch_enter`, which has this signature; the
        // rest is this function's contract. A `Vcpu` is in memory of kmalloc.
        unsafe {
            let enter: unsafe extern "C" fn(*const Vcpu) -> i32 = core::mem::transmute(enter);
            enter(vcpu.as_ptr())
        }
    }

    /// Where the copy of the switch code has what is at `symbol` of it.
    #[inline]
    fn copy_of(&self, symbol: *const [u8; 0]) -> *const u8 {
        let offset = (symbol as usize).wrapping_sub(&raw const kvm_la_switch_begin as usize);
        self.0.as_ptr().wrapping_add(offset)
    }

    /// Stops the CPU until an interrupt comes for it, which is taken when interrupts go
    /// on again.
    pub(crate) fn wait(&self, _: IrqOff<'_>) {
        let wait = self.copy_of(&raw const kvm_la_switch_wait);
        // SAFETY: The copy of `kvm_la_switch_wait`, which has this signature. Interrupts
        // are off, and no guest runs.
        unsafe {
            let wait: unsafe extern "C" fn(u64) = core::mem::transmute(wait);
            wait(self.exit_entry());
        }
    }
}
