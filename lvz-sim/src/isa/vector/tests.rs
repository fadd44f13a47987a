// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Values where the architecture has its corners. What each encoding computes
//! is compared with QEMU by the differential tests in `tests/isa`.

use super::lane::{Lane, Narrow, Widen};
use super::{shuffle, transfer};
use crate::cpu::Group;
use crate::isa;
use la_arch::insn::{lasx, lsx};

#[test]
fn every_encoding_has_one_handler() {
    for (group, encodings) in [(Group::Lsx, lsx::ALL), (Group::Lasx, lasx::ALL)] {
        for encoding in encodings {
            let handlers = isa::all().filter(|insn| insn.encoding == encoding);
            assert_eq!(handlers.count(), 1, "{}", encoding.name);
        }
        let vectors = isa::all().filter(|insn| insn.group == group);
        assert_eq!(vectors.count(), encodings.len());
    }
}

#[test]
fn rounding_shifts_add_the_last_bit_shifted_out() {
    assert_eq!(0x7fu8.shr_round(0), 0x7f);
    assert_eq!(0xffu8.shr_round(1), 0x80);
    assert_eq!(0xffu8.shr_round(7), 2);
    assert_eq!((-1i8).shr_round(1), 0);
    assert_eq!((-128i8).shr_round(7), -1);
    assert_eq!((-64i8).shr_round(7), 0);
    assert_eq!(i64::MAX.shr_round(63), 1);
    assert_eq!(u128::MAX.shr_round(127), 2);
}

#[test]
fn counts_are_modulo_the_width() {
    assert_eq!((-1i8).count(), 7);
    assert_eq!(0x1234u16.count(), 4);
    assert_eq!(0x8000_0000_0000_0041u64.count(), 1);
    assert_eq!((-1i128).count(), 127);
}

#[test]
fn narrowing_saturates_from_either_signedness() {
    assert_eq!((-129i16).saturate_signed(), 0x80);
    assert_eq!(128i16.saturate_signed(), 0x7f);
    assert_eq!(0xff80u16.saturate_signed(), 0x7f);
    assert_eq!((-1i16).saturate_unsigned(), 0);
    assert_eq!(256i16.saturate_unsigned(), 0xff);
    assert_eq!(0xffffu16.saturate_unsigned(), 0xff);
    assert_eq!((-0x1234i16).truncate(), 0xcc);
    assert_eq!(i128::MIN.saturate_signed(), 1 << 63);
    assert_eq!(u128::MAX.saturate_signed(), i64::MAX as u64);
    assert_eq!(i128::MIN.saturate_unsigned(), 0);
    assert_eq!((1i128 << 64).saturate_unsigned(), u64::MAX);
}

#[test]
fn widening_extends_by_type_or_with_zeros() {
    assert_eq!((-1i8).widen(), -1);
    assert_eq!((-1i8).zero_extend(), 0xff);
    assert_eq!(0xffu8.widen(), 0xff);
    assert_eq!(i64::MIN.widen(), i128::from(i64::MIN));
    assert_eq!(i64::MIN.zero_extend(), 1 << 63);
}

#[test]
fn shuffles_pick_from_two_registers() {
    let (low, high) = (
        [0u16, 1, 2, 3, 4, 5, 6, 7],
        [10, 11, 12, 13, 14, 15, 16, 17],
    );
    assert_eq!(shuffle::pick(7, &low, &high), 7);
    assert_eq!(shuffle::pick(8, &low, &high), 10);
    assert_eq!(shuffle::pick(15, &low, &high), 17);
    assert_eq!(shuffle::pick(0xffe0, &low, &high), 0);
}

#[test]
fn vldi_patterns() {
    let value = |imm: u32| transfer::pattern((imm << 19) as i32 >> 19);
    assert_eq!(value(0x0_80), Some(0x8080_8080_8080_8080));
    assert_eq!(value(1 << 10 | 0x380), Some(0xff80_ff80_ff80_ff80));
    assert_eq!(value(2 << 10 | 0x1ff), Some(0x0000_01ff_0000_01ff));
    assert_eq!(value(3 << 10 | 0x200), Some(0xffff_ffff_ffff_fe00));
    let modes = [
        0x0000_00a5_0000_00a5,
        0x0000_a500_0000_a500,
        0x00a5_0000_00a5_0000,
        0xa500_0000_a500_0000,
        0x00a5_00a5_00a5_00a5,
        0xa500_a500_a500_a500,
        0x0000_a5ff_0000_a5ff,
        0x00a5_ffff_00a5_ffff,
        0xa5a5_a5a5_a5a5_a5a5,
        0xff00_ff00_00ff_00ff,
    ];
    for (mode, pattern) in modes.into_iter().enumerate() {
        assert_eq!(
            value(1 << 12 | (mode as u32) << 8 | 0xa5),
            Some(pattern),
            "mode {mode}"
        );
    }
    for mode in 13..16 {
        assert_eq!(value(1 << 12 | mode << 8), None);
    }
}

#[test]
fn vldi_floats() {
    let value = |mode: i32, byte: i32| transfer::pattern(-4096 | mode << 8 | byte);
    let both = |x: f32| Some(u64::from(x.to_bits()) * 0x1_0000_0001);
    assert_eq!(value(10, 0x70), both(1.0));
    assert_eq!(value(10, 0x80), both(-2.0));
    assert_eq!(value(11, 0x78), Some(u64::from(1.5f32.to_bits())));
    assert_eq!(value(12, 0x70), Some(1.0f64.to_bits()));
    assert_eq!(value(12, 0xbf), Some((-31.0f64).to_bits()));
}
