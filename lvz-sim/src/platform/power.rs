// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Power-off, reset and the power button: what the bridge's power-management block has for
//! that, or in its place the registers of an ACPI generic event device, which the device
//! tree describes as `syscon-poweroff` and `syscon-reboot` (ACPI specification, "Sleep
//! control register" and "Reset register"; addresses and values as on QEMU's `virt` board,
//! hw/loongarch/virt-fdt-build.c: `fdt_add_ged_reset`, hw/acpi/generic_event_device.c).

use serde::{Deserialize, Serialize};

/// Sleep control: writing [`SLEEP_OFF`] powers off.
pub(crate) const SLEEP_CONTROL: u64 = 0;
/// Sleep status: nothing to say, as the machine wakes from nothing.
pub(crate) const SLEEP_STATUS: u64 = 1;
/// Reset: writing [`RESET_VALUE`] resets.
pub(crate) const RESET: u64 = 2;
/// This machine's own register, one byte: the exit code of the simulator,
/// which software may leave here before it powers off. Zero at reset.
pub(crate) const EXIT_CODE: u64 = 3;

/// SLP_TYP of power-off.
pub(crate) const SLEEP_TYPE_OFF: u8 = 5;
/// SLP_EN with that type.
pub(crate) const SLEEP_OFF: u8 = 1 << 5 | SLEEP_TYPE_OFF << 2;
/// SLP_EN and all bits of the type.
const SLEEP_FIELDS: u8 = 1 << 5 | 7 << 2;
pub(crate) const RESET_VALUE: u8 = 0x42;

/// Reset register of the bridge's power-management block: bit 0 resets (Linux
/// arch/loongarch/boot/dts/loongson-2k2000.dtsi, whose block is the same).
pub(crate) const BRIDGE_RESET: u64 = 0x30;
pub(crate) const BRIDGE_RESET_VALUE: u32 = 1;
/// Its PM1 control register (ACPI specification, "PM1 control registers"): SLP_EN and, in
/// SLP_TYP, what the same device tree has there for power-off.
pub(crate) const BRIDGE_SLEEP: u64 = 0x14;
pub(crate) const BRIDGE_SLEEP_OFF: u32 = 1 << 13 | 7 << 10;

/// The event that the power button was pressed.
pub(crate) const BUTTON: u32 = 1 << 1;

/// What the machine asked the simulator to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PowerEvent {
    /// Power off, with the exit code that software left in the register.
    Off(u8),
    /// Reset the whole machine.
    Reset,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Power {
    sleep_control: u8,
    exit_code: u8,
    /// What has happened since the register of events was read.
    happened: u32,
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
                if value & SLEEP_FIELDS == SLEEP_OFF {
                    self.event = Some(PowerEvent::Off(self.exit_code));
                }
            }
            RESET if value == RESET_VALUE => self.event = Some(PowerEvent::Reset),
            EXIT_CODE => self.exit_code = value,
            _ => {}
        }
    }

    /// Software writes to the bridge's power-management block, on a board that powers off and
    /// resets by it. There is no register for an exit code.
    pub(crate) fn write_bridge(&mut self, offset: u64, value: u32) {
        match offset {
            BRIDGE_SLEEP if value & BRIDGE_SLEEP_OFF == BRIDGE_SLEEP_OFF => {
                self.event = Some(PowerEvent::Off(0));
            }
            BRIDGE_RESET if value & BRIDGE_RESET_VALUE != 0 => {
                self.event = Some(PowerEvent::Reset);
            }
            _ => {}
        }
    }

    /// The power button is pressed.
    pub(crate) fn press(&mut self) {
        self.happened |= BUTTON;
    }

    /// Reads the register of events, which clears it.
    pub(crate) fn take_happened(&mut self) -> u32 {
        std::mem::take(&mut self.happened)
    }

    /// The interrupt line: something has happened.
    pub(crate) fn line(&self) -> bool {
        self.happened != 0
    }

    /// The latest request since reset.
    pub(crate) fn event(&self) -> Option<PowerEvent> {
        self.event
    }
}
