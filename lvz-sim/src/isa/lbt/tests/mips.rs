// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Two halves make an unaligned access.

use super::super::super::testing::In;
use super::machine;
use crate::cpu::{Place, Stop, Watched};
use la_arch::insn::lbt as enc;

const VA: u64 = 0x10_0000;

#[test]
fn halves_make_unaligned_loads_and_stores() {
    for offset in 0..8 {
        for (size, ldl, ldr, stl, str) in [
            (4, &enc::LDL_W, &enc::LDR_W, &enc::STL_W, &enc::STR_W),
            (8, &enc::LDL_D, &enc::LDR_D, &enc::STL_D, &enc::STR_D),
        ] {
            let mut m = machine();
            m.set_memory(VA, 0x8877_6655_4433_2211);
            m.set_memory(VA + 8, 0x1f0f_0e0d_0c0b_0a99);
            let at = |rd, imm| In {
                rd,
                rj: VA + offset,
                imm,
                ..In::default()
            };
            let expected: u64 = m.cpu.load(&mut m.bus, VA + offset).expect("memory");
            assert_eq!(m.exec(ldl, at(u64::MAX, size - 1)), Ok(()));
            let half = m.rd();
            assert_eq!(m.exec(ldr, at(half, 0)), Ok(()));
            let expected = if size == 4 {
                expected as i32 as u64
            } else {
                expected
            };
            assert_eq!(m.rd(), expected, "{offset} {}", ldl.name);
            // Back again, and nothing beside it.
            let before = (m.memory(VA), m.memory(VA + 8));
            for (encoding, imm) in [(stl, size - 1), (str, 0)] {
                assert_eq!(m.exec(encoding, at(expected, imm)), Ok(()));
                assert_eq!((m.memory(VA), m.memory(VA + 8)), before);
            }
            for (encoding, imm) in [(stl, size - 1), (str, 0)] {
                assert_eq!(m.exec(encoding, at(!expected, imm)), Ok(()));
            }
            let stored: u64 = m.cpu.load(&mut m.bus, VA + offset).expect("memory");
            let stored = if size == 4 {
                stored as i32 as u64
            } else {
                stored
            };
            assert_eq!(stored, !expected, "{offset} {}", stl.name);
        }
    }
}

#[test]
fn a_left_part_alone_keeps_the_rest() {
    let mut m = machine();
    m.set_memory(VA, 0x8877_6655_4433_2211);
    let input = In {
        rd: 0xaabb_ccdd,
        rj: VA,
        imm: 1,
        ..In::default()
    };
    assert_eq!(m.exec(&enc::LDL_W, input), Ok(()));
    assert_eq!(m.rd(), 0x2211_ccdd);
    assert_eq!(m.exec(&enc::LDR_W, In { imm: 3, ..input }), Ok(()));
    assert_eq!(m.rd(), 0xffff_ffff_aabb_cc44);
}

/// The last byte of each is watched: the first ones are not written before it stops.
#[test]
fn a_store_that_a_debugger_stops_writes_nothing() {
    for (encoding, last) in [
        (&enc::STL_W, VA),
        (&enc::STR_W, VA + 3),
        (&enc::STL_D, VA),
        (&enc::STR_D, VA + 7),
    ] {
        let mut m = machine();
        m.set_memory(VA, 0x8877_6655_4433_2211);
        m.cpu.watch_for_debugger(&[Watched {
            place: Place::Virtual(last, None),
            length: 1,
            loads: false,
            stores: true,
        }]);
        let input = In {
            rd: 0,
            rj: VA + 2,
            ..In::default()
        };
        assert_eq!(
            m.exec(encoding, input),
            Err(Stop::Trap),
            "{}",
            encoding.name
        );
        assert_eq!(m.memory(VA), 0x8877_6655_4433_2211, "{}", encoding.name);
    }
}
