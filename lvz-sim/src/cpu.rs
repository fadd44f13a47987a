// SPDX-License-Identifier: Apache-2.0 OR MIT

//! One LoongArch64 CPU: architectural state and the services that instruction
//! handlers use. Behaviour lives in the files below and in `mmu`. What a [`Cpu`] is made
//! of is here, or in files that do not name it.

mod access;
mod counters;
#[cfg(test)]
mod counters_tests;
mod counting;
mod csr_access;
mod csr_class;
mod csr_file;
mod csr_numbers;
mod csrs;
#[cfg(test)]
mod derived_tests;
mod exceptions;
mod features;
mod findings;
mod gates;
mod group;
mod guest_mode;
mod inputs;
mod interrupt;
mod lint;
mod lint_guest;
mod llsc;
mod message;
mod model;
mod op;
mod readings;
mod tally;
mod time;
mod timer;
mod trap;
mod watch;
mod watch_registers;
mod watched;

pub(crate) use access::Check;
pub use csr_access::Via;
pub use csr_class::CsrClass;
pub use csr_file::CsrFile;
use csr_file::{Csrs, Stale};
pub(crate) use csr_numbers::csr_name;
pub(crate) use findings::Lints;
pub(crate) use gates::{FP_GATE_AT, LSX_GATE_AT};
pub use group::Group;
pub use inputs::CpuLines;
pub(crate) use inputs::Vectors;
pub(crate) use model::MAX_NS_PER_INSTRUCTION;
pub use model::{Model, ModelError};
pub use op::{Ends, Handler, Insn, Op, Step, Stop};
pub use readings::{LvzReadings, Reading, ReadingError, help as readings_help};
pub(crate) use tally::{Events, LEVELS, PLVS, Tally};
pub use timer::{NS_PER_TICK, Timer};
pub use trap::Trap;
pub(crate) use watch_registers::watchpoint_csrs;
pub(crate) use watched::{Place, WatchHit, Watched};

use csr_numbers::COUNTERS;

use crate::calls::Calls;
use crate::fp::Fcsr;
use crate::mmu::{SoftTlb, Tlb};
use crate::stats::CpuStats;
use crate::symbols::Symbols;
use crate::trace::Trace;
use crate::world::World;
use std::sync::Arc;

/// Half of a vector register: the low one is the register of LSX, and its lowest
/// doubleword the floating-point register of the same number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[repr(C, align(16))]
pub struct VReg(pub [u64; 2]);

/// The registers of binary translation (LBT).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Lbt {
    /// SCR0 to SCR3.
    pub(crate) scr: [u64; 4],
    /// The flags, where x86's EFLAGS has them.
    pub(crate) eflags: u32,
    /// The top of the x87 stack, 0 to 7.
    pub(crate) top: u8,
}

/// What happens to an instruction of an extended unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
enum Gate {
    /// It executes.
    #[default]
    Open = 0,
    /// Disabled by the EUEN in force.
    Disabled,
    /// Enabled by the guest, disabled by root: an exit.
    DisabledByRoot,
}

/// The gates' state, derived from EUEN and the mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Gates {
    fp: Gate,
    lsx: Gate,
    lasx: Gate,
    lbt: Gate,
    /// Privileged instructions.
    privileged: Gate,
}

/// What is watched in the mode in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watch {
    pub(crate) fetches: bool,
    /// Loads or stores.
    pub(crate) data: bool,
    /// Mapped loads and stores are ones that a lint is about.
    pub(crate) lookups: bool,
}

/// A performance counter, of which `value` is brought up to date when something about it
/// changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Counter {
    control: u64,
    /// What it counted until something about it changed.
    value: u64,
    /// The events that its control names, at that time.
    origin: u64,
}

/// All counters of a CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Counters {
    all: [Counter; COUNTERS],
}

/// See [`Cpu::basis`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Basis {
    fetch: (u64, u64),
    gates: Gates,
}

/// A CPU's architectural state, and what the engine keeps for it.
pub struct Cpu {
    /// General registers; entry 0 is always zero (write through [`Cpu::set`]).
    pub gpr: [u64; 32],
    /// Address of the next instruction; exact only between blocks, use
    /// [`Cpu::pc_of`] in handlers.
    pub pc: u64,
    /// Vector and floating-point registers.
    pub vr: [VReg; 32],
    /// The upper halves of the registers of LASX.
    pub vr_high: [VReg; 32],
    /// Whether instructions spoil what is above their result in a vector register
    /// ([`Model::spoils_upper`]).
    spoils_upper: bool,
    /// Floating-point condition flags, one a bit.
    pub(crate) fcc: u8,
    /// FCSR0.
    pub(crate) fcsr: u32,
    /// Registers of binary translation.
    pub(crate) lbt: Lbt,
    /// Whether it has them ([`Model::has_lbt`]).
    pub(crate) has_lbt: bool,
    /// Whether estimates are the correctly rounded numbers
    /// ([`Model::has_exact_estimates`]).
    pub(crate) exact_estimates: bool,

    /// This CPU's number (CSR.CPUID and what controllers know it by).
    pub(crate) id: usize,
    /// What it implements.
    pub(crate) model: Arc<Model>,
    csrs: Csrs,
    /// Countdown timers of root and guest.
    pub(crate) timers: [Timer; 2],
    /// The TLB as software knows it.
    pub(crate) tlb: Tlb,
    /// Waiting in `idle`.
    pub(crate) idle: bool,
    /// Instructions that ended so far (retired or trapped), up to the block
    /// that is being executed.
    pub(crate) icount: u64,
    /// Instructions of the running block that have ended, for those
    /// instructions that need the time exactly ([`Cpu::executing`]).
    pub(crate) inside: u64,
    /// Nanoseconds that an instruction takes ([`Model::ns_per_instruction`]).
    pub(crate) pace: u64,
    /// Added to the time that `icount` instructions take it gives the time in
    /// nanoseconds; grows by the time spent idle.
    pub(crate) time_offset: u64,
    /// The latest time in nanoseconds that this CPU knows to be past because
    /// another has read it from the counter; its own may be behind.
    pub(crate) counter_seen: u64,
    /// Interrupt inputs as the interrupt controllers last set them.
    pub(crate) lines: CpuLines,

    /// Cache of translations; never architecturally visible.
    pub(crate) soft: SoftTlb,
    /// Something happened that may change which interrupt is deliverable, or
    /// the engine is asked to look up from its inner loop.
    pub(crate) attention: bool,
    /// The exception that `Err(Stop::Trap)` speaks of.
    pub(crate) trap: Trap,
    /// Privilege level in force.
    pub(crate) plv: u8,
    /// Bits of the program counter: in 32-bit address mode the low half.
    pub(crate) pc_mask: u64,
    gates: Gates,
    /// What is watched (`watch`).
    pub(crate) watch: Watch,
    /// What a debugger watches (`watched`).
    pub(crate) watched: Vec<Watched>,
    /// It does not count for the instruction that is being executed.
    pub(crate) unwatched: bool,
    /// The access that `Err(Stop::Trap)` is about, if it is no exception.
    pub(crate) watch_hit: Option<WatchHit>,
    /// What it has done, by mode and privilege level.
    pub(crate) tally: Tally,
    /// Performance counters.
    pub(crate) counters: Counters,
    /// What is written to standard error.
    pub(crate) trace: Trace,
    /// Names of addresses in what is written there, and in profiles.
    pub(crate) symbols: Arc<Symbols>,
    /// What `trace.lint` has found.
    pub(crate) lints: Lints,
    /// What is being counted about guest exits.
    pub(crate) stats: CpuStats,
    /// System calls that are written down, if wanted.
    pub(crate) calls: Option<Box<Calls>>,
}

impl Cpu {
    /// A CPU after reset (Volume 1, 6.3: direct address mode, PLV0, interrupts
    /// off). The loader sets its program counter.
    pub fn new(id: usize, model: Arc<Model>) -> Self {
        let mut cpu = Cpu {
            gpr: [0; 32],
            pc: 0x1c00_0000,
            vr: [VReg::default(); 32],
            vr_high: [VReg::default(); 32],
            spoils_upper: model.spoils_upper(),
            fcc: 0,
            fcsr: 0,
            lbt: Lbt::default(),
            has_lbt: model.has_lbt(),
            exact_estimates: model.has_exact_estimates(),
            id,
            csrs: Csrs::after_reset(&model, id),
            timers: [Timer::default(), Timer::default()],
            tlb: Tlb::new(id as u64),
            idle: false,
            icount: 0,
            inside: 0,
            pace: model.ns_per_instruction().into(),
            time_offset: 0,
            counter_seen: 0,
            lines: CpuLines::default(),
            soft: SoftTlb::new(),
            attention: true,
            trap: Trap::default(),
            plv: 0,
            pc_mask: u64::MAX,
            gates: Gates::default(),
            watch: Watch::default(),
            watched: Vec::new(),
            unwatched: false,
            watch_hit: None,
            tally: Tally::default(),
            counters: Counters::default(),
            trace: Trace::default(),
            symbols: Arc::default(),
            lints: Lints::default(),
            stats: CpuStats::default(),
            calls: None,
            model,
        };
        if cpu.reads(Reading::ResetOnes) {
            cpu.reset_to_ones();
        }
        cpu.settle();
        cpu
    }

    /// Whether the machine follows the other reading of an open question about
    /// LVZ (`docs/lvz.md` section 12).
    #[inline(always)]
    pub(crate) fn reads(&self, reading: Reading) -> bool {
        self.model.readings().other(reading)
    }

    /// General register `r`.
    #[inline(always)]
    pub(crate) fn get(&self, r: u8) -> u64 {
        self.gpr[(r & 31) as usize]
    }

    /// Writes general register `r`; r0 stays zero.
    #[inline(always)]
    pub fn set(&mut self, r: u8, value: u64) {
        self.gpr[(r & 31) as usize] = value;
        self.gpr[0] = 0;
    }

    /// Whether only the first instruction of a block is executed at a time: fetches are
    /// watched, or a lint is about loads and stores, or registers are counted from the top
    /// of the x87 stack.
    #[inline(always)]
    pub(crate) fn executes_alone(&self) -> bool {
        self.watch.fetches || self.watch.lookups || Fcsr::from_bits(self.fcsr).stack_mode()
    }

    /// Half 0 or 1 of vector register `r`.
    #[inline(always)]
    pub(crate) fn vector_half(&self, r: u8, half: usize) -> &VReg {
        let halves = if half == 0 { &self.vr } else { &self.vr_high };
        &halves[usize::from(r & 31)]
    }

    /// The same, to be written.
    #[inline(always)]
    pub(crate) fn vector_half_mut(&mut self, r: u8, half: usize) -> &mut VReg {
        let halves = match half {
            0 => &mut self.vr,
            _ => &mut self.vr_high,
        };
        &mut halves[usize::from(r & 31)]
    }

    /// The halves of vector registers that the model has, all lower ones first.
    pub(crate) fn vector_state(&self) -> impl Iterator<Item = &VReg> {
        let high = self.model.has_lasx().then_some(&self.vr_high);
        self.vr.iter().chain(high.into_iter().flatten())
    }

    /// An instruction has written the lowest 64 or 128 bits of vector register `r`
    /// and nothing above: where the model spoils that, it is all ones now.
    #[inline(always)]
    pub(crate) fn written_below(&mut self, r: u8, bits: u32) {
        if self.spoils_upper {
            self.spoil_upper(r, bits);
        }
    }

    #[cold]
    fn spoil_upper(&mut self, r: u8, bits: u32) {
        if bits == 64 {
            self.vector_half_mut(r, 0).0[1] = u64::MAX;
        }
        if self.model.has_lasx() {
            *self.vector_half_mut(r, 1) = VReg([u64::MAX; 2]);
        }
    }

    /// What an instruction that computes with the program counter writes to a
    /// register: in 32-bit address mode the low half, sign-extended.
    #[inline(always)]
    pub(crate) fn pc_result(&self, value: u64) -> u64 {
        if self.pc_mask == u64::MAX {
            value
        } else {
            value as i32 as u64
        }
    }

    /// Simulated time in nanoseconds. Exact for instructions that have called
    /// [`Cpu::executing`], else that of the start of the block.
    #[inline(always)]
    pub(crate) fn now(&self) -> u64 {
        self.icount
            .wrapping_add(self.inside)
            .wrapping_mul(self.pace)
            .wrapping_add(self.time_offset)
    }

    /// In 32-bit address mode (MISC.VA32L of the privilege level in force).
    #[inline(always)]
    pub(crate) fn narrow_addresses(&self) -> bool {
        self.csr().misc().va32l() >> self.plv & 1 != 0
    }

    /// An address as the mode in force has it: in 32-bit address mode the upper half of a
    /// register is no part of it (5.2.2).
    #[inline]
    pub(crate) fn narrow(&self, va: u64) -> u64 {
        match self.narrow_addresses() {
            true => va & u64::from(u32::MAX),
            false => va,
        }
    }

    /// Chooses what is written to standard error, on which the context depends: a lint is
    /// about look-ups.
    pub(crate) fn set_trace(&mut self, trace: Trace) {
        self.trace = trace;
        self.derive_watch();
        self.select_context();
    }

    /// What compiled code is found by and depends on beside the registers.
    pub(crate) fn basis(&self) -> Basis {
        Basis {
            fetch: self.soft.fetch_basis(),
            gates: self.gates,
        }
    }

    /// Goes back to, or on from, what was so before.
    pub(crate) fn set_basis(&mut self, basis: Basis) {
        self.soft.set_fetch_basis(basis.fetch);
        self.gates = basis.gates;
    }

    /// Derives anew what is out of date since a CSR or the mode changed. The
    /// engine calls it between blocks; an instruction that changes such a CSR
    /// ends its block.
    #[inline]
    pub(crate) fn settle(&mut self) {
        if !self.settled() {
            self.derive();
        }
    }

    #[cold]
    fn derive(&mut self) {
        let stale = self.csrs.take_stale();
        if stale.contains(Stale::LOOKUPS) {
            self.soft.clear();
        }
        for world in World::ALL {
            if stale.contains(Stale::windows(world)) {
                self.select_windows(world);
            }
        }
        self.plv = self.csr().crmd().plv() as u8;
        self.pc_mask = match self.narrow_addresses() {
            true => u64::from(u32::MAX),
            false => u64::MAX,
        };
        // Where a return goes; PLV0, where the mode is changed, is never narrow.
        self.pc &= self.pc_mask;
        self.gates = self.find_gates();
        self.derive_watch();
        self.derive_tally();
        self.select_context();
    }
}

impl std::fmt::Debug for Cpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cpu")
            .field("id", &self.id)
            .field("pc", &format_args!("{:#x}", self.pc))
            .field("world", &self.world())
            .finish_non_exhaustive()
    }
}
