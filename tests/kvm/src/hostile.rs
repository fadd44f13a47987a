// SPDX-License-Identifier: GPL-2.0-or-later

//! Guests that do what no guest should: random programs of sensitive
//! instructions, wild addresses, registers of devices and CSRs.

use la_arch::insn::{self, Encoding, Operands};
use la_arch::{csr, eiointc, iocsr, ipi, pch_pic};

use crate::random::Random;

/// Where a program begins.
pub const PROGRAM: u64 = 0x4000;

/// Where all exceptions and interrupts go: what was interrupted is skipped.
pub const EXCEPTIONS: u64 = 0x1000;

/// Where TLB refills and machine errors go.
pub const REFILL: u64 = 0x2000;

/// RAM that programs take for theirs: all of it is written to.
pub const RAM: u64 = 0x10_0000;

/// Memory that guests can only read.
pub const READ_ONLY: u64 = 0x20_0000;

/// Where the PCH-PIC is (QEMU's virt board).
pub const PCH_PIC: u64 = 0x1000_0000;

/// Instructions of a program; a jump to its beginning follows them.
const LENGTH: usize = 500;

/// Registers that a program uses as it likes: a0 to a7 and t0 to t8.
const FIRST: u8 = 4;
const LAST: u8 = 20;

/// Every table of instructions.
const TABLES: &[&[Encoding]] = &[
    insn::integer::ALL,
    insn::atomic::ALL,
    insn::bound::ALL,
    insn::fp::ALL,
    insn::lsx::ALL,
    insn::lvz::ALL,
    insn::privileged::ALL,
];

/// What stands at [`EXCEPTIONS`] and, with ERA replaced, at [`REFILL`]: skip an
/// instruction and go on. Interrupts that come again at once let the program
/// get on by an instruction each.
pub fn handler(refill: bool) -> Vec<u32> {
    let (save, era) = if refill {
        (csr::number::TLBRSAVE, csr::number::TLBRERA)
    } else {
        (csr::number::SAVE0, csr::number::ERA)
    };
    let t0 = 12;
    vec![
        csr_write(t0, save),
        csr_read(t0, era),
        add(t0, t0, 4),
        csr_write(t0, era),
        csr_read(t0, save),
        insn::privileged::ERTN.bits,
    ]
}

/// A program, to be put at [`PROGRAM`].
pub fn program(random: &mut Random) -> Vec<u32> {
    let mut program = Program {
        code: Vec::new(),
        random,
    };
    // Programs that have undone this get it back when they begin again.
    program.csr(csr::number::EENTRY, EXCEPTIONS);
    program.csr(csr::number::TLBRENTRY, REFILL);
    program.csr(csr::number::MERRENTRY, EXCEPTIONS);
    program.csr(csr::number::ECFG, 0);
    // Floating point and vectors.
    program.csr(csr::number::EUEN, 3);
    while program.code.len() < LENGTH {
        program.step();
    }
    let back = -(program.code.len() as i32);
    program.code.push(encode(&insn::integer::B, 0, 0, 0, back));
    program.code
}

struct Program<'a> {
    code: Vec<u32>,
    random: &'a mut Random,
}

impl Program<'_> {
    fn step(&mut self) {
        match self.random.below(16) {
            0..4 => self.access(),
            4..7 => self.iocsr(),
            7..10 => self.csr_access(),
            10 => self.hypercall(),
            11 => self.privileged(),
            12 => self.jump(),
            13 => {
                let word = self.random.next() as u32;
                self.code.push(word);
            }
            _ => self.any(),
        }
    }

    fn register(&mut self) -> u8 {
        FIRST + self.random.below(u64::from(LAST - FIRST)) as u8
    }

    /// Puts a number into a register.
    fn load(&mut self, register: u8, value: u64) {
        let part = |from: u32, bits: u32| (value >> from) as i32 & ((1 << bits) - 1);
        let signed20 = |part: i32| part << 12 >> 12;
        let high = part(52, 12) << 20 >> 20;
        self.code.extend([
            encode(
                &insn::integer::LU12I_W,
                register,
                0,
                0,
                signed20(part(12, 20)),
            ),
            encode(&insn::integer::ORI, register, register, 0, part(0, 12)),
            encode(
                &insn::integer::LU32I_D,
                register,
                0,
                0,
                signed20(part(32, 20)),
            ),
            encode(&insn::integer::LU52I_D, register, register, 0, high),
        ]);
    }

    /// Sets a CSR.
    fn csr(&mut self, number: u16, value: u64) {
        let register = self.register();
        self.load(register, value);
        self.code.push(csr_write(register, number));
    }

    /// A memory access of any kind at an address of any kind.
    fn access(&mut self) {
        let address = self.address();
        let base = self.register();
        self.load(base, address);
        let table = match self.random.below(8) {
            0 => insn::atomic::ALL,
            1 => insn::bound::ALL,
            _ => ACCESSES,
        };
        let encoding = self.random.pick(table);
        let word = self.random_operands(&encoding);
        // The address register is where `rj` is; small offsets keep it near.
        let mut operands = encoding.operands(word);
        operands.rj = base;
        if encoding.format.operand_bits & 0x003f_fc00 == 0x003f_fc00 {
            operands.imm = self.random.below(32) as i32;
        } else if !encoding.name.starts_with("vst") {
            operands.rk = 0;
        }
        self.code.push(encoding.encode(&operands));
    }

    fn address(&mut self) -> u64 {
        let near = self.random.below(16);
        match self.random.below(10) {
            // Every register of the PCH-PIC, and around it.
            0..4 => {
                let offset = self.random.below(pch_pic::SIZE + 0x20) & !7;
                PCH_PIC + offset + if self.random.one_in(4) { near } else { 0 }
            }
            4 => self.random.below(RAM),
            5 => READ_ONLY + self.random.below(0x4_8000),
            6 => (self.random.below(4) << 62) | self.random.below(1 << 34),
            // The end of RAM, and of what can be addressed.
            7 => (RAM - 8) + near,
            8 => (1u64 << self.random.pick(&[32, 36, 39, 40, 47, 48])).wrapping_sub(8) + near,
            _ => self.random.edge(),
        }
    }

    fn iocsr(&mut self) {
        let address = match self.random.below(8) {
            0 | 1 => iocsr::IPI_BASE + self.random.below(iocsr::IPI_SIZE + 0x10),
            2 => {
                iocsr::IPI_BASE
                    + self
                        .random
                        .pick(&[ipi::IPI_SEND, ipi::MAIL_SEND, ipi::ANY_SEND])
            }
            3 | 4 => iocsr::EIOINTC_BASE + self.random.below(iocsr::EIOINTC_SIZE + 0x10),
            5 => {
                let group =
                    self.random
                        .pick(&[eiointc::ENABLE, eiointc::COREISR, eiointc::COREMAP]);
                iocsr::EIOINTC_BASE + group + self.random.below(eiointc::COREMAP_SIZE)
            }
            6 => iocsr::EIOINTC_VIRT_BASE + self.random.below(0x20),
            _ => self.random.edge(),
        };
        // Most devices want them aligned.
        let address = if self.random.one_in(4) {
            address
        } else {
            address & !7
        };
        let (base, data) = (self.register(), self.register());
        let value = match self.random.below(3) {
            // To a CPU that is or is not there, a mailbox, with bytes kept.
            0 => {
                self.random.below(4) << 16
                    | self.random.below(32)
                    | self.random.below(16) << 27
                    | self.random.next() << 32
            }
            // A register that is written to through another CPU's.
            1 => {
                (self.random.below(4) << 16)
                    | (self.random.below(0x2000) & 0xffff)
                    | self.random.next() << 32
            }
            _ => self.random.edge(),
        };
        self.load(data, value);
        self.load(base, address);
        let encoding = self.random.pick(IOCSRS);
        self.code.push(encode(&encoding, data, base, 0, 0));
    }

    fn csr_access(&mut self) {
        let number = match self.random.below(4) {
            0 => self.random.below(0x4000) as u16,
            1 => self.random.below(0x600) as u16,
            _ => loop {
                let number = self.random.below(0x400) as u16;
                if csr::number::name(number).is_some() {
                    break number;
                }
            },
        };
        let (data, mask) = (self.register(), self.register());
        // Reads, writes and exchanges under a mask.
        let rj = self.random.pick(&[0, 1, mask]);
        let value = if number == csr::number::CRMD && !self.random.one_in(8) {
            // Paging and lower privilege end most programs: not too often.
            8 | self.random.below(8)
        } else {
            self.random.edge()
        };
        self.load(data, value);
        self.code.push(encode(
            &insn::privileged::CSRXCHG,
            data,
            rj,
            0,
            number.into(),
        ));
    }

    fn hypercall(&mut self) {
        // a0 is the function, a1 to a5 its arguments.
        for register in FIRST..FIRST + 6 {
            let value = match self.random.below(3) {
                0 => self.random.below(8),
                1 => self.random.below(RAM) & !63 | 1,
                _ => self.random.edge(),
            };
            self.load(register, value);
        }
        let code = match self.random.below(4) {
            0 => self.random.below(0x8000) as i32,
            _ => 0x100 + self.random.below(4) as i32,
        };
        self.code.push(encode(&insn::lvz::HVCL, 0, 0, 0, code));
    }

    fn privileged(&mut self) {
        let encoding = self.random.pick(insn::privileged::ALL);
        // ERTN goes to whatever is in ERA: seldom.
        if encoding.bits == insn::privileged::ERTN.bits && !self.random.one_in(4) {
            return;
        }
        let word = self.random_operands(&encoding);
        self.code.push(word);
    }

    /// A short jump forward: programs go on.
    fn jump(&mut self) {
        let distance = 1 + self.random.below(8) as i32;
        self.code.push(encode(&insn::integer::B, 0, 0, 0, distance));
    }

    /// Any instruction with any operands.
    fn any(&mut self) {
        let table = self.random.pick(TABLES);
        let encoding = self.random.pick(table);
        let word = self.random_operands(&encoding);
        self.code.push(word);
    }

    fn random_operands(&mut self, encoding: &Encoding) -> u32 {
        encoding.bits | (self.random.next() as u32 & encoding.format.operand_bits)
    }
}

/// Loads and stores of every width and unit.
const ACCESSES: &[Encoding] = &[
    insn::integer::LD_B,
    insn::integer::LD_H,
    insn::integer::LD_W,
    insn::integer::LD_D,
    insn::integer::LD_BU,
    insn::integer::LD_HU,
    insn::integer::LD_WU,
    insn::integer::ST_B,
    insn::integer::ST_H,
    insn::integer::ST_W,
    insn::integer::ST_D,
    insn::integer::ST_B,
    insn::integer::ST_H,
    insn::integer::ST_W,
    insn::integer::ST_D,
    insn::integer::LDX_D,
    insn::integer::STX_D,
    insn::integer::LDPTR_W,
    insn::integer::LDPTR_D,
    insn::integer::STPTR_W,
    insn::integer::STPTR_D,
    insn::atomic::LL_W,
    insn::atomic::LL_D,
    insn::atomic::SC_W,
    insn::atomic::SC_D,
    insn::fp::FLD_S,
    insn::fp::FLD_D,
    insn::fp::FST_S,
    insn::fp::FST_D,
    insn::lsx::VLD,
    insn::lsx::VST,
    insn::lsx::VLDX,
    insn::lsx::VSTX,
];

/// Accesses to IOCSRs.
const IOCSRS: &[Encoding] = &[
    insn::privileged::IOCSRRD_B,
    insn::privileged::IOCSRRD_H,
    insn::privileged::IOCSRRD_W,
    insn::privileged::IOCSRRD_D,
    insn::privileged::IOCSRWR_B,
    insn::privileged::IOCSRWR_H,
    insn::privileged::IOCSRWR_W,
    insn::privileged::IOCSRWR_D,
    insn::privileged::IOCSRWR_W,
    insn::privileged::IOCSRWR_D,
];

const fn encode(encoding: &Encoding, rd: u8, rj: u8, rk: u8, imm: i32) -> u32 {
    encoding.encode(&Operands {
        rd,
        rj,
        rk,
        ra: 0,
        imm,
        imm2: 0,
    })
}

const fn csr_read(rd: u8, number: u16) -> u32 {
    encode(&insn::privileged::CSRXCHG, rd, 0, 0, number as i32)
}

/// The register gets what the CSR had.
const fn csr_write(rd: u8, number: u16) -> u32 {
    encode(&insn::privileged::CSRXCHG, rd, 1, 0, number as i32)
}

const fn add(rd: u8, rj: u8, imm: i32) -> u32 {
    encode(&insn::integer::ADDI_D, rd, rj, 0, imm)
}
