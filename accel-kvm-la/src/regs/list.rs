// SPDX-License-Identifier: GPL-2.0-or-later

//! Which registers the kernel keeps, from KVM_GET_REG_LIST. Our module has the
//! call; with a kernel that does not, every register counts as kept.

use std::collections::HashSet;

use crate::kvm::vcpu::VcpuFd;

/// The kernel's list, or none.
#[derive(Clone, Debug, Default)]
pub struct RegList(Option<HashSet<u64>>);

impl RegList {
    /// Asks the kernel. The CPUCFG words must have been written: the list
    /// depends on them.
    pub fn ask(fd: VcpuFd) -> RegList {
        match fd.reg_list() {
            Ok(ids) => {
                log::debug!("KVM lists {} registers", ids.len());
                RegList(Some(ids.into_iter().collect()))
            }
            Err(error) => {
                log::debug!("no list of registers ({error}): all are exchanged");
                RegList(None)
            }
        }
    }

    /// Whether the kernel keeps register `id`.
    pub fn keeps(&self, id: u64) -> bool {
        self.0.as_ref().is_none_or(|ids| ids.contains(&id))
    }
}
