// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Whole instructions on a CPU: registers in, registers, memory and exceptions
//! out.

use super::lane::{Lane, read, write};
use crate::cpu::{Cpu, Group, Op, Step, Stop, VReg, Via};
use crate::isa;
use crate::isa::testing::{self, entry};
use crate::mem::Bus;
use la_arch::csr::number::EUEN;
use la_arch::insn::{Encoding, fp, lasx, lsx};
use la_arch::{Exception, insn};

/// A CPU whose vector registers 1 to 4 hold what the tests give.
struct Machine {
    cpu: Cpu,
    bus: Bus,
}

/// The registers that instructions use: destination, sources.
const VD: u8 = 1;
const VJ: u8 = 2;
const VK: u8 = 3;
const VA: u8 = 4;

impl Machine {
    fn new() -> Self {
        Self::of("la464", 3)
    }

    /// A CPU of a model, with EUEN.
    fn of(model: &str, euen: u64) -> Self {
        let model = model.parse().expect("a model");
        let testing::Machine { mut cpu, mut bus } = testing::Machine::of(model);
        cpu.csr_write(&mut bus, Via::Csr, EUEN, euen);
        Machine { cpu, bus }
    }

    fn with<T: Lane>(mut self, r: u8, lanes: T::Lanes) -> Self {
        write::<T>(&mut self.cpu, r, 0, lanes);
        self
    }

    fn run(&mut self, encoding: &Encoding, imm: i32, imm2: i16) -> Step {
        let op = Op {
            run: entry(encoding).run,
            insn: encoding.bits,
            imm,
            idx: 0,
            rd: VD,
            rj: VJ,
            rk: VK,
            // Where the format has no register there, it is opcode.
            ra: match encoding.format.regs[3] {
                insn::RegFile::None => (encoding.bits >> 15 & 31) as u8,
                _ => VA,
            },
            imm2,
        };
        (op.run)(&mut self.cpu, &mut self.bus, &op)
    }

    /// Vd after an instruction that must not trap.
    #[track_caller]
    fn vd<T: Lane>(&mut self, encoding: &Encoding, imm: i32) -> T::Lanes {
        assert_eq!(self.run(encoding, imm, 0), Ok(()), "{}", encoding.name);
        read::<T>(&self.cpu, VD, 0)
    }

    /// The exception of an instruction that must trap and leave Vd alone.
    #[track_caller]
    fn trap(&mut self, encoding: &Encoding, imm: i32) -> Exception {
        let before = self.cpu.vr[usize::from(VD)];
        let step = self.run(encoding, imm, 0);
        assert_eq!(step, Err(Stop::Trap), "{}", encoding.name);
        assert_eq!(self.cpu.vr[usize::from(VD)], before, "{}", encoding.name);
        self.cpu.trap.exception
    }
}

#[test]
fn without_sxe_every_instruction_raises_sxd() {
    let mut m = Machine::new();
    m.cpu.csr_write(&mut m.bus, Via::Csr, EUEN, 1);
    m.cpu.fcc = 0xa5;
    m.cpu.fcsr = 0x1f00_0000;
    for insn in isa::all().filter(|insn| insn.group == Group::Lsx) {
        assert_eq!(m.trap(insn.encoding, 0), Exception::SXD);
    }
    assert_eq!((m.cpu.fcc, m.cpu.fcsr), (0xa5, 0x1f00_0000));
    // An encoding that does not exist comes first.
    assert_eq!(m.trap(&lsx::VLDI, -4096 | 13 << 8), Exception::INE);
}

#[test]
fn without_asxe_every_instruction_of_lasx_raises_asxd() {
    let mut m = Machine::of("la664", 3);
    let lasx = || isa::all().filter(|insn| insn.group == Group::Lasx);
    assert!(lasx().count() > 700);
    for insn in lasx() {
        assert_eq!(m.trap(insn.encoding, 0), Exception::ASXD);
    }
    // ASXE is enough, as for LSX its own bit is.
    let mut m = Machine::of("la664", 4);
    assert_eq!(m.run(&lasx::XVADD_B, 0, 0), Ok(()));
    assert_eq!(m.trap(&lsx::VADD_B, 0), Exception::SXD);
}

#[test]
fn spoiled_registers_have_ones_above_the_result() {
    for (model, above_scalar, above_lsx) in [
        ("la664", 7, 7),
        ("la664,spoil=on", u64::MAX, u64::MAX),
        ("la464,spoil=on", u64::MAX, 7),
    ] {
        let mut m = Machine::of(model, if model.starts_with("la664") { 7 } else { 3 });
        for (encoding, low, second, high) in [
            (&fp::MOVGR2FR_D, 5, above_scalar, above_lsx),
            (&lsx::VREPLGR2VR_D, 5, 5, above_lsx),
        ] {
            let vd = usize::from(VD);
            (m.cpu.vr[vd], m.cpu.vr_high[vd]) = (VReg([7; 2]), VReg([7; 2]));
            m.cpu.set(VJ, 5);
            assert_eq!(m.run(encoding, 0, 0), Ok(()));
            let after = (m.cpu.vr[vd].0, m.cpu.vr_high[vd].0);
            let expected = ([low, second], [high; 2]);
            assert_eq!(after, expected, "{model} {}", encoding.name);
        }
    }
}

#[test]
fn loads_and_stores_move_16_bytes_wherever_they_lie() {
    let mut m = Machine::new().with::<u128>(VD, [0x1032_5476_98ba_dcfe_efcd_ab89_6745_2301]);
    m.cpu.set(VJ, 0x4005);
    m.cpu.set(VK, (-0x1000i64) as u64);
    m.run(&lsx::VST, -2, 0).expect("vst");
    m.run(&lsx::VSTX, 0, 0).expect("vstx");
    for (encoding, imm) in [(&lsx::VLD, -2), (&lsx::VLDX, 0)] {
        m.cpu.vr[usize::from(VD)] = VReg::default();
        assert_eq!(m.vd::<u8>(encoding, imm)[..4], [0x01, 0x23, 0x45, 0x67]);
        assert_eq!(m.vd::<u8>(encoding, imm)[15], 0x10);
    }
    assert_eq!(m.cpu.load::<u8>(&mut m.bus, 0x4003), Ok(1));
    assert_eq!(m.cpu.load::<u8>(&mut m.bus, 0x3005), Ok(1));
}

#[test]
fn offsets_of_element_accesses_count_elements() {
    let elements: [u8; 16] = std::array::from_fn(|i| i as u8 + 1);
    let mut m = Machine::new().with::<u8>(VD, elements);
    m.cpu.set(VJ, 0x4000);
    m.run(&lsx::VSTELM_B, -1, 15).expect("vstelm.b");
    m.run(&lsx::VSTELM_H, -2, 7).expect("vstelm.h");
    m.run(&lsx::VSTELM_W, 3, 2).expect("vstelm.w");
    m.run(&lsx::VSTELM_D, 127, 1).expect("vstelm.d");
    assert_eq!(m.cpu.load::<u8>(&mut m.bus, 0x3fff), Ok(16));
    assert_eq!(m.cpu.load::<u16>(&mut m.bus, 0x3ffc), Ok(0x100f));
    assert_eq!(m.cpu.load::<u32>(&mut m.bus, 0x400c), Ok(0x0c0b_0a09));
    assert_eq!(
        m.cpu.load::<u64>(&mut m.bus, 0x43f8),
        Ok(0x100f_0e0d_0c0b_0a09)
    );

    assert_eq!(m.vd::<u8>(&lsx::VLDREPL_B, -1), [16; 16]);
    assert_eq!(m.vd::<u16>(&lsx::VLDREPL_H, -2), [0x100f; 8]);
    assert_eq!(m.vd::<u32>(&lsx::VLDREPL_W, 3), [0x0c0b_0a09; 4]);
    assert_eq!(
        m.vd::<u64>(&lsx::VLDREPL_D, 127),
        [0x100f_0e0d_0c0b_0a09; 2]
    );
}

#[test]
fn general_registers_exchange_elements() {
    let mut m = Machine::new().with::<u64>(VD, [u64::MAX; 2]);
    m.cpu.set(VJ, 0x1234_5678_9abc_def0);
    assert_eq!(
        m.vd::<u64>(&lsx::VINSGR2VR_H, 5),
        [u64::MAX, 0xffff_ffff_def0_ffff]
    );
    assert_eq!(m.vd::<u32>(&lsx::VREPLGR2VR_W, 0), [0x9abc_def0; 4]);
    let mut m = m.with::<u64>(VJ, [0x80ff, 1 << 63]);
    for (encoding, imm, value) in [
        (&lsx::VPICKVE2GR_B, 0, u64::MAX),
        (&lsx::VPICKVE2GR_BU, 1, 0x80),
        (&lsx::VPICKVE2GR_W, 3, 0xffff_ffff_8000_0000),
        (&lsx::VPICKVE2GR_WU, 3, 0x8000_0000),
        (&lsx::VPICKVE2GR_D, 1, 1 << 63),
    ] {
        m.run(encoding, imm, 0).expect("vpickve2gr");
        assert_eq!(m.cpu.get(VD), value, "{}", encoding.name);
    }
}

#[test]
fn arithmetic_keeps_its_corners() {
    let mut m = Machine::new()
        .with::<i8>(
            VJ,
            [-128, 127, -1, 5, -5, 0, 1, -128, 0, 0, 0, 0, 0, 0, 0, 0],
        )
        .with::<i8>(VK, [-1, -128, 1, 2, 2, 9, 0, -128, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut first8 = |encoding| {
        let lanes = m.vd::<i8>(encoding, 0);
        <[i8; 8]>::try_from(&lanes[..8]).expect("eight elements")
    };
    assert_eq!(first8(&lsx::VDIV_B), [-128, 0, -1, 2, -2, 0, 0, 1]);
    assert_eq!(first8(&lsx::VMOD_B), [0, 127, 0, 1, -1, 0, 0, 0]);
    assert_eq!(first8(&lsx::VAVG_B), [-65, -1, 0, 3, -2, 4, 0, -128]);
    assert_eq!(first8(&lsx::VAVGR_B), [-64, 0, 0, 4, -1, 5, 1, -128]);
    assert_eq!(first8(&lsx::VABSD_B), [127, -1, 2, 3, 7, 9, 1, 0]);
    assert_eq!(first8(&lsx::VADDA_B), [-127, -1, 2, 7, 7, 9, 1, 0]);
    assert_eq!(first8(&lsx::VSIGNCOV_B), [1, -128, -1, 2, -2, 0, 0, -128]);
    assert_eq!(first8(&lsx::VMUH_B), [0, -64, -1, 0, -1, 0, 0, 64]);
}

#[test]
fn widening_takes_even_odd_or_both() {
    let mut m = Machine::new()
        .with::<i8>(VD, [0; 16])
        .with::<i8>(VJ, std::array::from_fn(|i| if i % 2 == 0 { -1 } else { 3 }))
        .with::<i8>(
            VK,
            std::array::from_fn(|i| if i % 2 == 0 { 10 } else { -20 }),
        );
    assert_eq!(m.vd::<i16>(&lsx::VMULWEV_H_B, 0), [-10; 8]);
    assert_eq!(m.vd::<i16>(&lsx::VMULWOD_H_B, 0), [-60; 8]);
    assert_eq!(m.vd::<i16>(&lsx::VMULWEV_H_BU_B, 0), [2550; 8]);
    assert_eq!(m.vd::<i16>(&lsx::VMADDWOD_H_BU_B, 0), [2490; 8]);
    assert_eq!(m.vd::<i16>(&lsx::VHADDW_H_B, 0), [13; 8]);
    assert_eq!(m.vd::<u16>(&lsx::VHSUBW_HU_BU, 0), [0xfff9; 8]);
    let mut m = m.with::<i64>(VJ, [-1, -2]).with::<i64>(VK, [i64::MIN, 3]);
    assert_eq!(
        m.vd::<i128>(&lsx::VMULWEV_Q_DU_D, 0),
        [-(u64::MAX as i128) << 63]
    );
    assert_eq!(
        m.vd::<i128>(&lsx::VHADDW_Q_D, 0),
        [-2 + i128::from(i64::MIN)]
    );
}

#[test]
fn narrowing_takes_vj_low_and_vd_or_zero_high() {
    let mut m = Machine::new()
        .with::<i64>(VD, [-1, 1 << 40])
        .with::<i64>(VJ, [0x7fff_ffff_8000, -0x8000])
        .with::<i64>(VK, [16, 64 + 15]);
    assert_eq!(
        m.vd::<i32>(&lsx::VSSRARNI_W_D, 16),
        [i32::MAX, 0, 0, 1 << 24]
    );
    assert_eq!(m.vd::<i32>(&lsx::VSRAN_W_D, 0), [0x7fff_ffff, -1, 0, 0]);
    assert_eq!(m.vd::<u32>(&lsx::VSSRAN_WU_D, 0), [0x7fff_ffff, 0, 0, 0]);
}

#[test]
fn a_destination_may_be_a_source() {
    let mut m = Machine::new().with::<u8>(VJ, std::array::from_fn(|i| i as u8));
    let mut op = Op {
        run: entry(&lsx::VILVH_B).run,
        insn: lsx::VILVH_B.bits,
        imm: 0,
        idx: 0,
        rd: VJ,
        rj: VJ,
        rk: VJ,
        ra: 0,
        imm2: 0,
    };
    (op.run)(&mut m.cpu, &mut m.bus, &op).expect("vilvh.b");
    assert_eq!(
        read::<u8>(&m.cpu, VJ, 0),
        std::array::from_fn(|i| 8 + i as u8 / 2)
    );
    op.run = entry(&lsx::VFRSTP_B).run;
    (op.run)(&mut m.cpu, &mut m.bus, &op).expect("vfrstp.b");
    // No element is negative: 16 goes where element 0, an 8, points.
    assert_eq!(read::<u8>(&m.cpu, VJ, 0)[7..10], [11, 16, 12]);
}

#[test]
fn masks_and_flags() {
    let mut m = Machine::new().with::<i16>(VJ, [-1, 0, 1, -2, 0, 0, 0, i16::MIN]);
    assert_eq!(m.vd::<u64>(&lsx::VMSKLTZ_H, 0), [0b1000_1001, 0]);
    assert_eq!(m.vd::<u64>(&lsx::VMSKNZ_B, 0), [0b1000_0000_1101_0011, 0]);
    // cd is the low three bits of the field that VD is in.
    for (encoding, flag) in [
        (&lsx::VSETEQZ_V, 0),
        (&lsx::VSETNEZ_V, 1),
        (&lsx::VSETANYEQZ_H, 1),
        (&lsx::VSETALLNEZ_H, 0),
        (&lsx::VSETANYEQZ_D, 0),
        (&lsx::VSETALLNEZ_D, 1),
    ] {
        m.cpu.fcc = 0b1111_1101 ^ (1 << VD);
        m.run(encoding, 0, 0).expect("vset");
        assert_eq!(m.cpu.fcc, 0b1111_1101 | flag << VD, "{}", encoding.name);
    }
}

#[test]
fn floating_point_collects_what_elements_raise() {
    const V: u32 = 1 << 4;
    const Z: u32 = 1 << 3;
    let one = 1f32.to_bits();
    let mut m = Machine::new()
        .with::<u32>(VJ, [one, one, one, one])
        .with::<u32>(VK, [one, 0, 0x7f80_0001, one]);
    m.cpu.fcsr = 1 << 24;
    let quotients = m.vd::<u32>(&lsx::VFDIV_S, 0);
    assert_eq!(quotients, [one, f32::INFINITY.to_bits(), 0x7fc0_0001, one]);
    assert_eq!(m.cpu.fcsr, (V | Z) << 24 | (V | Z) << 16);

    m.cpu.fcsr = Z;
    assert_eq!(m.trap(&lsx::VFDIV_S, 0), Exception::VFPE);
    assert_eq!(m.cpu.fcsr, (V | Z) << 24 | Z);
    // Classes raise nothing and leave Cause.
    m.run(&lsx::VFCLASS_S, 0, 0).expect("vfclass.s");
    assert_eq!(m.cpu.fcsr, (V | Z) << 24 | Z);
}

#[test]
fn conversions_place_halves() {
    let bits = |x: f32| x.to_bits();
    let mut m = Machine::new()
        .with::<u64>(VJ, [1.5f64.to_bits(), (-2.5f64).to_bits()])
        .with::<u64>(VK, [1e10f64.to_bits(), f64::NAN.to_bits()]);
    assert_eq!(m.vd::<i32>(&lsx::VFTINTRP_W_D, 0), [i32::MAX, 0, 2, -2]);
    let mut m = m.with::<u32>(VJ, [1.0, 2.0, -3.5, 4.0].map(bits));
    assert_eq!(
        m.vd::<u64>(&lsx::VFCVTH_D_S, 0),
        [-3.5f64, 4.0].map(f64::to_bits)
    );
    assert_eq!(m.vd::<i64>(&lsx::VFTINTRML_L_S, 0), [1, 2]);
    assert_eq!(m.vd::<i64>(&lsx::VFTINTRMH_L_S, 0), [-4, 4]);
    let mut m = m.with::<u32>(VK, [1.0, 1.5, -3.0, f32::NAN].map(bits));
    assert_eq!(m.vd::<i32>(&lsx::VFCMP_CLT_S, 0), [0, 0, -1, 0]);
    assert_eq!(m.vd::<i32>(&lsx::VFCMP_CULE_S, 0), [-1, 0, -1, -1]);
    assert_eq!(m.cpu.fcsr >> 24, 0);
    assert_eq!(m.vd::<i32>(&lsx::VFCMP_SLT_S, 0), [0, 0, -1, 0]);
    assert_eq!(m.cpu.fcsr >> 24, 1 << 4);
}
