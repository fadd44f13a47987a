// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The TLB of the 3A5000: an STLB of 256 sets with 8 ways, whose pages have
//! one size, and an MTLB of 64 entries of any size (Volume 1, 5.4.2 and 5.4.3).
//!
//! With LVZ an entry also says whose it is: the host's, a guest's stage 1 or
//! its stage 2, and which GID (`docs/lvz.md` 6.3). Index as in TLBIDX: way *
//! 256 + set, then the MTLB from 2048.

use super::soft::SlotList;
use la_arch::csr::{TlbEhi, TlbElo};

pub(super) const STLB_SETS: usize = 256;
pub(super) const STLB_WAYS: usize = 8;
/// Entries of the STLB: the index of the first MTLB entry.
pub(crate) const STLB_SIZE: usize = STLB_SETS * STLB_WAYS;
/// Entries of the MTLB.
pub(super) const MTLB_SIZE: usize = 64;
/// All entries.
pub(crate) const TLB_SIZE: usize = STLB_SIZE + MTLB_SIZE;

/// Whose translation an entry is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub(crate) enum Kind {
    /// Root virtual to physical.
    #[default]
    Host,
    /// Guest virtual to guest physical.
    Stage1,
    /// Guest physical to physical.
    Stage2,
}

/// What a look-up must match.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag {
    /// Whose.
    pub kind: Kind,
    /// Guest identifier, 0 for the host.
    pub gid: u8,
    /// Address space identifier.
    pub asid: u16,
    /// The ASID does not count: stage 2 (`docs/lvz.md` M-4, Q-4).
    pub any_asid: bool,
}

/// One entry: a pair of pages.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Entry {
    /// Exists.
    pub e: bool,
    /// Whose.
    pub kind: Kind,
    /// Guest identifier.
    pub gid: u8,
    /// Address space identifier.
    pub asid: u16,
    /// Global: matches every ASID.
    pub g: bool,
    /// Page size, log2.
    pub ps: u8,
    /// Address bits 47:13 of the pair, in place.
    pub vppn: u64,
    /// Even and odd page.
    pub lo: [u64; 2],
    /// Software TLB slots that were filled from this entry.
    #[serde(skip)]
    pub(super) slots: SlotList,
}

impl Entry {
    /// The entry of a pair of pages of 2^`ps` bytes. Both must be global for it to be;
    /// the entry has one G, which reads back in both halves (7.5.3).
    pub(super) fn pair(tag: &Tag, address: u64, ps: u8, lo: [u64; 2]) -> Self {
        let g = lo.iter().all(|&half| TlbElo(half).g());
        Entry {
            e: true,
            kind: tag.kind,
            gid: tag.gid,
            asid: tag.asid,
            g,
            ps,
            vppn: address & TlbEhi::FIELDS,
            lo: lo.map(|half| TlbElo(half).with_g(g).0),
            slots: SlotList::default(),
        }
    }

    /// Whether the pair covers address `va`.
    pub(crate) fn covers(&self, va: u64) -> bool {
        let shift = u32::from(self.ps).min(46) + 1;
        ((self.vppn ^ va) & super::PA_MASK) >> shift == 0
    }

    /// Whether the entry is of `tag`, address aside.
    pub(crate) fn belongs(&self, tag: &Tag) -> bool {
        self.e
            && self.kind == tag.kind
            && self.gid == tag.gid
            && (tag.any_asid || self.g || self.asid == tag.asid)
    }

    /// Whether a look-up could find this entry or `other` of the same address; with
    /// `any_asid` whatever their ASID.
    pub(super) fn rivals(&self, other: &Entry, any_asid: bool) -> bool {
        let shift = u32::from(self.ps.max(other.ps)).min(46) + 1;
        self.e
            && ((self.vppn ^ other.vppn) & super::PA_MASK) >> shift == 0
            && self.kind == other.kind
            && self.gid == other.gid
            && (any_asid || self.g || other.g || self.asid == other.asid)
    }

    /// The page of the pair that holds `va`.
    pub(crate) fn page(&self, va: u64) -> TlbElo {
        TlbElo(self.lo[(va >> self.ps.min(47) & 1) as usize])
    }
}

/// The whole TLB.
pub(crate) struct Tlb {
    entries: Vec<Entry>,
    /// MTLB entries that exist, a bit each.
    mtlb: u64,
    /// State of the generator that chooses what `tlbfill` replaces.
    random: u64,
    /// What is counted.
    pub counts: TlbCounts,
}

/// Events of the TLB, by kind of entry (host, stage 1, stage 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct TlbCounts {
    /// Refill exceptions.
    pub refills: [u64; 3],
    /// Walks of the tables by the hardware.
    pub walks: [u64; 3],
    /// Entries written.
    pub fills: [u64; 3],
    /// Entries that `invtlb` removed.
    pub invalidated: [u64; 3],
}

impl TlbCounts {
    /// Whether a CPU can have counted so when `at` instructions had ended: none does more than
    /// to remove all entries.
    pub(crate) fn fits(&self, at: u64) -> bool {
        let most = at.saturating_add(1).saturating_mul(TLB_SIZE as u64);
        [self.refills, self.walks, self.fills, self.invalidated]
            .as_flattened()
            .iter()
            .all(|count| *count <= most)
    }
}

impl std::fmt::Debug for Tlb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tlb").finish_non_exhaustive()
    }
}

impl Tlb {
    /// Empty.
    pub(crate) fn new(seed: u64) -> Self {
        Tlb {
            entries: vec![Entry::default(); TLB_SIZE],
            mtlb: 0,
            counts: TlbCounts::default(),
            random: seed
                .wrapping_mul(2)
                .wrapping_add(1)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15),
        }
    }

    /// Entry `index`.
    pub(crate) fn get(&self, index: usize) -> Option<&Entry> {
        self.entries.get(index)
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Entry> {
        self.entries.get_mut(index)
    }

    /// Index of the entry that translates `va`; `ps` is the STLB's page size
    /// for this kind of entry. The STLB is asked first.
    pub(crate) fn find(&self, tag: &Tag, va: u64, ps: u8) -> Option<usize> {
        self.places(va, ps, ps).find(|&i| {
            let entry = &self.entries[i];
            entry.belongs(tag) && entry.covers(va)
        })
    }

    /// Where entries for the addresses of a pair of `ps` pages at `va` can be, in the order
    /// in which they are asked.
    pub(super) fn places(
        &self,
        va: u64,
        ps: u8,
        stlb_ps: u8,
    ) -> impl Iterator<Item = usize> + use<> {
        let log = ps.saturating_sub(stlb_ps).min(STLB_SETS.ilog2() as u8);
        let inside = (1 << log) - 1;
        let first = stlb_set(va, stlb_ps) & !inside;
        (0..STLB_WAYS << log)
            .map(move |n| (n >> log) * STLB_SETS + first + (n & inside))
            .chain(self.mtlb())
    }

    fn mtlb(&self) -> impl Iterator<Item = usize> + use<> {
        let mut bits = self.mtlb;
        std::iter::from_fn(move || {
            let next = (bits != 0).then(|| STLB_SIZE + bits.trailing_zeros() as usize);
            bits &= bits.wrapping_sub(1);
            next
        })
    }

    /// Where `tlbfill` puts a pair of `ps` pages at `va`: a free entry if there
    /// is one, else one chosen at random.
    pub(crate) fn victim(&mut self, va: u64, ps: u8, stlb_ps: u8) -> usize {
        if ps == stlb_ps {
            let set = stlb_set(va, ps);
            let mut ways = (0..STLB_WAYS).map(|way| way * STLB_SETS + set);
            match ways.find(|&i| !self.entries[i].e) {
                Some(free) => free,
                None => self.next_random(STLB_WAYS) * STLB_SETS + set,
            }
        } else {
            match (!self.mtlb).trailing_zeros() as usize {
                free if free < MTLB_SIZE => STLB_SIZE + free,
                _ => STLB_SIZE + self.next_random(MTLB_SIZE),
            }
        }
    }

    fn next_random(&mut self, bound: usize) -> usize {
        // xorshift64 (Marsaglia 2003): never zero from a non-zero seed.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 32) as usize % bound
    }

    /// Replaces entry `index`; the caller has dropped what was cached of it.
    pub(super) fn put(&mut self, index: usize, entry: Entry) {
        if let Some(slot) = self.entries.get_mut(index) {
            if index >= STLB_SIZE {
                let bit = 1 << (index - STLB_SIZE);
                self.mtlb = self.mtlb & !bit | if entry.e { bit } else { 0 };
            }
            *slot = entry;
        }
    }

    /// Indices of the existing entries that `select` picks.
    pub(super) fn matching(&self, select: impl Fn(&Entry) -> bool) -> Vec<usize> {
        let picked = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, e)| e.e && select(e));
        picked.map(|(i, _)| i).collect()
    }

    /// The state, for snapshots.
    pub(crate) fn save(&self) -> (Vec<Entry>, u64) {
        (self.entries.clone(), self.random)
    }

    /// Replaces the state, from a snapshot.
    pub(crate) fn restore(&mut self, entries: Vec<(u16, Entry)>, random: u64) {
        for i in 0..TLB_SIZE {
            self.put(i, Entry::default());
        }
        for (i, entry) in entries {
            self.put(usize::from(i), entry);
        }
        self.random = random | u64::from(random == 0);
    }
}

/// STLB set of the pair of `ps` pages that covers `va` (5.4.3.2).
pub(super) fn stlb_set(va: u64, ps: u8) -> usize {
    (va >> (u32::from(ps).min(46) + 1)) as usize % STLB_SETS
}
