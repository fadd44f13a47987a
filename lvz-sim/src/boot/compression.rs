// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Compressed images.

use super::error::ImageError;
use flate2::read::GzDecoder;
use ruzstd::decoding::StreamingDecoder;
use std::io::{self, Read};

/// A supported compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Kind {
    /// The compression that an EFI zboot header names.
    pub(super) fn named(name: &[u8]) -> Result<Self, ImageError> {
        match name {
            b"gzip" => Ok(Self::Gzip),
            // Linux calls it either way (scripts/Makefile.lib: zstd22).
            b"zstd" | b"zstd22" => Ok(Self::Zstd),
            _ => {
                let name = String::from_utf8_lossy(name).into_owned();
                Err(ImageError::Compression(name))
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// Recognizes a compressed file by its first bytes.
pub(super) fn recognize(bytes: &[u8]) -> Option<Kind> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        Some(Kind::Gzip)
    } else if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Some(Kind::Zstd)
    } else {
        None
    }
}

fn read_all(reader: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Unpacks `data` to at most `limit` bytes.
pub(super) fn unpack(kind: Kind, data: &[u8], limit: u64) -> Result<Vec<u8>, ImageError> {
    let unpacked = match kind {
        Kind::Gzip => read_all(GzDecoder::new(data), limit),
        Kind::Zstd => StreamingDecoder::new(data)
            .map_err(io::Error::other)
            .and_then(|decoder| read_all(decoder, limit)),
    };
    let bytes = unpacked.map_err(|error| ImageError::Unpack {
        kind: kind.name(),
        reason: error.to_string(),
    })?;
    if bytes.len() as u64 > limit {
        return Err(ImageError::TooLarge(limit));
    }
    Ok(bytes)
}
