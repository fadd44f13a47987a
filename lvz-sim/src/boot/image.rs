// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A kernel image, as what to put where.

use super::elf;
use super::error::ImageError;
use super::span::{FIRMWARE_END, Span, Taken, holds};
use crate::mem::GuestRam;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use vm_memory::{Bytes, GuestAddress};

/// Largest file or unpacked image.
pub(super) const IMAGE_MAX: u64 = 4 << 30;

/// A part of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Physical address.
    pub(super) address: u64,
    /// Where its contents are in the image's bytes.
    pub(super) contents: Range<usize>,
    /// Its length in memory; what the contents do not fill is zero.
    pub(super) length: u64,
}

/// An image that can be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    bytes: Vec<u8>,
    entry: u64,
    segments: Vec<Segment>,
}

impl Image {
    /// The file contents `bytes` as they are, to be put at an address and entered there.
    pub(super) fn raw(bytes: Vec<u8>, address: u64) -> Result<Self, ImageError> {
        if bytes.is_empty() {
            return Err(ImageError::Empty);
        }
        let segment = Segment {
            address,
            contents: 0..bytes.len(),
            length: bytes.len() as u64,
        };
        Ok(Self::new(bytes, address, vec![segment]))
    }

    /// An image of the file contents `bytes`.
    pub(super) fn new(bytes: Vec<u8>, entry: u64, segments: Vec<Segment>) -> Self {
        Self {
            bytes,
            entry,
            segments,
        }
    }

    /// Physical address of its first instruction.
    pub(super) fn entry(&self) -> u64 {
        self.entry
    }

    /// The memory that it uses.
    pub(super) fn spans(&self) -> impl Iterator<Item = Span> {
        self.segments.iter().map(|segment| Span {
            start: segment.address,
            length: segment.length,
        })
    }

    /// Whether two of its segments share memory. No linker makes such a file,
    /// and clearing the same memory for each of them could take for ever.
    fn overlaps(&self) -> bool {
        let mut spans: Vec<_> = self
            .segments
            .iter()
            .map(|s| (s.address, s.length))
            .collect();
        spans.sort_unstable();
        spans
            .windows(2)
            .any(|pair| matches!(pair, [(start, length), (next, _)] if start.saturating_add(*length) > *next))
    }

    /// Puts it into memory, where the ranges `taken` are in use; adds its own to them.
    pub(super) fn load(&self, ram: &GuestRam, taken: &mut Taken) -> Result<(), ImageError> {
        const ZEROS: [u8; 4096] = [0; 4096];
        if self.overlaps() {
            return Err(ImageError::Damaged("ELF file: segments overlap"));
        }
        for segment in &self.segments {
            let place = ImageError::Place {
                start: segment.address,
                end: segment.address.saturating_add(segment.length),
            };
            if segment.address < FIRMWARE_END {
                return Err(ImageError::Low(segment.address));
            }
            if !holds(ram, segment.address, segment.length) {
                return Err(place);
            }
            let span = Span {
                start: segment.address,
                length: segment.length,
            };
            if taken.conflict(span).is_some() {
                return Err(ImageError::Taken(span.start, span.end()));
            }
            let contents = self
                .bytes
                .get(segment.contents.clone())
                .filter(|contents| contents.len() as u64 <= segment.length)
                .ok_or(ImageError::Damaged("segment"))?;
            if ram
                .write_slice(contents, GuestAddress(segment.address))
                .is_err()
            {
                return Err(place);
            }
            let mut at = segment.address + contents.len() as u64;
            let end = segment.address + segment.length;
            while at < end {
                let zeros = &ZEROS[..(end - at).min(ZEROS.len() as u64) as usize];
                if ram.write_slice(zeros, GuestAddress(at)).is_err() {
                    return Err(place);
                }
                at += zeros.len() as u64;
            }
        }
        if !holds(ram, self.entry, 4) {
            return Err(ImageError::Damaged("entry address"));
        }
        taken.extend(self.spans());
        Ok(())
    }
}

/// Whether a file that can be read begins as ELF files do.
pub(crate) fn is_elf(path: &Path) -> bool {
    read_start(path).is_ok_and(|start| elf::matches(&start))
}

/// The first bytes of a file.
fn read_start(path: &Path) -> std::io::Result<[u8; 4]> {
    let mut start = [0; 4];
    File::open(path)?.read_exact(&mut start)?;
    Ok(start)
}

/// Reads a file of at most `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(ImageError::TooLarge(limit));
    }
    Ok(bytes)
}
