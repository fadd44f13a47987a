// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The flash with the firmware's variables: two chips of 16 bits side by side with the
//! command set of Intel's StrataFlash (P30 data sheet, "Command set"; JEDEC CFI, JESD68;
//! QEMU: hw/block/pflash_cfi01.c). Both chips get the same commands, of which the first
//! one's are looked at. Commands take no time. Blocks are never locked.

mod contents;
pub(super) mod geometry;
mod query;
mod store;

use super::error::PlatformError;
use super::field;
use contents::{Block, Contents};
use geometry::BUFFER_WORDS;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
pub use store::FlashConfig;
use store::Store;

/// Bytes of a word, of both chips.
const WORD: u64 = 4;
mod command {
    pub(super) const LOCK: u8 = 0x01;
    pub(super) const CONFIGURE: u8 = 0x03;
    pub(super) const PROGRAM_ALTERNATE: u8 = 0x10;
    pub(super) const ERASE: u8 = 0x20;
    pub(super) const LOCK_DOWN: u8 = 0x2f;
    pub(super) const PROGRAM: u8 = 0x40;
    pub(super) const CLEAR_STATUS: u8 = 0x50;
    pub(super) const LOCK_SETUP: u8 = 0x60;
    pub(super) const READ_STATUS: u8 = 0x70;
    pub(super) const READ_ID: u8 = 0x90;
    pub(super) const QUERY: u8 = 0x98;
    pub(super) const SUSPEND: u8 = 0xb0;
    pub(super) const CONFIRM: u8 = 0xd0;
    pub(super) const PROGRAM_BUFFER: u8 = 0xe8;
}

mod status {
    pub(super) const READY: u8 = 1 << 7;
    pub(super) const ERASE_ERROR: u8 = 1 << 5;
    pub(super) const PROGRAM_ERROR: u8 = 1 << 4;
    /// A command that does not follow from the one before.
    pub(super) const SEQUENCE_ERROR: u8 = ERASE_ERROR | PROGRAM_ERROR;
}

/// What reads give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Shown {
    Array,
    Status,
    Id,
    Query,
}

/// What the next write is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Expected {
    Command,
    EraseConfirm,
    Data,
    Count,
    /// So many words more, and those that have come.
    Words(u64, Vec<Word>),
    /// These are programmed.
    ProgramConfirm(Vec<Word>),
    Lock,
}

/// A write of data: where, how many bytes, which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Word {
    offset: u64,
    size: u8,
    value: u64,
}

/// The device.
#[derive(Debug)]
pub(super) struct Flash {
    contents: Contents,
    /// The contents at the start, if they are not the file's all the time.
    original: Option<Contents>,
    store: Store,
    shown: Shown,
    expected: Expected,
    status: u8,
}

/// Saved state. What a file has is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FlashState {
    size: usize,
    /// Changed blocks by number, if there is no file that has them.
    changes: Option<BTreeMap<usize, Block>>,
    shown: Shown,
    expected: Expected,
    status: u8,
}

impl Flash {
    /// The flash of a file, or one without, erased.
    pub(super) fn open(config: Option<&FlashConfig>) -> Result<Self, PlatformError> {
        let (contents, store) = store::open(config)?;
        let contents = Contents::new(&contents);
        let original = (!store.is_file()).then(|| contents.clone());
        Ok(Self {
            contents,
            original,
            store,
            shown: Shown::Array,
            expected: Expected::Command,
            status: status::READY,
        })
    }

    /// Its size in bytes.
    pub(super) fn size(&self) -> u64 {
        self.contents.len() as u64
    }

    /// Resets what a reset of the machine does: not the contents.
    pub(super) fn reset(&mut self) {
        self.shown = Shown::Array;
        self.expected = Expected::Command;
        self.status = status::READY;
    }

    /// Reads `size` bytes; behind the end there is nothing, which reads as ones.
    pub(super) fn read(&self, offset: u64, size: u8) -> u64 {
        if offset >= self.size() {
            return field::mask(size);
        }
        let value = match self.shown {
            Shown::Array => {
                let at = offset as usize;
                let bytes = std::array::from_fn(|byte| self.contents.byte(at + byte));
                return u64::from_le_bytes(bytes) & field::mask(size);
            }
            Shown::Status => self.status,
            Shown::Id => query::id(offset / WORD),
            Shown::Query => query::byte(offset / WORD, self.contents.len()),
        };
        // Of both chips, in two words of both.
        let word = u64::from(value) * 0x0001_0001_0001_0001;
        field::extract(word, offset % WORD, size)
    }

    /// Writes `size` bytes.
    pub(super) fn write(&mut self, offset: u64, size: u8, value: u64) {
        if offset >= self.size() {
            return;
        }
        if u64::from(size) > WORD {
            let half = size / 2;
            self.write(offset, half, value & field::mask(half));
            let high = value.checked_shr(8 * u32::from(half)).unwrap_or(0);
            return self.write(offset + u64::from(half), half, high);
        }
        let word = Word {
            offset,
            size,
            value,
        };
        let command = value as u8;
        match std::mem::replace(&mut self.expected, Expected::Command) {
            Expected::Command => self.command(command),
            Expected::EraseConfirm if command == command::CONFIRM => self.erase(offset),
            Expected::Data => self.program(&[word]),
            Expected::Count if value & 0xffff < BUFFER_WORDS => {
                self.expected = Expected::Words((value & 0xffff) + 1, Vec::new());
            }
            Expected::Words(left, mut words) => {
                words.push(word);
                self.expected = match left - 1 {
                    0 => Expected::ProgramConfirm(words),
                    left => Expected::Words(left, words),
                };
            }
            Expected::ProgramConfirm(words) if command == command::CONFIRM => {
                self.program(&words);
            }
            Expected::Lock
                if [
                    command::LOCK,
                    command::CONFIRM,
                    command::LOCK_DOWN,
                    command::CONFIGURE,
                ]
                .contains(&command) => {}
            Expected::EraseConfirm
            | Expected::Count
            | Expected::ProgramConfirm(_)
            | Expected::Lock => {
                self.status |= status::SEQUENCE_ERROR;
            }
        }
    }

    fn command(&mut self, command: u8) {
        let (shown, expected) = match command {
            command::CLEAR_STATUS => {
                self.status = status::READY;
                return;
            }
            // Nothing takes long enough.
            command::SUSPEND | command::CONFIRM => return,
            command::READ_STATUS => (Shown::Status, Expected::Command),
            command::READ_ID => (Shown::Id, Expected::Command),
            command::QUERY => (Shown::Query, Expected::Command),
            command::ERASE => (Shown::Status, Expected::EraseConfirm),
            command::PROGRAM | command::PROGRAM_ALTERNATE => (Shown::Status, Expected::Data),
            command::PROGRAM_BUFFER => (Shown::Status, Expected::Count),
            command::LOCK_SETUP => (Shown::Status, Expected::Lock),
            // READ_ARRAY, and what is no command.
            _ => (Shown::Array, Expected::Command),
        };
        (self.shown, self.expected) = (shown, expected);
    }

    fn erase(&mut self, offset: u64) {
        let offset = offset as usize;
        let Some(before) = self.contents.erase(offset) else {
            return;
        };
        if let Err(error) = self.store.replace(self.contents.blocks()) {
            self.failed(&error, status::ERASE_ERROR);
            self.contents.put_back(offset, before);
        }
    }

    /// Clears bits that are clear in `words`.
    fn program(&mut self, words: &[Word]) {
        let end = self.contents.len();
        let mut changed = end..0;
        for word in words {
            let start = word.offset as usize;
            let bytes = word.value.to_le_bytes();
            let bytes = bytes.iter().take(word.size.into());
            for (at, byte) in (start..end).zip(bytes) {
                self.contents.program(at, *byte);
            }
            changed.start = changed.start.min(start);
            changed.end = changed.end.max(start + usize::from(word.size)).min(end);
        }
        if changed.is_empty() {
            return;
        }
        let bytes = self.contents.bytes(changed.clone());
        if let Err(error) = self.store.write(changed.start, &bytes) {
            self.failed(&error, status::PROGRAM_ERROR);
        }
    }

    fn failed(&mut self, error: &io::Error, bit: u8) {
        if self.status & bit == 0 {
            crate::say!("lvz-sim: {}", self.store.failure(error));
        }
        self.status |= bit;
    }

    /// The state for a snapshot.
    pub(super) fn save(&self) -> FlashState {
        let changes = self.original.as_ref().map(|original| {
            let changed = self.contents.changed(original);
            changed.map(|(number, now)| (number, now.clone())).collect()
        });
        FlashState {
            size: self.contents.len(),
            changes,
            shown: self.shown,
            expected: self.expected.clone(),
            status: self.status,
        }
    }

    /// Takes over a saved state.
    pub(super) fn restore(&mut self, state: &FlashState) -> Result<(), PlatformError> {
        const MISMATCH: PlatformError =
            PlatformError::Mismatch("the flash with the variables (--firmware-vars)");
        if state.size != self.contents.len() {
            return Err(MISMATCH);
        }
        match (&self.original, &state.changes) {
            (Some(original), Some(changes)) => {
                let mut contents = original.clone();
                for (&number, block) in changes {
                    if !contents.replace(number, block.clone()) {
                        return Err(MISMATCH);
                    }
                }
                self.contents = contents;
            }
            (None, None) => {}
            _ => return Err(MISMATCH),
        }
        let inside = |word: &Word| word.offset < self.size() && u64::from(word.size) <= WORD;
        let words = match &state.expected {
            Expected::Words(left, words) if words.iter().all(inside) => {
                left.saturating_add(words.len() as u64)
            }
            Expected::ProgramConfirm(words) if words.iter().all(inside) => words.len() as u64,
            Expected::Words(..) | Expected::ProgramConfirm(_) => 0,
            _ => 1,
        };
        if !(1..=BUFFER_WORDS).contains(&words) || matches!(state.expected, Expected::Words(0, _)) {
            return Err(MISMATCH);
        }
        self.shown = state.shown;
        self.expected = state.expected.clone();
        self.status = state.status;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::geometry::BLOCK;
    use super::*;
    use std::sync::Arc;

    #[test]
    fn states_share_the_blocks_that_did_not_change_between_them() {
        let mut flash = Flash::open(None).unwrap();
        let program = |flash: &mut Flash, block: usize| {
            flash.write((block * BLOCK) as u64, 4, command::PROGRAM.into());
            flash.write((block * BLOCK) as u64, 4, 0);
        };
        for block in 0..4 {
            program(&mut flash, block);
        }
        let first = flash.save();
        // One that gets the value that it has, and one erased, programmed elsewhere.
        program(&mut flash, 1);
        flash.write(2 * BLOCK as u64, 4, command::ERASE.into());
        flash.write(2 * BLOCK as u64, 4, command::CONFIRM.into());
        program(&mut flash, 4);
        let second = flash.save();
        let (then, now) = (
            first.changes.as_ref().unwrap(),
            second.changes.as_ref().unwrap(),
        );
        assert!(then.keys().eq(&[0, 1, 2, 3]) && now.keys().eq(&[0, 1, 3, 4]));
        for block in [0, 3] {
            assert!(Arc::ptr_eq(&then[&block], &now[&block]), "{block}");
        }
        assert_eq!(then[&1], now[&1]);
        flash.restore(&first).unwrap();
        assert_eq!(flash.save(), first);
        flash.restore(&second).unwrap();
        assert_eq!(flash.save(), second);
    }

    #[test]
    fn a_saved_block_is_written_as_bytes_with_their_number() {
        let mut flash = Flash::open(None).unwrap();
        flash.write(0, 4, command::PROGRAM.into());
        flash.write(0, 1, 0);
        let state = flash.save();
        let mut block = vec![geometry::ERASED; BLOCK];
        block[0] = 0;
        let written = postcard::to_stdvec(&state.changes).unwrap();
        let unshared = Some(BTreeMap::from([(0usize, block)]));
        assert_eq!(written, postcard::to_stdvec(&unshared).unwrap());
        let written = postcard::to_stdvec(&state).unwrap();
        assert_eq!(postcard::from_bytes(&written), Ok(state));
    }

    #[test]
    fn a_state_that_no_commands_lead_to_is_refused() {
        let mut flash = Flash::open(None).unwrap();
        let word = |offset, size| Word {
            offset,
            size,
            value: 0,
        };
        let mut state = flash.save();
        state.expected = Expected::Words(1, vec![word(8, 4)]);
        flash.restore(&state).unwrap();
        for expected in [
            Expected::Words(0, vec![word(8, 4)]),
            Expected::Words(u64::MAX, vec![word(8, 4)]),
            Expected::Words(1, vec![word(flash.size(), 4)]),
            Expected::ProgramConfirm(Vec::new()),
            Expected::ProgramConfirm(vec![word(u64::MAX, 4)]),
            Expected::ProgramConfirm(vec![word(8, 255)]),
        ] {
            state.expected = expected;
            assert!(flash.restore(&state).is_err(), "{:?}", state.expected);
        }
    }
}
