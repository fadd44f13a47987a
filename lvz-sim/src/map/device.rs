// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The devices that boards have.

/// Number of UARTs.
pub(crate) const UARTS: usize = 2;

/// What has registers in physical address space, on one board or another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// Interrupt controller of the 7A1000 bridge.
    PchPic,
    /// ACPI power-management block of the bridge.
    PowerManagement,
    /// LS7A RTC.
    Rtc,
    /// Events that ACPI tells of.
    Events,
    /// Power-off, reset and exit-code registers.
    Power,
    /// A virtio-mmio transport, by number.
    Virtio(usize),
    /// Legacy I/O ports (LPC). Nothing answers there, so reads give all ones.
    LegacyIo,
    /// Flash with the firmware's variables.
    Flash,
    /// Items that firmware reads.
    FwCfg,
    /// A 16550 UART, by number.
    Uart(usize),
    /// A window to configuration space of the PCI bus, by number.
    PciConfig(usize),
    /// Its I/O ports: no function has any.
    PciIo,
    /// Its memory.
    PciMemory,
    /// Chip registers of a node, below its UARTs: what IOCSR space has at the same offset
    /// from 0, as on the 3A5000.
    Chip(usize),
    /// The rest of them, above the UARTs: function, IPI and interrupt controllers' registers.
    ChipUpper(usize),
    /// Where message interrupts are written to: the address has CPU and vector.
    Avec,
    /// Where message-signalled interrupts are written to.
    PchMsi,
}
