// SPDX-License-Identifier: GPL-2.0

use super::*;
use la_arch::insn::{atomic, bound, fp, integer, lasx, lsx, lvz, privileged, Encoding, Operands};
use proptest::prelude::*;

fn encodings() -> Vec<Encoding> {
    let groups = [
        atomic::ALL,
        bound::ALL,
        fp::ALL,
        integer::ALL,
        lasx::ALL,
        lsx::ALL,
        lvz::ALL,
        privileged::ALL,
    ];
    groups.concat()
}

/// What an instruction of this mnemonic does to memory, from its name alone.
fn expected(name: &str, o: &Operands) -> Result<Memory, Refusal> {
    let (stem, suffix) = name.split_once('.').unwrap_or((name, ""));
    match stem {
        "ll" | "sc" | "llacq" | "screl" => return Err(Refusal::Atomic),
        "lddir" | "ldpte" => return Err(Refusal::PageWalk),
        "preld" | "preldx" | "cacop" => return Ok(Memory::Skip),
        _ if stem.starts_with("am") => return Err(Refusal::Atomic),
        _ => {}
    }
    let (file, rest) = match stem.strip_prefix("xv") {
        Some(rest) => (32, rest),
        None => match (stem.strip_prefix('v'), stem.strip_prefix('f')) {
            (Some(rest), _) => (16, rest),
            (_, Some(rest)) => (8, rest),
            _ => (0, stem),
        },
    };
    let (direction, kind) = match (rest.strip_prefix("ld"), rest.strip_prefix("st")) {
        (Some(kind), _) => (Direction::Read, kind),
        (_, Some(kind)) => (Direction::Write, kind),
        _ => return Err(Refusal::Unknown),
    };
    let width = match suffix.trim_end_matches('u') {
        "b" => 1,
        "h" => 2,
        "w" | "s" => 4,
        "d" => 8,
        "" => file,
        _ => return Err(Refusal::Unknown),
    };
    let index = Offset::Register(Gpr::new(o.rk.into()));
    let scaled = Offset::Immediate(o.imm * i32::from(width));
    let (offset, shape) = match kind {
        "" => (Offset::Immediate(o.imm), None),
        "x" => (index, None),
        "ptr" => (Offset::Immediate(o.imm * 4), None),
        "gt" | "le" => (Offset::Immediate(0), None),
        "repl" => (scaled, Some(Shape::Replicated { bytes: file })),
        "elm" => (
            scaled,
            Some(Shape::Element {
                index: o.imm2 as u8,
            }),
        ),
        _ => return Err(Refusal::Unknown),
    };
    let general = file == 0;
    Ok(Memory::Access(Access {
        direction,
        width,
        operand: if general {
            Operand::Gpr(Gpr::new(o.rd.into()))
        } else {
            Operand::Fpr(Fpr::new(o.rd.into()))
        },
        shape: shape.unwrap_or(match (general, suffix.ends_with('u')) {
            (false, _) => Shape::Plain,
            (true, true) => Shape::Unsigned,
            (true, false) => Shape::Signed,
        }),
        base: Gpr::new(o.rj.into()),
        offset,
    }))
}

fn access(word: u32) -> Access {
    match memory(word) {
        Ok(Memory::Access(access)) => access,
        other => panic!("{word:#x}: {other:?}"),
    }
}

proptest! {
    #[test]
    fn every_instruction_is_decoded_by_its_name(operands: u32) {
        for insn in encodings() {
            let word = insn.bits | operands & insn.format.operand_bits;
            let want = expected(insn.name, &insn.operands(word));
            prop_assert_eq!(memory(word), want, "{} {:#x}", insn.name, word);
        }
    }

    #[test]
    fn words_of_no_instruction_are_refused(word: u32) {
        if !encodings().iter().any(|insn| insn.matches(word)) {
            // Atomics that la-arch has no names for share their range, ldpte with an
            // rd has its own.
            prop_assert!(memory(word).is_err());
            prop_assert_eq!(sensitive(word), None);
        }
    }

    #[test]
    fn sensitive_instructions_are_decoded_by_their_names(operands: u32) {
        for insn in encodings() {
            let word = insn.bits | operands & insn.format.operand_bits;
            let o = insn.operands(word);
            let (rd, rj) = (Gpr::new(o.rd.into()), Gpr::new(o.rj.into()));
            let iocsr = |direction, size: &str| Sensitive::Iocsr(IocsrAccess {
                direction,
                width: 1 << "bhwd".find(size).unwrap(),
                rd,
                rj,
            });
            let want = match insn.name.split_once('.').unwrap_or((insn.name, "")) {
                ("cpucfg", _) => Some(Sensitive::Cpucfg { rd, rj }),
                ("idle", _) => Some(Sensitive::Idle),
                ("cacop", _) => Some(Sensitive::Cacop),
                ("iocsrrd", size) => Some(iocsr(Direction::Read, size)),
                ("iocsrwr", size) => Some(iocsr(Direction::Write, size)),
                ("csrxchg", _) => Some(Sensitive::Csr(CsrAccess {
                    op: match o.rj {
                        0 => CsrOp::Read,
                        1 => CsrOp::Write,
                        _ => CsrOp::Exchange { mask: rj },
                    },
                    number: o.imm as u16,
                    rd,
                })),
                _ => None,
            };
            prop_assert_eq!(sensitive(word), want, "{} {:#x}", insn.name, word);
        }
    }

    /// A load through a device that returns the bytes of an array equals a
    /// copy out of the array; a store equals a copy into it.
    #[test]
    fn transfers_copy_memory(
        memory: [u8; 32],
        register: [u64; 4],
        operands: u32,
        gpa in 0u64..1 << 47,
    ) {
        for insn in encodings() {
            let word = insn.bits | operands & insn.format.operand_bits;
            let Ok(Memory::Access(access)) = super::memory(word) else { continue };
            let width = usize::from(access.width);
            let mut transfer = MmioTransfer::new(access, gpa, register);
            let mut device = memory;
            let mut offset = 0;
            while let Some(request) = transfer.request() {
                prop_assert_eq!(transfer.loaded(), None);
                prop_assert_eq!(request.gpa, gpa + offset as u64);
                prop_assert_eq!(request.direction, access.direction);
                let len = usize::from(request.len);
                let bytes = &mut device[offset..offset + len];
                let mut data = [0xee; 8];
                match request.direction {
                    Direction::Read => data[..len].copy_from_slice(bytes),
                    Direction::Write => bytes.copy_from_slice(&request.data[..len]),
                }
                offset += len;
                transfer.complete(data);
            }
            prop_assert_eq!(offset, width);
            let before = transfer;
            transfer.complete([0; 8]);
            prop_assert_eq!(transfer, before);

            let registers: Vec<u8> = register.iter().flat_map(|lane| lane.to_le_bytes()).collect();
            if access.direction == Direction::Write {
                let from = match access.shape {
                    Shape::Element { index } => usize::from(index) * width,
                    _ => 0,
                };
                prop_assert_eq!(&device[..width], &registers[from..from + width]);
                prop_assert_eq!(&device[width..], &memory[width..]);
                prop_assert_eq!(transfer.loaded(), None);
                continue;
            }
            let low = u64::from_le_bytes(memory[..8].try_into().unwrap());
            match transfer.loaded().unwrap() {
                Loaded::Gpr { register, value } => {
                    prop_assert_eq!(Operand::Gpr(register), access.operand);
                    let spare = 64 - 8 * u32::from(access.width);
                    let want = match access.shape {
                        Shape::Signed => ((low << spare) as i64 >> spare) as u64,
                        _ => low << spare >> spare,
                    };
                    prop_assert_eq!(value, want);
                }
                Loaded::Fpr { register, lanes, count } => {
                    prop_assert_eq!(Operand::Fpr(register), access.operand);
                    let bytes: Vec<u8> = lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect();
                    prop_assert_eq!(&bytes[..width], &memory[..width]);
                    let (total, want) = match access.shape {
                        Shape::Replicated { bytes } => (usize::from(bytes), memory[..width].repeat(32 / width)),
                        _ if width == 4 => (8, [&memory[..4], &[0xff; 4]].concat()),
                        _ => (width, memory[..width].to_vec()),
                    };
                    prop_assert_eq!(usize::from(count) * 8, total);
                    prop_assert_eq!(&bytes[..total], &want[..total]);
                }
            }
        }
    }

    #[test]
    fn addresses(mut gprs: Gprs, operands: u32) {
        gprs[0] = !0;
        for insn in encodings() {
            let word = insn.bits | operands & insn.format.operand_bits;
            let o = insn.operands(word);
            let reg = |n: u8| if n == 0 { 0 } else { gprs[usize::from(n)] };
            let want = match memory(word) {
                Ok(Memory::Access(access)) => {
                    let at = access.address(&gprs);
                    prop_assert!(access.begins_at(&gprs, at));
                    prop_assert!(!access.begins_at(&gprs, at ^ 0x800));
                    Some(match access.offset {
                        Offset::Immediate(bytes) => reg(o.rj).wrapping_add_signed(bytes.into()),
                        Offset::Register(_) => reg(o.rj).wrapping_add(reg(o.rk)),
                    })
                }
                Err(Refusal::Atomic) => {
                    let paired = insn.name.starts_with("ll.") || matches!(insn.name, "sc.w" | "sc.d");
                    let offset = if paired { o.imm * 4 } else { 0 };
                    Some(reg(o.rj).wrapping_add_signed(offset.into()))
                }
                _ => None,
            };
            prop_assert_eq!(data_address(word, &gprs), want, "{}", insn.name);
        }
    }
}

#[test]
fn known_words() {
    // ld.bu $a0, $a1, -1
    let load = access(0x2a3f_fca4);
    assert_eq!((load.width, load.shape), (1, Shape::Unsigned));
    assert_eq!(load.offset, Offset::Immediate(-1));
    // stptr.d $a0, $a1, 8
    let store = access(0x2700_08a4);
    assert_eq!(store.direction, Direction::Write);
    assert_eq!(store.offset, Offset::Immediate(8));
    // Undefined words next to ldptr and ldx are refused.
    assert_eq!(memory(0x382d_0000), Err(Refusal::Unknown));
    assert_eq!(memory(0x2ec0_0000), Err(Refusal::Unknown));
    assert_eq!(memory(0), Err(Refusal::Unknown));
    // csrrd $a0, 0x80 and the instruction after it.
    let csr = CsrAccess {
        op: CsrOp::Read,
        number: 0x80,
        rd: Gpr::new(4),
    };
    assert_eq!(sensitive(0x0402_0004), Some(Sensitive::Csr(csr)));
    assert_eq!(next_pc(u64::MAX - 3), 0);
}

#[test]
fn iocsr_reads_extend_the_sign() {
    let read = |width| IocsrAccess {
        direction: Direction::Read,
        width,
        rd: Gpr::new(4),
        rj: Gpr::new(5),
    };
    assert_eq!(read(1).completed(0x80), !0x7f);
    assert_eq!(read(2).completed(0xffff_8000), !0x7fff);
    assert_eq!(read(4).completed(0x7fff_ffff), 0x7fff_ffff);
    assert_eq!(read(8).completed(1 << 63), 1 << 63);
}
