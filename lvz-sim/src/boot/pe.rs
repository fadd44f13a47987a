// SPDX-License-Identifier: Apache-2.0 OR MIT

//! EFI images of Linux: `vmlinux.efi`, and the EFI zboot image that has it
//! compressed inside (Linux arch/loongarch/kernel/head.S: `_head`;
//! drivers/firmware/efi/libstub/zboot-header.S).

use super::compression::Kind;
use super::error::ImageError;
use super::image::{Image, Segment};
use crate::mmu::PA_MASK;

/// "MZ" at the start.
const DOS_MAGIC: &[u8] = b"MZ";
/// Physical entry address, size in memory, and load address.
const ENTRY: usize = 0x08;
const SIZE: usize = 0x10;
const LOAD: usize = 0x18;
/// LINUX_PE_MAGIC marks both headers as Linux's.
const LINUX_MAGIC_AT: usize = 0x38;
const LINUX_MAGIC: u32 = 0x8182_23cd;
/// Fields of a zboot header.
const ZBOOT_MAGIC: &[u8] = b"zimg";
const ZBOOT_MAGIC_AT: usize = 0x04;
const ZBOOT_OFFSET: usize = 0x08;
const ZBOOT_SIZE: usize = 0x0c;
const ZBOOT_KIND: usize = 0x18;
const ZBOOT_KIND_END: usize = 0x38;

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*field))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*field))
}

/// Whether `bytes` look like any EFI image.
pub(super) fn is_efi(bytes: &[u8]) -> bool {
    bytes.starts_with(DOS_MAGIC)
}

/// Whether `bytes` look like an EFI image of Linux.
pub(super) fn matches(bytes: &[u8]) -> bool {
    is_efi(bytes) && u32_at(bytes, LINUX_MAGIC_AT) == Some(LINUX_MAGIC)
}

/// The compressed image in a zboot image, if `bytes` are one.
pub(super) fn zboot(bytes: &[u8]) -> Result<Option<(Kind, &[u8])>, ImageError> {
    let marked = bytes
        .get(ZBOOT_MAGIC_AT..)
        .is_some_and(|rest| rest.starts_with(ZBOOT_MAGIC));
    if !is_efi(bytes) || !marked {
        return Ok(None);
    }
    let damaged = ImageError::Damaged("EFI zboot header");
    let (Some(offset), Some(size), Some(kind)) = (
        u32_at(bytes, ZBOOT_OFFSET),
        u32_at(bytes, ZBOOT_SIZE),
        bytes.get(ZBOOT_KIND..ZBOOT_KIND_END),
    ) else {
        return Err(damaged);
    };
    let name = kind.split(|&byte| byte == 0).next().unwrap_or(kind);
    let kind = Kind::named(name)?;
    let payload = bytes
        .get(offset as usize..)
        .and_then(|rest| rest.get(..size as usize))
        .ok_or(damaged)?;
    Ok(Some((kind, payload)))
}

/// Reads an EFI image of Linux.
pub(super) fn parse(bytes: Vec<u8>) -> Result<Image, ImageError> {
    let fields = u64_at(&bytes, ENTRY)
        .zip(u64_at(&bytes, SIZE))
        .zip(u64_at(&bytes, LOAD));
    let Some(((entry, size), load)) = fields else {
        return Err(ImageError::Damaged("EFI image header"));
    };
    let length = size.max(bytes.len() as u64);
    let segment = Segment {
        // Early kernels have virtual addresses in these fields.
        address: load & PA_MASK,
        contents: 0..bytes.len(),
        length,
    };
    let entry = entry & PA_MASK;
    if !(segment.address..segment.address.saturating_add(length)).contains(&entry) {
        return Err(ImageError::Damaged("EFI image header: entry address"));
    }
    Ok(Image::new(bytes, entry, vec![segment]))
}
