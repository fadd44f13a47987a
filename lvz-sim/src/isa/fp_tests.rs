// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Unit tests of the floating-point handlers: what they do to registers, flags, FCSR and memory.
//! What they compute is tested with [`crate::fp`].

use super::all;
use super::testing::{Machine, PC, RD, RJ, RK, entry};
use crate::cpu::{Cpu, Ends, Group, Op, Step, Stop, VReg, Via};
use crate::mem::Bus;
use la_arch::Exception;
use la_arch::csr::number::EUEN;
use la_arch::insn::{Encoding, bound, fp};

/// The register that holds `fa`, or a condition flag's number.
const RA: u8 = 7;
const HIGH: u64 = 0x1234_5678_9abc_def0;
const BOXED: u64 = 0xffff_ffff_0000_0000;

/// A machine whose registers f4 to f7, r4 to r7 are set by a test.
struct Bench {
    cpu: Cpu,
    bus: Bus,
}

impl Bench {
    fn new() -> Self {
        let Machine { mut cpu, mut bus } = Machine::new();
        cpu.csr_write(&mut bus, Via::Csr, EUEN, 1);
        cpu.vr = [VReg([0, HIGH]); 32];
        Self { cpu, bus }
    }

    fn fpr(mut self, r: u8, value: u64) -> Self {
        self.cpu.vr[usize::from(r)].0[0] = value;
        self
    }

    fn gpr(mut self, r: u8, value: u64) -> Self {
        self.cpu.set(r, value);
        self
    }

    fn fcsr(mut self, value: u32) -> Self {
        self.cpu.fcsr = value;
        self
    }

    /// Executes an instruction on registers 4 to 7.
    fn step(&mut self, encoding: &Encoding, imm: i32) -> Step {
        let op = Op {
            run: entry(encoding).run,
            insn: encoding.bits,
            imm,
            idx: 3,
            rd: RD,
            rj: RJ,
            rk: RK,
            ra: RA,
            imm2: 0,
        };
        self.cpu.pc = PC - 12;
        (op.run)(&mut self.cpu, &mut self.bus, &op)
    }

    #[track_caller]
    fn run(mut self, encoding: &Encoding) -> Self {
        assert_eq!(self.step(encoding, 0), Ok(()), "{}", encoding.name);
        self
    }

    #[track_caller]
    fn traps(mut self, encoding: &Encoding, exception: Exception) -> Self {
        assert_eq!(self.step(encoding, 0), Err(Stop::Trap), "{}", encoding.name);
        assert_eq!(self.cpu.trap.exception, exception, "{}", encoding.name);
        self
    }

    /// The low half of register 4; the high half must be as it was.
    #[track_caller]
    fn fd(&self) -> u64 {
        let VReg([low, high]) = self.cpu.vr[usize::from(RD)];
        assert_eq!(high, HIGH);
        low
    }

    fn rd(&self) -> u64 {
        self.cpu.get(RD)
    }
}

fn single(value: f32) -> u64 {
    // What is above a single-precision operand does not count.
    0xdead_beef_0000_0000 | u64::from(value.to_bits())
}

fn boxed(value: f32) -> u64 {
    BOXED | u64::from(value.to_bits())
}

fn double(value: f64) -> u64 {
    value.to_bits()
}

#[test]
fn every_encoding_is_in_one_table_once() {
    let bound = bound::ALL
        .iter()
        .filter(|e| e.name.starts_with("fld") || e.name.starts_with("fst"));
    for encoding in fp::ALL.iter().chain(bound) {
        let entries: Vec<_> = all().filter(|insn| insn.encoding == encoding).collect();
        assert_eq!(entries.len(), 1, "{}", encoding.name);
        // Branches, and what changes the stack mode.
        let ends = encoding.name.starts_with("bc") || *encoding == fp::MOVGR2FCSR;
        assert_eq!(entries[0].ends != Ends::No, ends, "{}", encoding.name);
    }
    assert_eq!(
        all().filter(|insn| insn.group == Group::Fp).count(),
        fp::ALL.len()
    );
}

/// Nothing of floating point works, and nothing changes, with EUEN.FPE clear.
#[test]
fn every_instruction_needs_the_unit() {
    for insn in all().filter(|insn| insn.group == Group::Fp) {
        let mut bench = Bench::new().fpr(RJ, double(1.0));
        bench.cpu.csr_write(&mut bench.bus, Via::Csr, EUEN, 0);
        let before = (bench.cpu.vr, bench.cpu.gpr, bench.cpu.fcsr, bench.cpu.fcc);
        let bench = bench.traps(insn.encoding, Exception::FPD);
        let after = (bench.cpu.vr, bench.cpu.gpr, bench.cpu.fcsr, bench.cpu.fcc);
        assert!(before == after, "{}", insn.encoding.name);
    }
}

#[test]
fn arithmetic_takes_its_operands_in_order() {
    let singles = || {
        Bench::new()
            .fpr(RJ, single(6.0))
            .fpr(RK, single(2.0))
            .fpr(RA, single(1.0))
    };
    let doubles = || {
        Bench::new()
            .fpr(RJ, double(6.0))
            .fpr(RK, double(2.0))
            .fpr(RA, double(1.0))
    };
    let expected = [
        (fp::FADD_S, fp::FADD_D, 8.0),
        (fp::FSUB_S, fp::FSUB_D, 4.0),
        (fp::FMUL_S, fp::FMUL_D, 12.0),
        (fp::FDIV_S, fp::FDIV_D, 3.0),
        (fp::FMADD_S, fp::FMADD_D, 13.0),
        (fp::FMSUB_S, fp::FMSUB_D, 11.0),
        (fp::FNMADD_S, fp::FNMADD_D, -13.0),
        (fp::FNMSUB_S, fp::FNMSUB_D, -11.0),
        (fp::FMAX_S, fp::FMAX_D, 6.0),
        (fp::FMIN_S, fp::FMIN_D, 2.0),
        (fp::FMAXA_S, fp::FMAXA_D, 6.0),
        (fp::FMINA_S, fp::FMINA_D, 2.0),
        (fp::FLOGB_S, fp::FLOGB_D, 2.0),
        (fp::FNEG_S, fp::FNEG_D, -6.0),
        (fp::FMOV_S, fp::FMOV_D, 6.0),
    ];
    for (s, d, value) in expected {
        assert_eq!(singles().run(&s).fd(), boxed(value), "{}", s.name);
        assert_eq!(doubles().run(&d).fd(), double(value.into()), "{}", d.name);
    }
    let four = Bench::new().fpr(RJ, double(4.0));
    assert_eq!(four.run(&fp::FSQRT_D).fd(), double(2.0));
    let four = || Bench::new().fpr(RJ, single(4.0));
    assert_eq!(four().run(&fp::FSQRT_S).fd(), boxed(2.0));
    assert_eq!(four().run(&fp::FRECIP_S).fd(), boxed(0.25));
    assert_eq!(four().run(&fp::FRECIPE_S).fd(), boxed(0.25));
    assert_eq!(four().run(&fp::FRSQRT_S).fd(), boxed(0.5));
    assert_eq!(four().run(&fp::FRSQRTE_S).fd(), boxed(0.5));
    assert_eq!(four().run(&fp::FCLASS_S).fd(), 1 << 7);
    let negative = || Bench::new().fpr(RJ, double(-4.0)).fpr(RK, double(3.0));
    assert_eq!(negative().run(&fp::FABS_D).fd(), double(4.0));
    assert_eq!(negative().run(&fp::FCLASS_D).fd(), 1 << 3);
    assert_eq!(negative().run(&fp::FCOPYSIGN_D).fd(), double(4.0));
    let scaled = Bench::new().fpr(RJ, double(3.0)).fpr(RK, -2_i64 as u64);
    assert_eq!(scaled.run(&fp::FSCALEB_D).fd(), double(0.75));
    let scaled = Bench::new().fpr(RJ, single(3.0)).fpr(RK, 0x7_ffff_fffe);
    assert_eq!(scaled.run(&fp::FSCALEB_S).fd(), boxed(0.75));
}

#[test]
fn sign_operations_leave_fcsr_and_nans_alone() {
    let nan = 0xdead_beef_ff80_0001;
    let bench = || {
        Bench::new()
            .fpr(RJ, nan)
            .fpr(RK, 0x1111_2222_3333_4444)
            .fcsr(0x1f1f_0000)
    };
    assert_eq!(bench().run(&fp::FABS_S).fd(), BOXED | 0x7f80_0001);
    assert_eq!(bench().run(&fp::FNEG_S).fd(), BOXED | 0x7f80_0001);
    assert_eq!(bench().run(&fp::FMOV_S).fd(), BOXED | 0xff80_0001);
    assert_eq!(bench().run(&fp::FCOPYSIGN_S).fd(), 0x1111_2222_7f80_0001);
    assert_eq!(bench().run(&fp::FCLASS_S).cpu.fcsr, 0x1f1f_0000);
}

#[test]
fn fcsr_selects_the_rounding_and_collects_the_exceptions() {
    let third = |fcsr| {
        Bench::new()
            .fpr(RJ, double(1.0))
            .fpr(RK, double(3.0))
            .fcsr(fcsr)
            .run(&fp::FDIV_D)
    };
    let nearest = third(0);
    assert_eq!(nearest.fd(), double(1.0 / 3.0));
    assert_eq!(nearest.cpu.fcsr, 0x0101_0000);
    let up = third(0x200 | 0x1010_0000);
    assert_eq!(up.fd(), double(1.0 / 3.0) + 1);
    assert_eq!(up.cpu.fcsr, 0x200 | 0x0111_0000);
    // An exact operation clears Cause and keeps Flags.
    let exact = Bench::new().fcsr(0x0404_0000).run(&fp::FADD_D);
    assert_eq!(exact.cpu.fcsr, 0x0004_0000);
}

#[test]
fn an_enabled_exception_traps_without_a_result() {
    let divide = |fcsr| {
        Bench::new()
            .fpr(RD, 0xaaaa)
            .fpr(RJ, single(1.0))
            .fpr(RK, single(0.0))
            .fcsr(fcsr)
    };
    let trapped = divide(8).traps(&fp::FDIV_S, Exception::FPE);
    assert_eq!((trapped.fd(), trapped.cpu.fcsr), (0xaaaa, 0x0800_0008));
    let silent = divide(0x17).run(&fp::FDIV_S);
    assert_eq!(silent.fd(), boxed(f32::INFINITY));
    assert_eq!(silent.cpu.fcsr, 0x0808_0017);
    let mut compared = Bench::new().fpr(RJ, double(f64::NAN)).fcsr(0x10);
    compared.cpu.fcc = 0xff;
    let compared = compared.traps(&fp::FCMP_SUN_D, Exception::FPE);
    assert_eq!((compared.cpu.fcc, compared.cpu.fcsr), (0xff, 0x1000_0010));
}

#[test]
fn words_are_extended_as_in_qemu() {
    let minus_two = |s: &Encoding, d: &Encoding| {
        let s = Bench::new().fpr(RJ, single(-2.0)).run(s).fd();
        let d = Bench::new().fpr(RJ, double(-2.0)).run(d).fd();
        (s, d)
    };
    let signed = -2_i64 as u64;
    let zeros = 0xffff_fffe;
    assert_eq!(minus_two(&fp::FTINT_W_S, &fp::FTINT_W_D), (signed, signed));
    assert_eq!(
        minus_two(&fp::FTINTRM_W_S, &fp::FTINTRM_W_D),
        (signed, signed)
    );
    assert_eq!(
        minus_two(&fp::FTINTRP_W_S, &fp::FTINTRP_W_D),
        (signed, signed)
    );
    assert_eq!(
        minus_two(&fp::FTINTRZ_W_S, &fp::FTINTRZ_W_D),
        (zeros, signed)
    );
    assert_eq!(
        minus_two(&fp::FTINTRNE_W_S, &fp::FTINTRNE_W_D),
        (zeros, signed)
    );
    assert_eq!(minus_two(&fp::FTINT_L_S, &fp::FTINT_L_D), (signed, signed));
    let rounded = (u64::from((-2.0_f32).to_bits()), double(-2.0));
    assert_eq!(minus_two(&fp::FRINT_S, &fp::FRINT_D), rounded);
}

#[test]
fn conversions_to_integers_round_by_name_or_by_fcsr() {
    let convert = |encoding: &Encoding, fcsr| {
        let bench = Bench::new().fpr(RJ, double(-2.5)).fcsr(fcsr);
        bench.run(encoding).fd() as i64
    };
    for rm in 0..4 {
        let rm = rm << 8;
        assert_eq!(convert(&fp::FTINTRNE_L_D, rm), -2);
        assert_eq!(convert(&fp::FTINTRZ_L_D, rm), -2);
        assert_eq!(convert(&fp::FTINTRP_L_D, rm), -2);
        assert_eq!(convert(&fp::FTINTRM_L_D, rm), -3);
        assert_eq!(convert(&fp::FTINTRM_W_D, rm), -3);
        let expected = if rm == 0x300 { -3 } else { -2 };
        assert_eq!(convert(&fp::FTINT_L_D, rm), expected);
        assert_eq!(convert(&fp::FTINT_W_D, rm), expected);
    }
}

#[test]
fn conversions_from_integers_and_between_formats() {
    let from = |encoding: &Encoding, value: u64| Bench::new().fpr(RJ, value).run(encoding).fd();
    let word = 0x1_ffff_fffd;
    assert_eq!(from(&fp::FFINT_S_W, word), boxed(-3.0));
    assert_eq!(from(&fp::FFINT_D_W, word), double(-3.0));
    assert_eq!(from(&fp::FFINT_S_L, word), boxed(8_589_934_589.0));
    assert_eq!(from(&fp::FFINT_D_L, word), double(8_589_934_589.0));
    assert_eq!(from(&fp::FCVT_S_D, double(0.5)), boxed(0.5));
    assert_eq!(from(&fp::FCVT_D_S, single(0.5)), double(0.5));
}

#[test]
fn comparisons_write_one_flag() {
    let compare = |encoding: &Encoding, a: f64, b: f64, before: u8| {
        let mut bench = Bench::new().fpr(RJ, double(a)).fpr(RK, double(b));
        bench.cpu.fcc = before;
        bench.run(encoding).cpu.fcc
    };
    // The flag is number 4, as the register is.
    assert_eq!(compare(&fp::FCMP_CLT_D, 1.0, 2.0, 0), 0x10);
    assert_eq!(compare(&fp::FCMP_CLT_D, 2.0, 1.0, 0xff), 0xef);
    assert_eq!(compare(&fp::FCMP_CUNE_D, f64::NAN, 1.0, 0x01), 0x11);
    let equal = Bench::new().fpr(RJ, single(0.0)).fpr(RK, single(-0.0));
    assert_eq!(equal.run(&fp::FCMP_SEQ_S).cpu.fcc, 0x10);
}

#[test]
fn every_comparison_has_the_condition_of_its_name() {
    let holds = |condition: &str, relation: usize| match condition {
        "af" => false,
        "lt" => relation == 0,
        "eq" => relation == 1,
        "le" => relation <= 1,
        "un" => relation == 3,
        "ult" => relation == 0 || relation == 3,
        "ueq" => relation == 1 || relation == 3,
        "ule" => relation != 2,
        "ne" => relation == 0 || relation == 2,
        "or" => relation != 3,
        "une" => relation != 1,
        other => panic!("condition {other}"),
    };
    let compares = fp::ALL.iter().filter(|e| e.name.starts_with("fcmp."));
    assert_eq!(compares.clone().count(), 44);
    for encoding in compares {
        let mut parts = encoding.name.split('.').skip(1);
        let (condition, format) = (parts.next().unwrap(), parts.next().unwrap());
        let (kind, condition) = condition.split_at(1);
        for (relation, b) in [3.0, 2.0, 1.0, f32::NAN].into_iter().enumerate() {
            let value = |x: f32| {
                if format == "s" {
                    single(x)
                } else {
                    double(x.into())
                }
            };
            let bench = Bench::new()
                .fpr(RJ, value(2.0))
                .fpr(RK, value(b))
                .run(encoding);
            let expected = if holds(condition, relation) { 0x10 } else { 0 };
            assert_eq!(bench.cpu.fcc, expected, "{} {b}", encoding.name);
            let invalid = kind == "s" && relation == 3;
            let fcsr = if invalid { 0x1010_0000 } else { 0 };
            assert_eq!(bench.cpu.fcsr, fcsr, "{} {b}", encoding.name);
        }
    }
}

#[test]
fn select_and_branch_read_their_flag() {
    let flags = |fcc| {
        let mut bench = Bench::new().fpr(RJ, 5).fpr(RK, 6);
        bench.cpu.fcc = fcc;
        bench
    };
    assert_eq!(flags(0x7f).run(&fp::FSEL).fd(), 5);
    assert_eq!(flags(0x80).run(&fp::FSEL).fd(), 6);
    // Branches take the flag from the field of rj, which is 5.
    let branch = |encoding: &Encoding, fcc| {
        let mut bench = flags(fcc);
        let step = bench.step(encoding, -0x1000);
        (step, bench.cpu.pc)
    };
    let (stays, taken) = ((Ok(()), PC - 12), (Err(Stop::Jump), PC - 0x4000));
    assert_eq!(branch(&fp::BCEQZ, 0x20), stays);
    assert_eq!(branch(&fp::BCEQZ, 0xdf), taken);
    assert_eq!(branch(&fp::BCNEZ, 0x20), taken);
    assert_eq!(branch(&fp::BCNEZ, 0xdf), stays);
}

#[test]
fn moves() {
    let value = 0x8765_4321_89ab_cdef;
    let from_gpr = |e: &Encoding| Bench::new().fpr(RD, HIGH).gpr(RJ, value).run(e).fd();
    assert_eq!(from_gpr(&fp::MOVGR2FR_W), 0x1234_5678_89ab_cdef);
    assert_eq!(from_gpr(&fp::MOVGR2FRH_W), 0x89ab_cdef_9abc_def0);
    assert_eq!(from_gpr(&fp::MOVGR2FR_D), value);
    let to_gpr = |e: &Encoding| Bench::new().fpr(RJ, value).run(e).rd();
    assert_eq!(to_gpr(&fp::MOVFR2GR_S), 0xffff_ffff_89ab_cdef);
    assert_eq!(to_gpr(&fp::MOVFRH2GR_S), 0xffff_ffff_8765_4321);
    assert_eq!(to_gpr(&fp::MOVFR2GR_D), value);
    assert_eq!(Bench::new().fpr(RJ, 3).run(&fp::MOVFR2CF).cpu.fcc, 0x10);
    assert_eq!(Bench::new().gpr(RJ, 3).run(&fp::MOVGR2CF).cpu.fcc, 0x10);
    let mut flagged = Bench::new().fpr(RD, value);
    flagged.cpu.fcc = 0x20;
    let mut flagged = flagged.run(&fp::MOVCF2FR);
    assert_eq!(flagged.fd(), 1);
    flagged.cpu.fcc = 0xdf;
    assert_eq!(flagged.gpr(RD, value).run(&fp::MOVCF2GR).rd(), 0);
}

#[test]
fn fcsr_moves_change_only_fields() {
    // FCSR4 does not exist and FCSR5 neither: the test registers are 4 and 5.
    let bench = Bench::new().gpr(RJ, u64::MAX).fcsr(0x300);
    assert_eq!(bench.run(&fp::MOVGR2FCSR).cpu.fcsr, 0x300);
    assert_eq!(Bench::new().fcsr(0x300).run(&fp::MOVFCSR2GR).rd(), 0);
    let write = |number: u8, value| {
        let mut bench = Bench::new().gpr(RJ, value).fcsr(0x0202_0202);
        let op = Op {
            run: entry(&fp::MOVGR2FCSR).run,
            insn: 0,
            imm: i32::from(number),
            idx: 0,
            rd: number,
            rj: RJ,
            rk: 0,
            ra: 0,
            imm2: 0,
        };
        assert_eq!((op.run)(&mut bench.cpu, &mut bench.bus, &op), Ok(()));
        bench.cpu.fcsr
    };
    assert_eq!(write(0, u64::MAX), 0x1f1f_031f);
    assert_eq!(write(1, u64::MAX), 0x0202_021f);
    assert_eq!(write(2, 0), 0x0000_0202);
    assert_eq!(write(3, 0x100), 0x0202_0102);
}

/// Physical addresses with memory, in direct mode.
const DATA: u64 = 0x1000;

#[test]
fn loads_and_stores() {
    let value = 0x8765_4321_89ab_cdef_u64;
    for (store, load, expected) in [
        (fp::FST_D, fp::FLD_D, value),
        (fp::FST_S, fp::FLD_S, BOXED | 0x89ab_cdef),
        (fp::FSTX_D, fp::FLDX_D, value),
        (fp::FSTX_S, fp::FLDX_S, BOXED | 0x89ab_cdef),
    ] {
        let indexed = store.name.starts_with("fstx");
        let (base, index, imm) = if indexed {
            (DATA - 8, 8, 0)
        } else {
            (DATA + 16, 0, -16)
        };
        let mut bench = Bench::new().fpr(RD, value).gpr(RJ, base).gpr(RK, index);
        assert_eq!(bench.step(&store, imm), Ok(()), "{}", store.name);
        let mut bench = bench.fpr(RD, 0);
        assert_eq!(bench.step(&load, imm), Ok(()), "{}", load.name);
        assert_eq!(bench.fd(), expected, "{}", load.name);
    }
}

#[test]
fn bound_checks() {
    let value = 0x8765_4321_89ab_cdef_u64;
    let at = |address, bound| Bench::new().fpr(RD, value).gpr(RJ, address).gpr(RK, bound);
    for (gt, le) in [
        (bound::FSTGT_D, bound::FSTLE_D),
        (bound::FLDGT_D, bound::FLDLE_D),
        (bound::FSTGT_S, bound::FSTLE_S),
        (bound::FLDGT_S, bound::FLDLE_S),
    ] {
        at(DATA, DATA - 1).run(&gt);
        at(DATA, DATA).traps(&gt, Exception::BCE);
        at(DATA, DATA).run(&le);
        at(DATA, DATA - 1).traps(&le, Exception::BCE);
        // Alignment goes first.
        at(DATA + 2, DATA + 2).traps(&gt, Exception::ALE);
        at(DATA + 2, 0).traps(&le, Exception::ALE);
    }
    let stored = at(DATA, DATA - 8).run(&bound::FSTGT_D);
    assert_eq!(stored.fpr(RD, 0).run(&bound::FLDGT_D).fd(), value);
    let stored = at(DATA, u64::MAX).run(&bound::FSTLE_S);
    assert_eq!(
        stored.fpr(RD, 0).run(&bound::FLDLE_S).fd(),
        BOXED | 0x89ab_cdef
    );
}
