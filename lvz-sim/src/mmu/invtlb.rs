// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `invtlb` (Volume 1, 4.2.5.7; LVZ's operations from `docs/lvz.md` 4.5).

use super::tlb::{Entry, Kind};
use crate::cpu::{Cpu, Reading, Step};
use la_arch::Exception;

impl Cpu {
    /// Executes `invtlb op, info, address`: `info` has the ASID at 9:0 and the
    /// GID at 23:16.
    ///
    /// # Errors
    /// INE for operations that do not exist; in guest mode all above 6, which by
    /// another reading raise IPE there (`docs/lvz.md` I-7, Q-24).
    pub(crate) fn invalidate_tlb(&mut self, op: u8, info: u64, address: u64) -> Step {
        let asid = (info & 0x3ff) as u16;
        let gid = (info >> 16) as u8;
        let (own, own_gid) = match self.in_guest() {
            true => (Kind::Stage1, self.root().gstat().gid() as u8),
            false => (Kind::Host, 0),
        };
        let guest = self.in_guest();
        let lvz = self.model.has_lvz() && !guest;
        let context = |e: &Entry| e.kind == own && e.gid == own_gid;
        let stage1 = |e: &Entry| e.kind == Kind::Stage1;
        let stage2 = |e: &Entry| e.kind == Kind::Stage2;
        let of_asid = |e: &Entry| !e.g && e.asid == asid;
        let at = |e: &Entry| e.covers(address);
        let guests = |e: &Entry| e.gid == gid;
        let doomed = match op {
            // Root's 0 takes everything, a guest's only its own (I-4).
            0x0 if !guest => self.tlb.matching(|_| true),
            0x0 | 0x1 => self.tlb.matching(context),
            0x2 => self.tlb.matching(|e| context(e) && e.g),
            0x3 => self.tlb.matching(|e| context(e) && !e.g),
            0x4 => self.tlb.matching(|e| context(e) && of_asid(e)),
            0x5 => self.tlb.matching(|e| context(e) && of_asid(e) && at(e)),
            0x6 => self
                .tlb
                .matching(|e| context(e) && (e.g || e.asid == asid) && at(e)),
            0x9 if lvz => self.tlb.matching(|e| stage1(e) && guests(e)),
            0xa if lvz => self.tlb.matching(|e| stage1(e) && guests(e) && e.g),
            0xb if lvz => self.tlb.matching(|e| stage1(e) && guests(e) && !e.g),
            0xc if lvz => self.tlb.matching(|e| stage1(e) && guests(e) && of_asid(e)),
            0xd if lvz => self
                .tlb
                .matching(|e| stage1(e) && guests(e) && of_asid(e) && at(e)),
            0xe if lvz => self
                .tlb
                .matching(|e| stage1(e) && guests(e) && (e.g || e.asid == asid) && at(e)),
            0x10 if lvz => self.tlb.matching(stage1),
            0x11 if lvz => self.tlb.matching(stage2),
            0x12 if lvz => self.tlb.matching(|e| e.kind != Kind::Host),
            0x13 if lvz => self.tlb.matching(|e| stage1(e) && guests(e)),
            0x14 if lvz => self.tlb.matching(|e| stage2(e) && guests(e)),
            0x15 if lvz => self.tlb.matching(|e| e.kind != Kind::Host && guests(e)),
            0x16 if lvz => self.tlb.matching(|e| stage2(e) && guests(e) && at(e)),
            _ if guest && self.reads(Reading::GuestInvtlb) => {
                return Err(self.raise(Exception::IPE));
            }
            _ => return Err(self.raise(Exception::INE)),
        };
        for index in doomed {
            if let Some(entry) = self.tlb.get(index) {
                let kind = entry.kind as usize;
                self.tlb.counts.invalidated[kind] += 1;
            }
            self.drop_entry(index);
        }
        Ok(())
    }
}
