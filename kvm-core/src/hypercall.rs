// SPDX-License-Identifier: GPL-2.0

//! `hvcl` (Linux: kvm/exit.c kvm_handle_hypercall).

use crate::cpucfg::PvFeatures;
use crate::decode::{Gpr, Gprs};
use crate::steal_time::StealTime;
use la_arch::insn::lvz::HVCL;
use la_arch::kvm::{hypercall, para, MAX_PHYID};

/// The `hvcl` that serves as a software breakpoint.
pub const BREAKPOINT_INSN: u32 = HVCL.bits | hypercall::SWDBG as u32;

/// What a hypercall asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hypercall {
    /// Send SWI0 to these CPUs; then [`resume`] with success.
    Ipi(IpiTargets),
    /// Account for steal time in the record at this address, or (`None`) no
    /// longer; then [`resume`] with success.
    StealTime(Option<u64>),
    /// Leave to user space with KVM_EXIT_HYPERCALL; `nr` is the code
    /// `USER_SERVICE`, the default result `INVALID_CODE`. When user space
    /// returns, [`resume`] with its result.
    User {
        /// a0 to a5.
        args: [u64; 6],
    },
    /// Leave to user space with KVM_EXIT_DEBUG; the pc stays.
    Breakpoint,
    /// [`resume`] with this result.
    Refused(u64),
    /// Not from kernel mode: inject IPE.
    Privilege,
}

/// Physical CPU ids that an inter-processor interrupt goes to: at most 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpiTargets {
    bitmap: [u64; 2],
    first: u64,
}

impl Iterator for IpiTargets {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        loop {
            let [low, high] = &mut self.bitmap;
            let (word, base) = if *low != 0 {
                (low, 0)
            } else if *high != 0 {
                (high, 64)
            } else {
                return None;
            };
            let bit = u64::from(word.trailing_zeros());
            *word &= word.wrapping_sub(1);
            // Ids that no vCPU can have are passed over.
            let id = self.first.saturating_add(base + bit);
            if id < u64::from(MAX_PHYID) {
                return Some(id as u16);
            }
        }
    }
}

/// Decodes the hypercall `word` of a guest at privilege level `plv` (0 to 3).
/// `breakpoints`: user space wants software breakpoints
/// (`la_arch::kvm::guest_debug`); they work at every level, since a debugger
/// of the VM puts them into its programs too. All else is for kernel mode
/// (`docs/lvz.md` Q-8).
pub fn decode(word: u32, plv: u8, gprs: &Gprs, pv: PvFeatures, breakpoints: bool) -> Hypercall {
    let code = (word & HVCL.format.operand_bits) as u16;
    if code == hypercall::SWDBG && breakpoints {
        return Hypercall::Breakpoint;
    }
    if plv & 3 != 0 {
        return Hypercall::Privilege;
    }
    match code {
        hypercall::SERVICE => service(gprs, pv),
        hypercall::USER_SERVICE if pv.has(para::FEATURE_USER_HCALL) => Hypercall::User {
            args: [4, 5, 6, 7, 8, 9].map(|n| Gpr::new(n).read(gprs)),
        },
        _ => Hypercall::Refused(hypercall::INVALID_CODE),
    }
}

fn service(gprs: &Gprs, pv: PvFeatures) -> Hypercall {
    let [function, a1, a2, a3] = [4, 5, 6, 7].map(|n| Gpr::new(n).read(gprs));
    match function {
        hypercall::FUNC_IPI if pv.has(para::FEATURE_IPI) => Hypercall::Ipi(IpiTargets {
            bitmap: [a1, a2],
            first: a3,
        }),
        hypercall::FUNC_NOTIFY if pv.has(para::FEATURE_STEAL_TIME) => {
            if a1 != 1 << para::FEATURE_STEAL_TIME {
                return Hypercall::Refused(hypercall::INVALID_CODE);
            }
            match StealTime::parse(a2) {
                Ok(record) => Hypercall::StealTime(record),
                Err(_) => Hypercall::Refused(hypercall::INVALID_PARAMETER),
            }
        }
        _ => Hypercall::Refused(hypercall::INVALID_CODE),
    }
}

/// Puts `result` into a0. The caller moves the pc to the next instruction.
#[inline]
pub fn resume(gprs: &mut Gprs, result: u64) {
    Gpr::A0.write(gprs, result);
}

#[cfg(test)]
mod tests;
