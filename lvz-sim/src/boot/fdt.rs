// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The device tree: what the machine has, as Linux's drivers look for it.

use super::{FIRMWARE_END, Span};
use crate::platform::virtio::splitmix64;
use crate::platform::{Platform, map, power};
use la_arch::iocsr::EIOINTC_BASE;
use vm_fdt::{Error, FdtReserveEntry, FdtWriter};

/// Interrupt type "level, active high" of the device tree binding.
const LEVEL_HIGH: u32 = 4;
/// Interrupt of the CPU that the EIOINTC node names: HWI1.
const EIOINTC_INTERRUPT: u32 = 3;
/// What a 3A5000 runs at; Linux only shows it.
const CPU_CLOCK: u32 = 2_500_000_000;
const UART_CLOCK: u32 = 100_000_000;

mod phandle {
    pub(super) const CPU_INTC: u32 = 1;
    pub(super) const EIOINTC: u32 = 2;
    pub(super) const PCH_PIC: u32 = 3;
    pub(super) const PCH_MSI: u32 = 4;
    pub(super) const POWER: u32 = 5;
    pub(super) const CLOCK: u32 = 6;
    /// The first CPU; the others follow.
    pub(super) const CPU: u32 = 16;
}

/// What the tree describes.
pub(crate) struct Machine<'a> {
    /// Devices and CPUs.
    pub(crate) platform: &'a Platform,
    /// Memory.
    pub(crate) memory: &'a [Span],
    /// Kernel command line.
    pub(crate) command_line: &'a str,
    /// Where the initial RAM disk is.
    pub(crate) initrd: Option<Span>,
}

/// Writes the tree.
pub(crate) fn build(machine: &Machine<'_>) -> Result<Vec<u8>, Error> {
    let firmware = FdtReserveEntry::new(0, FIRMWARE_END)?;
    let mut fdt = FdtWriter::new_with_mem_reserv(&[firmware])?;
    let root = fdt.begin_node("")?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 2)?;
    // Linux takes the CPU's name from the first word.
    fdt.property_string("model", "Loongson-3A5000 lvz-sim")?;
    fdt.property_string("compatible", "lvz-sim,virt")?;
    chosen(&mut fdt, machine)?;
    cpus(&mut fdt, machine.platform.cpus())?;
    memory(&mut fdt, machine.memory)?;
    interrupt_controllers(&mut fdt)?;
    uarts(&mut fdt)?;
    rtc(&mut fdt)?;
    power_control(&mut fdt)?;
    legacy_io(&mut fdt)?;
    virtio(&mut fdt, machine.platform.virtio_devices())?;
    fdt.end_node(root)?;
    fdt.finish()
}

fn uart_base(index: usize) -> u64 {
    map::UART_BASE + index as u64 * map::UART_SIZE
}

fn uart_name(index: usize) -> String {
    format!("serial@{:x}", uart_base(index))
}

fn chosen(fdt: &mut FdtWriter, machine: &Machine<'_>) -> Result<(), Error> {
    let node = fdt.begin_node("aliases")?;
    for index in 0..map::UARTS {
        fdt.property_string(&format!("serial{index}"), &format!("/{}", uart_name(index)))?;
    }
    fdt.end_node(node)?;
    let node = fdt.begin_node("chosen")?;
    fdt.property_string("bootargs", machine.command_line)?;
    fdt.property_string("stdout-path", &format!("/{}", uart_name(0)))?;
    if let Some(initrd) = machine.initrd {
        fdt.property_u64("linux,initrd-start", initrd.start)?;
        fdt.property_u64("linux,initrd-end", initrd.end())?;
    }
    // Another sequence than that of the entropy device.
    let mut state = !machine.platform.seed();
    let seed: Vec<u8> = (0..8)
        .flat_map(|_| splitmix64(&mut state).to_le_bytes())
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

fn interrupt_controllers(fdt: &mut FdtWriter) -> Result<(), Error> {
    let node = fdt.begin_node("cpuic")?;
    fdt.property_string("compatible", "loongson,cpu-interrupt-controller")?;
    fdt.property_null("interrupt-controller")?;
    fdt.property_u32("#interrupt-cells", 1)?;
    fdt.property_phandle(phandle::CPU_INTC)?;
    fdt.end_node(node)?;

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

    let node = fdt.begin_node(&format!("platic@{:x}", map::PCH_PIC_BASE))?;
    fdt.property_string("compatible", "loongson,pch-pic-1.0")?;
    fdt.property_array_u64("reg", &[map::PCH_PIC_BASE, map::PCH_PIC_SIZE])?;
    fdt.property_null("interrupt-controller")?;
    fdt.property_u32("#interrupt-cells", 2)?;
    fdt.property_u32("interrupt-parent", phandle::EIOINTC)?;
    fdt.property_u32("loongson,pic-base-vec", 0)?;
    fdt.property_phandle(phandle::PCH_PIC)?;
    fdt.end_node(node)?;

    let node = fdt.begin_node(&format!("msi@{:x}", map::PCH_MSI_BASE))?;
    fdt.property_string("compatible", "loongson,pch-msi-1.0")?;
    fdt.property_array_u64("reg", &[map::PCH_MSI_BASE, map::PCH_MSI_SIZE])?;
    fdt.property_null("interrupt-controller")?;
    fdt.property_null("msi-controller")?;
    fdt.property_u32("interrupt-parent", phandle::EIOINTC)?;
    fdt.property_u32("loongson,msi-base-vec", map::MSI_VECTOR)?;
    fdt.property_u32("loongson,msi-num-vecs", 256 - map::MSI_VECTOR)?;
    fdt.property_phandle(phandle::PCH_MSI)?;
    fdt.end_node(node)
}

/// The properties that name a pin of the PCH-PIC.
fn interrupt(fdt: &mut FdtWriter, pin: u32) -> Result<(), Error> {
    fdt.property_u32("interrupt-parent", phandle::PCH_PIC)?;
    fdt.property_array_u32("interrupts", &[pin, LEVEL_HIGH])
}

fn uarts(fdt: &mut FdtWriter) -> Result<(), Error> {
    for index in 0..map::UARTS {
        let node = fdt.begin_node(&uart_name(index))?;
        fdt.property_string("compatible", "ns16550a")?;
        fdt.property_array_u64("reg", &[uart_base(index), map::UART_SIZE])?;
        fdt.property_u32("clock-frequency", UART_CLOCK)?;
        interrupt(fdt, map::UART_PIN + index as u32)?;
        fdt.end_node(node)?;
    }
    Ok(())
}

fn rtc(fdt: &mut FdtWriter) -> Result<(), Error> {
    let node = fdt.begin_node(&format!("rtc@{:x}", map::RTC_BASE))?;
    fdt.property_string("compatible", "loongson,ls7a-rtc")?;
    fdt.property_array_u64("reg", &[map::RTC_BASE, map::RTC_SIZE])?;
    interrupt(fdt, map::RTC_PIN)?;
    fdt.end_node(node)
}

fn power_control(fdt: &mut FdtWriter) -> Result<(), Error> {
    let node = fdt.begin_node(&format!("power@{:x}", map::POWER_BASE))?;
    fdt.property_string("compatible", "syscon")?;
    fdt.property_array_u64("reg", &[map::POWER_BASE, map::POWER_SIZE])?;
    fdt.property_u32("reg-shift", 0)?;
    fdt.property_u32("reg-io-width", 1)?;
    fdt.property_u32("lvz-sim,exit-code-offset", power::EXIT_CODE as u32)?;
    fdt.property_phandle(phandle::POWER)?;
    fdt.end_node(node)?;
    let actions = [
        ("reboot", "syscon-reboot", power::RESET, power::RESET_VALUE),
        (
            "poweroff",
            "syscon-poweroff",
            power::SLEEP_CONTROL,
            power::SLEEP_OFF,
        ),
    ];
    for (name, compatible, offset, value) in actions {
        let node = fdt.begin_node(name)?;
        fdt.property_string("compatible", compatible)?;
        fdt.property_u32("regmap", phandle::POWER)?;
        fdt.property_u32("offset", offset as u32)?;
        fdt.property_u32("value", value.into())?;
        fdt.end_node(node)?;
    }
    Ok(())
}

/// Legacy I/O ports. Drivers that probe them, such as i8042, fault unless
/// this node makes Linux map them (arch/loongarch/kernel/setup.c:
/// `arch_reserve_pio_range`).
fn legacy_io(fdt: &mut FdtWriter) -> Result<(), Error> {
    let node = fdt.begin_node(&format!("isa@{:x}", map::ISA_IO_BASE))?;
    fdt.property_string("compatible", "isa")?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 1)?;
    // I/O port 0, its physical address, the size.
    let ranges = [1, 0, 0, map::ISA_IO_BASE as u32, map::ISA_IO_SIZE as u32];
    fdt.property_array_u32("ranges", &ranges)?;
    fdt.end_node(node)
}

fn virtio(fdt: &mut FdtWriter, count: usize) -> Result<(), Error> {
    for index in 0..count {
        let base = map::VIRTIO_BASE + index as u64 * map::VIRTIO_STRIDE;
        let node = fdt.begin_node(&format!("virtio_mmio@{base:x}"))?;
        fdt.property_string("compatible", "virtio,mmio")?;
        fdt.property_array_u64("reg", &[base, map::VIRTIO_SIZE])?;
        fdt.property_null("dma-coherent")?;
        interrupt(fdt, map::VIRTIO_PIN + index as u32)?;
        fdt.end_node(node)?;
    }
    Ok(())
}
