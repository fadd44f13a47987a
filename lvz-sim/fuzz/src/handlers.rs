// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What random programs have for an operating system: handlers of exceptions, of the timer, of TLB
//! refills.

use super::program::{CODE, CODE_SIZE, put};
use super::random::Random;
use la_arch::Interrupt;
use la_arch::csr::{Crmd, Estat, Prmd, StlbPs, Tcfg, TlbrEhi, number as csr};
use la_arch::insn::{Encoding, Operands, fp, integer, lsx, privileged};
use lvz_sim::mem::Ram;

/// Where the program's exceptions and interrupts go.
const HANDLER: usize = 0x2_0000;
/// TLB refills of what is unmapped, which come of a guest's addresses behind its memory.
const REFILL: usize = 0x2_1000;
/// TLB refills of a mapped program.
const FILL: usize = 0x2_2000;
/// Where a guest's exits go.
pub(super) const HOST: usize = 0x2_3000;
/// What enters the guest.
pub(super) const ENTER: usize = 0x2_4000;

/// Log2 of the page size of a mapped program.
const PAGE: u32 = 12;
/// Log2 of the machine's memory.
const MEMORY: u32 = 24;

/// Registers that the program's handlers change, and the host's. A program changes none of them.
const OWN: [u8; 2] = [30, 31];
const HOSTS: [u8; 2] = [2, 3];
/// A register that has [`MULTIPLIER`].
pub(super) const MULTIPLIER_AT: u8 = 29;
/// Of a linear congruential generator.
pub(super) const MULTIPLIER: u64 = 0x5851_f42d_4c95_7f2d;
/// What the handlers keep in CSRs: how many refills of a mapped program there were, how often a
/// program went elsewhere, the generator's state.
pub(super) const REFILLS: u16 = csr::SAVE0;
pub(super) const MOVES: u16 = csr::SAVE0 + 1;
const STATE: u16 = csr::SAVE0 + 2;
/// What performance counters begin with again.
const COUNTS: u16 = csr::SAVE0 + 3;

/// What programs can be.
#[derive(Clone, Copy)]
pub(super) struct Has {
    /// Performance counters that interrupt.
    pub(super) counters: bool,
    /// Floating point is on, and vectors.
    pub(super) floats: bool,
    pub(super) vectors: bool,
}

/// An instruction of registers.
fn three(encoding: &Encoding, rd: u8, rj: u8, rk: u8) -> u32 {
    let operands = Operands {
        rd,
        rj,
        rk,
        ..Operands::default()
    };
    encoding.encode(&operands)
}

/// An instruction of two registers and an immediate.
fn with(encoding: &Encoding, rd: u8, rj: u8, imm: i32) -> u32 {
    let operands = Operands {
        rd,
        rj,
        imm,
        ..Operands::default()
    };
    encoding.encode(&operands)
}

/// An instruction of two registers and bits from `low` to `high`.
fn bits(encoding: &Encoding, rd: u8, rj: u8, high: u32, low: u32) -> u32 {
    let operands = Operands {
        rd,
        rj,
        imm: low as i32,
        imm2: high as i16,
        ..Operands::default()
    };
    encoding.encode(&operands)
}

fn csrrd(rd: u8, number: u16) -> u32 {
    with(&privileged::CSRXCHG, rd, 0, number.into())
}

/// The register has what the CSR had.
fn csrwr(rd: u8, number: u16) -> u32 {
    with(&privileged::CSRXCHG, rd, 1, number.into())
}

/// The register has the address of a page.
fn page_address(rd: u8, page: usize) -> u32 {
    with(&integer::LU12I_W, rd, 0, (page >> 12) as i32)
}

const ERTN: u32 = privileged::ERTN.bits;

/// Goes to the instruction behind the one whose address is in the CSR `at`.
fn behind(at: u16, a: u8) -> Vec<u32> {
    vec![
        csrrd(a, at),
        with(&integer::ADDI_D, a, a, 4),
        csrwr(a, at),
        ERTN,
    ]
}

/// The same inside the program; from outside, which is where a jump went, to the program's
/// beginning. Interrupts are on there: the exception may have been a handler's.
fn behind_or_begin([a, b]: [u8; 2]) -> Vec<u32> {
    let interrupts: u64 = Prmd::default().with_pie(true).into();
    vec![
        with(&integer::ADDI_D, a, 0, interrupts as i32),
        csrwr(a, csr::PRMD),
        csrrd(a, csr::ERA),
        with(&integer::ADDI_D, a, a, 4),
        page_address(b, CODE),
        three(&integer::SUB_D, b, a, b),
        with(&integer::SRLI_D, b, b, CODE_SIZE.ilog2() as i32),
        with(&integer::BEQZ, 0, b, 2),
        page_address(a, CODE),
        csrwr(a, csr::ERA),
        ERTN,
    ]
}

/// Takes back the interrupts of the timer and the counters.
fn quiet(a: u8, has: Has) -> Vec<u32> {
    let mut words = vec![with(&integer::ADDI_D, a, 0, 1), csrwr(a, csr::TICLR)];
    if has.counters {
        for counter in 0..4 {
            words.extend([csrrd(a, COUNTS), csrwr(a, csr::PERFCNTR0 + 2 * counter)]);
        }
    }
    words
}

/// Gives registers new values and goes on anywhere in the program: left alone, it is soon in a loop
/// of few instructions.
fn elsewhere(has: Has) -> Vec<u32> {
    let [a, b] = OWN;
    let mut words = vec![
        csrrd(a, MOVES),
        with(&integer::ADDI_D, a, a, 1),
        csrwr(a, MOVES),
        csrrd(a, STATE),
        three(&integer::MUL_D, a, a, MULTIPLIER_AT),
        with(&integer::ADDI_D, a, a, 1),
        three(&integer::OR, b, a, 0),
        csrwr(b, STATE),
    ];
    for number in 4..12 {
        words.push(match number % 2 {
            0 => with(&integer::ROTRI_D, number, a, (7 * number).into()),
            // A small one.
            _ => bits(&integer::BSTRPICK_D, number, a, 35, 30),
        });
    }
    if has.floats {
        for (f, r) in [(4, 4), (5, 5), (6, 8)] {
            words.push(three(&fp::MOVGR2FR_D, f, r, 0));
        }
        // A number that is none of the extremes.
        words.push(three(&fp::FFINT_D_L, 7, 6, 0));
        words.push(three(&fp::FFINT_S_W, 8, 5, 0));
    }
    if has.vectors {
        for (v, r) in [(4, 6), (5, 9), (6, 10)] {
            words.push(three(&lsx::VREPLGR2VR_H, v, r, 0));
        }
    }
    words.extend([
        bits(&integer::BSTRPICK_D, a, a, 43 + CODE_SIZE.ilog2() - 2, 44),
        with(&integer::SLLI_D, a, a, 2),
        page_address(b, CODE),
        three(&integer::ADD_D, a, a, b),
        csrwr(a, csr::ERA),
        ERTN,
    ]);
    words
}

/// Does `exceptions` or `interrupts`.
fn handler([a, b]: [u8; 2], exceptions: &[u32], interrupts: &[u32]) -> Vec<u32> {
    let ecode = u64::from(Estat::default().with_ecode(!0));
    let (low, high) = (ecode.trailing_zeros(), ecode.ilog2());
    let which = [
        csrrd(a, csr::ESTAT),
        bits(&integer::BSTRPICK_D, b, a, high, low),
        with(&integer::BEQZ, 0, b, 1 + exceptions.len() as i32),
    ];
    [&which, exceptions, interrupts].concat()
}

/// The handler of a mapped program's refills: the two pages at the address, valid in the machine's
/// memory only. The lowest bit of [`REFILLS`] becomes the entries' D, the next one NR.
fn fill() -> Vec<u32> {
    let coherent = 1 << 4;
    let [a, b] = OWN;
    vec![
        csrrd(a, csr::TLBRBADV),
        with(&integer::SRLI_D, b, a, MEMORY as i32),
        with(&integer::SLTUI, b, b, 1),
        bits(&integer::BSTRINS_D, a, 0, PAGE, 0),
        three(&integer::OR, a, a, b),
        with(&integer::ORI, a, a, coherent),
        csrrd(b, REFILLS),
        with(&integer::ADDI_D, b, b, 1),
        csrwr(b, REFILLS),
        bits(&integer::BSTRINS_D, a, b, 1, 1),
        with(&integer::SRLI_D, b, b, 1),
        bits(&integer::BSTRINS_D, a, b, 61, 61),
        csrwr(a, csr::TLBRELO0),
        csrrd(a, csr::TLBRELO0),
        // The odd page.
        with(&integer::ADDI_D, b, 0, 1),
        bits(&integer::BSTRINS_D, a, b, PAGE, PAGE),
        csrwr(a, csr::TLBRELO1),
        privileged::TLBFILL.bits,
        ERTN,
    ]
}

/// Puts all of them into memory.
pub(super) fn handlers(ram: &mut Ram, has: Has) {
    let [own, _] = OWN;
    let [hosts, _] = HOSTS;
    let interrupts = [quiet(own, has), elsewhere(has)].concat();
    put(
        ram,
        HANDLER,
        &handler(OWN, &behind_or_begin(OWN), &interrupts),
    );
    put(ram, FILL, &fill());
    let interrupts = [quiet(hosts, has), vec![ERTN]].concat();
    put(
        ram,
        HOST,
        &handler(HOSTS, &behind(csr::ERA, hosts), &interrupts),
    );
    put(ram, REFILL, &behind(csr::TLBRERA, hosts));
    put(ram, ENTER, &[privileged::TLBWR.bits, ERTN]);
}

/// CSRs of a mode, so that a program can run in it. The timer interrupts again and again, and puts
/// an end to loops.
pub(super) fn csrs(random: &mut Random<'_>, mapped: bool, has: Has) -> Vec<(u16, u64)> {
    // Of 40 instructions each.
    let period = 2 + random.below(16) as u64;
    let counters = if has.counters {
        Interrupt::PMI.mask()
    } else {
        0
    };
    let timer = Tcfg::default().with_en(true).with_periodic(true);
    let size = u64::from(PAGE);
    let refill = if mapped { FILL } else { REFILL };
    let crmd = Crmd::default().with_ie(true);
    let crmd = crmd.with_da(!mapped).with_pg(mapped);
    vec![
        (csr::EENTRY, HANDLER as u64),
        (csr::ECFG, Interrupt::TI.mask() | counters),
        (csr::TCFG, timer.with_initval(period).into()),
        (STATE, random.next()),
        (COUNTS, (1 << 63) - 3_000),
        (csr::TLBRENTRY, refill as u64),
        (csr::STLBPS, StlbPs::default().with_ps(size).into()),
        (csr::TLBREHI, TlbrEhi::default().with_ps(size).into()),
        (csr::CRMD, crmd.into()),
    ]
}
