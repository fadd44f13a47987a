// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The files of a boot without firmware, put into memory.

use super::config::{BootConfig, LoadFile};
use super::error::{BootError, ImageError, failed};
use super::format;
use super::image::{self, IMAGE_MAX, Image};
use super::span::{self, FIRMWARE_END, Span, Taken};
use crate::mem::GuestRam;
use crate::mmu::PA_MASK;
use std::path::Path;
use vm_memory::{Bytes, GuestAddress};

/// Where an initial RAM disk can start.
const ALIGN: u64 = 0x1_0000;

/// What was loaded.
pub(super) struct Files {
    /// Address of the first instruction, if a file has one.
    pub(super) entry: Option<u64>,
    pub(super) initrd: Option<Span>,
}

impl Files {
    /// Loads the kernel, further files and the initial RAM disk that `config` names into `ram`,
    /// whose ranges are `memory`.
    pub(super) fn load(
        ram: &GuestRam,
        memory: &[Span],
        config: &BootConfig,
    ) -> Result<Self, BootError> {
        let limit = span::total(memory).min(IMAGE_MAX);
        let file = |path: &Path| image::read(path, limit);
        let image = |path: &Path| format::parse(file(path)?, limit);
        let (mut taken, mut entry) = (Taken::default(), None);
        if let Some(path) = &config.kernel {
            let kernel = image(path)
                .and_then(|image| image.load(ram, &mut taken).map(|()| image))
                .map_err(failed("kernel", path))?;
            entry = Some(kernel.entry());
        }
        // Behind a kernel, which may move itself upwards (CONFIG_RANDOMIZE_BASE).
        let kernel_end = taken.end();
        for LoadFile { path, address } in &config.files {
            let loaded = match *address {
                Some(address) => file(path).and_then(|bytes| Image::raw(bytes, address & PA_MASK)),
                None => image(path),
            }
            .and_then(|image| image.load(ram, &mut taken).map(|()| image))
            .map_err(failed("file to load", path))?;
            entry.get_or_insert(loaded.entry());
        }
        let initrd = match &config.initrd {
            Some(path) => Some(
                file(path)
                    .and_then(|bytes| place_initrd(ram, memory, kernel_end, &taken, &bytes))
                    .map_err(failed("initrd", path))?,
            ),
            None => None,
        };
        Ok(Self { entry, initrd })
    }
}

/// Puts an initial RAM disk at the start of high memory (after a kernel that
/// is there) if it fits, otherwise at the end of low memory, and nowhere in what is
/// `taken`.
fn place_initrd(
    ram: &GuestRam,
    memory: &[Span],
    kernel_end: u64,
    taken: &Taken,
    bytes: &[u8],
) -> Result<Span, ImageError> {
    let length = bytes.len() as u64;
    if length == 0 {
        return Err(ImageError::Empty);
    }
    let conflict = |start: u64| taken.conflict(Span { start, length });
    let upwards = |range: &Span| {
        let mut start = kernel_end.next_multiple_of(ALIGN).max(range.start);
        while let Some(other) = conflict(start) {
            start = other.end().checked_next_multiple_of(ALIGN)?;
        }
        (start.checked_add(length)? <= range.end()).then_some(start)
    };
    let downwards = |range: &Span| {
        let mut start = range.end().checked_sub(length)? & !(ALIGN - 1);
        while let Some(other) = conflict(start) {
            start = other.start.checked_sub(length)? & !(ALIGN - 1);
        }
        (start >= kernel_end.max(FIRMWARE_END)).then_some(start)
    };
    let high = memory.iter().skip(1).find_map(upwards);
    let start = high.or_else(|| memory.first().and_then(downwards));
    let start = start.ok_or(ImageError::NoRoom(length))?;
    ram.write_slice(bytes, GuestAddress(start))
        .map_err(|_| ImageError::NoRoom(length))?;
    Ok(Span { start, length })
}
