// SPDX-License-Identifier: MIT

//! The registers that KVM_RUN carries in `struct kvm_run` (KVM_CAP_SYNC_REGS):
//! the layout of `kvm_run.s.regs` of this KVM. Linux's own has none for
//! LoongArch; the capability's value says which of these sets exist.
//!
//! `kvm_valid_regs` names the sets that KVM_RUN shows when it returns,
//! `kvm_dirty_regs` those that it takes over before the guest runs. Each value
//! is judged as KVM_SET_ONE_REG judges it; a register that holds it already is
//! left alone. Sets are taken over in the order of their bits but for
//! [`CPUCFG`], which is the first, because others depend on it.

use crate::csr::{Class, TABLE};
use crate::kvm::{CPUCFG_WORDS, CSR_NUMBERS};

/// Set: general registers and pc.
pub const GENERAL: u64 = 1 << 0;
/// Set: the CSRs of [`CSRS`].
pub const CSR: u64 = 1 << 1;
/// Set: CPUCFG words.
pub const CPUCFG: u64 = 1 << 2;
/// Set: floating-point and vector registers, as KVM_GET_FPU has them.
pub const FPU: u64 = 1 << 3;
/// Set: performance counters and their controls.
pub const COUNTERS: u64 = 1 << 4;
/// Set: registers of binary translation. Zeros for a vCPU without it, which
/// refuses the set with ENXIO.
pub const LBT: u64 = 1 << 5;
/// With [`CSR`] in `kvm_dirty_regs`: the CSRs whose bit is set in
/// [`SyncRegs::csr_dirty`] and no others, also if they hold the value already:
/// TCFG and TVAL then start the timer anew. Not a set, and refused in
/// `kvm_valid_regs`.
pub const CSR_SELECT: u64 = 1 << 6;
/// What `kvm_valid_regs` and `kvm_dirty_regs` may name.
pub const SETS: u64 = GENERAL | CSR | CPUCFG | FPU | COUNTERS | LBT;
/// The capability's value.
pub const ALL: u64 = SETS | CSR_SELECT;

/// The CSRs, in the order of [`SyncRegs::csr`]: those that hold state and of which
/// the CPU has a copy for the guest, and four others that KVM keeps: IMPCTL1, IMPCTL2,
/// GINTC and CTAG. ESTAT is as KVM_GET_ONE_REG shows it.
pub const CSRS: [u16; places(false)] = by_place(false);

/// The CSRs of [`SyncRegs::counters`].
pub const COUNTER_CSRS: [u16; places(true)] = by_place(true);

/// How many registers of the table have a place among the counters, or among the others.
const fn places(counters: bool) -> usize {
    let mut places = 0;
    let mut row = 0;
    while row < TABLE.len() {
        if TABLE[row].page.is_some() && matches!(TABLE[row].class, Class::Counter) == counters {
            places += TABLE[row].elements.len();
        }
        row += 1;
    }
    places
}

/// Their numbers, each at its place.
const fn by_place<const PLACES: usize>(counters: bool) -> [u16; PLACES] {
    let mut numbers = [CSR_NUMBERS; PLACES];
    let mut row = 0;
    while row < TABLE.len() {
        let csr = &TABLE[row];
        let mut i = 0;
        while i < csr.elements.len() && matches!(csr.class, Class::Counter) == counters {
            if let Some(first) = csr.page {
                let place = (first + csr.elements[i]) as usize;
                assert!(
                    place < PLACES && numbers[place] == CSR_NUMBERS,
                    "a CSR's place in the run page is taken, or leaves a gap"
                );
                numbers[place] = csr.number + csr.elements[i];
            }
            i += 1;
        }
        row += 1;
    }
    numbers
}

/// Floating-point and vector registers, laid out as `struct kvm_fpu`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncFpu {
    /// FCSR0.
    pub fcsr: u32,
    /// Nothing; it is ignored.
    pub pad: u32,
    /// Condition flags, a byte each.
    pub fcc: u64,
    /// The registers, lowest lane first.
    pub fpr: [[u64; 4]; 32],
}

/// Registers of binary translation.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncLbt {
    /// Scratch registers.
    pub scr: [u64; 4],
    /// Flags.
    pub eflags: u64,
    /// Top of the register stack.
    pub ftop: u64,
}

/// `kvm_run.s.regs`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SyncRegs {
    /// General registers; r0 is ignored and reads zero.
    pub gpr: [u64; 32],
    /// Program counter.
    pub pc: u64,
    /// The values of [`CSRS`].
    pub csr: [u64; CSRS.len()],
    /// With [`CSR_SELECT`]: bit `n` for entry `n` of [`CSRS`]; bits beyond are
    /// refused.
    pub csr_dirty: u64,
    /// CPUCFG words.
    pub cpucfg: [u32; CPUCFG_WORDS],
    /// Nothing.
    pub pad: u32,
    /// The values of [`COUNTER_CSRS`].
    pub counters: [u64; COUNTER_CSRS.len()],
    /// Binary translation.
    pub lbt: SyncLbt,
    /// Floating point and vectors.
    pub fpu: SyncFpu,
}

/// [`SyncRegs::csr_dirty`] with all bits that exist.
pub const ALL_CSRS: u64 = (1 << CSRS.len()) - 1;

impl Default for SyncRegs {
    fn default() -> Self {
        Self {
            gpr: [0; 32],
            pc: 0,
            csr: [0; CSRS.len()],
            csr_dirty: 0,
            cpucfg: [0; CPUCFG_WORDS],
            pad: 0,
            counters: [0; COUNTER_CSRS.len()],
            lbt: SyncLbt {
                scr: [0; 4],
                eflags: 0,
                ftop: 0,
            },
            fpu: SyncFpu {
                fcsr: 0,
                pad: 0,
                fcc: 0,
                fpr: [[0; 4]; 32],
            },
        }
    }
}

const _: () = assert!(
    CSRS.len() == 54,
    "a CSR has a new place in the run page, which moves what is behind it: give the set CSR a \
     bit that was never used, so that a module and a backend of different ages do not use it, \
     and correct this count"
);
// `kvm_run.s` has room for this much, and a bit of `csr_dirty` for each CSR.
const _: () = assert!(core::mem::size_of::<SyncRegs>() <= 2048 && CSRS.len() < 64);
// No padding of the compiler's.
const _: () = assert!(
    core::mem::size_of::<SyncRegs>()
        == 8 * (32 + 1 + CSRS.len() + 1) + 4 * (CPUCFG_WORDS + 1) + 8 * (8 + 6) + 16 + 1024
);
