// SPDX-License-Identifier: GPL-2.0-or-later

//! What is known of KVM's values: the last that were read or written, as long
//! as nothing can have changed them.

use super::table::{Change, Group, TABLE};
use crate::kvm::abi::{Fpu, MP_STATE_RUNNABLE, Regs};

/// Last-known values of one vCPU in KVM.
#[derive(Clone, Debug)]
pub struct Cache {
    words: Vec<Option<u64>>,
    /// General registers and pc.
    pub general: Option<Regs>,
    /// Floating-point and vector registers.
    pub fpu: Option<Fpu>,
    /// Address of the steal-time record.
    pub steal_time: Option<u64>,
    /// Run state.
    pub mp_state: Option<u32>,
}

impl Cache {
    /// Nothing is known: a vCPU that was used before.
    pub fn unknown() -> Cache {
        Cache {
            words: vec![None; TABLE.len()],
            general: None,
            fpu: None,
            steal_time: None,
            mp_state: None,
        }
    }

    /// A vCPU that was just created. KVM makes all of it zero; only CSRs may
    /// begin with something else (Linux: kvm_arch_vcpu_create).
    pub fn fresh() -> Cache {
        let words = TABLE
            .iter()
            .map(|register| match register.group {
                Group::Cpucfg | Group::Pmu | Group::Msgint | Group::Lbt => Some(0),
                Group::Csr | Group::Timer => None,
            })
            .collect();
        Cache {
            words,
            general: Some(Regs::default()),
            fpu: Some(Fpu::default()),
            steal_time: Some(0),
            mp_state: Some(MP_STATE_RUNNABLE),
        }
    }

    /// KVM's value of the register `index` of [`TABLE`].
    pub fn word(&self, index: usize) -> Option<u64> {
        self.words.get(index).copied().flatten()
    }

    /// Remembers a value.
    pub fn set_word(&mut self, index: usize, value: Option<u64>) {
        if let Some(word) = self.words.get_mut(index) {
            *word = value;
        }
    }

    fn forget(&mut self, which: impl Fn(&super::table::Register) -> bool) {
        for (word, register) in self.words.iter_mut().zip(TABLE.iter()) {
            if which(register) {
                *word = None;
            }
        }
    }

    /// The guest may have run.
    pub fn forget_what_guest_changes(&mut self) {
        self.forget(|register| register.change != Change::Never);
        self.general = None;
        self.fpu = None;
        self.steal_time = None;
    }

    /// Time has passed.
    pub fn forget_what_changes_by_itself(&mut self) {
        self.forget(|register| register.change == Change::Always);
    }

    /// KVM reset its part of the vCPU: how much of it is the kernel's business,
    /// at least ESTAT, pending interrupts and the steal-time address (Linux:
    /// kvm_set_one_reg, KVM_REG_LOONGARCH_VCPU_RESET).
    pub fn forget_what_reset_changes(&mut self) {
        self.forget(|register| {
            matches!(
                register.group,
                Group::Csr | Group::Pmu | Group::Msgint | Group::Timer
            )
        });
        self.steal_time = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regs::table::index_of_csr;
    use la_arch::csr::number as n;

    #[test]
    fn running_forgets_all_but_constants() {
        let mut cache = Cache::fresh();
        let (estat, prcfg, crmd) = (
            index_of_csr(n::ESTAT).unwrap(),
            index_of_csr(n::PRCFG1).unwrap(),
            index_of_csr(n::CRMD).unwrap(),
        );
        for index in [estat, prcfg, crmd] {
            cache.set_word(index, Some(7));
        }
        let mut later = cache.clone();
        later.forget_what_changes_by_itself();
        assert_eq!(
            [estat, prcfg, crmd].map(|i| later.word(i)),
            [None, Some(7), Some(7)]
        );
        cache.forget_what_guest_changes();
        assert_eq!(
            [estat, prcfg, crmd].map(|i| cache.word(i)),
            [None, Some(7), None]
        );
        assert_eq!(cache.word(0), Some(0), "CPUCFG0");
        assert_eq!(
            (cache.general, cache.fpu, cache.steal_time),
            (None, None, None)
        );
        assert_eq!(cache.mp_state, Some(0));
    }

    #[test]
    fn reset_forgets_csrs_only() {
        let mut cache = Cache::fresh();
        cache.forget_what_reset_changes();
        assert!(cache.general.is_some() && cache.fpu.is_some());
        assert_eq!(cache.word(2), Some(0), "CPUCFG2");
        assert_eq!(cache.steal_time, None);
        assert_eq!(cache.word(index_of_csr(n::TCFG).unwrap()), None);
    }
}
