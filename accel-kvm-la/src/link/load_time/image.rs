// SPDX-License-Identifier: GPL-2.0-or-later

//! The main program in memory: where its segments are, what build it is, what it exports,
//! and reading its tables without leaving them.

use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Program header types and flags (ELF specification, part "Program Header").
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_NOTE: u32 = 4;
const PF_X: u32 = 1;
const PF_R: u32 = 4;

/// The note with the build's identity (elf.h: `NT_GNU_BUILD_ID`).
const NT_GNU_BUILD_ID: u32 = 3;

/// Tags of the dynamic section, and bytes of its entries (elf.h).
const DT_NULL: u64 = 0;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const DYNAMIC_ENTRY: usize = 16;

/// Bytes of a symbol, and its highest type that is an address: none, data or code (elf.h).
const SYMBOL: usize = 24;
const STT_FUNC: u8 = 2;

/// Longest name that a table of QEMU may have here.
const NAME_MAX: usize = 256;

/// A part of the image that is in memory.
#[derive(Clone, Debug)]
struct Segment {
    addresses: Range<usize>,
    readable: bool,
    executable: bool,
}

/// Where an image has its exported symbols.
#[derive(Clone, Copy, Debug)]
struct Exports {
    /// What is added to an address of the file.
    bias: usize,
    /// DT_GNU_HASH.
    hashes: usize,
    symbols: usize,
    strings: usize,
}

/// The main program.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    segments: Vec<Segment>,
    exports: Option<Exports>,
    /// The build's identity in hexadecimal digits, if the linker noted one.
    pub(crate) build_id: Option<String>,
}

impl Image {
    /// The main program of this process.
    pub(crate) fn of_process() -> Option<&'static Self> {
        static PROGRAM: OnceLock<Option<Image>> = OnceLock::new();
        let find = || {
            let mut image: Option<Self> = None;
            // SAFETY: the callback has the signature that dl_iterate_phdr(3) asks
            // for and gets back the pointer that is given here, which outlives it.
            unsafe {
                libc::dl_iterate_phdr(Some(first_object), (&raw mut image).cast::<c_void>());
            }
            image
        };
        PROGRAM.get_or_init(find).as_ref()
    }

    /// The executable's file.
    pub(crate) fn path() -> PathBuf {
        std::env::current_exe().unwrap_or_default()
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
            exports: None,
            build_id: None,
        }
    }

    /// The bytes at an address, if all of them belong to the image.
    fn bytes(&self, address: usize, count: usize) -> Option<&[u8]> {
        let end = address.checked_add(count)?;
        self.segments
            .iter()
            .find(|s| s.readable && s.addresses.start <= address && end <= s.addresses.end)?;
        let start = std::ptr::with_exposed_provenance::<u8>(address);
        // SAFETY: the range lies in a readable segment of the main program,
        // which stays mapped as long as the process; nothing that is read here
        // changes after relocation, and bytes have no alignment and no invalid value.
        Some(unsafe { std::slice::from_raw_parts(start, count) })
    }

    /// As many bytes as the result has.
    pub(crate) fn read<const N: usize>(&self, address: usize) -> Option<[u8; N]> {
        self.bytes(address, N)?.try_into().ok()
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
        // SAFETY: as in `bytes`.
        let bytes = unsafe { std::slice::from_raw_parts(start, room) };
        CStr::from_bytes_until_nul(bytes).ok()?.to_str().ok()
    }

    /// The address of a function or variable that the image exports.
    pub(crate) fn export(&self, name: &[u8]) -> Option<usize> {
        let exports = self.exports.as_ref()?;
        let hash = gnu_hash(name);
        let word = |i: usize| self.u32(exports.hashes.checked_add(i.checked_mul(4)?)?);
        let (buckets, first, filter) = (word(0)?, word(1)?, word(2)?);
        // Behind a head of four words and a filter of 64-bit words; then a word for each
        // symbol from `first` on: its hash, with bit 0 set in the last of a bucket.
        let table = usize::try_from(filter)
            .ok()?
            .checked_mul(2)?
            .checked_add(4)?;
        let bucket = usize::try_from(hash.checked_rem(buckets)?).ok()?;
        let chains = table.checked_add(usize::try_from(buckets).ok()?)?;
        let mut symbol = word(table.checked_add(bucket)?)?;
        loop {
            let place = usize::try_from(symbol.checked_sub(first)?).ok()?;
            let chain = word(chains.checked_add(place)?)?;
            if (chain ^ hash) >> 1 == 0 && self.is_named(exports, symbol, name)? {
                return self.symbol_address(exports, symbol);
            }
            if chain & 1 != 0 {
                return None;
            }
            symbol = symbol.checked_add(1)?;
        }
    }

    /// Whether a symbol has this name.
    fn is_named(&self, exports: &Exports, symbol: u32, name: &[u8]) -> Option<bool> {
        let at = usize::try_from(self.u32(exports.symbol(symbol)?)?).ok()?;
        let at = exports.strings.checked_add(at)?;
        let own = self.bytes(at, name.len().checked_add(1)?)?;
        Some(own.strip_prefix(name) == Some(b"\0"))
    }

    /// None for what is no address: a variable of each thread, a function that chooses one.
    fn symbol_address(&self, exports: &Exports, symbol: u32) -> Option<usize> {
        let at = exports.symbol(symbol)?;
        let [info] = self.read::<1>(at.checked_add(4)?)?;
        let section = self.read::<2>(at.checked_add(6)?).map(u16::from_ne_bytes)?;
        if info & 0xf > STT_FUNC || section == 0 {
            return None;
        }
        let value = self.pointer(at.checked_add(8)?)?;
        Some(value.wrapping_add(exports.bias))
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
        exports: None,
        build_id: None,
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
    found.exports = headers
        .iter()
        .find(|header| header.p_type == PT_DYNAMIC)
        .and_then(|header| Exports::read(&found, bias, range(header)));
    *image = Some(found);
    1
}

impl Exports {
    /// Where a symbol is.
    fn symbol(&self, number: u32) -> Option<usize> {
        let distance = usize::try_from(number).ok()?.checked_mul(SYMBOL)?;
        self.symbols.checked_add(distance)
    }

    /// Reads a dynamic section.
    fn read(image: &Image, bias: usize, section: Range<usize>) -> Option<Self> {
        let (mut hashes, mut symbols, mut strings) = (None, None, None);
        for at in section.step_by(DYNAMIC_ENTRY) {
            let value = image.pointer(at.checked_add(8)?)?;
            // The loader of glibc has made addresses of what the file has.
            let value = if image.contains(value) {
                value
            } else {
                value.wrapping_add(bias)
            };
            match image.u64(at)? {
                DT_NULL => break,
                DT_STRTAB => strings = Some(value),
                DT_SYMTAB => symbols = Some(value),
                DT_GNU_HASH => hashes = Some(value),
                _ => {}
            }
        }
        Some(Self {
            bias,
            hashes: hashes?,
            symbols: symbols?,
            strings: strings?,
        })
    }
}

/// The hash of DT_GNU_HASH (glibc: sysdeps/generic/dl-new-hash.h).
fn gnu_hash(name: &[u8]) -> u32 {
    name.iter().fold(5381, |hash: u32, byte| {
        hash.wrapping_mul(33).wrapping_add(u32::from(*byte))
    })
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
                let halves = [byte >> 4, byte & 15];
                digits.extend(halves.map(|half| char::from_digit(half.into(), 16).unwrap_or('?')));
            }
            return Some(digits);
        }
        at = data.checked_add(data_size.checked_next_multiple_of(4)?)?;
    }
    None
}

/// The address of a symbol that the process exports under this name, wherever
/// it is defined: first in the main program, as dlsym(3) has it. A start asks for more than
/// a hundred, for each of which dlsym takes a thousand instructions.
pub(crate) fn symbol(name: &CStr) -> Option<usize> {
    if let Some(address) = Image::of_process().and_then(|program| program.export(name.to_bytes())) {
        return Some(address);
    }
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

    /// A table as the linker makes it, of two symbols in one bucket.
    #[test]
    fn exports_are_found_by_their_hash() {
        let [one, two] = [b"one", b"two"].map(|name| gnu_hash(name));
        let mut memory = [0u64; 32];
        let base = memory.as_ptr().expose_provenance();
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        // Buckets, first symbol, words of the filter, its shift; the filter; the bucket; hashes.
        memory[..5].copy_from_slice(&[
            pair(1, 1),
            pair(1, 0),
            u64::MAX,
            pair(1, one & !1),
            pair(two | 1, 0),
        ]);
        // Symbols 1 and 2 of a table at word 8: data of a section, and a variable of each thread.
        let info = |kind: u32| kind | 1 << 16;
        memory[11..13].copy_from_slice(&[pair(1, info(1)), 0x40]);
        memory[14..16].copy_from_slice(&[pair(5, info(6)), 0x48]);
        memory[24] = u64::from_ne_bytes(*b"\0one\0two");
        let mut image = Image::of_memory(&memory);
        assert_eq!(image.export(b"one"), None);
        image.exports = Some(Exports {
            bias: base,
            hashes: base,
            symbols: base + 64,
            strings: base + 192,
        });
        assert_eq!(image.export(b"one"), Some(base + 0x40));
        assert_eq!(image.export(b"two"), None);
        assert_eq!(image.export(b"three"), None);
        // No buckets, and tables elsewhere.
        image.exports = image.exports.map(|exports| Exports {
            hashes: base + 64,
            ..exports
        });
        assert_eq!(image.export(b"one"), None);
    }

    #[test]
    fn the_process_exports_what_dlsym_finds() {
        // SAFETY: as in `symbol`.
        let malloc = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"malloc".as_ptr()) };
        assert_eq!(symbol(c"malloc"), Some(malloc.addr()));
        assert_eq!(symbol(c"no_such_function_of_any_library"), None);
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
