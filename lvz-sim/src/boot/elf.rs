// SPDX-License-Identifier: Apache-2.0 OR MIT

//! ELF images: `vmlinux` and bare-metal programs.

use super::error::ImageError;
use super::image::{Image, Segment};
use crate::mmu::PA_MASK;
use object::LittleEndian;
use object::elf::{EM_LOONGARCH, ET_REL, FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};

/// Whether `bytes` look like an ELF file.
pub(super) fn matches(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

/// Reads an ELF file. Where segments have virtual addresses for physical ones, as those of
/// kernels in a direct mapping window have, the low bits are the physical address. The
/// entry is virtual: its segment says where in memory it is, which matters for kernels
/// that run in mapped addresses.
pub(super) fn parse(bytes: Vec<u8>) -> Result<Image, ImageError> {
    let damaged = |_| ImageError::Damaged("ELF header");
    let header = FileHeader64::<LittleEndian>::parse(bytes.as_slice()).map_err(damaged)?;
    let endian = header.endian().map_err(|_| ImageError::Format)?;
    if header.e_machine(endian) != EM_LOONGARCH {
        return Err(ImageError::Format);
    }
    if header.e_type(endian) == ET_REL {
        return Err(ImageError::NotLinked);
    }
    let entry = header.e_entry(endian);
    let mut entry_in_memory = entry & PA_MASK;
    let mut segments = Vec::new();
    for program in header
        .program_headers(endian, bytes.as_slice())
        .map_err(damaged)?
    {
        if program.p_type(endian) != PT_LOAD || program.p_memsz(endian) == 0 {
            continue;
        }
        let (offset, size) = (program.p_offset(endian), program.p_filesz(endian));
        let contents = usize::try_from(offset)
            .ok()
            .zip(offset.checked_add(size).and_then(|end| end.try_into().ok()))
            .map(|(start, end)| start..end)
            .filter(|range| range.end <= bytes.len() && size <= program.p_memsz(endian))
            .ok_or(ImageError::Damaged("ELF segment"))?;
        let (address, length) = (program.p_paddr(endian) & PA_MASK, program.p_memsz(endian));
        let into = entry.checked_sub(program.p_vaddr(endian));
        if let Some(into) = into.filter(|&into| into < length) {
            entry_in_memory = address.saturating_add(into);
        }
        segments.push(Segment {
            address,
            contents,
            length,
        });
    }
    if segments.is_empty() {
        return Err(ImageError::Damaged("ELF file: nothing to load"));
    }
    Ok(Image::new(bytes, entry_in_memory, segments))
}
