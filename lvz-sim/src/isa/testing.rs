// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Runs single instructions in unit tests: operands in, registers out.

use crate::cpu::{Cpu, Insn, Model, Op, Step, Stop, Via};
use crate::mem::{Bus, Ram};
use crate::platform::{Platform, PlatformConfig};
use la_arch::Exception;
use la_arch::insn::Encoding;
use la_arch::insn::lvz::GCSRXCHG;
use la_arch::insn::privileged::CSRXCHG;
use std::sync::Arc;

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
    pub(super) imm2: i16,
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

/// rd, rj and rk.
pub(super) fn djk(rd: u64, rj: u64, rk: u64) -> In {
    In { rd, ..jk(rj, rk) }
}

/// The table's entry for an encoding.
pub(super) fn entry(encoding: &Encoding) -> &'static Insn {
    super::all()
        .find(|insn| insn.encoding == encoding)
        .unwrap_or_else(|| panic!("{} is in no table", encoding.name))
}

/// A CPU after reset, in direct address mode, and some memory.
pub(super) struct Machine {
    pub(super) cpu: Cpu,
    pub(super) bus: Bus,
}

impl Machine {
    pub(super) fn new() -> Self {
        Self::of(Model::default())
    }

    pub(super) fn of(model: Model) -> Self {
        let ram = Ram::new(16 << 20).expect("memory for a test");
        let platform = Platform::new(PlatformConfig::default(), ram.map.clone())
            .expect("a machine without devices to open");
        Machine {
            cpu: Cpu::new(0, Arc::new(model)),
            bus: Bus::new(ram, platform, 1),
        }
    }

    /// Executes an instruction.
    pub(super) fn exec(&mut self, encoding: &Encoding, input: In) -> Step {
        self.exec_with(encoding, input, |_| {})
    }

    /// Executes an instruction with its fields changed by `f`. Where two name
    /// the same register, rj's value stays, then rk's.
    pub(super) fn exec_with(
        &mut self,
        encoding: &Encoding,
        input: In,
        f: impl FnOnce(&mut Op),
    ) -> Step {
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
        self.cpu.pc = PC - 4 * u64::from(op.idx);
        self.cpu.set(op.rd, input.rd);
        self.cpu.set(op.rk, input.rk);
        self.cpu.set(op.rj, input.rj);
        (op.run)(&mut self.cpu, &mut self.bus, &op)
    }

    /// `csrrd`, `csrwr` or `csrxchg` (rj 0, 1 or another), or its `gcsr` form; the old value.
    pub(super) fn exchange(&mut self, via: Via, number: u16, rj: u8, value: u64, mask: u64) -> u64 {
        let encoding = match via {
            Via::Csr => &CSRXCHG,
            Via::Gcsr => &GCSRXCHG,
        };
        let input = In {
            rd: value,
            rj: mask,
            imm: i32::from(number),
            ..In::default()
        };
        assert_eq!(self.exec_with(encoding, input, |op| op.rj = rj), Ok(()));
        self.rd()
    }

    /// `csrrd`, or `gcsrrd`.
    pub(super) fn read(&mut self, via: Via, number: u16) -> u64 {
        self.exchange(via, number, 0, 0, 0)
    }

    /// `csrwr`, or `gcsrwr`.
    pub(super) fn write(&mut self, via: Via, number: u16, value: u64) {
        self.exchange(via, number, 1, value, 0);
    }

    /// Executes an instruction that must trap; returns the exception, BADV and
    /// whether rd has kept its value.
    #[track_caller]
    pub(super) fn trap(&mut self, encoding: &Encoding, input: In) -> (Exception, Option<u64>) {
        let step = self.exec(encoding, input);
        assert_eq!(step, Err(Stop::Trap), "{}", encoding.name);
        assert_eq!(self.rd(), input.rd, "{} changed rd", encoding.name);
        (self.cpu.trap.exception, self.cpu.trap.badv)
    }

    /// The destination register.
    pub(super) fn rd(&self) -> u64 {
        self.cpu.get(RD)
    }

    /// What is in memory.
    #[track_caller]
    pub(super) fn memory(&self, pa: u64) -> u64 {
        let offset = self.bus.ram.offset(pa).expect("an address in memory");
        self.bus.ram.read(offset)
    }

    /// Puts a value into memory.
    #[track_caller]
    pub(super) fn set_memory(&mut self, pa: u64, value: u64) {
        let offset = self.bus.ram.offset(pa).expect("an address in memory");
        self.bus.ram.write(offset, value);
    }
}

/// Executes an instruction on a new machine with its fields changed by `f`.
pub(super) fn run_with(encoding: &Encoding, input: In, f: impl FnOnce(&mut Op)) -> (Cpu, Step) {
    let mut machine = Machine::new();
    let step = machine.exec_with(encoding, input, f);
    (machine.cpu, step)
}

/// Executes an instruction that goes on to the next one and returns rd.
#[track_caller]
pub(super) fn rd_of(encoding: &Encoding, input: In) -> u64 {
    let (cpu, step) = run_with(encoding, input, |_| {});
    assert_eq!(step, Ok(()), "{}", encoding.name);
    cpu.get(RD)
}
