// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Loads and stores of a CPU: one look-up in the software TLB, and what
//! happens when that fails.

use super::watched::{Touch, WatchHit, Watched};
use super::{Cpu, Step, Stop};
use crate::mem::ram::{PAGE_SIZE, page_flag};
use crate::mem::{Bus, Value};
use crate::mmu::{Access, Mapping, PAGE_MASK};
use la_arch::Exception;

/// What decides, beside CPUCFG.1.UAL, whether an access must be aligned (7.4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// MISC.ALCL.
    Plain,
    /// Nothing: the access is one of a vector.
    Vector,
}

/// In which order the parts of a store are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// From the lowest address up.
    Up,
    /// From the highest address down.
    Down,
}

/// Where the bytes of an access are.
struct Reached {
    first: Mapping,
    /// So many of them are in the first page.
    split: u64,
    /// The others' physical address.
    second: Option<u64>,
}

impl Reached {
    /// Physical address of byte `i`.
    fn byte(&self, i: u64) -> u64 {
        match self.second {
            Some(second) if i >= self.split => second + (i - self.split),
            _ => self.first.pa + i,
        }
    }

    /// The order of a store of which nothing is written if a page is answered by nothing:
    /// memory takes all, and comes last.
    fn order(&self, bus: &Bus) -> Order {
        match bus.ram.offset(self.first.pa) {
            Some(_) => Order::Down,
            None => Order::Up,
        }
    }
}

impl Cpu {
    /// Loads from virtual address `va`. Unaligned addresses work (the 3A5000
    /// does them in hardware, CPUCFG.1.UAL) unless MISC.ALCL forbids, which
    /// raises ALE.
    ///
    /// # Errors
    /// Any exception of translation or access.
    #[inline(always)]
    pub(crate) fn load<T: Value>(&mut self, bus: &mut Bus, va: u64) -> Step<T> {
        self.load_as(bus, va, Check::Plain)
    }

    /// The same for an access that `check` says the kind of.
    ///
    /// # Errors
    /// Any exception of translation or access.
    #[inline(always)]
    pub(crate) fn load_as<T: Value>(&mut self, bus: &mut Bus, va: u64, check: Check) -> Step<T> {
        match self.load_known(bus, va) {
            Some(value) => Ok(value),
            None => self.load_slow(bus, va, check),
        }
    }

    /// Loads from virtual address `va` if that is aligned and the software TLB has it.
    #[inline(always)]
    pub(crate) fn load_known<T: Value>(&self, bus: &Bus, va: u64) -> Option<T> {
        let offset = self.soft.find_read(va, self.soft_context(), T::SIZE)?;
        Some(bus.ram.read(offset))
    }

    /// Stores to virtual address `va`; no byte is written if it traps.
    ///
    /// # Errors
    /// Any exception of translation or access.
    #[inline(always)]
    pub(crate) fn store<T: Value>(&mut self, bus: &mut Bus, va: u64, value: T) -> Step {
        self.store_as(bus, va, value, Check::Plain)
    }

    /// The same for an access that `check` says the kind of.
    ///
    /// # Errors
    /// Any exception of translation or access.
    #[inline(always)]
    pub(crate) fn store_as<T: Value>(
        &mut self,
        bus: &mut Bus,
        va: u64,
        value: T,
        check: Check,
    ) -> Step {
        if let Some(offset) = self.soft.find_write(va, self.soft_context(), T::SIZE) {
            bus.ram.write(offset, value);
            return Ok(());
        }
        self.store_slow(bus, va, value, check)
    }

    /// Loads the 16-byte parts of a vector from virtual address `va`, as one
    /// access.
    ///
    /// # Errors
    /// Any exception of translation or access.
    #[inline(always)]
    pub(crate) fn load_vector(&mut self, bus: &mut Bus, va: u64, parts: &mut [u128]) -> Step {
        if parts.len() > 1 {
            self.check_alignment(va, size_of_val(parts) as u64, Check::Vector)?;
        }
        for (part, at) in parts.iter_mut().zip((0..).step_by(16)) {
            *part = self.load_as(bus, va.wrapping_add(at), Check::Vector)?;
        }
        Ok(())
    }

    /// Stores the 16-byte parts of a vector to virtual address `va`, as one
    /// access: no byte is written if it traps.
    ///
    /// # Errors
    /// Any exception of translation or access.
    #[inline(always)]
    pub(crate) fn store_vector(&mut self, bus: &mut Bus, va: u64, parts: &[u128]) -> Step {
        let mut order = Order::Up;
        if parts.len() > 1 {
            let size = size_of_val(parts) as u64;
            self.check_alignment(va, size, Check::Vector)?;
            order = self.check_store(bus, va, size)?;
        }
        for number in 0..parts.len() {
            let number = match order {
                Order::Up => number,
                Order::Down => parts.len() - 1 - number,
            };
            let va = va.wrapping_add(16 * number as u64);
            self.store_as(bus, va, parts[number], Check::Vector)?;
        }
        Ok(())
    }

    /// Raises what a store of `size` bytes to `va` raises, before it is made in parts, and
    /// says in which order: what may be answered by nothing comes first.
    #[inline(always)]
    pub(crate) fn check_store(&mut self, bus: &mut Bus, va: u64, size: u64) -> Step<Order> {
        self.check_access(va, size, true)?;
        let crosses = (va & PAGE_MASK) + size > PAGE_SIZE as u64;
        if !crosses && self.watched.is_empty() {
            return Ok(Order::Up);
        }
        Ok(self.reach(bus, va, size, Access::Store)?.order(bus))
    }

    /// Atomic read-modify-write for `am*`: needs natural alignment (else ALE)
    /// and store permission; returns the old value.
    ///
    /// # Errors
    /// Any exception of translation or access; faults are those of a store.
    #[inline(always)]
    pub(crate) fn modify<T: Value>(
        &mut self,
        bus: &mut Bus,
        va: u64,
        f: impl FnOnce(T) -> T,
    ) -> Step<T> {
        self.require_aligned::<T>(va)?;
        self.data_address(bus, va, Access::Store)?;
        let old = self.load::<T>(bus, va)?;
        self.store(bus, va, f(old))?;
        Ok(old)
    }

    /// Physical address of a load or store.
    pub(super) fn data_address(&mut self, bus: &mut Bus, va: u64, access: Access) -> Step<u64> {
        let context = self.soft_context();
        let known = match access {
            Access::Load => self.soft.find_read(va, context, 1),
            Access::Store => self.soft.find_write(va, context, 1),
            Access::Fetch => None,
        };
        match known {
            Some(offset) => Ok(bus.ram.address(offset)),
            None => Ok(self.translate(bus, va, access)?.pa),
        }
    }

    /// Stops an access to what a debugger watches.
    #[inline(always)]
    fn touch(&mut self, va: u64, mapping: &Mapping, size: u64, store: bool) -> Step {
        self.check_debugger(Touch {
            va,
            guest: mapping.guest,
            pa: mapping.pa,
            size,
            store,
        })
    }

    /// Raises ALE for a `va` that is no multiple of `size`, where accesses must be
    /// aligned.
    pub(crate) fn check_alignment(&mut self, va: u64, size: u64, check: Check) -> Step {
        let misaligned = va & (size - 1) != 0;
        let checked = check == Check::Plain && self.csr().misc().alcl() >> self.plv & 1 != 0;
        let forbidden = checked || !self.model.has_ual();
        if misaligned && forbidden {
            return Err(self.raise_at(Exception::ALE, va));
        }
        Ok(())
    }

    /// Loads from virtual address `va` what the software TLB does not have.
    ///
    /// # Errors
    /// Any exception of translation or access.
    #[cold]
    #[inline(never)]
    pub(crate) fn load_slow<T: Value>(&mut self, bus: &mut Bus, va: u64, check: Check) -> Step<T> {
        let size = u64::from(T::SIZE);
        self.check_alignment(va, size, check)?;
        self.check_access(va, size, false)?;
        let reached = self.reach(bus, va, size, Access::Load)?;
        if reached.second.is_none() {
            self.remember(bus, va, &reached.first);
            let wide = self.read_physical(bus, va, reached.first.pa, T::SIZE)?;
            return Ok(T::truncate(wide));
        }
        let mut wide = 0;
        for i in 0..size {
            wide |= self.read_physical(bus, va, reached.byte(i), 1)? << (8 * i);
        }
        Ok(T::truncate(wide))
    }

    #[cold]
    #[inline(never)]
    fn store_slow<T: Value>(&mut self, bus: &mut Bus, va: u64, value: T, check: Check) -> Step {
        let size = u64::from(T::SIZE);
        self.check_alignment(va, size, check)?;
        self.check_access(va, size, true)?;
        let reached = self.reach(bus, va, size, Access::Store)?;
        if reached.second.is_none() {
            self.write_physical(bus, va, reached.first.pa, T::SIZE, value.widen())?;
            self.remember(bus, va, &reached.first);
            return Ok(());
        }
        let order = reached.order(bus);
        for i in 0..size {
            let i = match order {
                Order::Up => i,
                Order::Down => size - 1 - i,
            };
            self.write_physical(bus, va, reached.byte(i), 1, value.widen() >> (8 * i))?;
        }
        Ok(())
    }

    /// Translates all bytes of an access, which ends in the first page or in the one behind
    /// it.
    ///
    /// # Errors
    /// Any exception of translation, and what a debugger watches.
    fn reach(&mut self, bus: &mut Bus, va: u64, size: u64, access: Access) -> Step<Reached> {
        let store = access == Access::Store;
        let split = size.min(PAGE_SIZE as u64 - (va & PAGE_MASK));
        let first = self.translate(bus, va, access)?;
        self.touch(va, &first, split, store)?;
        let mut second = None;
        if split < size {
            let va = va.wrapping_add(split);
            let mapping = self.translate(bus, va, access)?;
            self.touch(va, &mapping, size - split, store)?;
            second = Some(mapping.pa);
        }
        Ok(Reached {
            first,
            split,
            second,
        })
    }

    /// Reads physical memory or a device; `va` is for the exception that an
    /// address without either raises.
    fn read_physical(&mut self, bus: &mut Bus, va: u64, pa: u64, size: u8) -> Step<u128> {
        if let Some(offset) = bus.ram.offset(pa) {
            self.check_memory(bus, offset)?;
            return Ok(bus.ram.read_wide(offset, size));
        }
        let step = device_access_size(pa, size);
        let mut wide = 0u128;
        for i in (0..size).step_by(usize::from(step)) {
            let at = pa.wrapping_add(u64::from(i));
            let Some(part) = bus.platform.mmio_read(self.now(), at, step) else {
                return Err(self.no_answer(va));
            };
            wide |= u128::from(part) << (8 * i);
        }
        self.device_accessed(bus);
        Ok(wide)
    }

    /// Raises a machine error where memory has lost what is in it.
    pub(crate) fn check_memory(&mut self, bus: &Bus, offset: usize) -> Step {
        if bus.ram.flags(offset) & page_flag::POISONED != 0 {
            return Err(self.raise_machine_error(bus.ram.address(offset)));
        }
        Ok(())
    }

    fn write_physical(&mut self, bus: &mut Bus, va: u64, pa: u64, size: u8, wide: u128) -> Step {
        if let Some(offset) = bus.ram.offset(pa) {
            let flags = bus.ram.flags(offset);
            if flags & page_flag::READ_ONLY != 0 {
                return Ok(());
            }
            if flags != 0 {
                self.store_to_flagged(bus, offset, usize::from(size));
            }
            bus.ram.write_wide(offset, size, wide);
            return Ok(());
        }
        let step = device_access_size(pa, size);
        for i in (0..size).step_by(usize::from(step)) {
            let at = pa.wrapping_add(u64::from(i));
            let mask = u64::MAX >> (64 - 8 * u32::from(step));
            let part = (wide >> (8 * i)) as u64 & mask;
            if !bus.platform.mmio_write(self.now(), at, step, part) {
                return Err(self.no_answer(va));
            }
        }
        self.device_accessed(bus);
        Ok(())
    }

    /// What an address does where neither memory nor a device answers: as on
    /// QEMU's board, an address error.
    fn no_answer(&mut self, va: u64) -> Stop {
        self.raise_at(Exception::ADEM, va)
    }

    /// A device access can raise interrupts, write memory or end the run: the
    /// engine looks after the block.
    pub(crate) fn device_accessed(&mut self, bus: &mut Bus) {
        bus.device_accessed = true;
        self.attention = true;
    }

    /// A store to a page with decoded code or reservations in it.
    pub(crate) fn store_to_flagged(&mut self, bus: &mut Bus, offset: usize, size: usize) {
        let flags = bus.ram.flags(offset);
        if flags & page_flag::CODE != 0 {
            bus.code_written(offset);
            self.attention = true;
        }
        if flags & page_flag::RESERVED != 0 {
            bus.end_reservations_of_others(self.id, offset);
            bus.end_reservations_of_others(self.id, offset + size - 1);
            if !bus.others_reserve(self.id, offset) {
                // Else each store to the page would come here, to the end of the run.
                bus.ram.clear_flag(offset, page_flag::RESERVED);
            }
        }
    }
}

/// Devices take naturally aligned accesses of up to 8 bytes.
fn device_access_size(pa: u64, size: u8) -> u8 {
    let mut step = size.min(8);
    while pa & (u64::from(step) - 1) != 0 {
        step /= 2;
    }
    step
}

impl Cpu {
    /// Has the debugger watch this and nothing else.
    pub(crate) fn watch_for_debugger(&mut self, watched: &[Watched]) {
        if self.watched != watched {
            self.watched = watched.to_vec();
            // Each access is looked at, or no longer.
            self.soft.clear();
        }
    }

    /// Stops an access to what a debugger watches: [`Cpu::watch_hit`] says that it is no
    /// exception.
    #[inline(always)]
    fn check_debugger(&mut self, touch: Touch) -> Step {
        if self.watched.is_empty() || self.unwatched {
            return Ok(());
        }
        self.find_watched(touch)
    }

    #[cold]
    fn find_watched(&mut self, touch: Touch) -> Step {
        let world = self.world();
        let va = self.narrow(touch.va);
        let touch = Touch { va, ..touch };
        // A debugger may know an address of 32 bits as registers have it.
        let extended = self.narrow_addresses().then_some(Touch {
            va: va as i32 as u64,
            ..touch
        });
        let touches = |w: &&Watched| {
            let extended = extended.as_ref();
            w.is_touched(&touch, world) || extended.is_some_and(|touch| w.is_touched(touch, world))
        };
        let Some(&watched) = self.watched.iter().find(touches) else {
            return Ok(());
        };
        self.watch_hit = Some(WatchHit { watched, touch });
        Err(Stop::Trap)
    }
}
