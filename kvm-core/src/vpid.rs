// SPDX-License-Identifier: GPL-2.0

//! Guest identifiers (GID) of the TLB, handed out by generation.
//!
//! Each physical CPU numbers the vCPUs that run on it. The low bits of a number
//! are the GID, the others the generation; when the GIDs of a generation are
//! used up, all guests' TLB entries are flushed and the next one begins. A vCPU
//! whose number is of an older generation, or was given by another CPU, gets a
//! new one, which has no TLB entries: dropping the number is how a vCPU's TLB
//! is flushed (`docs/lvz.md` 6.8; Linux arch/loongarch/kvm/main.c
//! kvm_update_vpid, kvm_check_vpid).

/// Which bits of a number are the GID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GidMask(u64);

impl GidMask {
    /// From GSTAT.GIDBIT, the number of implemented bits; at most 8 fit the
    /// register's field. None if there is no bit: then the only GID is 0, the
    /// host's, and no guest can run (ENODEV).
    pub const fn new(gidbit: u64) -> Option<Self> {
        match gidbit {
            0 => None,
            1..=8 => Some(Self((1 << gidbit) - 1)),
            _ => Some(Self(0xff)),
        }
    }

    /// The mask.
    pub const fn bits(self) -> u64 {
        self.0
    }
}

/// A vCPU's number; the default has none and gets one at the next check. Only
/// the CPU that runs the vCPU touches it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vpid(u64);

impl Vpid {
    /// Drops the number, so that all the vCPU's TLB entries become unreachable.
    pub fn drop_entries(&mut self) {
        self.0 = 0;
    }

    /// The GID, for GSTAT.GID and GTLBC.TGID; never 0 after a check.
    pub const fn gid(self, mask: GidMask) -> u64 {
        self.0 & mask.0
    }

    /// The whole number, for the tracepoint kvm_vpid_change.
    pub const fn raw(self) -> u64 {
        self.0
    }
}

/// The numbers of one physical CPU. Used with interrupts off on that CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VpidCache {
    last: u64,
    mask: GidMask,
}

/// What [`VpidCache::check`] decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum VpidCheck {
    /// The number still holds.
    Kept,
    /// There is a new number: write GSTAT.GID, forget a pending flush of one
    /// address, and clear the guest's LL bit (LLBCTL.WCLLB), since memory may
    /// have been remapped between its LL and SC.
    New {
        /// First flush the entries of all guests on this CPU (`invtlb 0x12`).
        flush_all: bool,
    },
}

impl VpidCache {
    /// At initialisation, once: the count must go on over a time when the CPU
    /// was off, or a number that a vCPU kept from before could be given again.
    /// The first generation is 1, so that no vCPU's 0 belongs to it.
    pub const fn new(mask: GidMask) -> Self {
        Self {
            last: mask.0 + 1,
            mask,
        }
    }

    /// Called before each entry. `moved`: the vCPU last ran on another CPU.
    pub fn check(&mut self, vpid: &mut Vpid, moved: bool) -> VpidCheck {
        let generation = !self.mask.0;
        if !moved && (vpid.0 ^ self.last) & generation == 0 {
            return VpidCheck::Kept;
        }
        let mut next = self.last.wrapping_add(1);
        let flush_all = next & self.mask.0 == 0;
        if flush_all {
            if next == 0 {
                // Generation 0 means none.
                next = self.mask.0 + 1;
            }
            // GID 0 is the host's.
            next += 1;
        }
        self.last = next;
        vpid.0 = next;
        VpidCheck::New { flush_all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_last_until_dropped_or_moved() {
        let mask = GidMask::new(8).unwrap();
        let mut cpu = VpidCache::new(mask);
        let (mut a, mut b) = (Vpid::default(), Vpid::default());
        assert_eq!(
            cpu.check(&mut a, false),
            VpidCheck::New { flush_all: false }
        );
        assert_eq!(a.gid(mask), 1);
        assert_eq!(
            cpu.check(&mut b, false),
            VpidCheck::New { flush_all: false }
        );
        assert_eq!(b.gid(mask), 2);
        assert_eq!(cpu.check(&mut a, false), VpidCheck::Kept);
        a.drop_entries();
        assert_eq!(
            cpu.check(&mut a, false),
            VpidCheck::New { flush_all: false }
        );
        assert_eq!((a.gid(mask), a.raw()), (3, 0x103));
        assert_eq!(cpu.check(&mut b, true), VpidCheck::New { flush_all: false });
        assert_eq!(b.gid(mask), 4);
    }

    #[test]
    fn a_gid_is_reused_only_after_a_flush() {
        for bits in 1..=8 {
            let mask = GidMask::new(bits).unwrap();
            let mut cpu = VpidCache::new(mask);
            let mut used = [false; 256];
            for _ in 0..2000 {
                let mut vpid = Vpid::default();
                let VpidCheck::New { flush_all } = cpu.check(&mut vpid, false) else {
                    panic!("a vCPU without a number kept it");
                };
                if flush_all {
                    used = [false; 256];
                }
                let gid = vpid.gid(mask) as usize;
                assert_ne!(gid, 0);
                assert!(!used[gid]);
                used[gid] = true;
            }
        }
    }

    #[test]
    fn an_older_generation_is_renewed() {
        let mask = GidMask::new(1).unwrap();
        let mut cpu = VpidCache::new(mask);
        let (mut a, mut b) = (Vpid::default(), Vpid::default());
        let _ = cpu.check(&mut a, false);
        assert_eq!(cpu.check(&mut b, false), VpidCheck::New { flush_all: true });
        assert_eq!(cpu.check(&mut a, false), VpidCheck::New { flush_all: true });
    }

    #[test]
    fn the_count_wraps_past_zero() {
        let mask = GidMask::new(8).unwrap();
        let mut cpu = VpidCache {
            last: u64::MAX,
            mask,
        };
        let mut vpid = Vpid::default();
        assert_eq!(
            cpu.check(&mut vpid, false),
            VpidCheck::New { flush_all: true }
        );
        assert_eq!(vpid.raw(), 0x101);
    }

    #[test]
    fn gid_bits_are_bounded() {
        assert_eq!(GidMask::new(0), None);
        assert_eq!(GidMask::new(4).unwrap().bits(), 0xf);
        assert_eq!(GidMask::new(63).unwrap().bits(), 0xff);
    }
}
