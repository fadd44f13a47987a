// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Power-off and reset: the sleep and reset registers of an ACPI
//! generic-event device, which the device tree describes as `syscon-poweroff`
//! and `syscon-reboot` (ACPI specification, "Sleep control register" and
//! "Reset register"; addresses and values as on QEMU's `virt` board,
//! hw/loongarch/virt-fdt-build.c: `fdt_add_ged_reset`).

use super::PowerEvent;
use serde::{Deserialize, Serialize};

/// Sleep control: writing [`SLEEP_OFF`] powers off.
pub(crate) const SLEEP_CONTROL: u64 = 0;
/// Reset: writing [`RESET_VALUE`] resets.
pub(crate) const RESET: u64 = 2;
/// This machine's own register, one byte: the exit code of the simulator,
/// which software may leave here before it powers off. Zero at reset.
pub(crate) const EXIT_CODE: u64 = 3;

/// SLP_EN with SLP_TYP 5.
pub(crate) const SLEEP_OFF: u8 = 1 << 5 | 5 << 2;
pub(crate) const RESET_VALUE: u8 = 0x42;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Power {
    sleep_control: u8,
    exit_code: u8,
    event: Option<PowerEvent>,
}

impl Power {
    /// Reads the register at `offset`.
    pub(crate) fn read(&self, offset: u64) -> u8 {
        match offset {
            SLEEP_CONTROL => self.sleep_control,
            EXIT_CODE => self.exit_code,
            _ => 0,
        }
    }

    /// Writes the register at `offset`.
    pub(crate) fn write(&mut self, offset: u64, value: u8) {
        match offset {
            SLEEP_CONTROL => {
                // SLP_EN reads as zero.
                self.sleep_control = value & !(1 << 5);
                if value & SLEEP_OFF == SLEEP_OFF {
                    self.event = Some(PowerEvent::Off(self.exit_code));
                }
            }
            RESET if value == RESET_VALUE => self.event = Some(PowerEvent::Reset),
            EXIT_CODE => self.exit_code = value,
            _ => {}
        }
    }

    /// The latest request since reset.
    pub(crate) fn event(&self) -> Option<PowerEvent> {
        self.event
    }
}
