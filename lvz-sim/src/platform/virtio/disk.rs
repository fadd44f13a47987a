// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The medium of a block device: a file, or a file under changes that stay in
//! memory.

use crate::lock::{InUse, Use, lock};
use crate::platform::error::PlatformError;
use rustix::fs::{FallocateFlags, fallocate};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes of a sector.
pub(crate) const SECTOR: u64 = 512;
/// Unit in which changes are kept in memory.
const BLOCK: usize = 4096;

/// How a drive treats its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DriveMode {
    /// Writes go to the file.
    #[default]
    ReadWrite,
    /// The drive cannot be written.
    ReadOnly,
    /// Writes stay in memory, the file stays as it is.
    Volatile,
}

/// A drive of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveConfig {
    /// A file with the raw contents.
    pub path: PathBuf,
    /// What happens to writes.
    pub mode: DriveMode,
}

/// Saved state of a medium. The file's contents are not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DiskState {
    mode: DriveMode,
    sectors: u64,
    changes: Changes,
}

/// Changed blocks by number; `None` is a block of zeros. A saved state shares the others until they
/// are written again.
type Changes = BTreeMap<u64, Option<Arc<[u8]>>>;

/// A medium.
#[derive(Debug)]
pub(crate) struct Disk {
    file: File,
    mode: DriveMode,
    sectors: u64,
    changes: Changes,
}

impl Disk {
    /// Opens the file of a drive.
    pub(crate) fn open(config: &DriveConfig) -> Result<Self, PlatformError> {
        let failed = |action| {
            let path = config.path.clone();
            move |source| PlatformError::Drive {
                path,
                action,
                source,
            }
        };
        let file = OpenOptions::new()
            .read(true)
            .write(config.mode == DriveMode::ReadWrite)
            .open(&config.path)
            .map_err(failed("open it"))?;
        // Whose size means nothing.
        if file.metadata().is_ok_and(|found| found.is_dir()) {
            return Err(failed("open it")(io::ErrorKind::IsADirectory.into()));
        }
        let what = match config.mode {
            DriveMode::ReadWrite => Use::Write,
            DriveMode::ReadOnly | DriveMode::Volatile => Use::Read,
        };
        lock(&file, what).map_err(|InUse| PlatformError::InUse("drive", config.path.clone()))?;
        // Seeking finds the size of a block special file too.
        let length = io::Seek::seek(&mut &file, io::SeekFrom::End(0)).map_err(failed("size it"))?;
        if length == 0 {
            return Err(PlatformError::EmptyDrive(config.path.clone()));
        }
        Ok(Self {
            file,
            mode: config.mode,
            // A file may end inside its last sector, which then ends in zeros.
            sectors: length.div_ceil(SECTOR),
            changes: Changes::new(),
        })
    }

    /// Capacity in sectors.
    pub(crate) fn sectors(&self) -> u64 {
        self.sectors
    }

    /// Whether writes are refused.
    pub(crate) fn read_only(&self) -> bool {
        self.mode == DriveMode::ReadOnly
    }

    /// Whether `bytes` bytes from `sector` on are on the medium.
    pub(crate) fn contains(&self, sector: u64, bytes: u64) -> bool {
        sector
            .checked_add(bytes.div_ceil(SECTOR))
            .is_some_and(|end| end <= self.sectors)
    }

    fn read_file(&self, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.file.read_at(buffer, offset) {
                Ok(0) => {
                    buffer.fill(0);
                    return Ok(());
                }
                Ok(count) => {
                    offset += count as u64;
                    buffer = &mut buffer[count..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads from byte `offset`, which [`Self::contains`] has checked.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if self.changes.is_empty() {
            return self.read_file(offset, buffer);
        }
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let (number, start) = (at / BLOCK as u64, (at % BLOCK as u64) as usize);
            let count = (BLOCK - start).min(buffer.len() - done);
            let part = &mut buffer[done..done + count];
            match self.changes.get(&number) {
                Some(Some(block)) => part.copy_from_slice(&block[start..start + count]),
                Some(None) => part.fill(0),
                None => self.read_file(at, part)?,
            }
            done += count;
        }
        Ok(())
    }

    /// Writes from byte `offset`, which [`Self::contains`] has checked.
    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        match self.mode {
            DriveMode::ReadOnly => Err(io::ErrorKind::PermissionDenied.into()),
            DriveMode::ReadWrite => self.file.write_all_at(data, offset),
            DriveMode::Volatile => self.keep(offset, data),
        }
    }

    fn keep(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while done < data.len() {
            let at = offset + done as u64;
            let (number, start) = (at / BLOCK as u64, (at % BLOCK as u64) as usize);
            let count = (BLOCK - start).min(data.len() - done);
            let mut block: Arc<[u8]> = match self.changes.remove(&number) {
                Some(Some(block)) => block,
                Some(None) => Arc::new([0; BLOCK]),
                None => {
                    let mut block = [0; BLOCK];
                    if count < BLOCK {
                        self.read_file(number * BLOCK as u64, &mut block)?;
                    }
                    Arc::new(block)
                }
            };
            let to = &mut Arc::make_mut(&mut block)[start..start + count];
            to.copy_from_slice(&data[done..done + count]);
            self.changes.insert(number, Some(block));
            done += count;
        }
        Ok(())
    }

    /// Makes `length` bytes from `offset` on read as zeros, and gives up their
    /// space where that is possible.
    pub(crate) fn zero(&mut self, offset: u64, length: u64) -> io::Result<()> {
        if self.mode == DriveMode::ReadWrite {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            if fallocate(&self.file, flags, offset, length).is_ok() {
                return Ok(());
            }
        }
        let zeros = [0; 16 * BLOCK];
        let (mut at, end) = (offset, offset.saturating_add(length));
        while at < end {
            if self.mode == DriveMode::Volatile
                && at.is_multiple_of(BLOCK as u64)
                && end - at >= BLOCK as u64
            {
                self.changes.insert(at / BLOCK as u64, None);
                at += BLOCK as u64;
                continue;
            }
            let mut count = (end - at).min(zeros.len() as u64);
            if self.mode == DriveMode::Volatile {
                count = count.min(BLOCK as u64 - at % BLOCK as u64);
            }
            self.write(at, &zeros[..count as usize])?;
            at += count;
        }
        Ok(())
    }

    /// Makes earlier writes last.
    pub(crate) fn flush(&self) -> io::Result<()> {
        match self.mode {
            DriveMode::ReadWrite => self.file.sync_data(),
            DriveMode::ReadOnly | DriveMode::Volatile => Ok(()),
        }
    }

    /// The state for a snapshot.
    pub(crate) fn save(&self) -> DiskState {
        DiskState {
            mode: self.mode,
            sectors: self.sectors,
            changes: self.changes.clone(),
        }
    }

    /// Takes over a saved state.
    pub(crate) fn restore(&mut self, state: &DiskState) -> Result<(), PlatformError> {
        let blocks = self.sectors.div_ceil(BLOCK as u64 / SECTOR);
        let sound = state.changes.iter().all(|(&number, block)| {
            number < blocks && block.as_ref().is_none_or(|block| block.len() == BLOCK)
        });
        if !sound || state.mode != self.mode || state.sectors != self.sectors {
            return Err(PlatformError::Mismatch("a drive's mode or size"));
        }
        self.changes = state.changes.clone();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCKS: u64 = 256;

    fn volatile() -> (tempfile::NamedTempFile, Disk) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let length = BLOCKS * BLOCK as u64;
        file.as_file().set_len(length).expect("its length");
        let disk = Disk::open(&DriveConfig {
            path: file.path().to_owned(),
            mode: DriveMode::Volatile,
        });
        (file, disk.expect("a drive"))
    }

    fn bytes_of(disk: &Disk) -> Vec<u8> {
        let mut bytes = vec![0; BLOCKS as usize * BLOCK];
        disk.read(0, &mut bytes).expect("a medium");
        bytes
    }

    #[test]
    fn states_share_the_blocks_that_did_not_change_between_them() {
        let (_file, mut disk) = volatile();
        for number in 0..BLOCKS {
            disk.write(number * BLOCK as u64, &[1; BLOCK])
                .expect("a write");
        }
        disk.zero(0, BLOCK as u64).expect("zeros");
        let (first, before) = (disk.save(), bytes_of(&disk));
        // Inside a block, over the end of one, and where there are zeros.
        disk.write(3 * BLOCK as u64 + 5, &[2; 3]).expect("a write");
        disk.write(6 * BLOCK as u64 - 1, &[2; 2]).expect("a write");
        disk.write(0, &[2]).expect("a write");
        let (second, after) = (disk.save(), bytes_of(&disk));
        for (number, block) in &first.changes {
            let now = &second.changes[number];
            let shared = matches!((block, now), (Some(then), Some(now)) if Arc::ptr_eq(then, now));
            assert_eq!(shared, ![0, 3, 5, 6].contains(number), "{number}");
        }
        disk.restore(&first).expect("its own state");
        assert!(bytes_of(&disk) == before);
        disk.restore(&second).expect("its own state");
        assert!(bytes_of(&disk) == after && after != before);
    }

    #[test]
    fn a_saved_state_is_written_as_bytes_with_their_number() {
        let (_file, mut disk) = volatile();
        disk.write(BLOCK as u64, &[7; BLOCK]).expect("a write");
        disk.zero(0, BLOCK as u64).expect("zeros");
        let written = postcard::to_stdvec(&disk.save()).expect("a state");
        let unshared: BTreeMap<u64, Option<Vec<u8>>> =
            BTreeMap::from([(0, None), (1, Some(vec![7; BLOCK]))]);
        let expected = (DriveMode::Volatile, disk.sectors(), unshared);
        assert_eq!(written, postcard::to_stdvec(&expected).expect("a state"));
        assert_eq!(postcard::from_bytes(&written), Ok(disk.save()));
    }
}
