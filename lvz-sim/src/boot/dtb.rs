// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A device tree that the user brings: checked, and told of the command line and the
//! initial RAM disk in its /chosen (Devicetree Specification 0.4, chapter 5). All else in
//! it stays as it is.

mod memory;

pub(crate) use memory::memory;

use super::error::ImageError;
use super::fdt::{BOOTARGS, INITRD_END, INITRD_START};
use super::span::Span;

const MAGIC: u32 = 0xd00d_feed;
/// The version written, and the oldest one that readers of it understand.
const VERSION: u32 = 17;
const COMPATIBLE: u32 = 16;
const HEADER: usize = 40;
/// An entry of the memory reservation block.
const RESERVATION: usize = 16;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

const CHOSEN: &[u8] = b"chosen";
/// The depth of a node below the root, whose own is 1.
const BELOW_ROOT: usize = 2;

/// What /chosen is to say; `None` keeps what is there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chosen<'a> {
    /// The command line that was asked for.
    pub(super) given: Option<&'a str>,
    pub(super) initrd: Option<Span>,
}

impl Chosen<'_> {
    /// The properties that replace those of the same names.
    fn properties(self) -> Vec<(&'static str, Vec<u8>)> {
        let mut list = Vec::new();
        if let Some(line) = self.given {
            list.push((BOOTARGS, [line.as_bytes(), &[0]].concat()));
        }
        if let Some(initrd) = self.initrd {
            list.push((INITRD_START, initrd.start.to_be_bytes().to_vec()));
            list.push((INITRD_END, initrd.end().to_be_bytes().to_vec()));
        }
        list
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*field))
}

/// The bytes up to the next zero.
fn string(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    rest.get(..rest.iter().position(|&byte| byte == 0)?)
}

/// One element of the structure block.
enum Token<'a> {
    Begin(&'a [u8]),
    End,
    Property { name: usize, value: &'a [u8] },
    Nop,
    Last,
}

/// The element at `at`, and where the next one is.
fn token(bytes: &[u8], at: usize) -> Option<(Token<'_>, usize)> {
    let after = at + 4;
    let (token, end) = match word(bytes, at)? {
        BEGIN_NODE => {
            let name = string(bytes, after)?;
            (Token::Begin(name), after + name.len() + 1)
        }
        END_NODE => (Token::End, after),
        PROPERTY => {
            let (length, name) = (word(bytes, after)? as usize, word(bytes, after + 4)?);
            let value = bytes.get(after + 8..)?.get(..length)?;
            let name = name as usize;
            (Token::Property { name, value }, after + 8 + length)
        }
        NOP => (Token::Nop, after),
        END => (Token::Last, after),
        _ => return None,
    };
    Some((token, end.next_multiple_of(4)))
}

/// A tree that is being written.
#[derive(Default)]
struct Writer {
    structure: Vec<u8>,
    strings: Vec<u8>,
}

impl Writer {
    fn words(&mut self, words: &[u32]) {
        for word in words {
            self.structure.extend(word.to_be_bytes());
        }
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.structure.extend(bytes);
        let length = self.structure.len().next_multiple_of(4);
        self.structure.resize(length, 0);
    }

    fn begin(&mut self, name: &[u8]) {
        self.words(&[BEGIN_NODE]);
        self.padded(&[name, &[0]].concat());
    }

    fn property(&mut self, name: u32, value: &[u8]) {
        self.words(&[PROPERTY, value.len() as u32, name]);
        self.padded(value);
    }

    /// Properties with names that the strings may not have yet.
    fn properties(&mut self, list: &[(&str, Vec<u8>)]) {
        for (name, value) in list {
            let at = self.strings.len() as u32;
            self.strings.extend(name.bytes().chain([0]));
            self.property(at, value);
        }
    }
}

/// The tree `bytes` with what `chosen` says.
pub(super) fn with_chosen(bytes: &[u8], chosen: Chosen<'_>) -> Result<Vec<u8>, ImageError> {
    const DAMAGED: ImageError = ImageError::Damaged("device tree");
    if word(bytes, 0) != Some(MAGIC) {
        return Err(ImageError::NoTree);
    }
    let new = chosen.properties();
    let blocks = Blocks::of(bytes).ok_or(DAMAGED)?;
    let mut tree = Writer {
        strings: blocks.strings.to_vec(),
        ..Writer::default()
    };
    let (mut at, mut depth, mut in_chosen, mut seen) = (0, 0, false, false);
    loop {
        let (token, next) = token(blocks.structure, at).ok_or(DAMAGED)?;
        at = next;
        match token {
            Token::Begin(name) => {
                depth += 1;
                tree.begin(name);
                if depth == BELOW_ROOT && name == CHOSEN {
                    (in_chosen, seen) = (true, true);
                    // Properties stand before nodes.
                    tree.properties(&new);
                }
            }
            Token::End => {
                if depth == 1 && !seen {
                    tree.begin(CHOSEN);
                    tree.properties(&new);
                    tree.words(&[END_NODE]);
                }
                in_chosen &= depth != BELOW_ROOT;
                depth = depth.checked_sub(1).ok_or(DAMAGED)?;
                tree.words(&[END_NODE]);
            }
            Token::Property { name, value } => {
                let text = string(blocks.strings, name).ok_or(DAMAGED)?;
                let replaced = in_chosen
                    && depth == BELOW_ROOT
                    && new.iter().any(|(name, _)| name.as_bytes() == text);
                if !replaced {
                    tree.property(name as u32, value);
                }
            }
            Token::Nop => {}
            Token::Last if depth == 0 => break,
            Token::Last => return Err(DAMAGED),
        }
    }
    tree.words(&[END]);
    Ok(assemble(&tree, &blocks))
}

/// The parts of a tree.
struct Blocks<'a> {
    structure: &'a [u8],
    strings: &'a [u8],
    /// With the empty one at their end.
    reservations: &'a [u8],
    boot_cpu: u32,
}

impl<'a> Blocks<'a> {
    /// Those of the tree `bytes`, if it has them.
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let field = |index: usize| word(bytes, 4 * index);
        let bytes = bytes.get(..field(1)? as usize)?;
        if field(5)? < VERSION || field(6)? > VERSION {
            return None;
        }
        let part = |start: u32, length: u32| bytes.get(start as usize..)?.get(..length as usize);
        let reservations = bytes.get(field(4)? as usize..)?;
        let empty = reservations
            .chunks_exact(RESERVATION)
            .position(|entry| entry.iter().all(|&byte| byte == 0))?;
        Some(Blocks {
            structure: part(field(2)?, field(9)?)?,
            strings: part(field(3)?, field(8)?)?,
            reservations: reservations.get(..(empty + 1) * RESERVATION)?,
            boot_cpu: field(7)?,
        })
    }
}

fn assemble(tree: &Writer, old: &Blocks<'_>) -> Vec<u8> {
    let structure = HEADER + old.reservations.len();
    let strings = structure + tree.structure.len();
    let total = strings + tree.strings.len();
    let header = [
        MAGIC,
        total as u32,
        structure as u32,
        strings as u32,
        HEADER as u32,
        VERSION,
        COMPATIBLE,
        old.boot_cpu,
        tree.strings.len() as u32,
        tree.structure.len() as u32,
    ];
    let header: Vec<u8> = header.into_iter().flat_map(u32::to_be_bytes).collect();
    [&header, old.reservations, &tree.structure, &tree.strings].concat()
}
