// SPDX-License-Identifier: GPL-2.0

//! Performance counters, lent to a guest that uses them
//! (docs/lvz.md 10.3).
//!
//! A guest's first access to a counter exits; the counters are lent before the
//! next entry and taken back at every exit, as the host counts too. While one
//! of the guest's is enabled they are lent again at each entry, and while one has
//! overflown: its interrupt is a line that only the CPU raises, so it is nowhere else.

use kvm_core::csr::COUNTERS;
use la_arch::csr::PerfCtrl;
use la_arch::lvz::Gcfg;

use crate::cpu::csr::{self, num};
use crate::kvm::context::IrqOff;
use crate::vcpu::resident::Resident;
use crate::vcpu::shared::{request, Shared};
use crate::vcpu::Running;

/// Bit 63 of a counter.
const OVERFLOW: u64 = 1 << 63;

const _: () = assert!(COUNTERS == 4, "each_counter! visits four");

/// The four pairs, control and count.
macro_rules! each_counter {
    ($n:ident => $body:expr) => {{
        {
            const $n: u16 = 0;
            $body
        }
        {
            const $n: u16 = 1;
            $body
        }
        {
            const $n: u16 = 2;
            $body
        }
        {
            const $n: u16 = 3;
            $body
        }
    }};
}

fn set_lent(count: u8) {
    let mask = Gcfg(0).with_gpmnum(7).0;
    let value = Gcfg(0).with_gpmnum(u64::from(count)).0;
    csr::exchange::<{ num::GCFG }>(value, mask);
}

/// Lends the counters.
pub(crate) fn own(mut vcpu: Running<'_>, irq_off: IrqOff<'_>) {
    let shared = vcpu.shared();
    shared.set_counter_overflown(false, irq_off);
    let resident = vcpu.resident(irq_off.pinned());
    let count = resident.cpucfg.counters();
    if count == 0 || shared.counters_lent() {
        return;
    }
    let percpu = resident.here.percpu(irq_off);
    each_counter!(N => {
        percpu.perf_count[N as usize].set(csr::read::<{ num::PERFCNTR0 + 2 * N }>());
        percpu.perf_control[N as usize].set(csr::write::<{ num::PERFCTRL0 + 2 * N }>(0));
    });
    set_lent(count);
    let file = &resident.csrs.file;
    each_counter!(N => {
        csr::guest_write::<{ num::PERFCNTR0 + 2 * N }>(file.get(num::PERFCNTR0 + 2 * N));
    });
    each_counter!(N => {
        csr::guest_write::<{ num::PERFCTRL0 + 2 * N }>(file.get(num::PERFCTRL0 + 2 * N));
    });
    shared.set_counters_lent(true, irq_off);
}

/// Takes them back, and asks for them again if the guest counts.
#[inline]
pub(crate) fn lose(mut vcpu: Running<'_>, irq_off: IrqOff<'_>) {
    let shared = vcpu.shared();
    if shared.counters_lent() {
        take_back(shared, vcpu.resident(irq_off.pinned()), irq_off);
    }
}

#[cold]
fn take_back(shared: &Shared, resident: &mut Resident, irq_off: IrqOff<'_>) {
    let file = &mut resident.csrs.file;
    let (mut counts, mut overflown) = (false, false);
    each_counter!(N => {
        let control = csr::guest_write::<{ num::PERFCTRL0 + 2 * N }>(0);
        let count = csr::guest_read::<{ num::PERFCNTR0 + 2 * N }>();
        file.set(num::PERFCTRL0 + 2 * N, control);
        file.set(num::PERFCNTR0 + 2 * N, count);
        counts |= PerfCtrl(control).plv() != 0;
        overflown |= PerfCtrl(control).ie() && count & OVERFLOW != 0;
    });
    set_lent(0);
    shared.set_counters_lent(false, irq_off);
    shared.set_counter_overflown(overflown, irq_off);
    if counts || overflown {
        shared.generic.make_request(request::PMU);
    }
    let percpu = resident.here.percpu(irq_off);
    each_counter!(N => {
        csr::write::<{ num::PERFCNTR0 + 2 * N }>(percpu.perf_count[N as usize].get());
    });
    each_counter!(N => {
        csr::write::<{ num::PERFCTRL0 + 2 * N }>(percpu.perf_control[N as usize].get());
    });
}
