// SPDX-License-Identifier: GPL-2.0-or-later

//! Registers through the run page (KVM_CAP_SYNC_REGS of our module): one
//! KVM_RUN with `immediate_exit` moves general registers, pc and 54 CSRs.
//!
//! Only between two runs of the guest: inside the run loop an access may be
//! pending, which KVM_RUN would complete.

use std::sync::OnceLock;

use la_arch::sync_regs::{ALL, CSRS, SyncRegs};

use super::table::index_of_csr;
use crate::kvm::error::{IoctlError, check};
use crate::kvm::run_page::RunPage;
use crate::kvm::vcpu::VcpuFd;

/// Index in the register table of each of [`CSRS`]; none for those that QEMU
/// does not keep.
pub fn table_indices() -> &'static [Option<usize>; CSRS.len()] {
    static INDICES: OnceLock<[Option<usize>; CSRS.len()]> = OnceLock::new();
    INDICES.get_or_init(|| CSRS.map(index_of_csr))
}

/// A KVM_RUN that does not enter the guest.
///
/// A kick meanwhile is not lost with `immediate_exit`: who kicks sets
/// `exit_request` first, and the run loop looks at that before it enters.
fn run_without_guest(fd: VcpuFd, page: RunPage, vcpu: i32) -> Result<(), IoctlError> {
    page.set_immediate_exit(true);
    page.set_valid_regs(ALL);
    let result = fd.run();
    page.set_valid_regs(0);
    page.set_immediate_exit(false);
    if result == -libc::EINTR {
        Ok(())
    } else {
        check("KVM_RUN", Some(vcpu), result).map(drop)
    }
}

/// Reads all sets.
pub fn read(fd: VcpuFd, page: RunPage, vcpu: i32) -> Result<SyncRegs, IoctlError> {
    page.set_dirty_regs(0);
    run_without_guest(fd, page, vcpu)?;
    Ok(page.sync_regs())
}

/// Writes all sets. False if the kernel takes them over only when the guest
/// runs, so that they would be overwritten by what else is set until then.
pub fn write(fd: VcpuFd, page: RunPage, vcpu: i32, regs: &SyncRegs) -> Result<bool, IoctlError> {
    page.set_sync_regs(regs);
    page.set_dirty_regs(ALL);
    let result = run_without_guest(fd, page, vcpu);
    let taken = page.dirty_regs() == 0;
    page.set_dirty_regs(0);
    result.map(|()| taken)
}
