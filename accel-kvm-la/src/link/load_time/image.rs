// SPDX-License-Identifier: GPL-2.0-or-later

//! The main program in memory: where its segments are, what build it is, and
//! reading its tables without leaving them.

use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;
use std::path::PathBuf;

/// Program header types and flags (ELF specification, part "Program Header").
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const PF_X: u32 = 1;
const PF_R: u32 = 4;

/// The note with the build's identity (elf.h: `NT_GNU_BUILD_ID`).
const NT_GNU_BUILD_ID: u32 = 3;

/// Longest name that a table of QEMU may have here.
const NAME_MAX: usize = 256;

/// A part of the image that is in memory.
#[derive(Clone, Debug)]
struct Segment {
    addresses: Range<usize>,
    readable: bool,
    executable: bool,
}

/// The main program.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    segments: Vec<Segment>,
    /// The build's identity in hexadecimal digits, if the linker noted one.
    pub(crate) build_id: Option<String>,
    /// The executable's file.
    pub(crate) path: PathBuf,
}

impl Image {
    /// Finds the main program of this process.
    pub(crate) fn of_process() -> Option<Self> {
        let mut image: Option<Self> = None;
        // SAFETY: the callback has the signature that dl_iterate_phdr(3) asks
        // for and gets back the pointer that is given here, which outlives it.
        unsafe {
            libc::dl_iterate_phdr(Some(first_object), (&raw mut image).cast::<c_void>());
        }
        image
    }

    /// An image made of one readable piece of memory.
    #[cfg(test)]
    pub(crate) fn of_memory(memory: &[u64]) -> Self {
        let addresses = memory.as_ptr_range();
        Self {
            segments: vec![Segment {
                addresses: addresses.start.addr()..addresses.end.addr(),
                readable: true,
                executable: false,
            }],
            build_id: None,
            path: PathBuf::new(),
        }
    }

    /// The bytes at an address, if all of them belong to the image.
    pub(crate) fn read<const N: usize>(&self, address: usize) -> Option<[u8; N]> {
        let end = address.checked_add(N)?;
        self.segments
            .iter()
            .find(|s| s.readable && s.addresses.start <= address && end <= s.addresses.end)?;
        let pointer = std::ptr::with_exposed_provenance::<[u8; N]>(address);
        // SAFETY: the range lies in a readable segment of the main program,
        // which stays mapped as long as the process; nothing that is read here
        // changes after relocation, and byte arrays have no alignment and no
        // invalid value.
        Some(unsafe { pointer.read_unaligned() })
    }

    /// The 32-bit word at an address.
    pub(crate) fn u32(&self, address: usize) -> Option<u32> {
        self.read(address).map(u32::from_ne_bytes)
    }

    /// The 64-bit word at an address.
    pub(crate) fn u64(&self, address: usize) -> Option<u64> {
        self.read(address).map(u64::from_ne_bytes)
    }

    /// The pointer at an address.
    pub(crate) fn pointer(&self, address: usize) -> Option<usize> {
        usize::try_from(self.u64(address)?).ok()
    }

    /// The string that starts at an address.
    pub(crate) fn name(&self, address: usize) -> Option<&str> {
        let segment = self
            .segments
            .iter()
            .find(|s| s.readable && s.addresses.contains(&address))?;
        let room = segment.addresses.end.wrapping_sub(address).min(NAME_MAX);
        let start = std::ptr::with_exposed_provenance::<u8>(address);
        // SAFETY: as in `read`.
        let bytes = unsafe { std::slice::from_raw_parts(start, room) };
        CStr::from_bytes_until_nul(bytes).ok()?.to_str().ok()
    }

    /// Whether an address is in the program's code.
    pub(crate) fn is_code(&self, address: usize) -> bool {
        self.segments
            .iter()
            .any(|s| s.executable && s.addresses.contains(&address))
    }

    /// Whether an address is anywhere in the program.
    pub(crate) fn contains(&self, address: usize) -> bool {
        self.segments.iter().any(|s| s.addresses.contains(&address))
    }

    /// All addresses from the first to the last segment.
    pub(crate) fn span(&self) -> Range<usize> {
        let start = self.segments.iter().map(|s| s.addresses.start).min();
        let end = self.segments.iter().map(|s| s.addresses.end).max();
        start.unwrap_or(0)..end.unwrap_or(0)
    }
}

/// Takes the first object of the loader's list, which is the main program
/// (dl_iterate_phdr(3)), and ends the walk.
extern "C" fn first_object(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    image: *mut c_void,
) -> c_int {
    // SAFETY: the loader passes a valid object for the time of the call.
    let Some(info) = (unsafe { info.as_ref() }) else {
        return 1;
    };
    // SAFETY: `of_process` passes its own variable, which nothing else uses now.
    let Some(image) = (unsafe { image.cast::<Option<Image>>().as_mut() }) else {
        return 1;
    };
    if info.dlpi_phdr.is_null() {
        return 1;
    }
    // SAFETY: the loader gives the number of headers at that address.
    let headers =
        unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let bias = usize::try_from(info.dlpi_addr).unwrap_or(0);
    let mut found = Image {
        segments: Vec::new(),
        build_id: None,
        path: std::env::current_exe().unwrap_or_default(),
    };
    let range = |header: &libc::Elf64_Phdr| {
        let start = bias.wrapping_add(usize::try_from(header.p_vaddr).unwrap_or(0));
        start..start.saturating_add(usize::try_from(header.p_memsz).unwrap_or(0))
    };
    for header in headers.iter().filter(|header| header.p_type == PT_LOAD) {
        found.segments.push(Segment {
            addresses: range(header),
            readable: header.p_flags & PF_R != 0,
            executable: header.p_flags & PF_X != 0,
        });
    }
    found.build_id = headers
        .iter()
        .filter(|header| header.p_type == PT_NOTE)
        .find_map(|header| build_id(&found, range(header)));
    *image = Some(found);
    1
}

/// The build-id among the notes in a range.
fn build_id(image: &Image, notes: Range<usize>) -> Option<String> {
    let mut at = notes.start;
    while at < notes.end {
        let name_size = usize::try_from(image.u32(at)?).ok()?;
        let data_size = usize::try_from(image.u32(at.checked_add(4)?)?).ok()?;
        let kind = image.u32(at.checked_add(8)?)?;
        let name = at.checked_add(12)?;
        let data = name.checked_add(name_size.checked_next_multiple_of(4)?)?;
        if kind == NT_GNU_BUILD_ID && name_size == 4 && image.read::<4>(name)? == *b"GNU\0" {
            let mut digits = String::new();
            for i in 0..data_size.min(64) {
                let [byte] = image.read::<1>(data.checked_add(i)?)?;
                digits.push_str(&format!("{byte:02x}"));
            }
            return Some(digits);
        }
        at = data.checked_add(data_size.checked_next_multiple_of(4)?)?;
    }
    None
}

/// The address of a symbol that the process exports under this name, wherever
/// it is defined (dlsym(3) with the main program's search order).
pub(crate) fn symbol(name: &CStr) -> Option<usize> {
    // SAFETY: dlsym takes any name; RTLD_DEFAULT needs no handle.
    let pointer = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!pointer.is_null()).then(|| pointer.expose_provenance())
}

/// The function at an address.
///
/// # Safety
///
/// `F` is a function pointer type, and that of the function at the address.
pub(crate) unsafe fn function<F: Copy>(address: usize) -> F {
    const { assert!(size_of::<F>() == size_of::<*const c_void>()) };
    let pointer = std::ptr::with_exposed_provenance::<c_void>(address);
    // SAFETY: same size; by this function's contract a valid `F`.
    unsafe { std::mem::transmute_copy(&pointer) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_program_is_found() {
        let image = Image::of_process().expect("a main program");
        let function = tests::the_running_program_is_found as fn();
        let address = (function as *const ()).addr();
        assert!(image.is_code(address));
        assert!(image.read::<4>(address).is_some());
        let on_stack = 0u8;
        assert!(!image.contains((&raw const on_stack).addr()));
    }

    #[test]
    fn reads_stay_inside() {
        let memory = [u64::from_ne_bytes(*b"halted\0\0"), u64::MAX];
        let image = Image::of_memory(&memory);
        let start = image.span().start;
        assert_eq!(image.name(start), Some("halted"));
        assert_eq!(image.u64(start + 8), Some(u64::MAX));
        assert_eq!(image.u64(start + 9), None);
        assert_eq!(image.u64(usize::MAX - 3), None);
        // A name that does not end inside the image is none.
        assert_eq!(image.name(start + 8), None);
    }

    #[test]
    fn the_build_id_is_one_of_the_notes() {
        let mut bytes = Vec::new();
        for (kind, name, data) in [(1u32, b"GNU\0", [9u8; 8]), (3, b"GNU\0", [0xab; 8])] {
            bytes.extend(4u32.to_ne_bytes());
            bytes.extend(8u32.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(name);
            bytes.extend(data);
        }
        let words: Vec<u64> = bytes
            .chunks_exact(8)
            .map(|c| u64::from_ne_bytes(c.try_into().expect("eight bytes")))
            .collect();
        let image = Image::of_memory(&words);
        assert_eq!(
            build_id(&image, image.span()).as_deref(),
            Some("abababababababab")
        );
        // Sizes that lead out of the image end the search.
        let mad = [u64::MAX; 4];
        let image = Image::of_memory(&mad);
        assert_eq!(build_id(&image, image.span()), None);
    }
}
