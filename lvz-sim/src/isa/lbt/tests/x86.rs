// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Flags against x86's manual, worked out in another way than the handlers do it.

use super::super::super::testing::{In, jk};
use super::{AF, ALL, CF, OF, PF, SF, ZF, machine};
use la_arch::insn::{Encoding, lbt as enc};

const VALUES: [u64; 9] = [
    0,
    1,
    0x0f,
    0x7f,
    0x80,
    0xff,
    0x7fff_8000_7fff_80ff,
    0x8000_0000_8000_0000,
    u64::MAX,
];

/// The flags after an instruction on rj and rk, from `old` ones.
fn flags(encoding: &Encoding, rj: u64, rk: u64, old: u32) -> u32 {
    let mut m = machine();
    m.cpu.lbt.eflags = old;
    assert_eq!(m.exec(encoding, jk(rj, rk)), Ok(()), "{}", encoding.name);
    m.cpu.lbt.eflags
}

fn group<const N: usize>(
    all: [&'static Encoding; N],
) -> impl Iterator<Item = (u32, &'static Encoding)> {
    [8u32, 16, 32, 64].into_iter().zip(all)
}

/// ZF, SF and PF of a result of `width` bits, by counting.
fn of_result(width: u32, result: u64) -> u32 {
    let digits: Vec<bool> = (0..width).map(|n| result >> n & 1 != 0).collect();
    let ones = digits.iter().take(8).filter(|d| **d).count();
    let zero = !digits.contains(&true);
    let sign = digits.last() == Some(&true);
    (u32::from(zero) * ZF) | (u32::from(sign) * SF) | (u32::from(ones % 2 == 0) * PF)
}

/// An addition by one full adder a bit: result, carries into each bit and out.
fn adder(width: u32, a: u64, b: u64, carry: bool) -> (u64, Vec<bool>) {
    let mut carries = vec![carry];
    let mut result = 0;
    for n in 0..width {
        let bits = [a >> n & 1 != 0, b >> n & 1 != 0, carries[n as usize]];
        let ones = bits.iter().filter(|bit| **bit).count();
        result |= (ones as u64 & 1) << n;
        carries.push(ones > 1);
    }
    (result, carries)
}

fn of_addition(width: u32, a: u64, b: u64, carry: bool) -> u32 {
    let (result, carries) = adder(width, a, b, carry);
    let at = |n: u32| carries[n as usize];
    of_result(width, result)
        | (u32::from(at(width)) * CF)
        | (u32::from(at(4)) * AF)
        | (u32::from(at(width) != at(width - 1)) * OF)
}

#[test]
fn sums_and_differences() {
    let add = group([
        &enc::X86ADD_B,
        &enc::X86ADD_H,
        &enc::X86ADD_W,
        &enc::X86ADD_D,
    ]);
    let adc = group([
        &enc::X86ADC_B,
        &enc::X86ADC_H,
        &enc::X86ADC_W,
        &enc::X86ADC_D,
    ]);
    let sub = group([
        &enc::X86SUB_B,
        &enc::X86SUB_H,
        &enc::X86SUB_W,
        &enc::X86SUB_D,
    ]);
    let sbc = group([
        &enc::X86SBC_B,
        &enc::X86SBC_H,
        &enc::X86SBC_W,
        &enc::X86SBC_D,
    ]);
    for ((((width, add), (_, adc)), (_, sub)), (_, sbc)) in add.zip(adc).zip(sub).zip(sbc) {
        for a in VALUES {
            for b in VALUES {
                for carry in [false, true] {
                    let old = if carry { ALL } else { 0 };
                    let case = format!("{width} {a:#x} {b:#x} {carry}");
                    assert_eq!(
                        flags(add, a, b, old),
                        of_addition(width, a, b, false),
                        "{case}"
                    );
                    assert_eq!(
                        flags(adc, a, b, old),
                        of_addition(width, a, b, carry),
                        "{case}"
                    );
                    // A difference adds the complement; carries out are borrows inverted.
                    let borrow = of_addition(width, a, !b, true) ^ (CF | AF);
                    assert_eq!(flags(sub, a, b, old), borrow, "{case}");
                    let borrow = of_addition(width, a, !b, !carry) ^ (CF | AF);
                    let got = flags(sbc, a, b, old);
                    assert_eq!(got & !AF, borrow & !AF, "{case}");
                    // As measured, without the borrow that comes in.
                    assert_eq!(got & AF != 0, a & 15 < b & 15, "{case}");
                }
            }
        }
    }
}

#[test]
fn steps_keep_the_carry() {
    for (step, like, name) in [
        (&enc::X86INC_H, &enc::X86ADD_H, "inc"),
        (&enc::X86DEC_H, &enc::X86SUB_H, "dec"),
    ] {
        for a in VALUES {
            for old in [0, ALL] {
                let expected = flags(like, a, 1, old) & !CF | old & CF;
                assert_eq!(flags(step, a, 0, old), expected, "{name} {a:#x}");
            }
        }
    }
}

#[test]
fn unsigned_sums_never_overflow() {
    for (unsigned, signed) in [
        (&enc::X86ADD_WU, &enc::X86ADD_W),
        (&enc::X86ADD_DU, &enc::X86ADD_D),
        (&enc::X86SUB_WU, &enc::X86SUB_W),
        (&enc::X86SUB_DU, &enc::X86SUB_D),
    ] {
        for a in VALUES {
            for b in VALUES {
                let expected = flags(signed, a, b, 0) & !OF;
                assert_eq!(flags(unsigned, a, b, OF), expected);
            }
        }
    }
}

#[test]
fn products_say_whether_they_fit() {
    for (encoding, a, b, overflow) in [
        (&enc::X86MUL_B, 0x7f, 1, false),
        (&enc::X86MUL_B, 0x80, 0xff, true),
        (&enc::X86MUL_B, 0xff, 0xff, false),
        (&enc::X86MUL_BU, 0xff, 0xff, true),
        (&enc::X86MUL_BU, 0x0f, 0x11, false),
        (&enc::X86MUL_HU, 0x100, 0x100, true),
        (&enc::X86MUL_H, 0x100, 0x80, true),
        (&enc::X86MUL_W, 0x8000_0000, 1, false),
        (&enc::X86MUL_W, 0x1_0000, 0x8000, true),
        (&enc::X86MUL_WU, 0xffff, 0x1_0001, false),
        (&enc::X86MUL_D, 1 << 62, 2, true),
        (&enc::X86MUL_D, u64::MAX, 1 << 63, true),
        (&enc::X86MUL_DU, 1 << 32, 1 << 31, false),
        (&enc::X86MUL_DU, 1 << 32, 1 << 32, true),
    ] {
        let expected = if overflow { CF | OF } else { 0 };
        assert_eq!(
            flags(encoding, a, b, ALL),
            expected,
            "{} {a:#x} {b:#x}",
            encoding.name
        );
    }
}

#[test]
fn logic_clears_carry_overflow_and_adjust() {
    for a in VALUES {
        for b in VALUES {
            assert_eq!(flags(&enc::X86AND_H, a, b, ALL), of_result(16, a & b));
            assert_eq!(flags(&enc::X86OR_W, a, b, ALL), of_result(32, a | b));
            assert_eq!(flags(&enc::X86XOR_D, a, b, ALL), of_result(64, a ^ b));
        }
    }
}

/// How a register of some width moves by one place.
#[derive(Clone, Copy)]
enum Move {
    Left,
    Right,
    RightSigned,
    RotateLeft,
    RotateRight,
    ThroughLeft,
    ThroughRight,
}

fn moved(way: Move, width: u32, mut a: u64, mut cf: bool, n: u32) -> (u64, bool) {
    for _ in 0..n {
        let (low, high) = (a & 1 != 0, a >> (width - 1) & 1 != 0);
        let (left, right) = (a << 1 & u64::MAX >> (64 - width), a >> 1);
        let with_high = |bit: bool| right | u64::from(bit) << (width - 1);
        (a, cf) = match way {
            Move::Left => (left, high),
            Move::Right => (right, low),
            Move::RightSigned => (with_high(high), low),
            Move::RotateLeft => (left | u64::from(high), high),
            Move::RotateRight => (with_high(low), low),
            Move::ThroughLeft => (left | u64::from(cf), high),
            Move::ThroughRight => (with_high(cf), low),
        };
    }
    (a, cf)
}

#[test]
fn shifts_and_rotations_place_by_place() {
    for (way, by_register, by_immediate) in [
        (
            Move::Left,
            [
                &enc::X86SLL_B,
                &enc::X86SLL_H,
                &enc::X86SLL_W,
                &enc::X86SLL_D,
            ],
            [
                &enc::X86SLLI_B,
                &enc::X86SLLI_H,
                &enc::X86SLLI_W,
                &enc::X86SLLI_D,
            ],
        ),
        (
            Move::Right,
            [
                &enc::X86SRL_B,
                &enc::X86SRL_H,
                &enc::X86SRL_W,
                &enc::X86SRL_D,
            ],
            [
                &enc::X86SRLI_B,
                &enc::X86SRLI_H,
                &enc::X86SRLI_W,
                &enc::X86SRLI_D,
            ],
        ),
        (
            Move::RightSigned,
            [
                &enc::X86SRA_B,
                &enc::X86SRA_H,
                &enc::X86SRA_W,
                &enc::X86SRA_D,
            ],
            [
                &enc::X86SRAI_B,
                &enc::X86SRAI_H,
                &enc::X86SRAI_W,
                &enc::X86SRAI_D,
            ],
        ),
        (
            Move::RotateLeft,
            [
                &enc::X86ROTL_B,
                &enc::X86ROTL_H,
                &enc::X86ROTL_W,
                &enc::X86ROTL_D,
            ],
            [
                &enc::X86ROTLI_B,
                &enc::X86ROTLI_H,
                &enc::X86ROTLI_W,
                &enc::X86ROTLI_D,
            ],
        ),
        (
            Move::RotateRight,
            [
                &enc::X86ROTR_B,
                &enc::X86ROTR_H,
                &enc::X86ROTR_W,
                &enc::X86ROTR_D,
            ],
            [
                &enc::X86ROTRI_B,
                &enc::X86ROTRI_H,
                &enc::X86ROTRI_W,
                &enc::X86ROTRI_D,
            ],
        ),
        (
            Move::ThroughLeft,
            [
                &enc::X86RCL_B,
                &enc::X86RCL_H,
                &enc::X86RCL_W,
                &enc::X86RCL_D,
            ],
            [
                &enc::X86RCLI_B,
                &enc::X86RCLI_H,
                &enc::X86RCLI_W,
                &enc::X86RCLI_D,
            ],
        ),
        (
            Move::ThroughRight,
            [
                &enc::X86RCR_B,
                &enc::X86RCR_H,
                &enc::X86RCR_W,
                &enc::X86RCR_D,
            ],
            [
                &enc::X86RCRI_B,
                &enc::X86RCRI_H,
                &enc::X86RCRI_W,
                &enc::X86RCRI_D,
            ],
        ),
    ] {
        for ((width, register), (_, immediate)) in group(by_register).zip(group(by_immediate)) {
            let counts = if width == 64 { 64 } else { 32 };
            for n in 0..counts {
                for a in VALUES.map(|a| a & u64::MAX >> (64 - width)) {
                    for old in [0, ALL] {
                        let expected = expected_move(way, width, a, n, old);
                        let name = register.name;
                        // Bits of the count above are of no effect.
                        let got = flags(register, a, u64::from(n) | 0x100, old);
                        assert_eq!(got, expected, "{name} {a:#x} by {n} from {old:#x}");
                        if n < width {
                            let mut m = machine();
                            m.cpu.lbt.eflags = old;
                            let input = In {
                                rj: a,
                                imm: n as i32,
                                ..In::default()
                            };
                            assert_eq!(m.exec(immediate, input), Ok(()));
                            assert_eq!(m.cpu.lbt.eflags, expected, "{}", immediate.name);
                        }
                    }
                }
            }
        }
    }
}

fn expected_move(way: Move, width: u32, a: u64, n: u32, old: u32) -> u32 {
    let through = matches!(way, Move::ThroughLeft | Move::ThroughRight);
    let rotation = through || matches!(way, Move::RotateLeft | Move::RotateRight);
    let (result, cf) = moved(way, width, a, old & CF != 0, n);
    // Measured: CF of a rotation by nothing is the bit that would have gone round last.
    let cf = match way {
        Move::RotateLeft if n.is_multiple_of(width) => a & 1 != 0,
        Move::RotateRight if n.is_multiple_of(width) => a >> (width - 1) != 0,
        _ => cf,
    };
    let mut new = old;
    if n != 0 || rotation && !through {
        new = new & !CF | (u32::from(cf) * CF);
    }
    if n != 0 && !rotation {
        let kept = CF | AF | OF;
        new = new & kept | of_result(width, result);
    }
    if n == 1 {
        // x86: the sign changed, which for a shift to the right is the old one, and for
        // one with the sign never.
        let overflow = (a ^ result) >> (width - 1) & 1 != 0;
        new = new & !OF | (u32::from(overflow) * OF);
    }
    new
}
