// SPDX-License-Identifier: GPL-2.0

//! KVM_GET_ONE_REG, KVM_SET_ONE_REG and KVM_GET_REG_LIST: ids and the
//! registers they name (Linux: kvm/vcpu.c kvm_get_one_reg, kvm_set_one_reg).

use crate::cpucfg::GuestCpucfg;
use crate::csr::{classify, Class, CsrFeatures, CsrFile};
use crate::errno::{EINVAL, ENXIO};
use crate::hypercall::BREAKPOINT_INSN;
use la_arch::csr::number;
use la_arch::kvm::{CPUCFG_WORDS, CSR_NUMBERS};
use la_arch::one_reg as id;

/// A register of the binary translation extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lbt {
    /// Scratch register 0 to 3.
    Scr(u8),
    /// Flags.
    Eflags,
    /// Top of the register stack; kept with the floating-point registers.
    Ftop,
}

/// A register that an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneReg {
    /// CSR of this number, below 0x800; go on with [`crate::csr::user_access`].
    Csr(u16),
    /// CPUCFG word, 0 to 20.
    Cpucfg(u16),
    /// The guest's counter. Writes count on vCPU 0 only.
    Counter,
    /// Write-only: reset.
    VcpuReset,
    /// Read-only: [`debug_inst`].
    DebugInst,
    /// A register of the binary translation extension.
    Lbt(Lbt),
}

/// What user space wants of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// KVM_GET_ONE_REG.
    Get,
    /// KVM_SET_ONE_REG.
    Set,
}

/// Why an id is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneRegError {
    /// The register is not 64 bits wide.
    Size,
    /// No register has this id.
    Unknown,
    /// The vCPU has no binary translation extension.
    Absent,
    /// A write-only register was read or a read-only one written.
    Direction,
}

impl OneRegError {
    /// Positive errno.
    pub const fn errno(self) -> i32 {
        match self {
            OneRegError::Absent => ENXIO,
            _ => EINVAL,
        }
    }
}

impl OneReg {
    /// The register that `reg` names. Bits that must be zero must be.
    pub const fn from_id(reg: u64) -> Result<Self, OneRegError> {
        if reg & id::SIZE_MASK != id::SIZE_U64 {
            return Err(OneRegError::Size);
        }
        let index = ((reg & id::INDEX_MASK) >> id::INDEX_SHIFT) as u16;
        let found = match reg & id::SET_MASK {
            id::SET_CSR if index < CSR_NUMBERS => OneReg::Csr(index),
            id::SET_CPUCFG if (index as usize) < CPUCFG_WORDS => OneReg::Cpucfg(index),
            id::SET_KVM | id::SET_LBT => match reg {
                id::COUNTER => OneReg::Counter,
                id::VCPU_RESET => OneReg::VcpuReset,
                id::DEBUG_INST => OneReg::DebugInst,
                id::LBT_SCR0 => OneReg::Lbt(Lbt::Scr(0)),
                id::LBT_SCR1 => OneReg::Lbt(Lbt::Scr(1)),
                id::LBT_SCR2 => OneReg::Lbt(Lbt::Scr(2)),
                id::LBT_SCR3 => OneReg::Lbt(Lbt::Scr(3)),
                id::LBT_EFLAGS => OneReg::Lbt(Lbt::Eflags),
                id::LBT_FTOP => OneReg::Lbt(Lbt::Ftop),
                _ => return Err(OneRegError::Unknown),
            },
            _ => return Err(OneRegError::Unknown),
        };
        if found.id() == reg {
            Ok(found)
        } else {
            Err(OneRegError::Unknown)
        }
    }

    /// The id of this register.
    pub const fn id(self) -> u64 {
        match self {
            OneReg::Csr(number) => id::csr(number),
            OneReg::Cpucfg(index) => id::cpucfg(index),
            OneReg::Counter => id::COUNTER,
            OneReg::VcpuReset => id::VCPU_RESET,
            OneReg::DebugInst => id::DEBUG_INST,
            OneReg::Lbt(Lbt::Scr(0)) => id::LBT_SCR0,
            OneReg::Lbt(Lbt::Scr(1)) => id::LBT_SCR1,
            OneReg::Lbt(Lbt::Scr(2)) => id::LBT_SCR2,
            OneReg::Lbt(Lbt::Scr(_)) => id::LBT_SCR3,
            OneReg::Lbt(Lbt::Eflags) => id::LBT_EFLAGS,
            OneReg::Lbt(Lbt::Ftop) => id::LBT_FTOP,
        }
    }

    /// The register that `reg` names, if a vCPU with these CPUCFG words has
    /// it and allows `intent`.
    pub fn open(reg: u64, intent: Intent, cpucfg: &GuestCpucfg) -> Result<Self, OneRegError> {
        let lbt_set = reg & id::SET_MASK == id::SET_LBT && reg & id::SIZE_MASK == id::SIZE_U64;
        if lbt_set && !cpucfg.lbt() {
            return Err(OneRegError::Absent);
        }
        match (Self::from_id(reg)?, intent) {
            (OneReg::VcpuReset, Intent::Get) | (OneReg::DebugInst, Intent::Set) => {
                Err(OneRegError::Direction)
            }
            (found, _) => Ok(found),
        }
    }
}

/// Value of [`OneReg::DebugInst`]: the `hvcl` that serves as a breakpoint.
pub const fn debug_inst() -> u64 {
    BREAKPOINT_INSN as u64
}

/// Whether CSR `csr` holds state of its own: PGD is computed from others and
/// TICLR only acts.
fn holds_state(csr: u16, host: CsrFeatures, counters: u8) -> bool {
    let perf = csr.wrapping_sub(number::PERFCTRL0);
    match classify(csr, host) {
        Class::Hardware => csr != number::PGD && csr != number::TICLR,
        Class::Software if perf < 0x100 => perf < 2 * u16::from(counters),
        Class::Software => true,
        _ => false,
    }
}

/// The ids of all registers that are a vCPU's state, for KVM_GET_REG_LIST:
/// each can be read, and written in this order into a vCPU of another host.
/// CPUCFG words come first because others depend on them. VCPU_RESET and
/// DEBUG_INST are no state. General and floating-point registers have no ids.
pub fn list(cpucfg: &GuestCpucfg) -> impl Iterator<Item = u64> {
    let features = cpucfg.csr_features();
    let lbt = cpucfg.lbt();
    let words = (0..CPUCFG_WORDS as u16).map(OneReg::Cpucfg);
    let csrs = CsrFile::numbers()
        .filter(move |&csr| holds_state(csr, features, features.counters))
        .map(OneReg::Csr);
    let scratch = (0..4).map(Lbt::Scr).chain([Lbt::Eflags, Lbt::Ftop]);
    words
        .chain([OneReg::Counter])
        .chain(csrs)
        .chain(scratch.filter(move |_| lbt).map(OneReg::Lbt))
        .map(OneReg::id)
}

#[cfg(test)]
mod tests;
