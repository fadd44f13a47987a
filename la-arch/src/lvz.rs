// SPDX-License-Identifier: MIT

//! The virtualization extension's root registers (`docs/lvz.md` section 2).

use crate::csr::number;
use crate::register;

register! {
    /// GTLBC, guest TLB control.
    Gtlbc @ number::GTLBC {
        /// MTLB entries available to guest mode.
        gmtlbsz / with_gmtlbsz: 5:0,
        /// Root TLB instructions act with the GID in `tgid`.
        usetgid / with_usetgid: 12,
        /// Guest TLB instructions and guest accesses to TLB CSRs raise GSPR.
        toti / with_toti: 13,
        /// Stage-2 tag independent of GSTAT.GID (3A6000 class).
        usevmid / with_usevmid: 14,
        /// GID of root TLB instructions and of stage-2 look-ups.
        tgid / with_tgid: 23:16,
    }
    /// TRGP, guest information of the entry that `tlbrd` read.
    Trgp @ number::TRGP {
        /// A guest entry was read.
        gtep / with_gtep: 0,
        /// Its GID.
        trgid / with_trgid: 23:16,
    }
    /// GSTAT, guest status.
    Gstat @ number::GSTAT {
        /// In guest mode, read-only.
        vm / with_vm: 0,
        /// Previous guest mode: `ertn` enters the guest.
        pgm / with_pgm: 1,
        /// Number of GID bits, read-only.
        gidbit / with_gidbit: 9:4,
        /// GID of the current guest.
        gid / with_gid: 23:16,
    }
    /// GCFG, guest configuration.
    Gcfg @ number::GCFG {
        /// Allowed values of `matc`, one-hot, read-only.
        matp / with_matp: 3:0,
        /// Memory type of guest accesses: 0 stage 1, 1 stage 2, 2 the weaker.
        matc / with_matc: 5:4,
        /// `topi` is implemented, read-only.
        topip / with_topip: 6,
        /// Guest privileged instructions raise GSPR.
        topi / with_topi: 7,
        /// `toti` is implemented, read-only.
        totip / with_totip: 8,
        /// Guest `rdtime` and timer CSRs raise GSPR.
        toti / with_toti: 9,
        /// `toe` is implemented, read-only.
        toep / with_toep: 10,
        /// Guest `ertn` and exceptions raise GCHC.
        toe / with_toe: 11,
        /// `top` is implemented, read-only.
        topp / with_topp: 12,
        /// Guest changes of CRMD.PLV raise GCSC.
        top / with_top: 13,
        /// `tohu` is implemented, read-only.
        tohup / with_tohup: 14,
        /// Guest access to CSRs that root lacks raises GSPR.
        tohu / with_tohu: 15,
        /// Allowed values of `toci`, one-hot, read-only.
        tocip / with_tocip: 19:16,
        /// Which guest `cacop` raise GSPR: 0 all, 1 all but Hit, 2 all but Hit
        /// and Index-Invalidate-Writeback.
        toci / with_toci: 21:20,
        /// Guests may own performance counters, read-only.
        gpmp / with_gpmp: 23,
        /// Number of performance counters lent to the guest.
        gpmnum / with_gpmnum: 26:24,
    }
    /// GINTC, guest interrupt control.
    Gintc @ number::GINTC {
        /// Injected interrupts HWI0 to HWI7.
        hwis / with_hwis: 7:0,
        /// Physical HWI lines passed to the guest.
        hwip / with_hwip: 15:8,
        /// Hardware clear.
        hwic / with_hwic: 23:16,
    }
}
