// SPDX-License-Identifier: Apache-2.0 OR MIT

//! virtio block device (virtio 1.2, section 5.2).

use super::disk::{Disk, SECTOR};
use super::{Completion, DeviceState, Input, Output, VirtioDevice};
use crate::platform::PlatformError;
use std::io::{self, Read, Write};

const F_SIZE_MAX: u64 = 1 << 1;
const F_SEG_MAX: u64 = 1 << 2;
const F_RO: u64 = 1 << 5;
const F_BLK_SIZE: u64 = 1 << 6;
const F_FLUSH: u64 = 1 << 9;
const F_DISCARD: u64 = 1 << 13;
const F_WRITE_ZEROES: u64 = 1 << 14;

const T_IN: u32 = 0;
const T_OUT: u32 = 1;
const T_FLUSH: u32 = 4;
const T_GET_ID: u32 = 8;
const T_DISCARD: u32 = 11;
const T_WRITE_ZEROES: u32 = 13;

const S_OK: u8 = 0;
const S_IOERR: u8 = 1;
const S_UNSUPP: u8 = 2;

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

/// The device.
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
        2
    }

    fn features(&self) -> u64 {
        let writing = if self.disk.read_only() {
            F_RO
        } else {
            F_DISCARD | F_WRITE_ZEROES
        };
        F_SIZE_MAX | F_SEG_MAX | F_BLK_SIZE | F_FLUSH | writing
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
