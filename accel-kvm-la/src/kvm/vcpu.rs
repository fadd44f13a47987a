// SPDX-License-Identifier: GPL-2.0-or-later

//! A vCPU's file descriptor. EBADF and EIO, which every call gives when the
//! file descriptor is closed or the VM's process is not this one, are not
//! repeated below.

use std::ffi::{c_ulong, c_void};

use super::abi::{Fpu, Interrupt, MpState, OneReg, Regs, request};
use super::attribute;
use super::error::{IoctlError, result_of};
use super::run::Run;
use crate::qemu::cpu::Cpu;
use crate::qemu::services::services;

/// Registers that a list has room for at the first try.
const REG_LIST_ROOM: usize = 512;

/// The vCPU's file descriptor, in QEMU's CPU object.
#[derive(Clone, Copy, Debug)]
pub struct VcpuFd(Cpu);

impl VcpuFd {
    /// The vCPU behind `cpu`. Before `kvm_init_vcpu` all calls fail.
    pub fn new(cpu: Cpu) -> VcpuFd {
        VcpuFd(cpu)
    }

    fn call(
        self,
        name: &'static str,
        number: c_ulong,
        argument: *mut c_void,
    ) -> Result<i32, IoctlError> {
        // SAFETY: The CPU object is alive; the callers pass what the request
        // takes.
        let result = unsafe { (services().kvm_vcpu_ioctl)(self.0.as_ptr(), number, argument) };
        if result >= 0 {
            Ok(result)
        } else {
            result_of(name, Some(self.0.index()), result)
        }
    }

    /// KVM_RUN, once.
    pub fn run(self) -> i32 {
        Run::of(self.0).run()
    }

    /// KVM_GET_REGS (out): general registers and pc. ENOMEM.
    pub fn regs(self) -> Result<Regs, IoctlError> {
        let mut regs = Regs::default();
        self.call(
            "KVM_GET_REGS",
            request::KVM_GET_REGS,
            (&raw mut regs).cast(),
        )?;
        Ok(regs)
    }

    /// KVM_SET_REGS (in): general registers and pc. ENOMEM.
    pub fn set_regs(self, mut regs: Regs) -> Result<(), IoctlError> {
        self.call(
            "KVM_SET_REGS",
            request::KVM_SET_REGS,
            (&raw mut regs).cast(),
        )
        .map(drop)
    }

    /// KVM_GET_FPU (out): floating-point and vector registers. ENOMEM.
    pub fn fpu(self) -> Result<Fpu, IoctlError> {
        let mut fpu = Fpu::default();
        self.call("KVM_GET_FPU", request::KVM_GET_FPU, (&raw mut fpu).cast())?;
        fpu.pad = 0;
        Ok(fpu)
    }

    /// KVM_SET_FPU (in): floating-point and vector registers. ENOMEM.
    pub fn set_fpu(self, mut fpu: Fpu) -> Result<(), IoctlError> {
        self.call("KVM_SET_FPU", request::KVM_SET_FPU, (&raw mut fpu).cast())
            .map(drop)
    }

    /// KVM_GET_MP_STATE (out). EINVAL of kernels without it.
    pub fn mp_state(self) -> Result<u32, IoctlError> {
        let mut state = MpState::default();
        self.call(
            "KVM_GET_MP_STATE",
            request::KVM_GET_MP_STATE,
            (&raw mut state).cast(),
        )?;
        Ok(state.mp_state)
    }

    /// KVM_SET_MP_STATE (in). EINVAL for a state that the kernel does not have.
    pub fn set_mp_state(self, mp_state: u32) -> Result<(), IoctlError> {
        let mut state = MpState { mp_state };
        self.call(
            "KVM_SET_MP_STATE",
            request::KVM_SET_MP_STATE,
            (&raw mut state).cast(),
        )
        .map(drop)
    }

    /// KVM_GET_ONE_REG (in; the value by its address). EINVAL for an unknown
    /// register, ENXIO for one of an extension that the vCPU does not have.
    pub fn one_reg(self, id: u64) -> Result<u64, IoctlError> {
        let mut value = 0u64;
        let mut reg = OneReg {
            id,
            addr: (&raw mut value) as u64,
        };
        self.call(
            "KVM_GET_ONE_REG",
            request::KVM_GET_ONE_REG,
            (&raw mut reg).cast(),
        )?;
        // The kernel wrote it behind the compiler's back.
        Ok(std::hint::black_box(value))
    }

    /// KVM_SET_ONE_REG (in; the value by its address). As for reading, and
    /// EINVAL for a value that the register cannot have.
    pub fn set_one_reg(self, id: u64, value: u64) -> Result<(), IoctlError> {
        let value = std::hint::black_box(value);
        let mut reg = OneReg {
            id,
            addr: (&raw const value) as u64,
        };
        self.call(
            "KVM_SET_ONE_REG",
            request::KVM_SET_ONE_REG,
            (&raw mut reg).cast(),
        )
        .map(drop)
    }

    /// Whether the vCPU has an attribute: [`attribute::has`].
    pub fn has_attr(self, group: u32, attr: u64) -> Result<(), IoctlError> {
        attribute::has(
            |name, number, argument| self.call(name, number, argument),
            group,
            attr,
        )
    }

    /// The value of an attribute: [`attribute::get`].
    pub fn attr(self, group: u32, attr: u64) -> Result<u64, IoctlError> {
        attribute::get(
            |name, number, argument| self.call(name, number, argument),
            group,
            attr,
        )
    }

    /// Sets an attribute: [`attribute::set`].
    pub fn set_attr(self, group: u32, attr: u64, value: u64) -> Result<(), IoctlError> {
        attribute::set(
            |name, number, argument| self.call(name, number, argument),
            group,
            attr,
            value,
        )
    }

    /// KVM_INTERRUPT (in): raises line `irq`, or lowers line `-irq`. EINVAL for
    /// a line that there is not, ENXIO with an in-kernel controller.
    pub fn interrupt(self, irq: i32) -> Result<(), IoctlError> {
        let mut interrupt = Interrupt { irq };
        self.call(
            "KVM_INTERRUPT",
            request::KVM_INTERRUPT,
            (&raw mut interrupt).cast(),
        )
        .map(drop)
    }

    /// KVM_GET_REG_LIST (in and out): the ids of all registers that are state.
    /// E2BIG with the number if there is no room; EINVAL or ENOTTY of kernels
    /// without the call, which is every upstream kernel for LoongArch.
    pub fn reg_list(self) -> Result<Vec<u64>, IoctlError> {
        let mut room = REG_LIST_ROOM;
        loop {
            let mut list = vec![0u64; room.saturating_add(1)];
            if let Some(count) = list.first_mut() {
                *count = room as u64;
            }
            let result = self.call(
                "KVM_GET_REG_LIST",
                request::KVM_GET_REG_LIST,
                list.as_mut_ptr().cast(),
            );
            let count = list.first().copied().unwrap_or(0);
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            match result {
                Err(error) if error.errno == libc::E2BIG && count > room && count < 1 << 16 => {
                    room = count;
                }
                Err(error) => return Err(error),
                Ok(_) => return Ok(list.into_iter().skip(1).take(count).collect()),
            }
        }
    }
}
