// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Snapshots: the whole state of a machine in a file, from which another
//! process goes on bit for bit.
//!
//! The file is a gzip stream: a magic number, the length and bytes of the
//! serialised state, then the non-zero chunks of memory, each with its number.
//! Caches (decoded code, software TLB) are not part of it, because nothing the
//! machine can see depends on them.

use crate::cpu::{Counters, Cpu, CpuLines, CsrFile, Lbt, Model, Tally, Timer, VReg};
use crate::engine::{END_OF_TIME, Machine, SavedRest, Turn};
use crate::mem::Ram;
use crate::mmu::{Entry, TlbCounts};
use crate::output::Output;
use crate::platform::{PlatformError, PlatformState};
use crate::size::Size;
use crate::stats::CpuStats;
use crate::world::World;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"LVZSIM15";

/// Unit in which memory is left out when zero.
const CHUNK: usize = 64 << 10;

/// Serialised state larger than this is not ours.
const STATE_MAX: u64 = 1 << 30;

/// A snapshot that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It cannot be read.
    #[error("cannot open snapshot '{0}': {1}")]
    Open(PathBuf, io::Error),
    /// It cannot be written.
    #[error("cannot write the snapshot to {0}: {1}")]
    Write(Output, io::Error),
    /// Not what this program writes.
    #[error("'{0}' is not a snapshot of this version of lvz-sim: {1}")]
    Format(PathBuf, String),
    /// It does not fit the machine on the command line.
    #[error("snapshot '{0}' is of another machine: {1} differs")]
    Mismatch(PathBuf, &'static str),
    /// One of the two machines has firmware.
    #[error("snapshot '{0}' is of a machine {1} firmware: {2} --firmware")]
    Firmware(PathBuf, &'static str, &'static str),
    /// Memory of another size.
    #[error(
        "snapshot '{path}' is of another machine: it has {} of memory, firmware included, \
         and this one {}; use the --memory it was taken with",
        Size(*.saved),
        Size(*.here)
    )]
    Memory {
        /// The snapshot.
        path: PathBuf,
        /// What its machine has.
        saved: u64,
        /// What this one has.
        here: u64,
    },
    /// A device has state that cannot be saved.
    #[error("cannot save the devices' state: {0}")]
    Save(PlatformError),
    /// A device has other state than this machine's.
    #[error("snapshot '{0}': {1}")]
    Restore(PathBuf, PlatformError),
}

#[derive(Clone, Serialize, Deserialize)]
struct CpuState {
    gpr: [u64; 32],
    pc: u64,
    /// With LASX, the upper halves come after all lower ones.
    vr: Vec<VReg>,
    fcc: u8,
    fcsr: u32,
    lbt: Lbt,
    vm: bool,
    root: CsrFile,
    guest: CsrFile,
    timers: [Timer; 2],
    tlb: Vec<(u16, Entry)>,
    random: u64,
    tlb_counts: TlbCounts,
    /// Interrupt inputs as the CPU last saw them.
    hwi: u8,
    ipi: bool,
    idle: bool,
    icount: u64,
    time_offset: u64,
    counter_seen: u64,
    tally: Tally,
    counters: Counters,
    stats: CpuStats,
}

/// All of a machine but its memory.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct State {
    model: Model,
    memory: u64,
    time: u64,
    turn: Option<Turn>,
    rest: Option<SavedRest>,
    cpus: Vec<CpuState>,
    reservations: Vec<[Option<u64>; 2]>,
    counter_read: u64,
    /// The CPU that is stopped inside a block has accessed a device in it.
    device_accessed: bool,
    /// Offsets of pages that devices have written in it.
    device_writes: Vec<usize>,
    /// Offsets of pages that raise machine errors.
    poisoned: Vec<usize>,
    platform: PlatformState,
}

impl CpuState {
    fn of(cpu: &Cpu) -> Self {
        let (entries, random) = cpu.tlb.save();
        let tlb = (0u16..).zip(entries).filter(|(_, e)| e.e).collect();
        CpuState {
            gpr: cpu.gpr,
            pc: cpu.pc,
            vr: cpu.vector_state().copied().collect(),
            fcc: cpu.fcc,
            fcsr: cpu.fcsr,
            lbt: cpu.lbt,
            vm: cpu.in_guest(),
            root: cpu.root().clone(),
            guest: cpu.guest().clone(),
            timers: cpu.timers,
            tlb,
            random,
            tlb_counts: cpu.tlb.counts,
            hwi: cpu.lines.hwi,
            ipi: cpu.lines.ipi,
            idle: cpu.idle,
            icount: cpu.icount,
            time_offset: cpu.time_offset,
            counter_seen: cpu.counter_seen,
            tally: cpu.tally.until(cpu.icount),
            counters: cpu.counters,
            stats: cpu.stats.clone(),
        }
    }

    /// Whether what is counted fits what was executed.
    fn counts_fit(&self) -> bool {
        // The first refuses what the sums of the others cannot have.
        self.stats.fits(self.icount)
            && self.tally.fits(self.icount)
            && self.tlb_counts.fits(self.icount)
    }

    fn restore(self, cpu: &mut Cpu) {
        cpu.gpr = self.gpr;
        cpu.gpr[0] = 0;
        cpu.pc = self.pc;
        for (to, from) in cpu.vr.iter_mut().chain(&mut cpu.vr_high).zip(self.vr) {
            *to = from;
        }
        cpu.fcc = self.fcc;
        cpu.fcsr = self.fcsr;
        cpu.lbt = self.lbt;
        cpu.restore_csrs([self.root, self.guest], World::of_vm(self.vm));
        cpu.timers = self.timers;
        cpu.tlb.restore(self.tlb, self.random);
        cpu.tlb.counts = self.tlb_counts;
        cpu.lines = CpuLines {
            hwi: self.hwi,
            ipi: self.ipi,
        };
        cpu.idle = self.idle;
        cpu.icount = self.icount;
        cpu.time_offset = self.time_offset;
        cpu.counter_seen = self.counter_seen;
        cpu.tally = self.tally.resumed(self.icount);
        cpu.counters = self.counters;
        cpu.stats = self.stats;
        cpu.settle();
    }
}

impl State {
    /// Whether there is the CPU whose turn it is, and what is left of its block fits it.
    fn is_stopped_somewhere(&self) -> bool {
        let Some(turn) = self.turn else {
            return self.rest.is_none();
        };
        let executed = self.cpus.get(turn.cpu).map_or(0, |cpu| cpu.icount);
        let rest = self.rest.as_ref();
        turn.is_of(self.cpus.len())
            && rest.is_none_or(|rest| rest.is_of(self.memory as usize, executed))
    }
}

impl Machine {
    /// The state of everything but memory.
    ///
    /// # Errors
    /// A device whose state cannot be saved.
    pub(crate) fn state(&self) -> Result<State, PlatformError> {
        Ok(State {
            model: self.model().clone(),
            memory: self.bus.ram.size() as u64,
            time: self.time,
            turn: self.turn,
            rest: self.saved_rest(),
            cpus: self.cpus.iter().map(CpuState::of).collect(),
            reservations: self.bus.reservations().to_vec(),
            counter_read: self.bus.counter_read,
            device_accessed: self.bus.device_accessed,
            device_writes: self.bus.ram.device_writes(),
            poisoned: self.bus.ram.poisoned().collect(),
            platform: self.bus.platform.save()?,
        })
    }

    /// Takes over a state of this machine, whose memory is already as it was then.
    ///
    /// # Errors
    /// A device whose state is another one's.
    pub(crate) fn take_over(&mut self, state: State) -> Result<(), PlatformError> {
        self.bus.platform.restore(&state.platform)?;
        self.bus.set_reservations(state.reservations);
        self.bus.counter_read = state.counter_read;
        self.bus.device_accessed = state.device_accessed;
        self.time = state.time;
        self.turn = state.turn;
        for (cpu, state) in self.cpus.iter_mut().zip(state.cpus) {
            state.restore(cpu);
        }
        self.replace_poison(&state.poisoned);
        self.memory_replaced();
        self.bus.ram.add_device_writes(&state.device_writes);
        if let Some(rest) = &state.rest {
            self.resume_rest(rest);
        }
        self.watch_reservations();
        Ok(())
    }

    /// Writes the machine's state to `path`; the file appears only when it is
    /// complete.
    ///
    /// # Errors
    /// I/O errors, or a device whose state cannot be saved.
    pub fn save(&self, path: &Path) -> Result<(), SnapshotError> {
        self.save_to(&Output::File(path.to_owned()))
    }

    /// The same to a place that an option names.
    ///
    /// # Errors
    /// Those of [`Machine::save`].
    pub(crate) fn save_to(&self, output: &Output) -> Result<(), SnapshotError> {
        let state = self.state().map_err(SnapshotError::Save)?;
        let memory = self.bus.ram.bytes();
        output
            .create(|file| write_state(file, &state, memory))
            .map_err(|e| SnapshotError::Write(output.clone(), e))
    }

    /// Takes over the state in `path`, which must be of a machine with the
    /// same CPUs, memory and devices. After an error the machine's state is
    /// undefined.
    ///
    /// # Errors
    /// I/O errors, a file that is not a snapshot, another machine's snapshot.
    pub fn load(&mut self, path: &Path) -> Result<(), SnapshotError> {
        let file = File::open(path).map_err(|e| SnapshotError::Open(path.to_owned(), e))?;
        let format =
            |e: &dyn std::fmt::Display| SnapshotError::Format(path.to_owned(), e.to_string());
        let mismatch = |what| SnapshotError::Mismatch(path.to_owned(), what);
        let mut input = GzDecoder::new(BufReader::new(file));
        let state = read_state(&mut input).map_err(|e| format(&e))?;
        if state.model.readings() != self.model().readings() {
            return Err(mismatch("what --lvz says"));
        }
        if state.model.ns_per_instruction() != self.model().ns_per_instruction() {
            return Err(mismatch("what --ns-per-instruction says"));
        }
        if state.model != *self.model() {
            return Err(mismatch("the CPU model"));
        }
        self.has_memory_of(&state, path)?;
        if state.cpus.len() != self.cpus.len() || state.reservations.len() != self.cpus.len() {
            return Err(mismatch("the number of CPUs"));
        }
        if !state.cpus.iter().all(CpuState::counts_fit) {
            return Err(format(&"more is counted than was executed"));
        }
        if state.time >= END_OF_TIME {
            return Err(format(&"it is of an impossible time"));
        }
        if !state.is_stopped_somewhere() {
            return Err(format(&"it goes on in no turn, or in no block"));
        }
        read_memory(&mut input, &mut self.bus.ram)
            .and_then(|()| read_end(&mut input))
            .map_err(|e| format(&e))?;
        self.take_over(state)
            .map_err(|e| SnapshotError::Restore(path.to_owned(), e))
    }

    /// Whether a state is of a machine with as much memory, which the firmware is part of.
    fn has_memory_of(&self, state: &State, path: &Path) -> Result<(), SnapshotError> {
        let path = || path.to_owned();
        let firmware = self.bus.platform.flash_size().is_some();
        let (saved, here) = (state.memory, self.bus.ram.size() as u64);
        match (state.platform.has_firmware(), firmware) {
            (true, false) => Err(SnapshotError::Firmware(path(), "with", "name it with")),
            (false, true) => Err(SnapshotError::Firmware(path(), "without", "leave out")),
            _ if saved != here => Err(SnapshotError::Memory {
                path: path(),
                saved,
                here,
            }),
            _ => Ok(()),
        }
    }

    /// A hash of memory and of all CPUs' registers.
    pub fn state_hash(&self) -> u64 {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        hash.update(self.bus.ram.bytes());
        for cpu in &self.cpus {
            let mut state = CpuState::of(cpu);
            state.stats = CpuStats::default();
            state.tlb_counts = TlbCounts::default();
            // What they show is the same whatever else is counted.
            state.counters = cpu.shown_counters();
            state.tally = Tally::default();
            hash.update(&postcard::to_stdvec(&state).unwrap_or_default());
        }
        hash.digest()
    }
}

fn write_state(file: &File, state: &State, memory: &[u8]) -> io::Result<()> {
    let bytes = postcard::to_stdvec(state).map_err(io::Error::other)?;
    let mut out = GzEncoder::new(BufWriter::new(file), Compression::fast());
    out.write_all(MAGIC)?;
    out.write_all(&(bytes.len() as u64).to_le_bytes())?;
    out.write_all(&bytes)?;
    for (number, chunk) in memory.chunks(CHUNK).enumerate() {
        if chunk.iter().any(|&b| b != 0) {
            out.write_all(&(number as u64).to_le_bytes())?;
            out.write_all(chunk)?;
        }
    }
    out.write_all(&u64::MAX.to_le_bytes())?;
    let file = out
        .finish()?
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    // A pipe or a device cannot be synchronised.
    match file.metadata()?.is_file() {
        true => file.sync_all(),
        false => Ok(()),
    }
}

fn read_u64(input: &mut impl Read) -> io::Result<u64> {
    let mut word = [0; 8];
    input.read_exact(&mut word)?;
    Ok(u64::from_le_bytes(word))
}

fn read_state(input: &mut impl Read) -> io::Result<State> {
    let mut magic = [0; 8];
    input.read_exact(&mut magic)?;
    if &magic != MAGIC {
        return Err(io::Error::other("wrong magic number"));
    }
    let length = read_u64(input)?;
    if length > STATE_MAX {
        return Err(io::Error::other("impossible state size"));
    }
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes)?;
    postcard::from_bytes(&bytes).map_err(io::Error::other)
}

fn read_memory(input: &mut impl Read, ram: &mut Ram) -> io::Result<()> {
    ram.clear_all();
    let memory = ram.bytes_mut();
    loop {
        let number = read_u64(input)?;
        if number == u64::MAX {
            return Ok(());
        }
        let chunk = usize::try_from(number)
            .ok()
            .and_then(|n| memory.chunks_mut(CHUNK).nth(n));
        let chunk = chunk.ok_or_else(|| io::Error::other("a chunk beyond the memory"))?;
        input.read_exact(chunk)?;
    }
}

/// Comes to the end of the gzip stream, where its checksum is compared.
fn read_end(input: &mut impl Read) -> io::Result<()> {
    match input.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(io::Error::other("more behind the memory")),
    }
}

#[cfg(test)]
mod tests;
