// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Pending interrupts of root and guest (Volume 1, 6.1; `docs/lvz.md` 8).

use super::{Cpu, CpuLines, Reading, Trap};
use crate::mem::Bus;
use crate::world::World;
use la_arch::{Exception, Interrupt};

/// ESTAT.IS bits that show lines and are not latched.
const LINE_BITS: u64 = Interrupt::LINES | Interrupt::IPI.mask();
/// Bit of the first hardware line.
const HWI0: u32 = Interrupt::HWI0.bit();

impl Cpu {
    /// ESTAT.IS of root or guest, lines included. Guest bits 9:2 come from
    /// GINTC alone (`docs/lvz.md` N-2); bits 10 to 14 are latched there. Root has bit 14
    /// latched too (`message`).
    pub(crate) fn estat_is(&self, world: World) -> u64 {
        let hwi = u64::from(self.lines.hwi);
        if world == World::Guest {
            let gintc = self.root().gintc();
            let injected = gintc.hwis() | hwi & gintc.hwip();
            self.guest().estat().is() & !Interrupt::LINES | injected << HWI0 | self.overflown(world)
        } else {
            let hwi = hwi & !self.hidden_lines();
            self.root().estat().is() & !LINE_BITS
                | hwi << HWI0
                | u64::from(self.lines.ipi) << Interrupt::IPI.bit()
                | self.overflown(world)
        }
    }

    /// HWI lines that root does not see, because the guest has them.
    fn hidden_lines(&self) -> u64 {
        let gintc = self.root().gintc();
        let passed = match self.reads(Reading::PipRoot) {
            true => gintc.hwip(),
            false => 0,
        };
        match self.reads(Reading::HwicRoot) {
            true => passed | gintc.hwic() & gintc.hwis(),
            false => passed,
        }
    }

    /// The interrupt controllers' outputs to this CPU may have changed.
    pub(crate) fn set_lines(&mut self, lines: CpuLines) {
        if self.reads(Reading::HwicLine) {
            let fallen = u64::from(self.lines.hwi & !lines.hwi);
            let gintc = self.root().gintc();
            let left = gintc.hwis() & !(fallen & gintc.hwic());
            self.put(World::Root, gintc.with_hwis(left));
        }
        self.lines = lines;
    }

    /// The interrupts that are pending and not masked in ECFG. Of the message interrupt
    /// the manual says that CRMD.IE alone blocks it, where Linux and QEMU have a mask
    ///
    pub(super) fn pending(&self, world: World) -> u64 {
        let ecfg = self.file(world).ecfg();
        let messages = ecfg.msgint() || self.model.has_msgint() && self.reads(Reading::MsgintMask);
        let enabled = ecfg.lie() | u64::from(messages) << Interrupt::AVEC.bit();
        self.estat_is(world) & enabled
    }

    fn deliverable(&self, world: World) -> bool {
        self.file(world).crmd().ie() && self.pending(world) != 0
    }

    /// Whether `idle` ends: any enabled source is pending, CRMD.IE or not.
    /// (Manual 4.2.7 speaks of an interrupt that is taken; hardware and QEMU
    /// wake without IE too, and Linux idles with interrupts on.)
    pub(crate) fn wakes(&self) -> bool {
        self.pending(self.world()) != 0
    }

    /// Delivers the interrupt that is due, if one is; root before guest
    /// (`docs/lvz.md` N-5, W-13).
    pub(crate) fn take_interrupt(&mut self, bus: &mut Bus) {
        let to_root = self.deliverable(World::Root);
        let to_guest = self.in_guest() && self.deliverable(World::Guest);
        if !to_root && !to_guest {
            return;
        }
        self.trap = Trap {
            exception: Exception::INT,
            to_root,
            ..Trap::default()
        };
        self.deliver(bus, self.pc, None);
    }

    /// Latches the timer interrupt of root or guest.
    pub(super) fn latch_timer(&mut self, world: World) {
        let estat = self.file(world).estat();
        self.put(world, estat.with_is(estat.is() | Interrupt::TI.mask()));
    }

    /// TICLR: clears the latched timer interrupt.
    pub(super) fn clear_timer(&mut self, world: World) {
        let estat = self.file(world).estat();
        self.put(world, estat.with_is(estat.is() & !Interrupt::TI.mask()));
    }
}
