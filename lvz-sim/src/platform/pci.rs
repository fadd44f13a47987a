// SPDX-License-Identifier: Apache-2.0 OR MIT

//! PCI Express: a host bridge with one bus, found through ECAM, and virtio devices as its
//! functions, as QEMU's LoongArch `virt` board has them (hw/pci-host/gpex.c,
//! hw/virtio/virtio-pci.c). The host bridge is device 0, the virtio devices follow. Wrong
//! use by a driver has no effect or reads all ones, as on a bus.

mod config;
mod function;
mod msix;

use super::error::PlatformError;
use super::field;
use super::virtio::mmio::Transport;
use crate::map::PCI_INTX_PINS;
use crate::mem::ram::GuestRam;
use config::ConfigSpace;
use function::{Function, FunctionState};
pub(super) use msix::Message;
use serde::{Deserialize, Serialize};

/// Devices of a bus (each has function 0 only).
const DEVICES: usize = 32;
/// What a device's and a bus's part of ECAM is, as shifts.
const DEVICE_SHIFT: u32 = 15;
const FUNCTION_SIZE: u64 = 1 << 12;

/// Most virtio devices on the bus.
pub(super) const FUNCTIONS_MAX: usize = DEVICES - 1;

/// A host bridge of QEMU (PCI_DEVICE_ID_REDHAT_PCIE_HOST).
const BRIDGE_ID: (u16, u16) = (0x1b36, 0x0008);
const BRIDGE_CLASS: u32 = 0x06_0000;

/// The bus with its functions. The devices behind them are transports that the platform
/// has, function n the transport n.
#[derive(Debug)]
pub(super) struct Pci {
    bridge: ConfigSpace,
    functions: Vec<Function>,
}

/// Saved state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PciState {
    bridge: Vec<u8>,
    functions: Vec<FunctionState>,
}

/// What an access did beyond the function's registers.
#[derive(Debug, Default)]
pub(super) struct Effect {
    /// Memory was written.
    pub(super) dma: bool,
    /// The function whose interrupts are to be looked at.
    pub(super) function: Option<usize>,
}

/// A place in a function's memory.
struct Place {
    function: usize,
    bar: usize,
    offset: u64,
}

impl Pci {
    /// A bus with a function for each of `devices`.
    pub(super) fn new(devices: &[Transport]) -> Self {
        Self {
            bridge: ConfigSpace::new(BRIDGE_ID, BRIDGE_CLASS, 0),
            functions: devices.iter().map(Function::new).collect(),
        }
    }

    pub(super) fn reset(&mut self, devices: &[Transport]) {
        *self = Self::new(devices);
    }

    pub(super) fn save(&self) -> PciState {
        PciState {
            bridge: self.bridge.save(),
            functions: self.functions.iter().map(Function::save).collect(),
        }
    }

    pub(super) fn restore(&mut self, state: &PciState) -> Result<(), PlatformError> {
        let fits = state.functions.len() == self.functions.len();
        if !fits || !self.bridge.restore(&state.bridge) {
            return Err(PlatformError::Mismatch("the number of PCI functions"));
        }
        for (function, saved) in self.functions.iter_mut().zip(&state.functions) {
            function.restore(saved)?;
        }
        Ok(())
    }

    /// Whether function `index` may access memory.
    pub(super) fn is_master(&self, index: usize) -> bool {
        self.functions.get(index).is_some_and(Function::is_master)
    }

    /// The device and the register of an ECAM address.
    fn decode(offset: u64) -> Option<(usize, u64)> {
        let device = (offset >> DEVICE_SHIFT) as usize;
        let register = offset & ((1 << DEVICE_SHIFT) - 1);
        // Bus 0 and function 0 are all that is there.
        (device < DEVICES && register < FUNCTION_SIZE).then_some((device, register))
    }

    /// Reads `size` bytes of configuration space.
    pub(super) fn config_read(&self, devices: &mut [Transport], offset: u64, size: u8) -> u64 {
        let absent = field::mask(size);
        let Some((device, register)) = Self::decode(offset) else {
            return absent;
        };
        let Some(index) = device.checked_sub(1) else {
            return self.bridge.read(register, size);
        };
        match (self.functions.get(index), devices.get_mut(index)) {
            (Some(function), Some(transport)) => function.config_read(transport, register, size),
            _ => absent,
        }
    }

    /// Writes `size` bytes of configuration space.
    pub(super) fn config_write(
        &mut self,
        devices: &mut [Transport],
        ram: &GuestRam,
        offset: u64,
        (size, value): (u8, u64),
    ) -> Effect {
        let Some((device, register)) = Self::decode(offset) else {
            return Effect::default();
        };
        let Some(index) = device.checked_sub(1) else {
            self.bridge.write(register, size, value);
            return Effect::default();
        };
        let (Some(function), Some(transport)) =
            (self.functions.get_mut(index), devices.get_mut(index))
        else {
            return Effect::default();
        };
        Effect {
            dma: function.config_write(transport, ram, register, (size, value)),
            function: Some(index),
        }
    }

    /// Which function answers at physical address `pa`.
    fn find(&self, pa: u64) -> Option<Place> {
        self.functions
            .iter()
            .enumerate()
            .find_map(|(function, candidate)| {
                let (bar, offset) = candidate.find(pa)?;
                Some(Place {
                    function,
                    bar,
                    offset,
                })
            })
    }

    /// Reads `size` bytes at physical address `pa` of the memory window; the function whose
    /// interrupts are to be looked at.
    pub(super) fn memory_read(
        &mut self,
        devices: &mut [Transport],
        pa: u64,
        size: u8,
    ) -> (u64, Option<usize>) {
        let absent = (field::mask(size), None);
        let Some(place) = self.find(pa) else {
            return absent;
        };
        let function = self.functions.get(place.function);
        match (function, devices.get_mut(place.function)) {
            (Some(function), Some(transport)) => {
                let value = function.read(transport, place.bar, place.offset, size);
                (value, Some(place.function))
            }
            _ => absent,
        }
    }

    /// Writes there.
    pub(super) fn memory_write(
        &mut self,
        devices: &mut [Transport],
        ram: &GuestRam,
        pa: u64,
        (size, value): (u8, u64),
    ) -> Effect {
        let Some(place) = self.find(pa) else {
            return Effect::default();
        };
        let index = place.function;
        let (Some(function), Some(transport)) =
            (self.functions.get_mut(index), devices.get_mut(index))
        else {
            return Effect::default();
        };
        Effect {
            dma: function.write(transport, ram, (place.bar, place.offset), (size, value)),
            function: Some(index),
        }
    }

    /// Takes what the device of function `index` has to say to its driver: messages that
    /// are to be sent.
    pub(super) fn signal(&mut self, index: usize, transport: &mut Transport) -> Vec<Message> {
        match self.functions.get_mut(index) {
            Some(function) => function.signal(transport),
            None => Vec::new(),
        }
    }

    /// Levels of the four interrupt pins of the bus. Function n drives pin (n + 1) % 4, its
    /// device number (QEMU: gpex_swizzle_map_irq_fn).
    pub(super) fn intx(&self, devices: &[Transport]) -> [bool; PCI_INTX_PINS] {
        let mut levels = [false; PCI_INTX_PINS];
        for (index, (function, transport)) in self.functions.iter().zip(devices).enumerate() {
            levels[Self::intx_of(index)] |= function.line(transport);
        }
        levels
    }

    /// The pin of function `index`.
    pub(super) fn intx_of(index: usize) -> usize {
        (index + 1) % PCI_INTX_PINS
    }
}
