// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The check finds what is different, and says where.

use super::super::{Difference, Engine, JitOptions, Machine, RunEnd};
use crate::cpu::{Model, Op};
use crate::mem::Ram;
use crate::platform::PlatformConfig;

const CODE: u64 = 0x1000;
const DATA: u64 = 0x8000;

/// A loop of two blocks: r5 counts by one, r6 is their sum, which memory gets.
const PROGRAM: [u32; 6] = [
    0x02c0_04a5, // addi.d r5, r5, 1
    0x5000_0400, // b +4
    0x0010_94c6, // add.d r6, r6, r5
    0x29c0_0086, // st.d r6, r4, 0
    0x28c0_0087, // ld.d r7, r4, 0
    0x53ff_efff, // b -20
];

fn machine() -> Machine {
    let mut ram = Ram::new(16 << 20).expect("memory for a test");
    for (at, word) in (CODE as usize..).step_by(4).zip(PROGRAM) {
        ram.write(at, word);
    }
    let mut machine = Machine::with_memory(Model::default(), 1, ram, PlatformConfig::default())
        .expect("a machine without files");
    let options = JitOptions {
        hot: 2,
        ..JitOptions::default()
    };
    machine
        .use_engine(Engine::Check(options))
        .expect("a compiler");
    machine.cpus[0].pc = CODE;
    machine.cpus[0].set(4, DATA);
    machine
}

/// Runs until the loop is compiled, has the interpreter execute another instruction
/// than that, and goes on.
fn difference(name: u32, change: impl Fn(&mut Op)) -> Difference {
    let mut machine = machine();
    assert_eq!(machine.run(100_000), RunEnd::Limit);
    assert_eq!(machine.difference(), None);
    for op in machine.code_mut().all_ops_mut() {
        if op.insn == name {
            change(op);
        }
    }
    assert_eq!(machine.run(300_000), RunEnd::Differs);
    machine.difference().expect("a difference").clone()
}

#[test]
fn a_register_that_differs_is_found_where_it_was_written() {
    let found = difference(PROGRAM[0], |op| op.imm = 3);
    assert_eq!((found.cpu, found.pc, found.name), (0, CODE, "addi.d"));
    assert_eq!(found.place, "r5");
    assert_eq!(found.interpreted, found.compiled + 2);
    assert!(
        found.to_string().contains("addi.d at 0x1000, r5 is"),
        "{found}"
    );
}

#[test]
fn a_difference_in_a_later_block_is_found_there() {
    let found = difference(PROGRAM[2], |op| op.rk = 4);
    assert_eq!((found.pc, found.name), (CODE + 8, "add.d"));
    assert_eq!(found.place, "r6");
}

#[test]
fn memory_that_differs_is_found() {
    let found = difference(PROGRAM[3], |op| op.rd = 0);
    assert_eq!((found.pc, found.name), (CODE + 12, "st.d"));
    assert_eq!(
        (found.place.as_str(), found.interpreted),
        ("memory at 0x8000", 0)
    );
}

#[test]
fn another_way_is_found() {
    let found = difference(PROGRAM[5], |op| op.imm = -3);
    assert_eq!((found.pc, found.name), (CODE + 20, "b"));
    assert_eq!(
        (found.place.as_str(), found.compiled),
        ("pc", u128::from(CODE))
    );
}
