// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The program that runs cases inside lvz-sim, on the bare machine.
//!
//! It is the counterpart of `user_driver`: an exception handler in the part of
//! the kernel. Each case ends in an exception, at the latest from the `break`
//! behind it; the handler writes all registers into the result record, loads
//! the next case's and returns to it. Cases run at PLV3 behind the TLB.

use crate::asm::{Assembler, Reg, T0, T1, T2, T3, T4};
use crate::layout::{
    CASE_BYTES, CODE, CONTEXT_BYTES, CONTEXT_FCC, CONTEXT_FCSR, CONTEXT_GPR, CONTEXT_HEAD,
    CONTEXT_VR, EXCEPTION_BYTES, HOT, HOT_SIZE, LASX_MAGIC, READ_ONLY, RESULT_BYTES, WINDOW,
};
use la_arch::csr::number as csr;
use la_arch::insn::{Encoding, Operands, fp, integer, lasx, lsx, privileged};

/// Physical addresses.
pub mod physical {
    /// Code of the driver; where the CPU starts.
    pub const TEXT: u64 = 0x1_0000;
    /// Its variables: next result, next case, number of cases left.
    pub const CURSOR: u64 = 0x2_0000;
    /// Memory behind the window.
    pub const WINDOW: u64 = 0x10_0000;
    /// Memory behind the read-only page.
    pub const READ_ONLY: u64 = 0x20_0000;
    /// Code of the cases.
    pub const CODE: u64 = 0x40_0000;
    /// Case records.
    pub const CASES: u64 = 0x100_0000;
    /// Result records.
    pub const RESULTS: u64 = 0x200_0000;
    /// Size of the memory.
    pub const END: u64 = 0x400_0000;
}

/// Exception record at the beginning of a result: offsets of its doublewords.
pub mod record {
    pub const ESTAT: usize = 0;
    pub const BADV: usize = 8;
    /// TLBRERA, whose lowest bit says that this was a TLB refill.
    pub const TLBRERA: usize = 16;
    pub const TLBRBADV: usize = 24;
}

/// EUEN: floating point, LSX, LASX.
const ENABLED_UNITS: u64 = 7;
/// CRMD: paging, PLV0.
const CRMD_PAGED: u64 = 0x10;
/// PRMD: return to PLV3.
const PRMD_USER: u64 = 3;
/// DMW0: PLV0 sees physical memory at its own addresses.
const DMW_IDENTITY: u64 = 1;
/// TLBELO: valid, PLV3, coherent cached, global.
const PAGE: u64 = 0x5d;
/// TLBELO.D.
const WRITABLE: u64 = 2;
/// TLBELO.NX.
const NO_EXECUTE: u64 = 1 << 62;
/// First index of the MTLB.
const MTLB: u64 = 2048;

/// Where values of the handler's own registers wait.
const SAVED: [(Reg, u16); 2] = [(T0, csr::SAVE0), (T1, csr::SAVE0 + 1)];

/// The driver's code for address [`physical::TEXT`], its start at the first
/// instruction, for a CPU with LASX or one without.
pub fn build(lasx: bool) -> Vec<u8> {
    let mut a = Assembler::default();
    write_csr(&mut a, csr::EUEN, ENABLED_UNITS);
    write_csr(&mut a, csr::DMW0, DMW_IDENTITY);
    let window = (physical::WINDOW, PAGE | WRITABLE | NO_EXECUTE);
    pair(&mut a, 0, WINDOW, 16, [Some(window), next(window, 16)]);
    let read_only = (physical::READ_ONLY, PAGE | NO_EXECUTE);
    pair(&mut a, 1, READ_ONLY, 14, [Some(read_only), None]);
    let code = (physical::CODE, PAGE);
    pair(&mut a, 2, CODE, 20, [Some(code), next(code, 20)]);
    let start = a.forward(&integer::B, 0, 0);
    // Exceptions want an entry on a page of its own.
    while !a.position().is_multiple_of(1024) {
        a.emit(&integer::BREAK, Operands::default());
    }
    let handler = physical::TEXT + a.position() as u64 * 4;
    save(&mut a, lasx);
    a.bind(start);
    // The entry addresses are set again for each case, which changes no result.
    write_csr(&mut a, csr::EENTRY, handler);
    write_csr(&mut a, csr::TLBRENTRY, handler);
    load(&mut a, lasx);
    a.finish()
}

fn next(page: (u64, u64), size: u32) -> Option<(u64, u64)> {
    Some((page.0 + (1 << size), page.1))
}

/// Writes MTLB entry `index`: a pair of pages of 2^`size` bytes, each with its
/// physical address and attributes.
fn pair(a: &mut Assembler, index: u64, va: u64, size: u64, pages: [Option<(u64, u64)>; 2]) {
    write_csr(a, csr::TLBIDX, (MTLB + index) | (size << 24));
    write_csr(a, csr::TLBEHI, va);
    for (n, page) in [csr::TLBELO0, csr::TLBELO1].into_iter().zip(pages) {
        write_csr(a, n, page.map_or(PAGE & 0x40, |(pa, bits)| pa | bits));
    }
    a.emit(&privileged::TLBWR, Operands::default());
}

/// `csrrd` is `csrxchg` with rj 0, `csrwr` with rj 1.
fn csr_access(a: &mut Assembler, register: Reg, rj: Reg, number: u16) {
    a.rri(&privileged::CSRXCHG, register, rj, i32::from(number));
}

fn write_csr(a: &mut Assembler, number: u16, value: u64) {
    a.li(T0, value);
    csr_access(a, T0, 1, number);
}

/// The first half of the handler: everything into the result record.
fn save(a: &mut Assembler, lasx: bool) {
    let (result, value) = (T0, T1);
    for (register, number) in SAVED {
        csr_access(a, register, 1, number);
    }
    a.li(T1, physical::CURSOR);
    a.rri(&integer::LD_D, result, T1, 0);
    let context = EXCEPTION_BYTES;
    let gpr = |register: Reg| (context + CONTEXT_GPR + 8 * usize::from(register)) as i32;
    for register in (1..32).filter(|r| SAVED.iter().all(|(s, _)| s != r)) {
        a.rri(&integer::ST_D, register, result, gpr(register));
    }
    for (register, number) in SAVED {
        csr_access(a, value, 0, number);
        a.rri(&integer::ST_D, value, result, gpr(register));
    }
    for (number, offset) in [
        (csr::ESTAT, record::ESTAT),
        (csr::BADV, record::BADV),
        (csr::TLBRERA, record::TLBRERA),
        (csr::TLBRBADV, record::TLBRBADV),
        (csr::ERA, context),
    ] {
        csr_access(a, value, 0, number);
        a.rri(&integer::ST_D, value, result, offset as i32);
    }
    a.li(value, u64::from(LASX_MAGIC));
    a.rri(
        &integer::ST_W,
        value,
        result,
        (context + CONTEXT_HEAD) as i32,
    );
    let store = if lasx { &lasx::XVST } else { &lsx::VST };
    for vector in 0..32 {
        let offset = context + CONTEXT_VR + 32 * usize::from(vector);
        a.rri(store, vector, result, offset as i32);
    }
    for flag in 0..8 {
        a.rri(&fp::MOVCF2GR, value, flag, 0);
        let offset = context + CONTEXT_FCC + usize::from(flag);
        a.rri(&integer::ST_B, value, result, offset as i32);
    }
    a.rri(&fp::MOVFCSR2GR, value, 0, 0);
    a.rri(
        &integer::ST_W,
        value,
        result,
        (context + CONTEXT_FCSR) as i32,
    );
    for (part, address) in HOT.into_iter().enumerate() {
        a.li(T2, address - WINDOW + physical::WINDOW);
        let offset = EXCEPTION_BYTES + CONTEXT_BYTES + part * HOT_SIZE as usize;
        copy(a, (T2, 0), (result, offset));
    }
    // On to the next record.
    a.li(T1, physical::CURSOR);
    a.rri(&integer::ADDI_D, result, result, RESULT_BYTES as i32);
    a.rri(&integer::ST_D, result, T1, 0);
}

/// The second half: the next case, or the end.
fn load(a: &mut Assembler, lasx: bool) {
    let (case, left, value) = (T0, T2, T1);
    a.li(T3, physical::CURSOR);
    a.rri(&integer::LD_D, case, T3, 8);
    a.rri(&integer::LD_D, left, T3, 16);
    let more = a.forward(&integer::BNEZ, 0, left);
    // Interrupts are off: this idles for ever, which ends the simulation.
    a.emit(&privileged::IDLE, Operands::default());
    a.bind(more);
    a.rri(&integer::ADDI_D, left, left, -1);
    a.rri(&integer::ST_D, left, T3, 16);
    a.rri(&integer::ADDI_D, value, case, CASE_BYTES as i32);
    a.rri(&integer::ST_D, value, T3, 8);
    for (part, address) in HOT.into_iter().enumerate() {
        a.li(T4, address - WINDOW + physical::WINDOW);
        let offset = CONTEXT_BYTES + part * HOT_SIZE as usize;
        copy(a, (case, offset), (T4, 0));
    }
    // A refill has left the CPU in direct address mode.
    a.li(value, 0);
    csr_access(a, value, 1, csr::TLBRERA);
    a.li(value, CRMD_PAGED);
    csr_access(a, value, 1, csr::CRMD);
    a.li(value, PRMD_USER);
    csr_access(a, value, 1, csr::PRMD);
    a.rri(&integer::LD_D, value, case, 0);
    csr_access(a, value, 1, csr::ERA);
    let load = if lasx { &lasx::XVLD } else { &lsx::VLD };
    for vector in 0..32 {
        let offset = CONTEXT_VR + 32 * usize::from(vector);
        a.rri(load, vector, case, offset as i32);
    }
    for flag in 0..8 {
        a.rri(
            &integer::LD_B,
            value,
            case,
            (CONTEXT_FCC + usize::from(flag)) as i32,
        );
        a.rri(&fp::MOVGR2CF, flag, value, 0);
    }
    a.rri(&integer::LD_WU, value, case, CONTEXT_FCSR as i32);
    a.rri(&fp::MOVGR2FCSR, 0, value, 0);
    let all_but_base = (1..32).filter(|&register| register != case);
    for register in all_but_base.chain([case]) {
        let offset = CONTEXT_GPR + 8 * usize::from(register);
        a.rri(&integer::LD_D, register, case, offset as i32);
    }
    let ertn: &Encoding = &privileged::ERTN;
    a.emit(ertn, Operands::default());
}

/// Copies one hot part through vector register 0.
fn copy(a: &mut Assembler, from: (Reg, usize), to: (Reg, usize)) {
    for offset in (0..HOT_SIZE as usize).step_by(16) {
        a.rri(&lsx::VLD, 0, from.0, (from.1 + offset) as i32);
        a.rri(&lsx::VST, 0, to.0, (to.1 + offset) as i32);
    }
}
