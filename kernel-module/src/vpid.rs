// SPDX-License-Identifier: GPL-2.0

//! GIDs (vpids): each physical CPU gives them out in order; a vCPU gets a new
//! one when it comes to a CPU, when all that the CPU had are used up, and
//! whenever its translations must go (docs/lvz.md 6.8).
//!
//! Called with interrupts off.

use la_arch::csr::Llbctl;
use la_arch::lvz::{Gstat, Gtlbc};

use crate::bindings as b;
use crate::cpu::host;
use crate::csr::{self, num};
use crate::vcpu::{request, Vcpu};

/// Position of GID in GSTAT.
const GID_SHIFT: u32 = 16;

/// Makes sure that the vCPU has a GID that is valid on this CPU, in GSTAT and
/// in the GTLBC value for the world switch.
pub(crate) fn check(vcpu: &Vcpu) {
    let host = host();
    let mask = host.vpid_mask;
    let cpu = host.this_cpu();
    // SAFETY: Reads the CPU's number.
    let number = unsafe { b::kvm_la_cpu() } as i32;
    let cache = cpu.vpid_cache.get();
    if vcpu.cpu.get() == number && (vcpu.vpid.get() ^ cache) & !mask == 0 {
        return;
    }
    let mut vpid = cache.wrapping_add(1);
    if vpid & mask == 0 {
        if vpid == 0 {
            vpid = mask.wrapping_add(1);
        }
        // GID 0 is the host's.
        vpid = vpid.wrapping_add(1);
        csr::flush_all_guests();
    }
    cpu.vpid_cache.set(vpid);
    vcpu.vpid.set(vpid);
    vcpu.cpu.set(number);
    vcpu.set_host_cpu(number);
    vcpu.clear_request(request::TLB_FLUSH_GPA);

    // What the guest's LL saw may no longer be what its SC would store to.
    let wcllb = Llbctl(0).with_wcllb(true).0;
    csr::guest_exchange::<{ num::LLBCTL }>(wcllb, wcllb);

    let gid = vpid & mask;
    csr::exchange::<{ num::GSTAT }>(gid << GID_SHIFT, mask << GID_SHIFT);
    let gtlbc = Gtlbc(csr::read::<{ num::GTLBC }>()).with_tgid(0);
    vcpu.switch.host_gtlbc.set(gtlbc.0);
    vcpu.switch.guest_gtlbc.set(gtlbc.with_tgid(gid).0);
}

/// Drops the stage-2 entry of `gpa`'s page pair for the vCPU's GID.
pub(crate) fn flush_gpa(gpa: u64) {
    let gid = Gstat(csr::read::<{ num::GSTAT }>()).gid() << GID_SHIFT;
    let pair = crate::bindings::constant::PAGE_SIZE << 1;
    csr::flush_stage2(gid, gpa & !(pair.wrapping_sub(1)));
}
