// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The simulator's list of the CSRs that a guest has of its own is written from the
//! manual and `docs/lvz.md` and shares nothing with the lists of the interface of
//! KVM: here the two are compared.

use std::collections::BTreeSet;
use std::sync::Arc;

use la_arch::csr::number as n;
use la_arch::kvm::CSR_NUMBERS;
use la_arch::sync_regs;
use lvz_sim::cpu::{Cpu, CsrClass, Model};

#[test]
fn a_guests_csrs_are_those_of_the_run_page() {
    let cpu = Cpu::new(0, Arc::new(Model::default()));
    let guests: BTreeSet<u16> = (0..CSR_NUMBERS)
        .filter(|number| cpu.guest_csr_class(*number) == CsrClass::Direct)
        .collect();
    let mut expected = BTreeSet::from(sync_regs::CSRS);
    // KVM keeps a value for each vCPU; an access of the guest exits.
    for number in [n::IMPCTL1, n::IMPCTL2, n::GINTC, n::CTAG] {
        assert!(expected.remove(&number), "{number:#x}");
    }
    // They hold no state.
    for number in [n::PGD, n::TICLR] {
        assert!(expected.insert(number), "{number:#x}");
    }
    assert_eq!(guests, expected);
}

#[test]
fn performance_counters_exit() {
    let cpu = Cpu::new(0, Arc::new(Model::default()));
    for number in sync_regs::COUNTER_CSRS {
        let class = cpu.guest_csr_class(number);
        assert_eq!(class, CsrClass::Sensitive, "{number:#x}");
    }
}
