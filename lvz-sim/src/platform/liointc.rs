// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Legacy I/O interrupt controller of the 3A5000: 32 inputs of the chip's own devices, each
//! routed to cores and their interrupt pins (Loongson 3A5000 manual, "Legacy I/O interrupts";
//! Linux drivers/irqchip/irq-loongson-liointc.c; QEMU hw/intc/loongson_liointc.c, the same
//! controller of a 3A4000).
//!
//! There is one, that of node 0, as all devices are. Inputs are levels: the register for
//! edges is stored and has no effect, as nothing here sends any.

use super::eiointc::{CORES_PER_NODE, Undelivered};
use serde::{Deserialize, Serialize};

/// Where it is among the chip registers, and so in IOCSR space.
pub(crate) const BASE: u64 = 0x1400;
/// Size of the registers.
pub(crate) const SIZE: u64 = 0x64;

const INPUTS: usize = 32;

/// A byte each input: cores in bits 3:0, their pins HWI0 to HWI3 in 7:4.
const ROUTE_END: u64 = 0x20;
const STATUS: u64 = 0x20;
const ENABLED: u64 = 0x24;
const ENABLE: u64 = 0x28;
const DISABLE: u64 = 0x2c;
const EDGE: u64 = 0x34;
/// The status of core n, at steps of 8 bytes.
const CORE_STATUS: u64 = 0x40;
const CORE_STATUS_STEP: u64 = 8;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Liointc {
    /// Four routes a word.
    routes: [u32; INPUTS / 4],
    enabled: u32,
    edge: u32,
    /// Levels at the inputs.
    inputs: u32,
}

impl Liointc {
    /// Takes the level of an input over; whether it is another than before.
    pub(crate) fn set(&mut self, number: u32, level: bool) -> bool {
        let bit = 1u32.checked_shl(number).unwrap_or(0);
        let before = self.inputs;
        match level {
            true => self.inputs |= bit,
            false => self.inputs &= !bit,
        }
        self.inputs != before
    }

    /// Inputs that interrupt.
    fn status(&self) -> u32 {
        self.inputs & self.enabled
    }

    /// Those of them that are routed to `core`, each with its route.
    fn routed(&self, core: usize) -> impl Iterator<Item = (usize, u8)> {
        let status = self.status();
        let routes = self.routes.iter().flat_map(|word| word.to_le_bytes());
        routes.enumerate().filter(move |&(input, route)| {
            let here = core < CORES_PER_NODE && route >> core & 1 != 0;
            here && status >> input & 1 != 0
        })
    }

    fn core_status(&self, core: usize) -> u32 {
        self.routed(core)
            .fold(0, |bits, (input, _)| bits | 1 << input)
    }

    /// HWI inputs of core `core` of node 0.
    pub(crate) fn pins(&self, core: usize) -> u8 {
        if self.status() == 0 {
            return 0;
        }
        self.routed(core)
            .fold(0, |pins, (_, route)| pins | route >> 4)
    }

    /// Why an input that interrupts reaches none of `cpus` cores.
    pub(crate) fn undelivered(&self, number: u32, cpus: usize) -> Option<Undelivered> {
        if self.status().checked_shr(number).unwrap_or(0) & 1 == 0 {
            return None;
        }
        let word = self.routes.get(number as usize / 4)?;
        let route = word.to_le_bytes()[number as usize % 4];
        let (cores, pins) = (route & 0xf, route >> 4);
        let there = (1u8 << cpus.min(CORES_PER_NODE)) - 1;
        match (cores, pins) {
            (0, _) | (_, 0) => Some(Undelivered::NoRoute),
            _ => (cores & there == 0).then_some(Undelivered::NoCore),
        }
    }

    /// Reads the 32-bit register at `offset`.
    pub(crate) fn read(&self, offset: u64) -> u32 {
        match offset {
            0..ROUTE_END => self.routes[(offset / 4) as usize],
            STATUS => self.status(),
            ENABLED => self.enabled,
            EDGE => self.edge,
            CORE_STATUS..SIZE if (offset - CORE_STATUS).is_multiple_of(CORE_STATUS_STEP) => {
                self.core_status(((offset - CORE_STATUS) / CORE_STATUS_STEP) as usize)
            }
            _ => 0,
        }
    }

    /// Writes the bits `mask` of the 32-bit register at `offset`.
    pub(crate) fn write(&mut self, offset: u64, value: u32, mask: u32) {
        let register = match offset {
            0..ROUTE_END => &mut self.routes[(offset / 4) as usize],
            EDGE => &mut self.edge,
            ENABLE => {
                self.enabled |= value & mask;
                return;
            }
            DISABLE => {
                self.enabled &= !(value & mask);
                return;
            }
            _ => return,
        };
        *register = *register & !mask | value & mask;
    }
}
