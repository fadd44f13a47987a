// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Writes the static executable that QEMU runs: a few loadable segments, no
//! sections.

use anyhow::Result;
use object::Endianness;
use object::elf;
use object::write::elf::{FileHeader, ProgramHeader, Writer};

/// Alignment of segments in memory and in the file: the largest page size.
const ALIGN: u64 = 0x1_0000;

/// A part of the process's memory.
#[derive(Debug)]
pub struct Segment<'a> {
    /// Virtual address, a multiple of 64 KiB.
    pub address: u64,
    /// Initial contents; zeros follow up to `size`.
    pub bytes: &'a [u8],
    /// Size in memory.
    pub size: u64,
    /// Whether the process may write to it.
    pub write: bool,
    /// Whether it may execute from it.
    pub execute: bool,
}

/// The executable file with these segments that starts at `entry`.
pub fn write(entry: u64, segments: &[Segment<'_>]) -> Result<Vec<u8>> {
    let mut buffer = Vec::new();
    let mut writer = Writer::new(Endianness::Little, true, &mut buffer);
    writer.reserve_file_header();
    writer.reserve_program_headers(u32::try_from(segments.len())?);
    let offsets: Vec<u64> = segments
        .iter()
        .map(|s| writer.reserve(s.bytes.len() as u64, ALIGN))
        .collect();
    writer.write_file_header(&FileHeader {
        os_abi: elf::ELFOSABI_NONE,
        abi_version: 0,
        e_type: elf::ET_EXEC,
        e_machine: elf::EM_LOONGARCH,
        e_entry: entry,
        // Object file ABI 1, double-precision floating point.
        e_flags: elf::FileFlags(0x43),
    })?;
    writer.write_align_program_headers();
    for (segment, &offset) in segments.iter().zip(&offsets) {
        let mut flags = elf::PF_R;
        if segment.write {
            flags |= elf::PF_W;
        }
        if segment.execute {
            flags |= elf::PF_X;
        }
        writer.write_program_header(&ProgramHeader {
            p_type: elf::PT_LOAD,
            p_flags: flags,
            p_offset: offset,
            p_vaddr: segment.address,
            p_paddr: segment.address,
            p_filesz: segment.bytes.len() as u64,
            p_memsz: segment.size,
            p_align: ALIGN,
        });
    }
    for (segment, &offset) in segments.iter().zip(&offsets) {
        writer.pad_until(offset);
        writer.write(segment.bytes);
    }
    Ok(buffer)
}
