//! Runs single instructions in unit tests: operands in, registers out.

use super::{Insn, Op, Step};
use crate::cpu::{Cpu, Model, VReg};
use crate::mem::{Bus, GuestRam, Ram};
use crate::platform::Platform;
use la_arch::insn::Encoding;

/// Registers that the operands are in.
pub(super) const RD: u8 = 4;
pub(super) const RJ: u8 = 5;
pub(super) const RK: u8 = 6;
/// Address of the instruction.
pub(super) const PC: u64 = 0x9000_0000_1000_000c;

/// Operands by name; what is not given is zero.
#[derive(Clone, Copy, Default)]
pub(super) struct In {
    pub(super) rd: u64,
    pub(super) rj: u64,
    pub(super) rk: u64,
    pub(super) imm: i32,
    pub(super) imm2: u8,
}

/// rj and rk.
pub(super) fn jk(rj: u64, rk: u64) -> In {
    In {
        rj,
        rk,
        ..In::default()
    }
}

/// rj and the immediate.
pub(super) fn ji(rj: u64, imm: i32) -> In {
    In {
        rj,
        imm,
        ..In::default()
    }
}

/// A model with everything but v1.1.
pub(super) fn model() -> Model {
    Model { cpucfg: [0; 21] }
}

/// A CPU without memory or devices around it.
fn machine() -> (Cpu, Bus) {
    let cpu = Cpu {
        gpr: [0; 32],
        pc: 0,
        vr: [VReg::default(); 32],
        fcc: 0,
        fcsr: 0,
    };
    let bus = Bus {
        ram: Ram {
            map: GuestRam::new(),
        },
        platform: Platform {
            _ram: GuestRam::new(),
        },
    };
    (cpu, bus)
}

/// The table's entry for an encoding.
pub(super) fn entry(encoding: &Encoding) -> &'static Insn {
    super::all()
        .find(|insn| insn.encoding == encoding)
        .unwrap_or_else(|| panic!("{} is in no table", encoding.name))
}

/// Executes an instruction with the registers named by `op` changed by `f`.
pub(super) fn run_with(encoding: &Encoding, input: In, f: impl FnOnce(&mut Op)) -> (Cpu, Step) {
    let (mut cpu, mut bus) = machine();
    let mut op = Op {
        run: entry(encoding).run,
        insn: encoding.bits,
        imm: input.imm,
        idx: 3,
        rd: RD,
        rj: RJ,
        rk: RK,
        ra: 0,
        imm2: input.imm2,
    };
    f(&mut op);
    cpu.pc = PC - 4 * u64::from(op.idx);
    cpu.set(op.rd, input.rd);
    cpu.set(op.rk, input.rk);
    cpu.set(op.rj, input.rj);
    let step = (op.run)(&mut cpu, &mut bus, &op);
    (cpu, step)
}

/// Executes an instruction that goes on to the next one and returns rd.
#[track_caller]
pub(super) fn rd_of(encoding: &Encoding, input: In) -> u64 {
    let (cpu, step) = run_with(encoding, input, |_| {});
    assert_eq!(step, Ok(()), "{}", encoding.name);
    cpu.get(RD)
}
