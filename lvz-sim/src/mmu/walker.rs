// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The hardware page table walker (Volume 1, 5.4.5; `docs/lvz.md` 6.9): what a
//! miss of the TLB does while PWCH.HPTW_En is set, instead of a refill exception.
//!
//! An entry of a table has two bits that the TLB has not: P, there is such a page,
//! and W, it may be written. V and D are then what the hardware knows of a page:
//! that it was used, and written.

use super::Access;
use super::tlb::{Entry, Kind};
use super::translate::{Fault, Lookup, Mapping, page_invalid, permissions, refusal};
use super::walk::{half, index, index_field};
use crate::cpu::{Cpu, Reading, Step};
use crate::mem::Bus;
use crate::mem::ram::page_flag;
use la_arch::Exception;
use la_arch::csr::TlbElo;
use la_arch::page_table::{HUGE, PRESENT as P, WRITE as W};

/// The page is used.
const V: u64 = TlbElo(0).with_v(true).0;
/// The page is written.
const D: u64 = TlbElo(0).with_d(true).0;

/// The entry of a page in a table.
struct Leaf {
    /// Where it is: a physical address, of a guest's table a guest physical one.
    at: u64,
    entry: u64,
    /// Size of the TLB's pages, log2: half of a huge page.
    ps: u64,
    /// Where that of the other page of the pair is; a huge page is a pair by itself.
    neighbour: Option<u64>,
}

/// What the TLB gets of an entry. W goes with it for Q-32's other reading; software
/// does not see it.
fn for_tlb(entry: u64) -> u64 {
    let page = TlbElo(entry & TlbElo::FIELDS);
    let page = page
        .with_v(page.v() && entry & P != 0)
        .with_d(page.d() && entry & W != 0);
    page.0 | entry & W
}

impl Cpu {
    /// Whether the hardware walks the tables where the TLB has `fault`: for a miss, a
    /// page that is not used yet (of a pair, the other may have been) or not
    /// written yet.
    pub(super) fn walks(&self, lookup: &Lookup, fault: Fault) -> bool {
        self.file(lookup.registers).pwch().hptw_en()
            && match fault {
                Fault::Refill => true,
                Fault::Page(Exception::PME, page) => {
                    !self.reads(Reading::WalkDirty) || page.0 & W != 0
                }
                Fault::Page(_, page) => !page.v(),
                Fault::Address => false,
            }
    }

    /// Walks the tables, marks the page as used (or written), and puts it and its
    /// neighbour into the TLB. A page that does not allow the access is not put there.
    pub(super) fn walk(&mut self, bus: &mut Bus, lookup: &Lookup) -> Step<Mapping> {
        self.tlb.counts.walks[lookup.tag.kind as usize] += 1;
        let leaf = self.leaf(bus, lookup)?;
        if !self.model.has_page_size(leaf.ps) {
            let invalid = Fault::Page(page_invalid(lookup.access), TlbElo(0));
            return Err(self.record(invalid, lookup));
        }
        let page = TlbElo(leaf.entry)
            .with_v(leaf.entry & P != 0)
            .with_d(leaf.entry & W != 0);
        let allowed = permissions(page, lookup.plv, self.dirty_unchecked(lookup));
        if !allowed.contains(lookup.access.needs()) {
            let exception = refusal(page, lookup.plv, lookup.access);
            return Err(self.record(Fault::Page(exception, page), lookup));
        }
        let mut entry = leaf.entry | V;
        if lookup.access == Access::Store && entry & W != 0 {
            entry |= D;
        }
        let odd = lookup.address >> leaf.ps & 1 != 0;
        let pair = match leaf.neighbour {
            None => [half(entry, leaf.ps, false), half(entry, leaf.ps, true)],
            Some(at) => {
                let other = self.read_table(bus, lookup, at)?;
                if odd { [other, entry] } else { [entry, other] }
            }
        };
        if entry != leaf.entry {
            self.write_table(bus, lookup, leaf.at, entry)?;
        }
        let pair = pair.map(for_tlb);
        let entry = Entry::pair(&lookup.tag, lookup.address, leaf.ps as u8, pair);
        self.fill(entry, lookup.registers);
        let found = self.look_up(lookup);
        found.map_err(|fault| self.record(fault, lookup))
    }

    /// Goes down to the entry of the page that holds the address.
    fn leaf(&mut self, bus: &mut Bus, lookup: &Lookup) -> Step<Leaf> {
        let (world, va) = (lookup.registers, lookup.address);
        let mut table = self.directory(world, va);
        for level in (1..=4).rev() {
            let field = index_field(self.file(world), level);
            if field.1 == 0 {
                continue;
            }
            let at = self.entry_address(table, index(va, field), self.pc);
            let entry = self.read_table(bus, lookup, at)?;
            if entry & HUGE != 0 {
                return Ok(Leaf {
                    at,
                    entry,
                    // The entry is for 2^(start bit) bytes.
                    ps: field.0.wrapping_sub(1),
                    neighbour: None,
                });
            }
            table = entry;
        }
        let field = index_field(self.file(world), 0);
        let slot = index(va, field);
        let at = self.entry_address(table, slot, self.pc);
        Ok(Leaf {
            at,
            entry: self.read_table(bus, lookup, at)?,
            ps: field.0,
            neighbour: Some(self.entry_address(table, slot ^ 1, self.pc)),
        })
    }

    /// Where in memory a table's entry is: a guest's by way of stage 2.
    fn table_offset(
        &mut self,
        bus: &mut Bus,
        lookup: &Lookup,
        at: u64,
        access: Access,
    ) -> Step<usize> {
        let pa = match lookup.tag.kind {
            Kind::Stage1 => self.guest_physical(bus, at, access)?.pa,
            Kind::Host | Kind::Stage2 => at,
        };
        let offset = bus.ram.offset(pa);
        offset.ok_or_else(|| self.record(Fault::Address, lookup))
    }

    fn read_table(&mut self, bus: &mut Bus, lookup: &Lookup, at: u64) -> Step<u64> {
        let offset = self.table_offset(bus, lookup, at, Access::Load);
        let offset = offset.inspect_err(|_| {
            if self.trap.exception == Exception::PIL && self.reads(Reading::WalkFault) {
                self.trap.exception = page_invalid(lookup.access);
            }
        })?;
        self.check_memory(bus, offset)?;
        Ok(bus.ram.read(offset))
    }

    fn write_table(&mut self, bus: &mut Bus, lookup: &Lookup, at: u64, entry: u64) -> Step {
        let offset = self.table_offset(bus, lookup, at, Access::Store)?;
        let flags = bus.ram.flags(offset);
        if flags & page_flag::READ_ONLY != 0 {
            return Ok(());
        }
        if flags != 0 {
            self.store_to_flagged(bus, offset, size_of::<u64>());
        }
        bus.ram.write(offset, entry);
        bus.table_written = true;
        Ok(())
    }
}
