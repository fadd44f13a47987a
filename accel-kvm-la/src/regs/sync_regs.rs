// SPDX-License-Identifier: GPL-2.0-or-later

//! Registers through the run page (KVM_CAP_SYNC_REGS of our module): one
//! KVM_RUN with `immediate_exit` moves them all.
//!
//! Only between two runs of the guest: inside the run loop an access may be
//! pending, which KVM_RUN would complete.

use la_arch::sync_regs::{self as sets, SyncFpu, SyncRegs};

use crate::kvm::abi::Fpu;
use crate::kvm::error::{IoctlError, result_of};
use crate::kvm::run_page::RunPage;
use crate::kvm::vcpu::VcpuFd;

/// Where the page has a register of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A CPUCFG word.
    Cpucfg(usize),
    /// One of [`sets::CSRS`].
    Csr(usize),
    /// One of [`sets::COUNTER_CSRS`].
    Counter(usize),
    /// Scratch register of binary translation.
    LbtScratch(usize),
    /// Flags of binary translation.
    LbtEflags,
    /// Top of the register stack.
    LbtFtop,
}

impl Slot {
    /// The set that it belongs to.
    pub fn set(self) -> u64 {
        match self {
            Slot::Cpucfg(_) => sets::CPUCFG,
            Slot::Csr(_) => sets::CSR,
            Slot::Counter(_) => sets::COUNTERS,
            Slot::LbtScratch(_) | Slot::LbtEflags | Slot::LbtFtop => sets::LBT,
        }
    }

    /// The register's value; zero if the page does not have it.
    pub fn get(self, regs: &SyncRegs) -> u64 {
        let value = match self {
            Slot::Cpucfg(index) => return regs.cpucfg.get(index).map_or(0, |w| u64::from(*w)),
            Slot::Csr(index) => regs.csr.get(index),
            Slot::Counter(index) => regs.counters.get(index),
            Slot::LbtScratch(index) => regs.lbt.scr.get(index),
            Slot::LbtEflags => Some(&regs.lbt.eflags),
            Slot::LbtFtop => Some(&regs.lbt.ftop),
        };
        value.copied().unwrap_or(0)
    }

    /// Puts a value there.
    pub fn put(self, regs: &mut SyncRegs, value: u64) {
        let place = match self {
            Slot::Cpucfg(index) => {
                if let Some(word) = regs.cpucfg.get_mut(index) {
                    *word = value as u32;
                }
                return;
            }
            Slot::Csr(index) => regs.csr.get_mut(index),
            Slot::Counter(index) => regs.counters.get_mut(index),
            Slot::LbtScratch(index) => regs.lbt.scr.get_mut(index),
            Slot::LbtEflags => Some(&mut regs.lbt.eflags),
            Slot::LbtFtop => Some(&mut regs.lbt.ftop),
        };
        if let Some(place) = place {
            *place = value;
        }
    }

    /// Its bit in `csr_dirty`.
    pub fn dirty_bit(self) -> u64 {
        match self {
            Slot::Csr(index) => 1 << index,
            _ => 0,
        }
    }
}

/// The page's floating-point registers.
pub fn fpu(regs: &SyncRegs) -> Fpu {
    Fpu {
        fcsr: regs.fpu.fcsr,
        pad: 0,
        fcc: regs.fpu.fcc,
        fpr: regs.fpu.fpr,
    }
}

/// The same for the page.
pub fn sync_fpu(fpu: &Fpu) -> SyncFpu {
    SyncFpu {
        fcsr: fpu.fcsr,
        pad: 0,
        fcc: fpu.fcc,
        fpr: fpu.fpr,
    }
}

/// A KVM_RUN that does not enter the guest.
///
/// A kick meanwhile is not lost with `immediate_exit`: it set `exit_request` first, and
/// the run loop looks at that before it enters.
fn run_without_guest(fd: VcpuFd, page: &RunPage, vcpu: i32) -> Result<(), IoctlError> {
    page.set_immediate_exit(true);
    let result = fd.run();
    page.set_valid_regs(0);
    page.set_immediate_exit(false);
    if result == -libc::EINTR {
        Ok(())
    } else {
        result_of("KVM_RUN", Some(vcpu), result).map(drop)
    }
}

/// Reads sets.
pub fn read(fd: VcpuFd, page: &RunPage, vcpu: i32, sets: u64) -> Result<SyncRegs, IoctlError> {
    page.set_dirty_regs(0);
    page.set_valid_regs(sets);
    run_without_guest(fd, page, vcpu)?;
    Ok(page.sync_regs())
}

/// Writes sets. False if the kernel takes them over only when the guest runs, so
/// that they would be overwritten by what else is set until then.
pub fn write(
    fd: VcpuFd,
    page: &RunPage,
    vcpu: i32,
    regs: &SyncRegs,
    sets: u64,
) -> Result<bool, IoctlError> {
    page.set_sync_regs(regs);
    page.set_dirty_regs(sets);
    let result = run_without_guest(fd, page, vcpu);
    let taken = page.dirty_regs() == 0;
    page.set_dirty_regs(0);
    result.map(|()| taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regs::table::{Group, TABLE};
    use la_arch::csr::number as n;

    #[test]
    fn every_register_that_holds_state_has_a_place_of_its_own() {
        let mut regs = SyncRegs::default();
        for (index, register) in TABLE.iter().enumerate() {
            if let Some(slot) = register.slot {
                assert_eq!(slot.get(&regs), 0, "{register:?}'s is another's");
                slot.put(&mut regs, 1 + index as u64);
            }
            let without = register.group == Group::Msgint
                || [Some(n::PGD), Some(n::TICLR)].contains(&register.csr);
            assert_eq!(register.slot.is_none(), without, "{register:?}");
        }
        // Words 0 and 20, and the last of binary translation.
        assert_eq!((regs.cpucfg[0], regs.cpucfg[20]), (1, 21));
        assert_eq!(regs.lbt.ftop, TABLE.len() as u64 - 2);
    }
}
