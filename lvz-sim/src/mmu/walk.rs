// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `lddir` and `ldpte`, the page walk that software directs (Volume 1,
//! 4.2.6; in guest mode `docs/lvz.md` 6.6).

use super::{Access, PA_MASK};
use crate::cpu::{Cpu, CsrFile, Step};
use crate::mem::Bus;
use la_arch::Exception;
use la_arch::csr::{TlbElo, TlbrEhi, number as n};

/// A directory entry is a huge page; bit 6 is G in the lowest level.
const HUGE: u64 = 1 << 6;
/// G of a huge page, bit 6 being taken.
const HUGE_GLOBAL: u64 = 1 << 12;
/// G of a page.
const GLOBAL: u64 = 1 << 6;
/// The level a huge page was found at, which `lddir` leaves for `ldpte`.
const LEVEL: u64 = 3 << 13;

/// Start bit and width of the index of `level` (0 is the lowest table).
pub(super) fn index_field(csr: &CsrFile, level: u32) -> (u64, u64) {
    let (pwcl, pwch) = (csr.pwcl(), csr.pwch());
    match level {
        1 => (pwcl.dir1_base(), pwcl.dir1_width()),
        2 => (pwcl.dir2_base(), pwcl.dir2_width()),
        3 => (pwch.dir3_base(), pwch.dir3_width()),
        4 => (pwch.dir4_base(), pwch.dir4_width()),
        _ => (pwcl.pt_base(), pwcl.pt_width()),
    }
}

fn index(address: u64, (base, width): (u64, u64)) -> u64 {
    address >> base & ((1u64 << width) - 1)
}

impl Cpu {
    /// Reads a table entry: root's tables by physical address, a guest's by
    /// guest physical address through stage 2 alone (M-26).
    fn table_entry(&mut self, bus: &mut Bus, address: u64) -> Step<u64> {
        let address = address & PA_MASK & !7;
        let pa = if self.in_guest() {
            self.guest_physical(address, Access::Load)?.pa
        } else {
            address
        };
        match bus.ram.offset(pa) {
            Some(offset) => Ok(bus.ram.read(offset)),
            None => Err(self.raise_at(Exception::ADEM, address)),
        }
    }

    /// `lddir`: the entry of directory `level` under table `base` for the
    /// address in TLBRBADV. A huge page passes through with its level noted.
    ///
    /// # Errors
    /// In guest mode stage-2 faults.
    pub(crate) fn load_directory(&mut self, bus: &mut Bus, base: u64, level: u32) -> Step<u64> {
        if !(1..=4).contains(&level) {
            return Ok(base);
        }
        if base & HUGE != 0 {
            let noted = base & LEVEL != 0 || level == 4;
            return Ok(if noted {
                base
            } else {
                base | u64::from(level) << 13
            });
        }
        let csr = self.csr();
        let slot = index(csr.raw(n::TLBRBADV), index_field(csr, level));
        self.table_entry(bus, base & PA_MASK | slot << 3)
    }

    /// `ldpte`: the even or odd page of the pair into TLBRELO, its size into
    /// TLBREHI.PS. A huge page is split into two halves.
    ///
    /// # Errors
    /// In guest mode stage-2 faults.
    pub(crate) fn load_page_entry(&mut self, bus: &mut Bus, base: u64, odd: bool) -> Step {
        let csr = self.csr();
        let (entry, ps) = if base & HUGE != 0 {
            let (start, width) = index_field(csr, (base >> 13 & 3) as u32);
            let ps = (start + width).wrapping_sub(1);
            if !self.model.has_page_size(ps) {
                return Ok(());
            }
            let mut entry = base & !(LEVEL | HUGE);
            if entry & HUGE_GLOBAL != 0 {
                entry = entry & !HUGE_GLOBAL | GLOBAL;
            }
            (
                if odd {
                    entry.wrapping_add(1 << ps)
                } else {
                    entry
                },
                ps,
            )
        } else {
            let field = index_field(csr, 0);
            let slot = index(csr.raw(n::TLBRBADV), field) & !1 | u64::from(odd);
            (self.table_entry(bus, base & PA_MASK | slot << 3)?, field.0)
        };
        let world = self.world();
        let elo = if odd { n::TLBRELO1 } else { n::TLBRELO0 };
        self.put_csr(world, elo, entry & TlbElo::FIELDS);
        let ehi = TlbrEhi(self.csr().raw(n::TLBREHI)).with_ps(ps);
        self.put_csr(world, n::TLBREHI, ehi.0);
        Ok(())
    }
}
