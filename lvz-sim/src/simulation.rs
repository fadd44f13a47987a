// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The simulator as a library: a machine that another program builds, runs and looks at.

mod builder;

pub use builder::Builder;

use crate::boot;
use crate::cpu::{Cpu, Via};
use crate::engine::{Machine, RunEnd};
use crate::finding::{Finding, Findings};
use crate::mem::Bus;
use crate::one_line::one_line;
use crate::platform::PowerEvent;
use crate::platform::console::BufferConsole;
use crate::run::start;
use crate::trace::Trace;
use crate::world::World;
use std::error::Error as StdError;
use std::fmt;
use std::ops::Range;
use std::path::Path;

/// Instructions of all CPUs in which one that is to execute a single one has to get to it.
const STEP_LIMIT: u64 = 1_000_000;

/// Why a machine could not be built, or done to what was asked for; one line.
#[derive(Debug)]
pub struct Error(Box<dyn StdError + Send + Sync>);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(self.0.as_ref()))
    }
}

/// Its causes are part of what it says.
impl StdError for Error {}

impl Error {
    fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The machine powered itself off, with the byte in its exit register (else 0).
    PowerOff(u8),
    /// The machine asked for a reset; [`Simulation::restart`] gives it one.
    Reset,
    /// As many instructions as were allowed have ended.
    Limit,
    /// The condition of [`Simulation::run_until`] holds.
    Condition,
    /// Every CPU is idle, and no timer or device will ever wake one.
    Stuck,
    /// Nothing ran: [`Simulation::step`] named a CPU that there is not.
    NoCpu,
}

/// The end of a run that is not just a stop.
fn ended(end: RunEnd) -> Option<End> {
    match end {
        RunEnd::PowerOff(code) => Some(End::PowerOff(code)),
        RunEnd::Reset => Some(End::Reset),
        RunEnd::Stuck => Some(End::Stuck),
        RunEnd::Halted => None,
        // There is no terminal to quit at, and no engine that compares.
        RunEnd::Limit | RunEnd::Quit | RunEnd::Differs => Some(End::Limit),
    }
}

fn not_ram(address: u64, length: usize) -> Error {
    Error::new(format!(
        "{length} bytes at physical address {address:#x}: not all of it is RAM"
    ))
}

/// A machine: CPUs, memory, the devices of a board ([`Builder::machine`]), and a UART whose
/// output is kept in memory.
///
/// It is deterministic: what it does depends on how it was built and on what its user does to
/// it, and on nothing else.
#[derive(Debug)]
pub struct Simulation {
    machine: Machine,
    console: BufferConsole,
    output: Vec<u8>,
    start: Builder,
}

impl Simulation {
    /// A machine to be described: one `la464` CPU, 512 MiB, nothing to run.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Loads what is to run.
    fn begin(&mut self) -> Result<(), Error> {
        let boot = &self.start.boot;
        let files = boot.kernel.is_some() || !boot.files.is_empty() || boot.firmware;
        if files {
            start(&mut self.machine, boot).map_err(Error::new)?;
        }
        let program = self.start.program.as_ref().map(|(address, _)| *address);
        if let (None, Some(address)) = (&boot.kernel, program) {
            let parked = boot::park(&self.machine.bus.ram.map).map_err(Error::new)?;
            for cpu in &mut self.machine.cpus {
                cpu.pc = if cpu.id == 0 { address } else { parked };
            }
            self.machine.bus.platform.hand_over();
        } else if !files {
            return Err(Error::new(
                "there is nothing to run: name a kernel, a file to load or a program",
            ));
        }
        match self.start.program.clone() {
            Some((address, bytes)) => self.write_memory(address, &bytes),
            None => Ok(()),
        }
    }

    fn lint(&mut self) {
        for cpu in &mut self.machine.cpus {
            cpu.set_trace(Trace {
                lint: true,
                ..Trace::default()
            });
            cpu.lints.found = Findings::quiet();
        }
        self.machine.bus.platform.lint(Findings::quiet());
    }

    /// What [`Builder::lints`] has found since the machine was built, restarts included: each
    /// place once for each rule, CPU by CPU, then the devices'.
    pub fn findings(&self) -> Vec<Finding> {
        let cpus = self.machine.cpus.iter();
        let found = cpus.flat_map(|cpu| cpu.lints.found.iter());
        let devices = self.machine.bus.platform.findings();
        found.chain(devices).cloned().collect()
    }

    /// Runs until the machine ends by itself or `instructions` more have ended, of all CPUs
    /// together. It stops between rounds, in which each CPU has its turn: up to 100,000
    /// instructions later. A machine that has powered off, or asked for a reset, executes nothing
    /// more before a [`Simulation::restart`].
    pub fn run(&mut self, instructions: u64) -> End {
        self.run_until(|_| false, instructions)
    }

    /// The same, until a condition holds, which is asked between rounds and at the end.
    pub fn run_until(
        &mut self,
        mut condition: impl FnMut(&Self) -> bool,
        instructions: u64,
    ) -> End {
        let nothing = (instructions == 0).then_some(End::Limit);
        if let Some(end) = self.over().or(nothing) {
            return if condition(self) { End::Condition } else { end };
        }
        let limit = self.instructions().saturating_add(instructions);
        self.machine.go_on();
        loop {
            let mut first = true;
            let end = self
                .machine
                .run_while(limit, &mut |_| std::mem::take(&mut first));
            self.output.extend(self.console.take_output());
            let ended = ended(end);
            // It may have come to hold with the machine's end.
            if condition(self) {
                return End::Condition;
            }
            if let Some(end) = ended {
                return end;
            }
        }
    }

    /// How the machine has ended itself, if it has.
    fn over(&self) -> Option<End> {
        Some(match self.machine.bus.platform.power_event()? {
            PowerEvent::Off(code) => End::PowerOff(code),
            PowerEvent::Reset => End::Reset,
        })
    }

    /// Executes one instruction of a CPU; the others have their turns as they come. `None`
    /// where it did, else how the machine ended; [`End::NoCpu`] where there is no such CPU, and
    /// [`End::Limit`] where the CPU waits in `idle` and the others have executed a million
    /// instructions without waking it.
    pub fn step(&mut self, cpu: usize) -> Option<End> {
        if cpu >= self.machine.cpus.len() {
            return Some(End::NoCpu);
        }
        if let Some(end) = self.over() {
            return Some(end);
        }
        self.machine.debug.step = Some(cpu);
        self.machine.go_on();
        let limit = self.instructions().saturating_add(STEP_LIMIT);
        let end = self.machine.run_while(limit, &mut |_| true);
        self.machine.debug.step = None;
        self.output.extend(self.console.take_output());
        ended(end)
    }

    /// Gives the machine the reset that it asked for, or any: it starts again with cleared
    /// memory. Time and counts of instructions go on.
    ///
    /// # Errors
    /// What is to run can no longer be read, or the machine came from a snapshot.
    pub fn restart(&mut self) -> Result<(), Error> {
        if self.start.snapshot.is_some() {
            return Err(Error::new(
                "a machine from a snapshot has nothing to start again",
            ));
        }
        self.machine.reset();
        self.begin()
    }

    /// All that the machine has written to its UART.
    pub fn uart(&self) -> &[u8] {
        &self.output
    }

    /// Has the machine's UART receive bytes.
    pub fn type_in(&mut self, bytes: &[u8]) {
        self.console.type_in(bytes);
    }

    /// Instructions that have ended, of all CPUs.
    pub fn instructions(&self) -> u64 {
        self.machine.instructions()
    }

    /// The machine's time in nanoseconds at the last end of a round, in which each CPU has its
    /// turn: steps within a round do not show in it.
    pub fn time(&self) -> u64 {
        self.machine.time()
    }

    /// Number of CPUs.
    pub fn cpus(&self) -> usize {
        self.machine.cpus.len()
    }

    fn cpu(&self, cpu: usize) -> Option<&Cpu> {
        self.machine.cpus.get(cpu)
    }

    /// The address of a CPU's next instruction; `None` if there is no such CPU.
    pub fn pc(&self, cpu: usize) -> Option<u64> {
        self.cpu(cpu).map(|cpu| cpu.pc)
    }

    /// A general register, `r0` to `r31`; `None` if there is no such CPU or register.
    pub fn register(&self, cpu: usize, register: usize) -> Option<u64> {
        self.cpu(cpu)?.gpr.get(register).copied()
    }

    /// Whether a CPU is in guest mode (GSTAT.VM); `None` if there is no such CPU.
    pub fn in_guest(&self, cpu: usize) -> Option<bool> {
        self.cpu(cpu).map(Cpu::in_guest)
    }

    /// A CSR of root, whatever mode the CPU is in, as `csrrd` shows it; one that does not
    /// exist is 0. Numbers are in [`la_arch::csr::number`]. `None` if there is no such CPU.
    pub fn csr(&self, cpu: usize, number: u16) -> Option<u64> {
        let cpu = self.cpu(cpu)?;
        Some(cpu.csr_read_of(&self.machine.bus, World::Root, Via::Csr, number))
    }

    /// A CSR of the guest (GCSR), whatever mode the CPU is in, as `gcsrrd` shows it.
    pub fn guest_csr(&self, cpu: usize, number: u16) -> Option<u64> {
        let cpu = self.cpu(cpu)?;
        Some(cpu.csr_read_of(&self.machine.bus, World::Guest, Via::Gcsr, number))
    }

    /// A CPU that is to be changed. It decodes anew what is at its program counter, as behind an
    /// instruction that ends a block.
    fn changed_cpu(&mut self, cpu: usize) -> Result<(&mut Cpu, &mut Bus), Error> {
        let cpus = self.machine.cpus.len();
        let Some(found) = self.machine.cpus.get_mut(cpu) else {
            return Err(Error::new(format!("there is no CPU {cpu}, of {cpus}")));
        };
        self.machine.debug.forget_rests();
        Ok((found, &mut self.machine.bus))
    }

    /// Sets the address of a CPU's next instruction. A CPU that waits in `idle` waits no more. In
    /// 32-bit address mode the upper half is dropped; an address that no instruction can have
    /// raises what a jump to it raises.
    ///
    /// # Errors
    /// There is no such CPU.
    pub fn set_pc(&mut self, cpu: usize, address: u64) -> Result<(), Error> {
        let (cpu, _) = self.changed_cpu(cpu)?;
        cpu.pc = address & cpu.pc_mask;
        cpu.idle = false;
        Ok(())
    }

    /// Sets a general register, `r0` to `r31`; `r0` stays zero.
    ///
    /// # Errors
    /// There is no such CPU or register.
    pub fn set_register(&mut self, cpu: usize, register: usize, value: u64) -> Result<(), Error> {
        let (cpu, _) = self.changed_cpu(cpu)?;
        if register >= cpu.gpr.len() {
            return Err(Error::new(format!("there is no register r{register}")));
        }
        cpu.set(register as u8, value);
        Ok(())
    }

    /// Writes a CSR of root, whatever mode the CPU is in, as `csrwr` does: bits that the register
    /// has not are dropped, and what follows from a write follows (a timer starts, an interrupt is
    /// cleared, other translations hold).
    ///
    /// # Errors
    /// There is no such CPU or register.
    pub fn set_csr(&mut self, cpu: usize, number: u16, value: u64) -> Result<(), Error> {
        self.write_csr(cpu, World::Root, Via::Csr, number, value)
    }

    /// Writes a CSR of the guest, whatever mode the CPU is in, as `gcsrwr` does.
    ///
    /// # Errors
    /// There is no such CPU or register, or the model has no LVZ.
    pub fn set_guest_csr(&mut self, cpu: usize, number: u16, value: u64) -> Result<(), Error> {
        self.write_csr(cpu, World::Guest, Via::Gcsr, number, value)
    }

    fn write_csr(
        &mut self,
        cpu: usize,
        world: World,
        via: Via,
        number: u16,
        value: u64,
    ) -> Result<(), Error> {
        let (cpu, bus) = self.changed_cpu(cpu)?;
        if world == World::Guest && !cpu.model.has_lvz() {
            return Err(Error::new("the CPU model has no LVZ, so no guest's CSRs"));
        }
        if !cpu.has_csr(number) {
            return Err(Error::new(format!("there is no CSR {number:#x}")));
        }
        cpu.csr_write_of(bus, world, via, number, value);
        Ok(())
    }

    /// Where in the RAM `length` bytes at a physical address are.
    fn range(&self, address: u64, length: usize) -> Result<Range<usize>, Error> {
        let ram = &self.machine.bus.ram;
        let begin = ram.offset(address);
        let last = match length {
            0 => begin,
            _ => ram.offset(address.saturating_add(length as u64 - 1)),
        };
        match (begin, last) {
            (Some(begin), _) if length == 0 => Ok(begin..begin),
            // Not from low to high memory, which are further apart in the machine.
            (Some(begin), Some(last)) if last.checked_sub(begin) == Some(length - 1) => {
                Ok(begin..begin + length)
            }
            _ => Err(not_ram(address, length)),
        }
    }

    /// Physical memory in its place.
    ///
    /// # Errors
    /// Not all of it is RAM.
    pub fn memory(&self, address: u64, length: usize) -> Result<&[u8], Error> {
        let range = self.range(address, length)?;
        let bytes = self.machine.bus.ram.bytes().get(range);
        bytes.ok_or_else(|| not_ram(address, length))
    }

    /// Reads physical memory.
    ///
    /// # Errors
    /// Not all of it is RAM.
    pub fn read_memory(&self, address: u64, bytes: &mut [u8]) -> Result<(), Error> {
        bytes.copy_from_slice(self.memory(address, bytes.len())?);
        Ok(())
    }

    /// Writes physical memory; the CPUs see it as a write of a device.
    ///
    /// # Errors
    /// Not all of it is RAM; nothing is written then.
    pub fn write_memory(&mut self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        let range = self.range(address, bytes.len())?;
        // A byte of each line of 64 bytes: reservations are of lines, code is of pages.
        for offset in range.clone().step_by(64).chain(range.clone().last()) {
            self.machine.bus.written_from_outside(offset);
        }
        if let Some(target) = self.machine.bus.ram.bytes_mut().get_mut(range) {
            target.copy_from_slice(bytes);
        }
        self.machine.memory_replaced();
        Ok(())
    }

    /// Saves the whole machine to a file, from which [`Builder::snapshot`] goes on bit for
    /// bit, behind the instruction that [`Simulation::step`] has executed last too.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, file: impl AsRef<Path>) -> Result<(), Error> {
        self.machine.save(file.as_ref()).map_err(Error::new)
    }

    /// A hash of memory and of the CPUs' state, without devices: what differs there has, in all
    /// likelihood, another one.
    pub fn state_hash(&self) -> u64 {
        self.machine.state_hash()
    }
}
