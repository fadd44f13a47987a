// SPDX-License-Identifier: GPL-2.0

//! What KVM does with each CSR number, from the table in [`la_arch::csr`].

use super::CsrError;
use la_arch::csr::{self, number as n, Crmd};
use la_arch::kvm::{CSR_NUMBERS, MAX_PHYID};
use la_arch::sync_regs::COUNTER_CSRS;

/// Where a guest CSR lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The CPU has a guest copy: guest accesses do not exit.
    Hardware,
    /// In memory: guest accesses exit and are emulated.
    Software,
    /// The hypervisor's own (LVZ): a guest has none.
    Root,
    /// Undefined: a guest reads zero, its writes have no effect.
    Undefined,
    /// Not a number that the interface accepts.
    Invalid,
}

/// What of a vCPU decides about its CSRs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CsrFeatures {
    /// Message interrupts: MSGIS0 to MSGIS3 and MSGIE exist. For
    /// [`classify`] the CPU's, for [`super::set_estat`] the vCPU's.
    pub msgint: bool,
    /// Performance counters that can be lent, 0 to 4.
    pub counters: u8,
}

/// First address register of the load/store watchpoints; eight numbers each,
/// of which four are in use: address, mask, control, ASID.
pub(crate) const DB0ADDR: u16 = 0x310;
/// First address register of the fetch watchpoints.
pub(crate) const IB0ADDR: u16 = 0x390;
/// Watchpoints of a kind that have software copies.
const WATCHPOINTS: u16 = 8;
/// Performance counters that have software copies.
pub const COUNTERS: u8 = (COUNTER_CSRS.len() / 2) as u8;
const PERF_LAST: u16 = n::PERFCTRL0 + 2 * COUNTERS as u16 - 1;

const fn watchpoint(number: u16) -> bool {
    let data = number.wrapping_sub(DB0ADDR);
    let fetch = number.wrapping_sub(IB0ADDR);
    (data < 8 * WATCHPOINTS && data % 8 < 4) || (fetch < 8 * WATCHPOINTS && fetch % 8 < 4)
}

/// Where CSR `number` lives.
pub const fn classify(number: u16, features: CsrFeatures) -> Class {
    use csr::Class as Kind;

    match csr::class(number) {
        Kind::Guest | Kind::Volatile | Kind::Constant | Kind::Stateless => Class::Hardware,
        Kind::Message if features.msgint => Class::Hardware,
        Kind::Software | Kind::Counter => Class::Software,
        Kind::Root => Class::Root,
        Kind::Message | Kind::Absent => match number {
            _ if watchpoint(number) => Class::Software,
            _ if number < CSR_NUMBERS => Class::Undefined,
            _ => Class::Invalid,
        },
    }
}

/// The numbers of [`Class::Software`], a bit each; no feature changes them.
static SOFTWARE: [u64; CSR_NUMBERS as usize / 64 + 1] = {
    let mut words = [0; CSR_NUMBERS as usize / 64 + 1];
    let none = CsrFeatures {
        msgint: false,
        counters: 0,
    };
    let mut number = 0;
    while number < CSR_NUMBERS {
        if matches!(classify(number, none), Class::Software) {
            words[number as usize / 64] |= 1 << (number % 64);
        }
        number += 1;
    }
    words
};

/// Whether CSR `number` lives in memory: [`classify`] in short, for exits.
#[inline]
pub(crate) fn is_software(number: u16) -> bool {
    SOFTWARE
        .get(usize::from(number / 64))
        .is_some_and(|word| word >> (number % 64) & 1 != 0)
}

/// What a guest write does to a register in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteRule {
    /// Bits that take the written value.
    pub write: u64,
    /// Bits that a written one clears.
    pub clear: u64,
}

impl WriteRule {
    const NONE: WriteRule = WriteRule { write: 0, clear: 0 };
    const ALL: WriteRule = WriteRule::bits(u64::MAX);

    const fn bits(write: u64) -> Self {
        WriteRule { write, clear: 0 }
    }

    /// The register after those bits of `value` that `mask` selects are
    /// written to it where it held `old`.
    #[inline]
    pub const fn apply(self, old: u64, value: u64, mask: u64) -> u64 {
        let write = self.write & mask;
        (old & !write | value & write) & !(value & self.clear & mask)
    }
}

/// The rule for guest writes to a software CSR (Volume 1, 7.7 to 7.9, the
/// fields marked RW and W1C); no effect on any other number.
#[inline(always)]
pub const fn write_rule(number: u16) -> WriteRule {
    match number {
        n::IMPCTL1 | n::IMPCTL2 | n::CTAG | n::MERRERA | n::MERRSAVE | n::DERA | n::DSAVE => {
            WriteRule::ALL
        }
        // PPLV, PIE, PWE, PDA, PPG, PDATF, PDATM.
        n::MERRCTL => WriteRule::bits(0x1fdc),
        n::MERRENTRY => WriteRule::bits(!0xfff),
        // The number of watchpoints is read-only, hits are cleared by a one.
        n::MWPS | n::FWPS => WriteRule {
            write: 1 << 16,
            clear: 0xffff,
        },
        n::PERFCTRL0..=PERF_LAST if number & 1 == 0 => {
            // Event, PLV0 to PLV3, interrupt enable.
            WriteRule::bits(0x1f_03ff)
        }
        n::PERFCTRL0..=PERF_LAST => WriteRule::ALL,
        // The ASID of a watchpoint.
        _ if watchpoint(number) && number % 8 == 3 => WriteRule::bits(0x3ff),
        _ if watchpoint(number) => WriteRule::ALL,
        _ => WriteRule::NONE,
    }
}

/// What a vCPU's CSR holds when the vCPU begins and after its reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Begins with this value, and has it again after a reset.
    Value(u64),
    /// Begins with this value; a reset keeps what is there.
    Kept(u64),
}

/// The reset value of CSR `number` of vCPU `vcpu_id` (Volume 1, 7; Linux:
/// kvm/vcpu.c kvm_arch_vcpu_create): direct addressing, interrupts and timer
/// off, the rest zero. CPUID stays, as the name under which other vCPUs know
/// this one.
pub const fn reset_value(number: u16, vcpu_id: u32) -> Reset {
    match number {
        n::CRMD => Reset::Value(Crmd(0).with_da(true).0),
        n::TID => Reset::Value(vcpu_id as u64),
        n::CPUID => Reset::Kept(MAX_PHYID as u64),
        // Constants of the hardware, which KVM saves and does not restore.
        _ if matches!(csr::class(number), csr::Class::Constant) => Reset::Kept(0),
        _ => Reset::Value(0),
    }
}

/// How user space's ONE_REG reaches a CSR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserCsr {
    /// The value in the vCPU's [`super::CsrFile`].
    Plain(u16),
    /// Through [`super::get_estat`] and [`super::set_estat`], after pending
    /// interrupts are delivered into the registers.
    Estat,
    /// Through [`super::get_gintc`] and [`super::set_gintc`].
    Gintc,
    /// Read plainly, set by [`super::set_cpuid`].
    Cpuid,
    /// As plain; once set, enabled counters must be lent before the next
    /// entry.
    Counter(u16),
    /// The hypervisor's or undefined: reads zero, a write has no effect.
    Ignored,
}

/// How user space reaches CSR `number`. The host's own CSRs of the extension are
/// none of a vCPU's state: user space must not choose what is loaded into them.
pub const fn user_access(number: u16, features: CsrFeatures) -> Result<UserCsr, CsrError> {
    Ok(match classify(number, features) {
        Class::Invalid => return Err(CsrError::Number),
        Class::Hardware => match number {
            n::ESTAT => UserCsr::Estat,
            n::CPUID => UserCsr::Cpuid,
            _ => UserCsr::Plain(number),
        },
        Class::Software => match csr::class(number) {
            csr::Class::Counter => UserCsr::Counter(number),
            _ => UserCsr::Plain(number),
        },
        Class::Root if number == n::GINTC => UserCsr::Gintc,
        Class::Root | Class::Undefined => UserCsr::Ignored,
    })
}
