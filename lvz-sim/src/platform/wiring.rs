// SPDX-License-Identifier: Apache-2.0 OR MIT

//! How interrupts go from devices through the controllers to the CPUs.

use super::avec::Target;
use super::lint::Source;
use super::{Platform, pch_pic, pci};
use crate::cpu::CpuLines;
use crate::map::{Device, Input};
use vm_memory::{Bytes, GuestAddress};

impl Platform {
    pub(super) fn update_uart(&mut self, index: usize) {
        let Some(uart) = self.uarts.get_mut(index) else {
            return;
        };
        let (line, event) = (uart.line(), uart.take_event());
        let device = Device::Uart(index);
        self.drive(device, line);
        if let Some(Input::PchPic(pin)) = self.input(device).filter(|_| event) {
            let mut changes = Vec::new();
            self.pic.repeat(pin, &mut changes);
            self.deliver(&changes);
        }
    }

    pub(super) fn update_rtc(&mut self, now: u64) {
        self.rtc.advance(now);
        self.drive(Device::Rtc, self.rtc.line());
    }

    pub(super) fn update_virtio(&mut self, index: usize) {
        let Some(transport) = self.virtio.get_mut(index) else {
            return;
        };
        let Some(pci) = &mut self.pci else {
            let line = transport.line();
            return self.drive(Device::Virtio(index), line);
        };
        let messages = pci.signal(index, transport);
        if let Some((pin, level)) = pci.intx(index, &self.virtio) {
            self.drive_input(Input::PchPic(pin), level);
        }
        for message in messages {
            self.send(message);
        }
    }

    /// Sends what a device writes to interrupt: the vector to the EIOINTC or to a CPU, or
    /// wherever the driver has the message go.
    fn send(&mut self, message: pci::Message) {
        match self.map.find(message.address) {
            Some((Device::PchMsi, 0)) => self.deliver(&[(message.data as u8, true)]),
            Some((Device::Avec, offset)) => self.send_message(offset),
            _ => {
                let at = GuestAddress(message.address);
                self.dma |= self.ram.write_obj(message.data.to_le(), at).is_ok();
            }
        }
    }

    /// Sends the message to a CPU that was written to `offset` in the window.
    pub(super) fn send_message(&mut self, offset: u64) {
        let target = Target::of(offset);
        if let Err(reason) = self.iocsr.send_message(target) {
            self.report(Source::Message(target), reason);
        }
    }

    /// The interrupt controller's input that is `device`'s.
    fn input(&self, device: Device) -> Option<Input> {
        self.board.place(device)?.input
    }

    /// Drives it.
    pub(super) fn drive(&mut self, device: Device, level: bool) {
        if let Some(input) = self.input(device) {
            self.drive_input(input, level);
        }
    }

    fn drive_input(&mut self, input: Input, level: bool) {
        match input {
            Input::PchPic(pin) => {
                let mut changes = Vec::new();
                self.pic.set_pin(pin, level, &mut changes);
                self.deliver(&changes);
            }
            Input::Liointc(number) => {
                if self.iocsr.set_liointc(number, level) {
                    self.update_lines();
                    if let Some(reason) = self.iocsr.undelivered_input(number) {
                        self.report(Source::Input(number), reason);
                    }
                }
            }
        }
    }

    /// Hands vectors on from the PCH-PIC to the EIOINTC.
    pub(super) fn deliver(&mut self, changes: &[pch_pic::Change]) {
        for &(vector, level) in changes {
            self.iocsr.eiointc.set(vector, level);
            if let Some(reason) = self.iocsr.eiointc.undelivered(vector) {
                self.report(Source::Vector(vector), reason);
            }
        }
        if !changes.is_empty() {
            self.update_lines();
        }
    }

    pub(super) fn update_lines(&mut self) {
        for (cpu, lines) in self.lines.iter_mut().enumerate() {
            let (hwi, ipi) = self.iocsr.lines(cpu);
            *lines = CpuLines { hwi, ipi };
        }
    }
}
