// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Errors of the loader.

use super::span::FIRMWARE_END;
use std::io;
use std::path::{Path, PathBuf};

/// Why a machine cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// A file that cannot be used.
    #[error("{what} {path}: {reason}")]
    File {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: ImageError,
    },
    /// A command line that does not fit.
    #[error("command line: has {0} bytes or a zero in it, at most 4095 bytes without zeros fit")]
    CommandLine(usize),
    /// Too little memory for any kernel.
    #[error("memory: {0} bytes are too few, give the machine at least 16 MiB")]
    SmallMemory(u64),
    /// ACPI on a board that has no tables.
    #[error("there are no ACPI tables for this board, use machine virt")]
    NoAcpi,
    /// A device tree that does not fit.
    #[error(
        "device tree: with what is added it has {0} bytes, and 1 MiB is all the room for it: shorten --append, or take one with fewer nodes"
    )]
    TreeSize(usize),
    /// Nothing that a CPU could begin with.
    #[error("nothing to run: give the machine a kernel or a file to load")]
    Nothing,
    /// The device tree cannot be written.
    #[error("device tree: {0}")]
    Tree(#[from] vm_fdt::Error),
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It cannot be read.
    #[error("cannot read it: {0}")]
    Read(#[from] io::Error),
    /// Nothing is in it.
    #[error("the file is empty")]
    Empty,
    /// It cannot fit into memory.
    #[error("more than {0} bytes, give the machine more memory")]
    TooLarge(u64),
    /// No room is left for it.
    #[error("no room for its {0} bytes, give the machine more memory")]
    NoRoom(u64),
    /// Not an image of a known kind.
    #[error("not an ELF, EFI or EFI zboot image for LoongArch64")]
    Format,
    /// What an assembler or compiler makes.
    #[error(
        "a relocatable object: link it first, for example with ld -n -Ttext=0x9000000000200000"
    )]
    NotLinked,
    /// Firmware that does not fit into its flash.
    #[error("the file must have 1 byte to 16 MiB")]
    FirmwareSize,
    /// Nothing that firmware starts.
    #[error("not an EFI image, and firmware starts no other")]
    NotEfi,
    /// A device tree that does not fit.
    #[error(
        "more than 1 MiB, which is all the room for it: take one with fewer nodes, and without symbols (dtc without -@)"
    )]
    TreeSize,
    /// Not a device tree.
    #[error("not a flattened device tree (a .dtb file)")]
    NoTree,
    /// A damaged image.
    #[error("damaged {0}")]
    Damaged(&'static str),
    /// A compression that is not supported.
    #[error("compressed with {0:?}, supported are gzip and zstd")]
    Compression(String),
    /// Compressed data that do not unpack.
    #[error("cannot unpack its {kind} data: {reason}")]
    Unpack {
        /// The compression.
        kind: &'static str,
        /// What the decoder says.
        reason: String,
    },
    /// An image for the firmware's memory.
    #[error(
        "wants memory from {0:#x} on, but below {FIRMWARE_END:#x} are the firmware's tables: \
         link or load it at {FIRMWARE_END:#x} or above"
    )]
    Low(u64),
    /// An image for memory where another file is, from here to there.
    #[error("wants memory {0:#x} to {1:#x}, part of which another file has")]
    Taken(u64, u64),
    /// An image for an address where the machine has no memory.
    #[error(
        "wants memory {start:#x} to {end:#x}, which the machine has not; \
         give it more memory or link the image elsewhere"
    )]
    Place {
        /// First address.
        start: u64,
        /// Last address and one.
        end: u64,
    },
}

/// Names the file in an error.
pub(super) fn failed(what: &'static str, path: &Path) -> impl FnOnce(ImageError) -> BootError {
    let path = path.to_owned();
    move |reason| BootError::File { what, path, reason }
}
