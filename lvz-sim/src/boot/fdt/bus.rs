// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Nodes by which the virtio devices are found.

use super::node::{LEVEL_HIGH, begin, interrupt, registers};
use super::phandle;
use crate::map::{Board, Device, PciHost, Slot};
use vm_fdt::{Error, FdtWriter};

/// The PCI bus, with devices in `slots`.
pub(super) fn pci(fdt: &mut FdtWriter, host: &PciHost, slots: &[Slot]) -> Result<(), Error> {
    let Some(first) = host.config.first() else {
        return Ok(());
    };
    let node = begin(fdt, "pcie", first.place)?;
    fdt.property_string("compatible", host.compatible)?;
    fdt.property_string("device_type", "pci")?;
    fdt.property_u32("#address-cells", 3)?;
    fdt.property_u32("#size-cells", 2)?;
    fdt.property_u32("#interrupt-cells", 1)?;
    fdt.property_u32("linux,pci-domain", 0)?;
    fdt.property_array_u32("bus-range", &[0, host.last_bus.into()])?;
    fdt.property_null("dma-coherent")?;
    let windows = host.config.iter().map(|window| window.place);
    let windows: Vec<u64> = windows.flat_map(|place| [place.base, place.size]).collect();
    fdt.property_array_u64("reg", &windows)?;
    fdt.property_array_u32("ranges", &ranges(host))?;
    fdt.property_array_u32("msi-map", &[0, phandle::PCH_MSI, 0, 0x1_0000])?;
    interrupt_map(fdt, slots)?;
    fdt.end_node(node)
}

/// The bus's ports and memory: where they are on the bus (three cells), for the CPU (two), and
/// their sizes (two).
fn ranges(host: &PciHost) -> Vec<u32> {
    /// Address spaces in the first cell of a PCI address.
    const IO: u32 = 1 << 24;
    const MEMORY: u32 = 2 << 24;

    let high = |address: u64| (address >> 32) as u32;
    let (io, memory) = (host.io, host.memory);
    let ranges = [
        [
            IO,
            0,
            host.first_port,
            high(io.base),
            io.base as u32,
            0,
            io.size as u32,
        ],
        [
            MEMORY,
            high(memory.base),
            memory.base as u32,
            high(memory.base),
            memory.base as u32,
            0,
            memory.size as u32,
        ],
    ];
    ranges.concat()
}

/// Which pin of the PCH-PIC each device's interrupt goes to.
fn interrupt_map(fdt: &mut FdtWriter, slots: &[Slot]) -> Result<(), Error> {
    /// The device's number in the first cell of a PCI address.
    const DEVICE_SHIFT: u32 = 11;
    const DEVICES: u32 = 0x1f << DEVICE_SHIFT;
    const PIN: u32 = 7;
    /// One interrupt for each function: pin A.
    const PIN_A: u32 = 1;

    let interrupts: Vec<u32> = slots
        .iter()
        .flat_map(|slot| {
            let device = u32::from(slot.device) << DEVICE_SHIFT;
            let pin = slot.pin;
            [device, 0, 0, PIN_A, phandle::PCH_PIC, pin, LEVEL_HIGH]
        })
        .collect();
    fdt.property_array_u32("interrupt-map", &interrupts)?;
    fdt.property_array_u32("interrupt-map-mask", &[DEVICES, 0, 0, PIN])
}

/// The transports of so many virtio devices.
pub(super) fn virtio(fdt: &mut FdtWriter, board: &Board, count: usize) -> Result<(), Error> {
    for place in (0..count).filter_map(|index| board.place(Device::Virtio(index))) {
        let node = begin(fdt, "virtio_mmio", place)?;
        fdt.property_string("compatible", "virtio,mmio")?;
        registers(fdt, place)?;
        fdt.property_null("dma-coherent")?;
        interrupt(fdt, place)?;
        fdt.end_node(node)?;
    }
    Ok(())
}
