// SPDX-License-Identifier: GPL-2.0

//! CPUCFG: the words a vCPU may have, and what `cpucfg` answers it. Every
//! `cpucfg` of a guest exits (`docs/lvz.md` X-7), so its words are memory.

mod attr;
mod host;
mod pv;

pub use attr::{get_attr, has_attr, settable};
pub use host::{check, mask, Host};
pub use pv::{vm_features, PvFeatures};

use crate::csr::CsrFeatures;
use crate::errno::{EINVAL, ENXIO};
use la_arch::cpucfg::{word1, word2, word6};
use la_arch::kvm::{para, CPUCFG_WORDS};

/// Why a setting is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpucfgError {
    /// No such word.
    Index,
    /// Bits that the host or KVM does not offer, or above bit 31.
    Unsupported,
    /// Bits that do not go together, such as LASX without LSX.
    Inconsistent,
    /// Paravirtual features differ from those that another vCPU has set.
    Conflict,
    /// No such attribute.
    Attribute,
}

impl CpucfgError {
    /// Positive errno.
    pub const fn errno(self) -> i32 {
        match self {
            CpucfgError::Attribute => ENXIO,
            _ => EINVAL,
        }
    }
}

/// The CPUCFG words of a vCPU, as user space set them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuestCpucfg {
    words: [u32; CPUCFG_WORDS],
}

impl GuestCpucfg {
    /// Word `index`; `None` if a vCPU has no such word.
    #[inline]
    pub fn get(&self, index: u16) -> Option<u32> {
        self.words.get(usize::from(index)).copied()
    }

    /// Sets word `index`, after [`check`] against `host`. The value that it has
    /// is always allowed: a new vCPU's word 2 is zero, which is no CPU's, and
    /// user space that copies all registers copies that too.
    pub fn set(&mut self, host: &Host, index: u16, value: u64) -> Result<(), CpucfgError> {
        let word = self.words.get_mut(usize::from(index));
        let word = word.ok_or(CpucfgError::Index)?;
        if u64::from(*word) != value {
            *word = check(host, index, value)?;
        }
        Ok(())
    }

    /// What `cpucfg` with `index` in its register gives the guest: a word, one
    /// of KVM's leaves, or zero. Only the low 32 bits of the register count.
    /// (Linux: kvm/exit.c kvm_emu_cpucfg)
    #[inline]
    pub fn answer(&self, index: u64, pv: PvFeatures) -> u64 {
        let index = index as u32;
        u64::from(match index {
            para::CPUCFG_SIGNATURE => para::SIGNATURE,
            para::CPUCFG_FEATURE => pv.bits(),
            _ => self.words.get(index as usize).copied().unwrap_or(0),
        })
    }

    fn has(&self, index: usize, bits: u32) -> bool {
        self.words.get(index).is_some_and(|word| word & bits != 0)
    }

    /// The vCPU has floating point.
    pub fn fpu(&self) -> bool {
        self.has(2, word2::FP)
    }

    /// The vCPU has 128-bit vectors.
    pub fn lsx(&self) -> bool {
        self.has(2, word2::LSX)
    }

    /// The vCPU has 256-bit vectors.
    pub fn lasx(&self) -> bool {
        self.has(2, word2::LASX)
    }

    /// The vCPU has one of the binary translation extensions.
    pub fn lbt(&self) -> bool {
        self.has(2, word2::LBT_X86 | word2::LBT_ARM | word2::LBT_MIPS)
    }

    /// The vCPU has message interrupts.
    pub fn msgint(&self) -> bool {
        self.has(1, word1::MSGINT)
    }

    /// Performance counters of the vCPU that KVM can lend, 0 to 4. A word 6
    /// that announces more does not get them: only four are saved for the
    /// host, and a fifth would be the host's own.
    pub fn counters(&self) -> u8 {
        let word = self.words.get(6).copied().unwrap_or(0);
        if word & word6::PMP == 0 {
            return 0;
        }
        let announced = ((word & word6::PMNUM) >> word6::PMNUM_SHIFT) as u8 + 1;
        announced.min(crate::csr::COUNTERS)
    }

    /// What of these words decides about CSRs.
    pub fn csr_features(&self) -> CsrFeatures {
        CsrFeatures {
            msgint: self.msgint(),
            counters: self.counters(),
        }
    }
}

#[cfg(test)]
mod tests;
