// SPDX-License-Identifier: GPL-2.0-or-later

//! The memory that calls may read and write: everything that addresses in
//! arguments lead to is in here, or nowhere.

use std::fs::File;
use std::os::fd::AsFd as _;

use kvm::Memory;
use kvm::hostile;
use kvm::random::Random;

use super::Outcome;

/// Far more than is ever used, so that also a huge slot's memory is ours.
const LENGTH: usize = 1 << 36;

/// Room for a thread's arguments.
pub(super) const SCRATCH: usize = 0x4_0000;

/// Where guests' RAM begins, and how much of it programs use.
const RAM: usize = 16 << 20;

/// The memory.
pub(super) struct Arena {
    memory: Memory,
    /// A page of a file, and a page behind it that the file does not have.
    edge: Memory,
}

impl Arena {
    pub(super) fn new(number: u64) -> Outcome<Self> {
        let path = format!("/tmp/fuzz-edge-{}-{number}", std::process::id());
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        std::fs::remove_file(&path)?;
        let page = Memory::page_size();
        file.set_len(page as u64)?;
        Ok(Self {
            memory: Memory::new(LENGTH)?,
            edge: Memory::of(file.as_fd(), 2 * page)?,
        })
    }

    /// The address of a thread's arguments.
    pub(super) fn scratch(&self, thread: u64) -> u64 {
        self.memory.address() + thread * SCRATCH as u64
    }

    /// Writes arguments.
    pub(super) fn write(&self, thread: u64, offset: usize, bytes: &[u8]) {
        let room = SCRATCH.saturating_sub(offset);
        let at = thread as usize * SCRATCH + offset;
        self.memory.write(at, &bytes[..bytes.len().min(room)]);
    }

    /// Reads what a call answered.
    pub(super) fn read_u32(&self, thread: u64, offset: usize) -> u32 {
        let mut bytes = [0; 4];
        self.memory
            .read(thread as usize * SCRATCH + offset, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// An address with some bytes before the end of what may be accessed, with
    /// these bytes there.
    pub(super) fn at_edge(&self, bytes: &[u8], room: usize) -> u64 {
        let page = Memory::page_size();
        let room = room.min(bytes.len()).min(page);
        self.edge.write(page - room, &bytes[..room]);
        self.edge.address() + (page - room) as u64
    }

    /// The address of guests' RAM.
    pub(super) fn ram(&self) -> u64 {
        self.memory.address() + RAM as u64
    }

    /// The address of RAM whose second page is not there.
    pub(super) fn broken_ram(&self) -> u64 {
        self.edge.address()
    }

    /// The longest slot that [`Self::ram`] has memory for.
    pub(super) fn ram_length(&self) -> u64 {
        (LENGTH - 2 * RAM) as u64
    }

    /// Takes back all RAM and puts another program into it.
    pub(super) fn renew(&self, random: &mut Random) -> Outcome {
        self.memory.discard(RAM, LENGTH - 2 * RAM)?;
        for (at, code) in [
            (hostile::PROGRAM, hostile::program(random)),
            (hostile::EXCEPTIONS, hostile::handler(false)),
            (hostile::REFILL, hostile::handler(true)),
        ] {
            self.memory.write_code(RAM + at as usize, &code);
        }
        Ok(())
    }
}
