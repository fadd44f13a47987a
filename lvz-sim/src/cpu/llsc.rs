// SPDX-License-Identifier: Apache-2.0 OR MIT

//! LL/SC (Volume 1, 2.2.7.2 and LLBCTL, 7.4.16). Root and guest have LL bits
//! of their own (`docs/lvz.md` Q-18).
//!
//! Reservations are kept on the bus, by CPU, because stores of others end
//! them. A reservation covers 64 bytes, the cache line of the 3A5000.

use super::{Cpu, Step};
use crate::mem::{Bus, Value};
use crate::mmu::Access;
use crate::world::World;
use la_arch::Exception;
use la_arch::csr::Llbctl;

impl Cpu {
    /// `ll.*`: loads and sets the LL bit with the address.
    pub(crate) fn load_linked<T: Value>(&mut self, bus: &mut Bus, va: u64) -> Step<T> {
        self.require_aligned::<T>(va)?;
        let value = self.load::<T>(bus, va)?;
        let line = self.data_address(bus, va, Access::Load)? >> 6;
        bus.reserve(self.id, self.world(), line);
        Ok(value)
    }

    /// `sc.*`: stores if the reservation still holds; returns whether it did.
    pub(crate) fn store_conditional<T: Value>(
        &mut self,
        bus: &mut Bus,
        va: u64,
        value: T,
    ) -> Step<bool> {
        self.require_aligned::<T>(va)?;
        // Permission is checked even if the store will not be done: a page
        // fault must not depend on the reservation.
        let line = self.data_address(bus, va, Access::Store)? >> 6;
        let holds = bus.reservation(self.id, self.world()) == Some(line);
        if holds {
            // If it traps, or a debugger stops it, the reservation is as before.
            self.store(bus, va, value)?;
        }
        bus.take_reservation(self.id, self.world());
        Ok(holds)
    }

    /// LLBCTL as read: ROLLB shows the LL bit, WCLLB reads zero.
    pub(super) fn llbctl(&self, bus: &Bus, world: World) -> u64 {
        let stored = Llbctl(self.file(world).raw(Llbctl::NUMBER)).klo();
        Llbctl(0)
            .with_klo(stored)
            .with_rollb(bus.has_reservation(self.id, world))
            .0
    }

    /// A write to LLBCTL.
    pub(super) fn set_llbctl(&mut self, bus: &mut Bus, world: World, value: u64) {
        let value = Llbctl(value);
        if value.wcllb() {
            bus.take_reservation(self.id, world);
        }
        let kept = Llbctl(0).with_klo(value.klo());
        self.put_csr(world, Llbctl::NUMBER, kept.0);
    }

    /// `ertn` clears the LL bit of the mode it executes in unless KLO is set,
    /// which it clears; a return from TLB refill leaves both alone.
    pub(super) fn end_linked_by_return(&mut self, bus: &mut Bus) {
        let keep = Llbctl(self.csr().raw(Llbctl::NUMBER)).klo();
        self.put_csr(self.world(), Llbctl::NUMBER, 0);
        if !keep {
            bus.take_reservation(self.id, self.world());
        }
    }

    /// Raises ALE if `va` is not naturally aligned, as LL, SC and AM need.
    pub(super) fn require_aligned<T: Value>(&mut self, va: u64) -> Step {
        if va & (u64::from(T::SIZE) - 1) != 0 {
            return Err(self.raise_at(Exception::ALE, va));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Model;
    use crate::mem::Ram;
    use crate::mem::ram::page_flag;
    use crate::platform::{Platform, PlatformConfig};
    use std::sync::Arc;

    /// Two lines of a page.
    const LINE: u64 = 0x10_0000;
    const NEXT: u64 = LINE + 64;

    fn machine() -> ([Cpu; 2], Bus) {
        let ram = Ram::new(16 << 20).expect("memory for a test");
        let platform = Platform::new(PlatformConfig::default(), ram.map.clone());
        let bus = Bus::new(ram, platform.expect("a machine without files"), 2);
        let model = Arc::new(Model::default());
        ([0, 1].map(|id| Cpu::new(id, Arc::clone(&model))), bus)
    }

    fn watched(bus: &Bus) -> bool {
        let offset = bus.ram.offset(LINE).expect("an address in memory");
        bus.ram.flags(offset) & page_flag::RESERVED != 0
    }

    fn watch(bus: &mut Bus) {
        let offset = bus.ram.offset(LINE).expect("an address in memory");
        bus.ram.set_flag(offset, page_flag::RESERVED);
    }

    #[test]
    fn stores_are_fast_again_when_no_other_cpu_has_the_page() {
        let ([mut own, mut other], mut bus) = machine();
        assert_eq!(other.load_linked::<u64>(&mut bus, NEXT), Ok(0));
        watch(&mut bus);
        // The other CPU's line is not the one that is written.
        assert_eq!(own.store(&mut bus, LINE, 1u64), Ok(()));
        assert!(watched(&bus) && bus.has_reservation(1, World::Root));
        assert_eq!(own.store(&mut bus, NEXT, 1u64), Ok(()));
        assert!(!watched(&bus) && !bus.has_reservation(1, World::Root));
        assert_eq!(own.store(&mut bus, LINE, 2u64), Ok(()));
        let context = own.soft_context();
        assert!(own.soft.find_write(LINE, context, 8).is_some());
        // A reservation that a device ended, of a page that another has not written.
        watch(&mut bus);
        other.soft.clear();
        assert_eq!(other.store(&mut bus, LINE, 3u64), Ok(()));
        assert!(!watched(&bus));
    }
}
