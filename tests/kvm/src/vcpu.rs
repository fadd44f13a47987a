// SPDX-License-Identifier: GPL-2.0-or-later

//! vCPUs.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use la_arch::csr::{Crmd, number as csr};
use la_arch::one_reg;

use crate::device;
use crate::error::Result;
use crate::guest;
use crate::request;
use crate::run::{Access, Exit, RunPage, Unexpected};
use crate::sys::{self, Mapping};
use crate::uapi as u;
use crate::vm::Vm;

/// A vCPU. Its calls may be made from any thread; those that the kernel allows
/// only one at a time wait for each other.
#[derive(Debug)]
pub struct Vcpu {
    file: File,
    /// What it shares with KVM_RUN.
    pub page: RunPage,
    _vm: Vm,
}

impl Vcpu {
    pub(crate) fn new(vm: Vm, fd: i32, run_size: usize) -> Result<Self> {
        // SAFETY: the caller has just got it from KVM_CREATE_VCPU.
        let file = unsafe { sys::new_file(fd) };
        let page = RunPage::new(Mapping::new(run_size, Some(file.as_fd()))?);
        Ok(Self {
            file,
            page,
            _vm: vm,
        })
    }

    /// Makes it begin at a guest-physical address with all else as after reset:
    /// direct addresses, privilege level 0, interrupts off, registers zero.
    pub fn start_at(&self, pc: u64) -> Result<()> {
        self.set_csr(csr::CRMD, Crmd(0).with_da(true).0)?;
        self.set_regs(&u::Regs { gpr: [0; 32], pc })
    }

    /// Runs it until user space has to do something.
    pub fn run(&self) -> Result<Exit> {
        request::RUN.call(self, 0)?;
        Ok(self.page.exit())
    }

    /// Runs it until it stores at an address where nothing is, and returns
    /// which ([`guest::REPORT`]'s number n if it is one of these) and the value.
    pub fn next_report(&self) -> std::result::Result<(u64, u64), Box<dyn std::error::Error>> {
        match self.run()? {
            Exit::Mmio(Access {
                address,
                written: Some(value),
                ..
            }) if (guest::REPORT..guest::REPORT + guest::REPORT_SIZE).contains(&address) => {
                Ok(((address - guest::REPORT) / 8, value))
            }
            exit => Err(Unexpected(exit).into()),
        }
    }

    /// General registers and pc.
    pub fn regs(&self) -> Result<u::Regs> {
        let mut regs = u::Regs {
            gpr: [0; 32],
            pc: 0,
        };
        request::GET_REGS.call(self, &mut regs)?;
        Ok(regs)
    }

    /// Sets general registers and pc.
    pub fn set_regs(&self, regs: &u::Regs) -> Result<()> {
        let mut regs = *regs;
        request::SET_REGS.call(self, &mut regs)?;
        Ok(())
    }

    /// Floating-point and vector registers.
    pub fn fpu(&self) -> Result<u::Fpu> {
        let mut fpu = u::Fpu {
            fcsr: 0,
            pad: 0,
            fcc: 0,
            fpr: [[0; 4]; 32],
        };
        request::GET_FPU.call(self, &mut fpu)?;
        Ok(fpu)
    }

    /// Sets floating-point and vector registers.
    pub fn set_fpu(&self, fpu: &u::Fpu) -> Result<()> {
        let mut fpu = *fpu;
        request::SET_FPU.call(self, &mut fpu)?;
        Ok(())
    }

    /// Reads a register by its id.
    pub fn one_reg(&self, id: u64) -> Result<u64> {
        let mut value = 0u64;
        let reg = u::OneReg {
            id,
            address: &raw mut value as u64,
        };
        // SAFETY: both live, and KVM on LoongArch writes 8 bytes or none.
        unsafe { request::GET_ONE_REG.call_at(self, &raw const reg as u64) }?;
        Ok(value)
    }

    /// Writes a register by its id.
    pub fn set_one_reg(&self, id: u64, value: u64) -> Result<()> {
        let reg = u::OneReg {
            id,
            address: &raw const value as u64,
        };
        // SAFETY: KVM only reads both.
        unsafe { request::SET_ONE_REG.call_at(self, &raw const reg as u64) }?;
        Ok(())
    }

    /// Reads a CSR.
    pub fn csr(&self, number: u16) -> Result<u64> {
        self.one_reg(one_reg::csr(number))
    }

    /// Writes a CSR.
    pub fn set_csr(&self, number: u16, value: u64) -> Result<()> {
        self.set_one_reg(one_reg::csr(number), value)
    }

    /// The ids of its registers, into a list with room for `room`; the number
    /// that KVM says comes first, also if there is no room.
    pub fn reg_list(&self, room: usize) -> (u64, Result<Vec<u64>>) {
        let mut list = vec![0u64; room + 1];
        if let Some(count) = list.first_mut() {
            *count = room as u64;
        }
        // SAFETY: as many words follow the first as it says.
        let result = unsafe { request::GET_REG_LIST.call_at(self, list.as_mut_ptr() as u64) };
        let count = list.remove(0);
        list.truncate(usize::try_from(count).unwrap_or(0));
        (count, result.map(|_| list))
    }

    /// Has pages mapped before the guest touches them; `range` is what is left.
    pub fn pre_fault(&self, range: &mut u::PreFault) -> Result<()> {
        request::PRE_FAULT_MEMORY.call(self, range)?;
        Ok(())
    }

    /// Raises (positive) or takes back (negative) an interrupt line.
    pub fn interrupt(&self, line: i32) -> Result<()> {
        request::INTERRUPT.call(self, &mut (line as u32))?;
        Ok(())
    }

    /// KVM_MP_STATE_*.
    pub fn mp_state(&self) -> Result<u32> {
        let mut state = u32::MAX;
        request::GET_MP_STATE.call(self, &mut state)?;
        Ok(state)
    }

    /// Sets KVM_MP_STATE_*.
    pub fn set_mp_state(&self, state: u32) -> Result<()> {
        request::SET_MP_STATE.call(self, &mut { state })?;
        Ok(())
    }

    /// Sets KVM_GUESTDBG_*.
    pub fn set_guest_debug(&self, control: u32) -> Result<()> {
        request::SET_GUEST_DEBUG.call(self, &mut u::GuestDebug { control, pad: 0 })?;
        Ok(())
    }

    /// Reads an attribute of the vCPU.
    pub fn attr(&self, group: u32, attribute: u64) -> Result<u64> {
        device::get_attr(self, group, attribute)
    }

    /// Writes an attribute of the vCPU.
    pub fn set_attr(&self, group: u32, attribute: u64, value: u64) -> Result<()> {
        device::set_attr(self, group, attribute, value)
    }

    /// Asks whether the vCPU has an attribute.
    pub fn has_attr(&self, group: u32, attribute: u64) -> Result<()> {
        device::has_attr(self, group, attribute)
    }
}

impl AsFd for Vcpu {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
