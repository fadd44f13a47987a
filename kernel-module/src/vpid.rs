// SPDX-License-Identifier: GPL-2.0

//! GIDs (vpids): each physical CPU gives them out in order; a vCPU gets a new
//! one when it comes to a CPU, when all that the CPU had are used up, and
//! whenever its translations must go (docs/lvz.md 6.8; `kvm_core::vpid`).

use kvm_core::vpid::VpidCheck;
use la_arch::csr::Llbctl;
use la_arch::lvz::{Gstat, Gtlbc};

use crate::bindings::constant as c;
use crate::context::IrqOff;
use crate::cpu::host;
use crate::csr::{self, num};
use crate::trace;
use crate::vcpu::{request, Vcpu};

/// Position of GID in GSTAT.
const GID_SHIFT: u32 = 16;

/// Makes sure that the vCPU has a GID that is valid on this CPU, in GSTAT and
/// in the GTLBC value for the world switch.
pub(crate) fn check(vcpu: &Vcpu, irq_off: IrqOff<'_>) {
    let host = host();
    let (cpu, percpu) = vcpu.this_cpu(irq_off.pinned());
    let mut vpids = percpu.vpids.get();
    let mut vpid = vcpu.vpid.get();
    let VpidCheck::New { flush_all } = vpids.check(&mut vpid, vcpu.cpu.get() != cpu) else {
        return;
    };
    percpu.vpids.set(vpids);
    vcpu.vpid.set(vpid);
    vcpu.cpu.set(cpu);
    vcpu.set_host_cpu(cpu);
    if flush_all {
        csr::flush_all_guests();
    }
    trace::vpid_change(vpid.raw());
    vcpu.clear_request(request::TLB_FLUSH_GPA);

    // What the guest's LL saw may no longer be what its SC would store to.
    let wcllb = Llbctl(0).with_wcllb(true).0;
    csr::guest_exchange::<{ num::LLBCTL }>(wcllb, wcllb);

    let gid = vpid.gid(host.gid_mask);
    csr::exchange::<{ num::GSTAT }>(gid << GID_SHIFT, host.gid_mask.bits() << GID_SHIFT);
    let gtlbc = Gtlbc(csr::read::<{ num::GTLBC }>()).with_tgid(0);
    vcpu.switch.host_gtlbc.set(gtlbc.0);
    vcpu.switch.guest_gtlbc.set(gtlbc.with_tgid(gid).0);
}

/// The vCPU gets a new GID by the next [`check`]: its translations are gone.
#[inline]
pub(crate) fn drop_entries(vcpu: &Vcpu) {
    let mut vpid = vcpu.vpid.get();
    vpid.drop_entries();
    vcpu.vpid.set(vpid);
}

/// Drops the stage-2 entry of `gpa`'s page pair for the vCPU's GID.
pub(crate) fn flush_gpa(gpa: u64, _: IrqOff<'_>) {
    let gid = Gstat(csr::read::<{ num::GSTAT }>()).gid() << GID_SHIFT;
    let pair = c::PAGE_SIZE << 1;
    csr::flush_stage2(gid, gpa & !(pair.wrapping_sub(1)));
}
