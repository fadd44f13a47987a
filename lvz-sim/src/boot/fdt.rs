// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The device tree: what the machine has, as Linux's drivers look for it.

mod bus;
mod node;
mod phandle;

use super::span::{FIRMWARE_END, Span};
use crate::map::{self, Attachment, Board, Place, PowerControl};
use crate::platform::{Platform, liointc, power};
use la_arch::iocsr::EIOINTC_BASE;
use node::{begin, interrupt, node_name, registers};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use vm_fdt::{Error, FdtReserveEntry, FdtWriter};

/// Interrupt of the CPU that the EIOINTC node names: HWI1.
pub(super) const EIOINTC_INTERRUPT: u32 = 3;
/// That of the LIOINTC node: HWI0, which is the controller's pin "int0".
const LIOINTC_INTERRUPT: u32 = 2;
/// What a 3A5000 runs at; Linux only shows it.
pub(super) const CPU_CLOCK: u32 = 2_500_000_000;

/// Properties of /chosen.
pub(super) const BOOTARGS: &str = "bootargs";
pub(super) const INITRD_START: &str = "linux,initrd-start";
pub(super) const INITRD_END: &str = "linux,initrd-end";

pub(crate) struct Machine<'a> {
    pub(crate) platform: &'a Platform,
    /// Lowest first.
    pub(crate) memory: &'a [Span],
    pub(crate) command_line: &'a str,
    /// Where the initial RAM disk is.
    pub(crate) initrd: Option<Span>,
}

/// The flattened tree, version 17.
pub(crate) fn build(machine: &Machine<'_>) -> Result<Vec<u8>, Error> {
    let (platform, board) = (machine.platform, machine.platform.board());
    let reserved = FdtReserveEntry::new(0, FIRMWARE_END)?;
    let mut fdt = FdtWriter::new_with_mem_reserv(&[reserved])?;
    let root = fdt.begin_node("")?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 2)?;
    // Linux takes the CPU's name from the first word.
    fdt.property_string("model", "Loongson-3A5000 lvz-sim")?;
    fdt.property_string("compatible", board.compatible)?;
    chosen(&mut fdt, machine)?;
    cpus(&mut fdt, platform.cpus())?;
    memory(&mut fdt, machine.memory)?;
    interrupt_controllers(&mut fdt, board)?;
    uarts(&mut fdt, board)?;
    rtc(&mut fdt, board.rtc)?;
    power_control(&mut fdt, board)?;
    legacy_io(&mut fdt, board.legacy_io)?;
    if let Some(size) = platform.flash_size() {
        firmware(&mut fdt, board, size)?;
    }
    match &board.virtio {
        Attachment::Pci(host) => bus::pci(&mut fdt, host, platform.slots())?,
        Attachment::Transports { .. } => bus::virtio(&mut fdt, board, platform.virtio_devices())?,
    }
    fdt.end_node(root)?;
    fdt.finish()
}

fn chosen(fdt: &mut FdtWriter, machine: &Machine<'_>) -> Result<(), Error> {
    let ports = machine.platform.board().uarts;
    let [first, ..] = ports.map(|port| format!("/{}", node_name("serial", port.place)));
    let node = fdt.begin_node("aliases")?;
    for (index, port) in ports.iter().enumerate() {
        fdt.property_string(
            &format!("serial{index}"),
            &format!("/{}", node_name("serial", port.place)),
        )?;
    }
    fdt.end_node(node)?;
    let node = fdt.begin_node("chosen")?;
    fdt.property_string(BOOTARGS, machine.command_line)?;
    fdt.property_string("stdout-path", &first)?;
    if let Some(initrd) = machine.initrd {
        fdt.property_u64(INITRD_START, initrd.start)?;
        fdt.property_u64(INITRD_END, initrd.end())?;
    }
    // Another sequence than that of the entropy device.
    let mut random = SplitMix64::seed_from_u64(!machine.platform.seed());
    let seed: Vec<u8> = (0..8)
        .flat_map(|_| random.next_u64().to_le_bytes())
        .collect();
    fdt.property("rng-seed", &seed)?;
    fdt.end_node(node)
}

fn cpus(fdt: &mut FdtWriter, count: usize) -> Result<(), Error> {
    let count = count as u32;
    let clock = fdt.begin_node("cpu-clock")?;
    fdt.property_string("compatible", "fixed-clock")?;
    fdt.property_u32("#clock-cells", 0)?;
    fdt.property_u32("clock-frequency", CPU_CLOCK)?;
    fdt.property_phandle(phandle::CLOCK)?;
    fdt.end_node(clock)?;

    let cpus = fdt.begin_node("cpus")?;
    fdt.property_u32("#address-cells", 1)?;
    fdt.property_u32("#size-cells", 0)?;
    for cpu in 0..count {
        let node = fdt.begin_node(&format!("cpu@{cpu:x}"))?;
        fdt.property_string("device_type", "cpu")?;
        fdt.property_string("compatible", "loongson,la464")?;
        fdt.property_u32("reg", cpu)?;
        fdt.property_u32("clocks", phandle::CLOCK)?;
        fdt.property_phandle(phandle::CPU + cpu)?;
        fdt.end_node(node)?;
    }
    let topology = fdt.begin_node("cpu-map")?;
    let socket = fdt.begin_node("socket0")?;
    for cpu in 0..count {
        let core = fdt.begin_node(&format!("core{cpu}"))?;
        fdt.property_u32("cpu", phandle::CPU + cpu)?;
        fdt.end_node(core)?;
    }
    fdt.end_node(socket)?;
    fdt.end_node(topology)?;
    fdt.end_node(cpus)
}

fn memory(fdt: &mut FdtWriter, memory: &[Span]) -> Result<(), Error> {
    for span in memory {
        let node = fdt.begin_node(&format!("memory@{:x}", span.start))?;
        fdt.property_string("device_type", "memory")?;
        fdt.property_array_u64("reg", &[span.start, span.length])?;
        fdt.end_node(node)?;
    }
    Ok(())
}

fn interrupt_controllers(fdt: &mut FdtWriter, board: &Board) -> Result<(), Error> {
    let node = fdt.begin_node("cpuic")?;
    fdt.property_string("compatible", "loongson,cpu-interrupt-controller")?;
    fdt.property_null("interrupt-controller")?;
    fdt.property_u32("#interrupt-cells", 1)?;
    fdt.property_phandle(phandle::CPU_INTC)?;
    fdt.end_node(node)?;

    if board.has_liointc {
        legacy_interrupts(fdt)?;
    }

    // Its registers are in IOCSR space; the binding wants an address still.
    let node = fdt.begin_node("eiointc@1400")?;
    fdt.property_string("compatible", "loongson,ls2k2000-eiointc")?;
    fdt.property_array_u64("reg", &[EIOINTC_BASE, 0x800])?;
    fdt.property_null("interrupt-controller")?;
    fdt.property_u32("#interrupt-cells", 1)?;
    fdt.property_u32("interrupt-parent", phandle::CPU_INTC)?;
    fdt.property_u32("interrupts", EIOINTC_INTERRUPT)?;
    fdt.property_phandle(phandle::EIOINTC)?;
    fdt.end_node(node)?;

    let node = begin(fdt, "platic", map::PCH_PIC)?;
    fdt.property_string("compatible", "loongson,pch-pic-1.0")?;
    registers(fdt, map::PCH_PIC)?;
    fdt.property_null("interrupt-controller")?;
    fdt.property_u32("#interrupt-cells", 2)?;
    fdt.property_u32("interrupt-parent", phandle::EIOINTC)?;
    fdt.property_u32("loongson,pic-base-vec", 0)?;
    fdt.property_phandle(phandle::PCH_PIC)?;
    fdt.end_node(node)?;

    let node = begin(fdt, "msi", map::PCH_MSI)?;
    fdt.property_string("compatible", "loongson,pch-msi-1.0")?;
    registers(fdt, map::PCH_MSI)?;
    fdt.property_null("interrupt-controller")?;
    fdt.property_null("msi-controller")?;
    fdt.property_u32("interrupt-parent", phandle::EIOINTC)?;
    fdt.property_u32("loongson,msi-base-vec", map::MSI_VECTOR)?;
    fdt.property_u32("loongson,msi-num-vecs", map::MSI_VECTORS)?;
    fdt.property_phandle(phandle::PCH_MSI)?;
    fdt.end_node(node)
}

/// The LIOINTC, all of whose inputs go to its first pin.
fn legacy_interrupts(fdt: &mut FdtWriter) -> Result<(), Error> {
    const ALL_TO_INT0: [u32; 4] = [u32::MAX, 0, 0, 0];
    let place = Place::at(map::chip(0).base + liointc::BASE, liointc::SIZE);
    let node = begin(fdt, "liointc", place)?;
    fdt.property_string("compatible", "loongson,liointc-1.0")?;
    registers(fdt, place)?;
    fdt.property_null("interrupt-controller")?;
    fdt.property_u32("#interrupt-cells", 2)?;
    fdt.property_u32("interrupt-parent", phandle::CPU_INTC)?;
    fdt.property_u32("interrupts", LIOINTC_INTERRUPT)?;
    fdt.property_string("interrupt-names", "int0")?;
    fdt.property_array_u32("loongson,parent_int_map", &ALL_TO_INT0)?;
    fdt.property_phandle(phandle::LIOINTC)?;
    fdt.end_node(node)
}

fn uarts(fdt: &mut FdtWriter, board: &Board) -> Result<(), Error> {
    for port in &board.uarts {
        let node = begin(fdt, "serial", port.place)?;
        fdt.property_string("compatible", "ns16550a")?;
        registers(fdt, port.place)?;
        fdt.property_u32("clock-frequency", port.clock)?;
        interrupt(fdt, port.place)?;
        fdt.end_node(node)?;
    }
    Ok(())
}

fn rtc(fdt: &mut FdtWriter, place: Place) -> Result<(), Error> {
    let node = begin(fdt, "rtc", place)?;
    fdt.property_string("compatible", "loongson,ls7a-rtc")?;
    registers(fdt, place)?;
    interrupt(fdt, place)?;
    fdt.end_node(node)
}

/// The registers that power off and reset: what they are called, where they are, the width
/// of an access in bytes, then offset and value of reset and power-off.
fn power_control(fdt: &mut FdtWriter, board: &Board) -> Result<(), Error> {
    let (place, width, reset, off) = match board.power {
        PowerControl::Registers { power, .. } => (
            power,
            1,
            (power::RESET, power::RESET_VALUE.into()),
            (power::SLEEP_CONTROL, power::SLEEP_OFF.into()),
        ),
        PowerControl::Bridge => (
            map::POWER_MANAGEMENT,
            4,
            (power::BRIDGE_RESET, power::BRIDGE_RESET_VALUE),
            (power::BRIDGE_SLEEP, power::BRIDGE_SLEEP_OFF),
        ),
    };
    let node = begin(fdt, "power", place)?;
    fdt.property_string("compatible", "syscon")?;
    registers(fdt, place)?;
    fdt.property_u32("reg-shift", 0)?;
    fdt.property_u32("reg-io-width", width)?;
    if let PowerControl::Registers { .. } = board.power {
        fdt.property_u32("lvz-sim,exit-code-offset", power::EXIT_CODE as u32)?;
    }
    fdt.property_phandle(phandle::POWER)?;
    fdt.end_node(node)?;
    let actions: [(&str, &str, (u64, u32)); 2] = [
        ("reboot", "syscon-reboot", reset),
        ("poweroff", "syscon-poweroff", off),
    ];
    for (name, compatible, (offset, value)) in actions {
        let node = fdt.begin_node(name)?;
        fdt.property_string("compatible", compatible)?;
        fdt.property_u32("regmap", phandle::POWER)?;
        fdt.property_u32("offset", offset as u32)?;
        fdt.property_u32("value", value)?;
        fdt.end_node(node)?;
    }
    Ok(())
}

/// What firmware works with: the flash with its variables, of so many bytes, and what it
/// reads of the machine. EDK2 takes for variables the first flash that it does not itself
/// come from (OvmfPkg/Library/FdtNorFlashQemuLib).
fn firmware(fdt: &mut FdtWriter, board: &Board, size: u64) -> Result<(), Error> {
    const CHIPS_WIDTH: u32 = 4;
    let Some(devices) = board.firmware else {
        return Ok(());
    };
    let node = begin(fdt, "flash", devices.flash)?;
    fdt.property_string("compatible", "cfi-flash")?;
    fdt.property_array_u64("reg", &[devices.flash.base, size])?;
    fdt.property_u32("bank-width", CHIPS_WIDTH)?;
    fdt.end_node(node)?;
    let node = begin(fdt, "fw_cfg", devices.fw_cfg)?;
    fdt.property_string("compatible", "qemu,fw-cfg-mmio")?;
    registers(fdt, devices.fw_cfg)?;
    fdt.property_null("dma-coherent")?;
    fdt.end_node(node)
}

/// Legacy I/O ports. Drivers that probe them, such as i8042, fault unless
/// this node makes Linux map them (arch/loongarch/kernel/setup.c:
/// `arch_reserve_pio_range`).
fn legacy_io(fdt: &mut FdtWriter, place: Place) -> Result<(), Error> {
    let node = begin(fdt, "isa", place)?;
    fdt.property_string("compatible", "isa")?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 1)?;
    // I/O port 0, its physical address, the size.
    let ranges = [1, 0, 0, place.base as u32, place.size as u32];
    fdt.property_array_u32("ranges", &ranges)?;
    fdt.end_node(node)
}
