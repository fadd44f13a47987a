// SPDX-License-Identifier: Apache-2.0 OR MIT

//! PCI Express: a host bridge with one bus, and virtio devices as its functions, as QEMU's
//! LoongArch `virt` board has them (hw/pci-host/gpex.c, hw/virtio/virtio-pci.c). The host
//! bridge is device 0, the virtio devices are in the slots that the board names. Wrong use
//! by a driver has no effect or reads all ones, as on a bus.

mod address;
mod common;
mod config;
mod function;
mod msix;

use super::error::PlatformError;
use super::field;
use super::virtio::mmio::Transport;
use crate::map::PciHost;
use crate::mem::ram::GuestRam;
use config::ConfigSpace;
use function::{Function, FunctionState};
pub(super) use msix::Message;
use serde::{Deserialize, Serialize};

/// The class of a host bridge.
const BRIDGE_CLASS: u32 = 0x06_0000;

/// The bus with its functions. The devices behind them are transports that the platform
/// has, function n the transport n.
#[derive(Debug)]
pub(super) struct Pci {
    host: &'static PciHost,
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

/// What is in a slot.
enum Occupant {
    Bridge,
    Function(usize),
}

/// A place in a function's memory.
struct Place {
    function: usize,
    bar: usize,
    offset: u64,
}

impl Pci {
    /// A bus with a function for each of `devices`.
    pub(super) fn new(host: &'static PciHost, devices: &[Transport]) -> Self {
        Self {
            host,
            bridge: ConfigSpace::new(host.id, BRIDGE_CLASS, 0),
            functions: devices.iter().map(Function::new).collect(),
        }
    }

    pub(super) fn reset(&mut self, devices: &[Transport]) {
        *self = Self::new(self.host, devices);
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

    /// What is at an address of a window to configuration space, and the register there.
    fn occupant(&self, window: usize, offset: u64) -> Option<(Occupant, u64)> {
        let address = self.host.config.get(window)?.format.decode(offset)?;
        let occupant = match address.device {
            0 => Occupant::Bridge,
            device => {
                let mut slots = self.host.slots.iter();
                Occupant::Function(slots.position(|slot| slot.device == device)?)
            }
        };
        Some((occupant, address.register))
    }

    /// Reads `size` bytes of configuration space through a window; the function whose
    /// interrupts are to be looked at.
    pub(super) fn config_read(
        &self,
        devices: &mut [Transport],
        (window, offset): (usize, u64),
        size: u8,
    ) -> (u64, Option<usize>) {
        let absent = (field::mask(size), None);
        match self.occupant(window, offset) {
            Some((Occupant::Bridge, register)) => (self.bridge.read(register, size), None),
            Some((Occupant::Function(index), register)) => {
                match (self.functions.get(index), devices.get_mut(index)) {
                    (Some(function), Some(transport)) => {
                        let value = function.config_read(transport, register, size);
                        (value, Some(index))
                    }
                    _ => absent,
                }
            }
            None => absent,
        }
    }

    /// Writes `size` bytes of configuration space through a window.
    pub(super) fn config_write(
        &mut self,
        devices: &mut [Transport],
        ram: &GuestRam,
        (window, offset): (usize, u64),
        (size, value): (u8, u64),
    ) -> Effect {
        let (index, register) = match self.occupant(window, offset) {
            Some((Occupant::Function(index), register)) => (index, register),
            Some((Occupant::Bridge, register)) => {
                self.bridge.write(register, size, value);
                return Effect::default();
            }
            None => return Effect::default(),
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
        &self,
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

    /// The PCH-PIC pin that function `index` is at, and its level, which may be another
    /// function's doing.
    pub(super) fn intx(&self, index: usize, devices: &[Transport]) -> Option<(u32, bool)> {
        let pin = self.host.slots.get(index)?.pin;
        let functions = self.functions.iter().zip(devices).zip(self.host.slots);
        let level = functions
            .filter(|(_, slot)| slot.pin == pin)
            .any(|((function, transport), _)| function.line(transport));
        Some((pin, level))
    }
}
