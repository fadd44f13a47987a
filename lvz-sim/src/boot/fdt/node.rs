// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What nodes of devices have in common.

use super::phandle;
use crate::map::{Input, Place};
use vm_fdt::{Error, FdtWriter, FdtWriterNode};

/// Interrupt type "level, active high" of the device tree binding.
pub(super) const LEVEL_HIGH: u32 = 4;

/// Begins the node of a device.
pub(super) fn begin(fdt: &mut FdtWriter, kind: &str, place: Place) -> Result<FdtWriterNode, Error> {
    fdt.begin_node(&node_name(kind, place))
}

pub(super) fn node_name(kind: &str, place: Place) -> String {
    format!("{kind}@{:x}", place.base)
}

/// The property that says where a device's registers are.
pub(super) fn registers(fdt: &mut FdtWriter, place: Place) -> Result<(), Error> {
    fdt.property_array_u64("reg", &[place.base, place.size])
}

/// The properties that name the device's input of an interrupt controller.
pub(super) fn interrupt(fdt: &mut FdtWriter, place: Place) -> Result<(), Error> {
    let (controller, number) = match place.input {
        Some(Input::PchPic(pin)) => (phandle::PCH_PIC, pin),
        Some(Input::Liointc(number)) => (phandle::LIOINTC, number),
        None => return Ok(()),
    };
    fdt.property_u32("interrupt-parent", controller)?;
    fdt.property_array_u32("interrupts", &[number, LEVEL_HIGH])
}
