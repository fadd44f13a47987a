// SPDX-License-Identifier: GPL-2.0

//! GIDs (vpids): each physical CPU gives them out in order; a vCPU gets a new
//! one when it comes to a CPU, when all that the CPU had are used up, and
//! whenever its translations must go (docs/lvz.md 6.8; `kvm_core::vpid`).

use kvm_core::vpid::{Vpid, VpidCheck};
use la_arch::csr::Llbctl;
use la_arch::lvz::{Gstat, Gtlbc};

use crate::cpu::csr::{self, num};
use crate::cpu::host::host;
use crate::kvm::bindings::constant as c;
use crate::kvm::context::IrqOff;
use crate::vcpu::trace;
use crate::vcpu::Running;

/// A vCPU's GID, and the CPU that gave it.
pub(crate) struct Gid {
    vpid: Vpid,
    /// -1 before the first.
    cpu: i32,
}

impl Default for Gid {
    fn default() -> Self {
        Self {
            vpid: Vpid::default(),
            cpu: -1,
        }
    }
}

impl Gid {
    /// The vCPU gets a new GID by the next [`renew`]: its translations are gone.
    #[inline]
    pub(crate) fn drop_entries(&mut self) {
        self.vpid.drop_entries();
    }
}

/// Makes sure that the vCPU has a GID that is valid on this CPU, in GSTAT and
/// in the GTLBC value for the world switch.
pub(crate) fn renew(mut vcpu: Running<'_>, irq_off: IrqOff<'_>) {
    let host = host();
    let shared = vcpu.shared();
    let (owned, resident) = vcpu.split(irq_off.pinned());
    let cpu = resident.here.cpu();
    let given = &resident.here.percpu(irq_off).vpids;
    let (gid, mut vpids) = (&mut owned.gid, given.get());
    let VpidCheck::New { flush_all } = vpids.check(&mut gid.vpid, gid.cpu != cpu) else {
        return;
    };
    given.set(vpids);
    gid.cpu = cpu;
    if flush_all {
        csr::flush_all_guests();
    }
    trace::vpid_change(shared, gid.vpid.raw());

    // What the guest's LL saw may no longer be what its SC would store to.
    let wcllb = Llbctl(0).with_wcllb(true).0;
    csr::guest_exchange::<{ num::LLBCTL }>(wcllb, wcllb);

    let gid = gid.vpid.gid(host.gid_mask);
    let (new, mask) = (gstat_of(gid), gstat_of(host.gid_mask.bits()));
    csr::exchange::<{ num::GSTAT }>(new, mask);
    let gtlbc = Gtlbc(csr::read::<{ num::GTLBC }>()).with_tgid(0);
    owned.switch.host_gtlbc = gtlbc.0;
    owned.switch.guest_gtlbc = gtlbc.with_tgid(gid).0;
}

/// GSTAT with this GID alone.
#[inline]
fn gstat_of(gid: u64) -> u64 {
    Gstat(0).with_gid(gid).0
}

/// Drops the stage-2 entry of `gpa`'s page pair for the vCPU's GID.
pub(crate) fn flush_gpa(gpa: u64, _: IrqOff<'_>) {
    let gid = Gstat(csr::read::<{ num::GSTAT }>()).gid();
    let pair = c::PAGE_SIZE << 1;
    csr::flush_stage2(gstat_of(gid), gpa & !(pair.wrapping_sub(1)));
}
