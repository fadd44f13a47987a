// SPDX-License-Identifier: Apache-2.0 OR MIT

//! virtio block device (virtio 1.2, section 5.2).

use super::device::{Completion, DeviceState, Input, Output, VirtioDevice};
use super::disk::{Disk, SECTOR};
use crate::platform::error::PlatformError;
use std::io::{self, Read, Write};
use virtio_bindings::virtio_blk::{
    VIRTIO_BLK_F_BLK_SIZE, VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_RO,
    VIRTIO_BLK_F_SEG_MAX, VIRTIO_BLK_F_SIZE_MAX, VIRTIO_BLK_F_WRITE_ZEROES, VIRTIO_BLK_S_IOERR,
    VIRTIO_BLK_S_OK, VIRTIO_BLK_S_UNSUPP, VIRTIO_BLK_T_DISCARD as T_DISCARD,
    VIRTIO_BLK_T_FLUSH as T_FLUSH, VIRTIO_BLK_T_GET_ID as T_GET_ID, VIRTIO_BLK_T_IN as T_IN,
    VIRTIO_BLK_T_OUT as T_OUT, VIRTIO_BLK_T_WRITE_ZEROES as T_WRITE_ZEROES,
};
use virtio_bindings::virtio_ids::VIRTIO_ID_BLOCK;

/// What every drive offers, what one that can be written, what one that cannot.
const FEATURES: u64 = 1 << VIRTIO_BLK_F_SIZE_MAX
    | 1 << VIRTIO_BLK_F_SEG_MAX
    | 1 << VIRTIO_BLK_F_BLK_SIZE
    | 1 << VIRTIO_BLK_F_FLUSH;
const WRITABLE_FEATURES: u64 = 1 << VIRTIO_BLK_F_DISCARD | 1 << VIRTIO_BLK_F_WRITE_ZEROES;
const READ_ONLY_FEATURES: u64 = 1 << VIRTIO_BLK_F_RO;

/// The status byte of a request.
const S_OK: u8 = VIRTIO_BLK_S_OK as u8;
const S_IOERR: u8 = VIRTIO_BLK_S_IOERR as u8;
const S_UNSUPP: u8 = VIRTIO_BLK_S_UNSUPP as u8;

const QUEUE: u16 = 256;
/// Largest segment, and most segments of a request: together the most that
/// one request transfers, 16 MiB.
const SIZE_MAX: u32 = 1 << 16;
const SEG_MAX: u32 = 254;
/// Most sectors that one segment of a discard or zero request covers.
const ZERO_MAX: u32 = 1 << 15;
const ZERO_SEG_MAX: u32 = 16;
/// Transfers go through a buffer of this size.
const CHUNK: usize = 1 << 16;

#[derive(Debug)]
pub(crate) struct Block {
    disk: Disk,
    /// What GET_ID returns.
    serial: [u8; 20],
    buffer: Vec<u8>,
}

/// A failed request's status byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Failed(u8);

impl From<io::Error> for Failed {
    fn from(_: io::Error) -> Self {
        Self(S_IOERR)
    }
}

impl Block {
    /// The block device number `index`.
    pub(crate) fn new(disk: Disk, index: usize) -> Self {
        let mut serial = [0; 20];
        for (slot, byte) in serial.iter_mut().zip(format!("lvz-drive-{index}").bytes()) {
            *slot = byte;
        }
        Self {
            disk,
            serial,
            buffer: vec![0; CHUNK],
        }
    }

    /// Checks the place of a transfer and gives its byte offset.
    fn place(&self, sector: u64, bytes: usize) -> Result<u64, Failed> {
        let bytes = bytes as u64;
        let limit = u64::from(SIZE_MAX) * u64::from(SEG_MAX);
        if !bytes.is_multiple_of(SECTOR) || bytes > limit || !self.disk.contains(sector, bytes) {
            return Err(Failed(S_IOERR));
        }
        Ok(sector * SECTOR)
    }

    fn read(&mut self, sector: u64, output: &mut Output<'_>) -> Result<(), Failed> {
        let mut left = output.available_bytes();
        let mut offset = self.place(sector, left)?;
        while left > 0 {
            let chunk = &mut self.buffer[..left.min(CHUNK)];
            self.disk.read(offset, chunk)?;
            output.write_all(chunk)?;
            offset += chunk.len() as u64;
            left -= chunk.len();
        }
        Ok(())
    }

    fn write(&mut self, sector: u64, input: &mut Input<'_>) -> Result<(), Failed> {
        let mut left = input.available_bytes();
        let mut offset = self.place(sector, left)?;
        while left > 0 {
            let chunk = &mut self.buffer[..left.min(CHUNK)];
            input.read_exact(chunk)?;
            self.disk.write(offset, chunk)?;
            offset += chunk.len() as u64;
            left -= chunk.len();
        }
        Ok(())
    }

    fn zero(&mut self, kind: u32, input: &mut Input<'_>) -> Result<(), Failed> {
        let segments = input.available_bytes() / 16;
        if !input.available_bytes().is_multiple_of(16) || segments > ZERO_SEG_MAX as usize {
            return Err(Failed(S_UNSUPP));
        }
        for _ in 0..segments {
            let sector: u64 = input.read_obj::<u64>().map(u64::from_le)?;
            let count: u32 = input.read_obj::<u32>().map(u32::from_le)?;
            let flags: u32 = input.read_obj::<u32>().map(u32::from_le)?;
            let known = if kind == T_WRITE_ZEROES { 1 } else { 0 };
            if flags & !known != 0 || count > ZERO_MAX {
                return Err(Failed(S_UNSUPP));
            }
            let length = u64::from(count) * SECTOR;
            if !self.disk.contains(sector, length) {
                return Err(Failed(S_IOERR));
            }
            self.disk.zero(sector * SECTOR, length)?;
        }
        Ok(())
    }

    fn request(&mut self, input: &mut Input<'_>, output: &mut Output<'_>) -> Result<(), Failed> {
        let kind: u32 = input.read_obj::<u32>().map(u32::from_le)?;
        let _reserved: u32 = input.read_obj()?;
        let sector: u64 = input.read_obj::<u64>().map(u64::from_le)?;
        match kind {
            T_IN => self.read(sector, output),
            T_OUT | T_DISCARD | T_WRITE_ZEROES if self.disk.read_only() => Err(Failed(S_IOERR)),
            T_OUT => self.write(sector, input),
            T_FLUSH => Ok(self.disk.flush()?),
            T_GET_ID => {
                let length = self.serial.len().min(output.available_bytes());
                Ok(output.write_all(&self.serial[..length])?)
            }
            T_DISCARD | T_WRITE_ZEROES => self.zero(kind, input),
            _ => Err(Failed(S_UNSUPP)),
        }
    }
}

impl VirtioDevice for Block {
    fn id(&self) -> u32 {
        VIRTIO_ID_BLOCK
    }

    fn features(&self) -> u64 {
        FEATURES
            | match self.disk.read_only() {
                true => READ_ONLY_FEATURES,
                false => WRITABLE_FEATURES,
            }
    }

    fn queues(&self) -> &'static [u16] {
        &[QUEUE]
    }

    fn config(&self) -> Vec<u8> {
        let mut config = vec![0; 60];
        let mut set = |at: usize, value: u32| {
            config[at..at + 4].copy_from_slice(&value.to_le_bytes());
        };
        set(0, self.disk.sectors() as u32);
        set(4, (self.disk.sectors() >> 32) as u32);
        set(8, SIZE_MAX);
        set(12, SEG_MAX);
        set(20, SECTOR as u32);
        set(36, ZERO_MAX);
        set(40, ZERO_SEG_MAX);
        set(44, 1);
        set(48, ZERO_MAX);
        set(52, ZERO_SEG_MAX);
        set(56, 1);
        config
    }

    fn handle(
        &mut self,
        _queue: u16,
        input: &mut Input<'_>,
        output: &mut Output<'_>,
    ) -> Completion {
        // The last byte is the status, whatever else is there.
        let Some(data) = output.available_bytes().checked_sub(1) else {
            return Completion::Used(0);
        };
        let Ok(mut status) = output.split_at(data) else {
            return Completion::Used(0);
        };
        let code = match self.request(input, output) {
            Ok(()) => S_OK,
            Err(Failed(code)) => code,
        };
        let written = output.bytes_written();
        match status.write_all(&[code]) {
            Ok(()) => Completion::Used(written + 1),
            Err(_) => Completion::Used(written),
        }
    }

    fn save(&self) -> Result<DeviceState, PlatformError> {
        Ok(DeviceState::Block(self.disk.save()))
    }

    fn restore(&mut self, state: &DeviceState) -> Result<(), PlatformError> {
        match state {
            DeviceState::Block(state) => self.disk.restore(state),
            _ => Err(PlatformError::Mismatch("a drive")),
        }
    }
}
