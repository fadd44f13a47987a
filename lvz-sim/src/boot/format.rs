// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Recognises the kinds of kernel images.

use super::error::ImageError;
use super::image::Image;
use super::{compression, elf, pe};

/// Compressed images may hold compressed images, so many times.
const NESTING: usize = 3;

/// Finds out what `bytes` are; unpacked they have at most `limit` bytes.
pub(super) fn parse(mut bytes: Vec<u8>, limit: u64) -> Result<Image, ImageError> {
    for _ in 0..NESTING {
        if bytes.is_empty() {
            return Err(ImageError::Empty);
        }
        if elf::matches(&bytes) {
            return elf::parse(bytes);
        }
        if let Some((kind, payload)) = pe::zboot(&bytes)? {
            bytes = compression::unpack(kind, payload, limit)?;
        } else if pe::matches(&bytes) {
            return pe::parse(bytes);
        } else if let Some(kind) = compression::recognize(&bytes) {
            bytes = compression::unpack(kind, &bytes, limit)?;
        } else {
            break;
        }
    }
    Err(ImageError::Format)
}
