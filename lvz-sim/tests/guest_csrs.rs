// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The simulator's list of the CSRs that a guest has of its own is written from the
//! manual and `docs/lvz.md` and shares nothing with the table of what KVM does with
//! each: here the two are compared.

use std::sync::Arc;

use la_arch::csr::{Class, class};
use la_arch::kvm::CSR_NUMBERS;
use lvz_sim::cpu::{Cpu, CsrClass, Model};

#[test]
fn a_guest_has_the_csrs_that_the_table_gives_it() {
    let cpu = Cpu::new(0, Arc::new(Model::default()));
    for number in 0..CSR_NUMBERS {
        let expected = match class(number) {
            Class::Guest | Class::Volatile | Class::Constant | Class::Stateless => CsrClass::Direct,
            // The CPU has no message interrupts.
            Class::Message => CsrClass::Sensitive,
            Class::Software | Class::Counter | Class::Root | Class::Absent => CsrClass::Sensitive,
        };
        assert_eq!(cpu.guest_csr_class(number), expected, "{number:#x}");
    }
}
