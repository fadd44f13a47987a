// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Message interrupts (Volume 1, 6.2; `docs/lvz.md` 8.3): 256 vectors recorded in
//! MSGIS0 to MSGIS3. The highest that is not below MSGIE.PT is due: MSGIR names it,
//! and ESTAT bit 14 shows that there is one.

use super::{Cpu, Reading, Vectors};
use crate::mem::Bus;
use crate::world::World;
use la_arch::Interrupt;
use la_arch::csr::{MsgIe, MsgIr, number as n};

impl Cpu {
    /// Takes over what the interrupt controllers have for this CPU.
    pub(crate) fn sample_interrupts(&mut self, bus: &mut Bus) {
        self.set_lines(bus.platform.lines(self.id));
        if let Some(vectors) = bus.platform.take_messages(self.id) {
            self.record_messages(vectors);
        }
    }

    /// Records messages. They are root's: nothing sends any to a guest.
    fn record_messages(&mut self, vectors: Vectors) {
        for (number, bits) in (n::MSGIS0..).zip(vectors) {
            let recorded = self.root().raw(number);
            self.put_csr(World::Root, number, recorded | bits);
        }
        self.pick_message(World::Root);
    }

    /// The vector that is due.
    fn due_message(&self, world: World) -> Option<u64> {
        let csr = self.file(world);
        let threshold = MsgIe(csr.raw(n::MSGIE)).pt();
        (0..4u16)
            .rev()
            .find_map(|word| {
                let bit = csr.raw(n::MSGIS0 + word).checked_ilog2()?;
                Some(64 * u64::from(word) + u64::from(bit))
            })
            .filter(|vector| *vector >= threshold)
    }

    /// Has ESTAT show whether a vector is due.
    fn pick_message(&mut self, world: World) {
        let due = self.due_message(world).is_some();
        let estat = self.file(world).estat();
        let others = estat.is() & !Interrupt::AVEC.mask();
        let is = others | u64::from(due) << Interrupt::AVEC.bit();
        self.put(world, estat.with_is(is));
    }

    /// MSGIR: what is due, as long as ESTAT shows that something is.
    pub(super) fn message_request(&self, world: World) -> u64 {
        match self
            .due_message(world)
            .filter(|_| self.shows_message(world))
        {
            Some(vector) => MsgIr(0).with_intnum(vector).0,
            None => MsgIr(0).with_null(true).0,
        }
    }

    fn shows_message(&self, world: World) -> bool {
        self.file(world).estat().is() & Interrupt::AVEC.mask() != 0
    }

    /// What a read of MSGIR does: the vector that it gave is recorded no more.
    pub(crate) fn take_message(&mut self, world: World) {
        if !self.shows_message(world) {
            return;
        }
        let request = MsgIr(self.message_request(world));
        if !request.null() {
            let number = n::MSGIS0 + (request.intnum() / 64) as u16;
            let left = self.file(world).raw(number) & !(1 << (request.intnum() % 64));
            self.put_csr(world, number, left);
        }
        self.pick_message(world);
    }

    /// Software has written a register of message interrupts, or root the guest's
    /// ESTAT. By the manual a guest's ESTAT would follow what root writes into the
    /// registers; Linux's KVM writes both.
    pub(super) fn messages_written(&mut self, world: World, by_root: bool) {
        if !by_root || self.reads(Reading::GuestMsgint) {
            self.pick_message(world);
        }
    }
}
