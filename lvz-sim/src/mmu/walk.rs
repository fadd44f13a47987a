// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Page tables (Volume 1, 5.4.5), and `lddir` and `ldpte`, by which software walks
//! them (4.2.6; in guest mode `docs/lvz.md` 6.6).

use super::{Access, PA_MASK, PAGE_MASK};
use crate::cpu::{Cpu, CsrFile, Op, Reading, Step};
use crate::finding::Rule;
use crate::mem::Bus;
use la_arch::Exception;
use la_arch::csr::{TlbElo, TlbrEhi, number as n};
use la_arch::page_table::{HUGE, HUGE_GLOBAL};

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

pub(super) fn index(address: u64, (base, width): (u64, u64)) -> u64 {
    address >> base & ((1u64 << width) - 1)
}

/// The even or odd half of a huge page, each of 2^`ps` bytes, as an entry of a page.
pub(super) fn half(huge: u64, ps: u64, odd: bool) -> u64 {
    let mut entry = huge & !(LEVEL | HUGE);
    if entry & HUGE_GLOBAL != 0 {
        entry = TlbElo(entry & !HUGE_GLOBAL).with_g(true).0;
    }
    if odd {
        entry.wrapping_add(1 << ps)
    } else {
        entry
    }
}

impl Cpu {
    /// The address of an entry of the table at `base`, which the instruction at `pc`
    /// wants. Tables begin at multiples of 4 KiB; what flags in a base do is Q-31.
    pub(super) fn entry_address(&mut self, base: u64, slot: u64, pc: u64) -> u64 {
        let base = base & PA_MASK;
        if self.trace.lint && base & PAGE_MASK != 0 {
            let what = format!("base {base:#x} of a page table with other bits than its address");
            self.lint(Rule::WalkBase, pc, &what);
        }
        if self.reads(Reading::WalkBase) {
            base | slot << 3
        } else {
            base & !PAGE_MASK | slot << 3
        }
    }

    /// Reads a table entry: root's tables by physical address, a guest's by
    /// guest physical address through stage 2 alone (M-26).
    fn table_entry(&mut self, bus: &mut Bus, address: u64) -> Step<u64> {
        let pa = if self.in_guest() {
            self.guest_physical(bus, address, Access::Load)?.pa
        } else {
            address
        };
        let Some(offset) = bus.ram.offset(pa) else {
            return Err(self.raise_at(Exception::ADEM, address));
        };
        self.check_memory(bus, offset)?;
        Ok(bus.ram.read(offset))
    }

    /// `lddir`: the entry of directory `level` under the table in rj for the
    /// address in TLBRBADV. A huge page passes through with its level noted.
    ///
    /// # Errors
    /// In guest mode stage-2 faults.
    pub(crate) fn load_directory(&mut self, bus: &mut Bus, op: &Op, level: u32) -> Step<u64> {
        let base = self.get(op.rj);
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
        let address = self.entry_address(base, slot, self.pc_of(op));
        self.table_entry(bus, address)
    }

    /// `ldpte`: the even or odd page of the pair into TLBRELO, its size into
    /// TLBREHI.PS. A huge page is split into two halves.
    ///
    /// # Errors
    /// In guest mode stage-2 faults.
    pub(crate) fn load_page_entry(&mut self, bus: &mut Bus, op: &Op, odd: bool) -> Step {
        let base = self.get(op.rj);
        let csr = self.csr();
        let (entry, ps) = if base & HUGE != 0 {
            let (start, width) = index_field(csr, (base >> 13 & 3) as u32);
            let ps = (start + width).wrapping_sub(1);
            if !self.model.has_page_size(ps) {
                return Ok(());
            }
            (half(base, ps, odd), ps)
        } else {
            let field = index_field(csr, 0);
            let slot = index(csr.raw(n::TLBRBADV), field) & !1 | u64::from(odd);
            let address = self.entry_address(base, slot, self.pc_of(op));
            (self.table_entry(bus, address)?, field.0)
        };
        let world = self.world();
        let elo = if odd { n::TLBRELO1 } else { n::TLBRELO0 };
        self.put_csr(world, elo, entry & TlbElo::FIELDS);
        let ehi = TlbrEhi(self.csr().raw(n::TLBREHI)).with_ps(ps);
        self.put_csr(world, n::TLBREHI, ehi.0);
        Ok(())
    }
}
