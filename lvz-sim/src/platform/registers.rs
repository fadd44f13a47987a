// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Reads and writes of the devices' registers by the CPUs.

use super::iocsr::of_chip;
use super::pci::{Effect, Pci};
use super::virtio::mmio::Transport;
use super::{Platform, field};
use crate::map::{CHIP_UPPER, Device, PowerControl};
use crate::mem::ram::GuestRam;

impl Platform {
    /// Reads `size` (1, 2, 4, 8) bytes at physical address `pa`; `None` if no
    /// device answers there.
    pub fn mmio_read(&mut self, now: u64, pa: u64, size: u8) -> Option<u64> {
        let (device, offset) = self.map.find(pa)?;
        Some(match device {
            Device::PchPic => self.pic.read(offset, size),
            Device::PowerManagement => {
                let word = self.rtc.read_pm(offset & !3);
                field::extract(word.into(), offset & 3, size)
            }
            Device::Rtc => {
                let word = self.rtc.read(now, offset & !3);
                field::extract(word.into(), offset & 3, size)
            }
            Device::Events => {
                let word = self.power.take_happened();
                self.drive(Device::Events, self.power.line());
                field::extract(word.into(), offset, size)
            }
            Device::Power => {
                let bytes = [0, 1, 2, 3].map(|at| self.power.read(at));
                field::extract(u32::from_le_bytes(bytes).into(), offset, size)
            }
            Device::Virtio(index) => self.virtio.get_mut(index)?.read(offset, size),
            Device::LegacyIo | Device::PciIo => field::mask(size),
            Device::Flash => self.flash.as_ref()?.read(offset, size),
            Device::FwCfg => self.fw_cfg.read(offset, size),
            Device::Uart(index) => {
                let value = self.uarts.get_mut(index)?.read(offset);
                if offset == 0 {
                    // There may be room for more input now.
                    self.type_in();
                }
                self.update_uart(index);
                value.into()
            }
            Device::Chip(node) => self.chip_read(node, offset, size),
            Device::ChipUpper(node) => self.chip_read(node, offset + CHIP_UPPER, size),
            Device::PciConfig(window) => {
                let pci = self.pci.as_ref()?;
                let read = pci.config_read(&mut self.virtio, (window, offset), size);
                self.pci_read(read)
            }
            Device::PciMemory => {
                let pci = self.pci.as_ref()?;
                let read = pci.memory_read(&mut self.virtio, pa, size);
                self.pci_read(read)
            }
            Device::Avec | Device::PchMsi => 0,
        })
    }

    /// Writes to a device; `false` if none answers.
    pub fn mmio_write(&mut self, now: u64, pa: u64, size: u8, value: u64) -> bool {
        let Some((device, offset)) = self.map.find(pa) else {
            return false;
        };
        match device {
            Device::PchPic => {
                let mut changes = Vec::new();
                self.pic.write(offset, size, value, &mut changes);
                self.deliver(&changes);
            }
            Device::PowerManagement => self.pm_write(offset, size, value),
            Device::Rtc if size == 4 => {
                self.rtc.write(now, offset & !3, value as u32);
                self.update_rtc(now);
            }
            Device::Power => {
                let bytes = value.to_le_bytes();
                for (at, &byte) in (offset..).zip(bytes.iter().take(size.into())) {
                    self.power.write(at, byte);
                }
            }
            Device::Virtio(index) => {
                if let Some(transport) = self.virtio.get_mut(index) {
                    self.dma |= transport.write(&self.ram, offset, size, value);
                    self.update_virtio(index);
                }
            }
            Device::Uart(index) => self.uart_write(index, offset, value as u8),
            Device::Flash => {
                if let Some(flash) = &mut self.flash {
                    flash.write(offset, size, value);
                }
            }
            Device::FwCfg => self.dma |= self.fw_cfg.write(&self.ram, offset, size, value),
            Device::Chip(node) => self.chip_write(node, offset, size, value),
            Device::ChipUpper(node) => self.chip_write(node, offset + CHIP_UPPER, size, value),
            Device::Avec => self.send_message(offset),
            // The message's data are the vector.
            Device::PchMsi if offset == 0 => {
                self.deliver(&[(value as u8, true)]);
            }
            Device::PciConfig(window) => {
                let (place, access) = ((window, offset), (size, value));
                return self
                    .pci_write(|pci, devices, ram| pci.config_write(devices, ram, place, access));
            }
            Device::PciMemory => {
                let access = (size, value);
                return self
                    .pci_write(|pci, devices, ram| pci.memory_write(devices, ram, pa, access));
            }
            Device::Rtc | Device::Events | Device::LegacyIo | Device::PchMsi | Device::PciIo => {}
        }
        true
    }

    /// Writes the power-management block; on some boards it has the machine's power, too.
    fn pm_write(&mut self, offset: u64, size: u8, value: u64) {
        if size == 4 {
            self.rtc.write_pm(offset & !3, value as u32);
        }
        if let PowerControl::Bridge = self.board.power {
            let value = value & field::mask(size);
            self.power.write_bridge(offset, value as u32);
        }
    }

    fn uart_write(&mut self, index: usize, offset: u64, value: u8) {
        let uart = self.uarts.get_mut(index);
        let sent = uart.and_then(|uart| uart.write(offset, value));
        if let (Some(byte), Some(host)) = (sent, self.serial.get_mut(index)) {
            host.write(&[byte]);
        }
        self.update_uart(index);
    }

    /// Does what a read on the bus is to have as its effect; its value.
    fn pci_read(&mut self, (value, function): (u64, Option<usize>)) -> u64 {
        if let Some(index) = function {
            // Reading the interrupt status drops the line.
            self.update_virtio(index);
        }
        value
    }

    /// Does what a write on the bus is to have as its effect; `false` if there is no bus.
    fn pci_write(
        &mut self,
        write: impl FnOnce(&mut Pci, &mut [Transport], &GuestRam) -> Effect,
    ) -> bool {
        let Some(pci) = &mut self.pci else {
            return false;
        };
        let effect = write(pci, &mut self.virtio, &self.ram);
        self.dma |= effect.dma;
        if let Some(index) = effect.function {
            self.update_virtio(index);
        }
        true
    }

    fn chip_read(&mut self, node: usize, offset: u64, size: u8) -> u64 {
        let (cpu, addr) = of_chip(node, offset);
        self.iocsr_read(cpu, addr, size)
    }

    fn chip_write(&mut self, node: usize, offset: u64, size: u8, value: u64) {
        let (cpu, addr) = of_chip(node, offset);
        self.iocsr_write(cpu, addr, size, value);
    }
}
