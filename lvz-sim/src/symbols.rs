// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Symbols of ELF files: what is at an address, for traces and profiles.

use crate::mmu::PA_MASK;
use crate::world::World;
use anyhow::{Context as _, Result, bail};
use object::{Object as _, ObjectKind, ObjectSection as _, ObjectSymbol as _, SymbolKind};
use std::cmp::Reverse;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Most bytes of a file.
const FILE_MAX: u64 = 4 << 30;

/// `[host:|guest:]FILE[@BASE]`: a file with symbols, the mode in which they are valid, and what is
/// added to their addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolFile {
    path: PathBuf,
    world: Option<World>,
    base: u64,
}

impl SymbolFile {
    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl FromStr for SymbolFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (world, rest) = match text.split_once(':') {
            Some(("host", rest)) => (Some(World::Root), rest),
            Some(("guest", rest)) => (Some(World::Guest), rest),
            _ => (None, text),
        };
        let (path, base) = match rest.rsplit_once('@') {
            Some((path, base)) => {
                let digits = base.strip_prefix("0x").unwrap_or(base);
                let base = u64::from_str_radix(digits, 16);
                (path, base.map_err(|_| "BASE is no hexadecimal number")?)
            }
            None => (rest, 0),
        };
        if path.is_empty() {
            return Err("no file is named".to_owned());
        }
        Ok(Self {
            path: path.into(),
            world,
            base,
        })
    }
}

#[derive(Debug)]
struct Symbol {
    address: u64,
    /// Up to the end of its section, if the file does not say it.
    size: u64,
    name: String,
}

/// Symbols of one file, by address.
#[derive(Debug)]
struct Table {
    world: Option<World>,
    symbols: Vec<Symbol>,
}

#[derive(Debug, Default)]
pub(crate) struct Symbols(Vec<Table>);

impl Symbols {
    /// Reads files.
    ///
    /// # Errors
    /// One cannot be read, is no object file, or has no symbols.
    pub(crate) fn read(files: &[SymbolFile]) -> Result<Self> {
        let tables = files.iter().map(read).collect::<Result<_>>()?;
        Ok(Self(tables))
    }

    /// The symbol that `pc` is in, in mode `world`, and how far. In direct mode, where `pc` is a
    /// physical address, that of a file which is linked to a direct mapping window too.
    pub(crate) fn find(&self, world: World, direct: bool, pc: u64) -> Option<(&str, u64)> {
        let tables = self.0.iter();
        let valid = tables.filter(|table| table.world.is_none_or(|of| of == world));
        valid.into_iter().find_map(|table| match direct {
            true => table.find_physical(pc),
            false => table.find(pc),
        })
    }
}

impl Table {
    /// The symbol that is at the physical address `pc` in the window that its file is linked to.
    fn find_physical(&self, pc: u64) -> Option<(&str, u64)> {
        let first = self.symbols.first()?;
        self.find(first.address & !PA_MASK | pc & PA_MASK)
    }

    fn find(&self, pc: u64) -> Option<(&str, u64)> {
        let behind = self.symbols.partition_point(|s| s.address <= pc);
        let symbol = self.symbols.get(behind.checked_sub(1)?)?;
        let distance = pc - symbol.address;
        (distance < symbol.size).then_some((symbol.name.as_str(), distance))
    }
}

fn read(file: &SymbolFile) -> Result<Table> {
    let path = file.path.display();
    let mut bytes = Vec::new();
    File::open(&file.path)
        .and_then(|opened| opened.take(FILE_MAX + 1).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read '{path}'"))?;
    if bytes.len() as u64 > FILE_MAX {
        bail!("'{path}' has more than 4 GiB: take one without debugging information");
    }
    let object = object::File::parse(bytes.as_slice())
        .with_context(|| format!("'{path}' is no object file"))?;
    // In a module each section begins at 0, and BASE is where the code is.
    let module = object.kind() == ObjectKind::Relocatable;
    let candidates = object
        .symbols()
        .filter(|symbol| matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Unknown))
        .filter_map(|symbol| Some((symbol.name().ok()?, symbol)));
    let mut names = 0;
    let bounded = candidates.take_while(|(name, _)| {
        names += name.len();
        names <= bytes.len()
    });
    let mut symbols: Vec<Symbol> = bounded
        .filter(|(name, _)| is_function(name))
        .filter_map(|(name, symbol)| {
            let section = object.section_by_index(symbol.section_index()?).ok()?;
            if module && section.name() != Ok(".text") {
                return None;
            }
            let end = section.address().saturating_add(section.size());
            let size = match symbol.size() {
                0 => end.saturating_sub(symbol.address()),
                size => size,
            };
            Some(Symbol {
                address: symbol.address().wrapping_add(file.base),
                size,
                name: name.to_owned(),
            })
        })
        .collect();
    // Names can share their ends, but no linker has them be longer than the file together.
    if names > bytes.len() {
        bail!("'{path}' has a damaged symbol table");
    }
    if symbols.is_empty() {
        bail!("'{path}' has no symbols of code");
    }
    // Of those at one address the shortest comes last, and is found.
    symbols.sort_by_key(|symbol| (symbol.address, Reverse(symbol.size)));
    Ok(Table {
        world: file.world,
        symbols,
    })
}

/// Whether a name is not one of the assembler's own.
fn is_function(name: &str) -> bool {
    !(name.is_empty() || name.starts_with(".L") || name.starts_with('$'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(address: u64, size: u64, name: &str) -> Symbol {
        Symbol {
            address,
            size,
            name: name.to_owned(),
        }
    }

    #[test]
    fn files() {
        let parsed: SymbolFile = "guest:/tmp/vmlinux@0x1000".parse().unwrap();
        assert_eq!(parsed.world, Some(World::Guest));
        assert_eq!((parsed.path, parsed.base), ("/tmp/vmlinux".into(), 0x1000));
        let plain: SymbolFile = "vmlinux".parse().unwrap();
        assert_eq!((plain.world, plain.base), (None, 0));
        assert!("x@y".parse::<SymbolFile>().is_err());
        assert!("host:".parse::<SymbolFile>().is_err());
    }

    /// An ELF file whose symbols' names begin at these offsets of `strings`.
    fn elf(strings: &[u8], names: impl Iterator<Item = u32>) -> Vec<u8> {
        const HEADER: usize = 64;
        let mut table = vec![0; 24];
        for name in names {
            table.extend(name.to_le_bytes());
            // A function of section 1, at 0x1000, of 4 bytes.
            table.extend([0x12, 0, 1, 0]);
            table.extend([0x1000u64, 4].map(u64::to_le_bytes).concat());
        }
        // Kind, address, offset, size, link, size of an entry.
        let sections = [
            [0; 6],
            [1, 0x1000, HEADER, 4, 0, 0],
            [2, 0, HEADER, table.len(), 3, 24],
            [3, 0, HEADER + table.len(), strings.len(), 0, 0],
        ];
        let at = HEADER + table.len() + strings.len();
        let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x02\x01\x01\0\0\0".to_vec();
        elf.extend([0, 0, at as u64].map(u64::to_le_bytes).concat());
        elf.extend([0; 4]);
        elf.extend([64u16, 56, 0, 64, 4, 3].map(u16::to_le_bytes).concat());
        elf.extend(table);
        elf.extend(strings);
        for [kind, address, offset, size, link, entry] in sections {
            elf.extend([0, kind as u32].map(u32::to_le_bytes).concat());
            let place = [0, address, offset, size].map(|number| (number as u64).to_le_bytes());
            elf.extend(place.concat());
            elf.extend([link as u32, 0].map(u32::to_le_bytes).concat());
            elf.extend([1, entry as u64].map(u64::to_le_bytes).concat());
        }
        elf
    }

    fn read_bytes(bytes: &[u8]) -> Result<Table> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read(&SymbolFile {
            path: file.path().to_owned(),
            world: None,
            base: 0,
        })
    }

    #[test]
    fn names_are_not_longer_than_the_file() {
        let strings = [&[0], &[b'a'; 5000][..], &[0]].concat();
        let table = read_bytes(&elf(&strings, [1, 4999].into_iter())).unwrap();
        let lengths: Vec<_> = table.symbols.iter().map(|s| s.name.len()).collect();
        assert_eq!(lengths, [5000, 2]);
        let error = read_bytes(&elf(&strings, 1..2000)).unwrap_err();
        assert!(
            error.to_string().contains("damaged symbol table"),
            "{error}"
        );
    }

    #[test]
    fn in_direct_mode_addresses_are_physical() {
        let symbols = Symbols(vec![Table {
            world: None,
            symbols: vec![symbol(0x9000_0000_0020_0000, 0x10, "start")],
        }]);
        let find = |direct, pc| symbols.find(World::Root, direct, pc);
        assert_eq!(find(true, 0x20_0004), Some(("start", 4)));
        assert_eq!(find(true, 0x9000_0000_0020_0004), Some(("start", 4)));
        assert_eq!(find(true, 0x20_0010), None);
        assert_eq!(find(false, 0x20_0004), None);
        assert_eq!(find(false, 0x9000_0000_0020_0004), Some(("start", 4)));
    }

    #[test]
    fn a_symbol_ends_where_it_says() {
        let symbols = Symbols(vec![Table {
            world: Some(World::Root),
            symbols: vec![symbol(0x100, 0x10, "first"), symbol(0x200, 0x100, "next")],
        }]);
        assert_eq!(symbols.find(World::Root, false, 0x104), Some(("first", 4)));
        assert_eq!(symbols.find(World::Root, false, 0x110), None);
        assert_eq!(
            symbols.find(World::Root, false, 0x2ff),
            Some(("next", 0xff))
        );
        assert_eq!(symbols.find(World::Root, false, 0x300), None);
        assert_eq!(symbols.find(World::Root, false, 0xff), None);
        assert_eq!(symbols.find(World::Guest, false, 0x104), None);
    }
}
