// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The firmware configuration device: named and numbered items that firmware reads, through
//! registers or by DMA (QEMU: docs/specs/fw_cfg.rst, hw/nvram/fw_cfg.c). No item can be
//! written.

use crate::mem::ram::GuestRam;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend};

/// Offsets of the registers. Data come in the order of their bytes whatever the size of the
/// access; the other two are big-endian.
const DATA_END: u64 = 0x8;
const SELECTOR: u64 = 0x8;
const DMA: u64 = 0x10;
const DMA_LOW: u64 = 0x14;

/// What the DMA register reads as.
const DMA_SIGNATURE: [u8; 8] = *b"QEMU CFG";

/// The control word of a DMA access.
const ERROR: u32 = 1 << 0;
const READ: u32 = 1 << 1;
const SKIP: u32 = 1 << 2;
const SELECT: u32 = 1 << 3;
const WRITE: u32 = 1 << 4;
const KEY_SHIFT: u32 = 16;

/// Bytes of a file's name in the directory, with a zero at its end.
const NAME: usize = 56;

/// Numbers of items.
pub(crate) mod key {
    pub(crate) const SIGNATURE: u16 = 0x00;
    /// Version and interfaces.
    pub(crate) const ID: u16 = 0x01;
    pub(crate) const RAM_SIZE: u16 = 0x03;
    pub(crate) const CPUS: u16 = 0x05;
    pub(crate) const KERNEL_SIZE: u16 = 0x08;
    pub(crate) const INITRD_SIZE: u16 = 0x0b;
    pub(crate) const MAX_CPUS: u16 = 0x0f;
    pub(crate) const KERNEL: u16 = 0x11;
    pub(crate) const INITRD: u16 = 0x12;
    pub(crate) const COMMAND_LINE_SIZE: u16 = 0x14;
    pub(crate) const COMMAND_LINE: u16 = 0x15;
    pub(crate) const DIRECTORY: u16 = 0x19;
    /// The first file; the others follow.
    pub(crate) const FILES: u16 = 0x20;
}

/// What can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Items(BTreeMap<u16, Vec<u8>>);

impl Default for Items {
    fn default() -> Self {
        /// The registers, and DMA.
        const INTERFACES: u32 = 1 | 1 << 1;
        let mut items = Self(BTreeMap::new());
        items.add(key::SIGNATURE, b"QEMU".to_vec());
        items.add(key::ID, INTERFACES.to_le_bytes().to_vec());
        items
    }
}

impl Items {
    pub(crate) fn add(&mut self, key: u16, bytes: Vec<u8>) {
        self.0.insert(key, bytes);
    }

    /// Adds an item and its length, each under a number.
    pub(crate) fn add_sized(&mut self, size_key: u16, key: u16, bytes: Vec<u8>) {
        self.add(size_key, (bytes.len() as u32).to_le_bytes().to_vec());
        self.add(key, bytes);
    }

    /// Adds files, by name; those that were there before are no longer.
    pub(crate) fn add_files(&mut self, files: Vec<(&str, Vec<u8>)>) {
        let mut directory = (files.len() as u32).to_be_bytes().to_vec();
        for (key, (name, bytes)) in (key::FILES..).zip(files) {
            directory.extend((bytes.len() as u32).to_be_bytes());
            directory.extend(key.to_be_bytes());
            directory.extend([0; 2]);
            let end = directory.len() + NAME;
            directory.extend(name.bytes().take(NAME - 1));
            directory.resize(end, 0);
            self.add(key, bytes);
        }
        self.add(key::DIRECTORY, directory);
    }
}

/// Items are large and do not change: copies of the state share them.
mod shared {
    use super::Items;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};
    use std::sync::Arc;

    pub(super) fn serialize<S: Serializer>(
        items: &Arc<Items>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        items.as_ref().serialize(serializer)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(
        deserializer: D,
    ) -> Result<Arc<Items>, D::Error> {
        Items::deserialize(deserializer).map(Arc::new)
    }
}

/// The device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FwCfg {
    #[serde(with = "shared")]
    items: Arc<Items>,
    selected: u16,
    /// How far the item was read.
    at: u64,
    /// The upper half of a DMA address, until the lower one follows.
    dma_high: u32,
}

/// What a driver has written into memory for a DMA access.
struct Access {
    control: u32,
    length: u32,
    address: u64,
}

impl Access {
    const LENGTH: usize = 16;

    fn read(ram: &GuestRam, at: u64) -> Option<Self> {
        let mut bytes = [0; Self::LENGTH];
        ram.read_slice(&mut bytes, GuestAddress(at)).ok()?;
        let word = u128::from_be_bytes(bytes);
        Some(Self {
            control: (word >> 96) as u32,
            length: (word >> 64) as u32,
            address: word as u64,
        })
    }
}

impl FwCfg {
    /// A device with `items`, after reset.
    pub(crate) fn new(items: Items) -> Self {
        Self {
            items: Arc::new(items),
            ..Self::default()
        }
    }

    /// Resets what a reset of the machine does: not the items.
    pub(crate) fn reset(&mut self) {
        *self = Self {
            items: Arc::clone(&self.items),
            ..Self::default()
        };
    }

    fn select(&mut self, key: u16) {
        (self.selected, self.at) = (key, 0);
    }

    /// What the selected item has from the current place on.
    fn rest(&self) -> &[u8] {
        let item = self
            .items
            .0
            .get(&self.selected)
            .map_or(&[][..], Vec::as_slice);
        let at = usize::try_from(self.at).unwrap_or(usize::MAX);
        item.get(at..).unwrap_or_default()
    }

    /// Reads `size` bytes at `offset`. Behind an item's end there are zeros.
    pub(crate) fn read(&mut self, offset: u64, size: u8) -> u64 {
        if offset >= DMA {
            let mut bytes = DMA_SIGNATURE;
            bytes.rotate_left((offset - DMA) as usize % 8);
            return super::field::extract(u64::from_le_bytes(bytes), 0, size);
        }
        if offset >= DATA_END {
            return 0;
        }
        let mut bytes = [0; 8];
        let wanted = usize::from(size).min(bytes.len());
        for (to, from) in bytes.iter_mut().zip(self.rest()).take(wanted) {
            *to = *from;
        }
        self.at = self.at.saturating_add(size.into());
        u64::from_le_bytes(bytes)
    }

    /// Writes `size` bytes at `offset`; whether memory was written.
    pub(crate) fn write(&mut self, ram: &GuestRam, offset: u64, size: u8, value: u64) -> bool {
        match (offset, size) {
            (SELECTOR, 2) => self.select((value as u16).swap_bytes()),
            (DMA, 8) => return self.transfer(ram, value.swap_bytes()),
            (DMA, 4) => self.dma_high = (value as u32).swap_bytes(),
            (DMA_LOW, 4) => {
                let low = (value as u32).swap_bytes();
                let high = std::mem::take(&mut self.dma_high);
                return self.transfer(ram, u64::from(high) << 32 | u64::from(low));
            }
            _ => {}
        }
        false
    }

    /// Does what the access in memory at `at` says; whether memory was written.
    fn transfer(&mut self, ram: &GuestRam, at: u64) -> bool {
        let Some(access) = Access::read(ram, at) else {
            return false;
        };
        if access.control & SELECT != 0 {
            self.select((access.control >> KEY_SHIFT) as u16);
        }
        let done = if access.control & READ != 0 {
            self.give(ram, access.address, access.length)
        } else {
            access.control & WRITE == 0
        };
        if access.control & (READ | SKIP) != 0 {
            self.at = self.at.saturating_add(access.length.into());
        }
        let status = if done { 0 } else { ERROR };
        ram.write_obj(status.to_be(), GuestAddress(at)).is_ok()
    }

    /// Writes so many bytes of the item, and zeros behind its end, to memory; false if
    /// there is none.
    fn give(&self, ram: &GuestRam, address: u64, length: u32) -> bool {
        const ZEROS: [u8; 4096] = [0; 4096];
        let length = length as usize;
        if !ram.check_range(GuestAddress(address), length) {
            return false;
        }
        let rest = self.rest();
        let (item, mut zeros) = match rest.get(..length) {
            Some(item) => (item, 0),
            None => (rest, length - rest.len()),
        };
        let mut to = GuestAddress(address);
        if ram.write_slice(item, to).is_err() {
            return false;
        }
        to.0 += item.len() as u64;
        while zeros > 0 {
            let part = &ZEROS[..zeros.min(ZEROS.len())];
            if ram.write_slice(part, to).is_err() {
                return false;
            }
            to.0 += part.len() as u64;
            zeros -= part.len();
        }
        true
    }
}
