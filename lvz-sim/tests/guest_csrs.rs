// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The simulator's list of the CSRs that a guest has of its own is written from the
//! manual and `docs/lvz.md` and shares nothing with the table of what KVM does with
//! each: here the two are compared.

use std::sync::Arc;

use la_arch::csr::number::MSGIR;
use la_arch::csr::{Class, class};
use la_arch::kvm::CSR_NUMBERS;
use lvz_sim::cpu::{Cpu, CsrClass};

#[test]
fn a_guest_has_the_csrs_that_the_table_gives_it() {
    for (model, messages) in [
        ("la464", CsrClass::Sensitive),
        ("la664", CsrClass::Direct),
        ("la664,msgint=off", CsrClass::Sensitive),
    ] {
        let cpu = Cpu::new(0, Arc::new(model.parse().unwrap()));
        for number in 0..CSR_NUMBERS {
            let expected = match class(number) {
                Class::Guest | Class::Volatile | Class::Constant | Class::Stateless => {
                    CsrClass::Direct
                }
                Class::Message => messages,
                // A guest's read takes a vector: KVM, which keeps the vectors, has
                // nothing to move.
                Class::Absent if number == MSGIR => messages,
                Class::Software | Class::Counter | Class::Root | Class::Absent => {
                    CsrClass::Sensitive
                }
            };
            let listed = cpu.guest_csr_class(number);
            assert_eq!(
                listed, expected,
                "{model}, CSR {number:#x}: left is cpu/csr_class.rs, right by la-arch's table"
            );
        }
    }
}
