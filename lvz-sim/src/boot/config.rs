// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What to boot, and how the CPUs of a machine start for which that is loaded.

use crate::platform::fw_cfg::Items;
use std::path::PathBuf;

/// What CPU 0 has in a0, a1 and a2. All of it is in memory whichever is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    /// As Linux documents it (Documentation/arch/loongarch/booting.rst): 1, the command
    /// line, the EFI system table.
    #[default]
    Efi,
    /// As boot loaders without EFI start kernels that take a device tree, by the
    /// convention of MIPS (Unified Hosting Interface): -2, the device tree, 0.
    Fdt,
}

/// An argument of `--load`, `FILE[@0xADDRESS]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadFile {
    pub path: PathBuf,
    /// Where it goes as it is; without an address it is an image that says so itself.
    pub address: Option<u64>,
}

/// Files and choices of a boot, as the command line has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootConfig {
    /// ELF `vmlinux`, EFI image, EFI zboot image, or one of them compressed
    /// with gzip or Zstandard.
    pub kernel: Option<PathBuf>,
    /// Further files; CPU 0 starts at the first one's entry if there is no kernel.
    pub files: Vec<LoadFile>,
    /// Initial RAM disk.
    pub initrd: Option<PathBuf>,
    /// Kernel command line.
    pub command_line: Option<String>,
    /// A device tree instead of the machine's own.
    pub device_tree: Option<PathBuf>,
    /// Whether firmware starts all that; then there are no other files.
    pub firmware: bool,
    /// Whether there are ACPI tables beside the device tree.
    pub acpi: bool,
    /// How the kernel is told of all this.
    pub protocol: Protocol,
}

/// How the CPUs of a loaded machine start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoadedMachine {
    /// Address at which CPU 0 starts, if a file was loaded.
    pub boot_pc: Option<u64>,
    /// Its arguments a0 to a2.
    pub boot_args: [u64; 3],
    /// Address at which the other CPUs start.
    pub secondary_pc: u64,
    /// The device tree.
    pub tree: Vec<u8>,
    /// What firmware can read, if there is firmware.
    pub items: Option<Items>,
}
