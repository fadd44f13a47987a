// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Where the machine stops, and that it is the same machine.

use super::client::debug;
use super::machines::{CODE, DATA, HANDLER, PROGRAM, machine};
use crate::engine::debug::{Moment, Point};
use crate::engine::{Engine, JitOptions, Machine, RunEnd};

const PC: usize = 33;

/// Runs to a point.
fn go_to(machine: &mut Machine, count: u64, moment: Moment) {
    machine.debug.until = Some(Point { count, moment });
    machine.go_on();
    assert_eq!(machine.run(u64::MAX), RunEnd::Halted);
    machine.debug.until = None;
    assert_eq!(machine.instructions(), count, "{moment:?}");
}

#[test]
fn stops_change_nothing() {
    for cpus in [1, 3] {
        let mut straight = machine(cpus);
        straight.run(400_000);
        let count = straight.instructions();
        for step in [1, 7, 997, 65_537] {
            let mut stopped = machine(cpus);
            let options = JitOptions {
                hot: 2,
                ..JitOptions::default()
            };
            stopped
                .use_engine(Engine::Jit(options))
                .expect("a compiler");
            // Close together at first, since each takes its time.
            let mut at = 0;
            for number in 0..200 {
                at += step;
                let moment = [Moment::Before, Moment::After][number % 2];
                if at >= 390_000 {
                    break;
                }
                go_to(&mut stopped, at, moment);
            }
            machine_goes_on(&mut stopped);
            assert_eq!(stopped.instructions(), count, "{cpus} CPUs, step {step}");
            assert_eq!(stopped.state_hash(), straight.state_hash(), "{cpus} {step}");
        }
    }
}

fn machine_goes_on(machine: &mut Machine) {
    machine.go_on();
    machine.run(400_000);
}

#[test]
fn breakpoints_and_steps() {
    let mut machine = machine(2);
    debug(&mut machine, Vec::new(), |gdb| {
        assert!(gdb.ask("?").starts_with(['S', 'T']));
        let third = CODE + 12;
        for kind in [0, 1] {
            gdb.check(&format!("Z{kind},{third:x},4"));
            let reason = gdb.ask("vCont;c");
            assert!(reason.contains(["swbreak:", "hwbreak:"][kind]), "{reason}");
            assert_eq!(gdb.register(1, PC), third);
            gdb.check(&format!("z{kind},{third:x},4"));
        }
        // r5 is one more at each pass.
        let count = gdb.register(1, 5);
        gdb.check(&format!("Z0,{third:x},4"));
        gdb.ask("vCont;c");
        assert_eq!(gdb.register(1, 5), count + 1);
        // Over the breakpoint, through the whole loop.
        for at in [4, 5, 0, 1, 2, 3] {
            let reason = gdb.ask("vCont;s:1;c");
            assert!(reason.starts_with("T05"), "{reason}");
            assert_eq!(gdb.register(1, PC), CODE + 4 * at, "{reason}");
        }
        gdb.check(&format!("z0,{third:x},4"));
        // The handler of the timer's interrupt, which comes between blocks.
        gdb.check(&format!("Z1,{HANDLER:x},4"));
        gdb.ask("vCont;c");
        let thread = 1 + usize::from(gdb.register(1, PC) != HANDLER);
        assert_eq!(gdb.register(thread, PC), HANDLER);
        gdb.check(&format!("z1,{HANDLER:x},4"));
        // In physical memory.
        let physical = 0x0d04_0000_0000_0000 | third;
        gdb.check(&format!("Z0,{physical:x},4"));
        gdb.ask("vCont;c");
        gdb.check(&format!("z0,{physical:x},4"));
        // In the guest's addresses alone.
        let guest = 0x0d02_0000_0000_0000 | third;
        gdb.check(&format!("Z0,{guest:x},4"));
        gdb.send("vCont;c");
        gdb.say(b"\x03");
        assert!(gdb.packet().starts_with("T02"));
    });
}

#[test]
fn gdb_steps_over_ertn() {
    let mut machine = machine(1);
    debug(&mut machine, Vec::new(), |gdb| {
        gdb.ask("?");
        let ertn = HANDLER + 12;
        gdb.check(&format!("Z0,{ertn:x},4"));
        gdb.ask("vCont;c");
        assert_eq!(gdb.register(1, PC), ertn);
        gdb.check(&format!("z0,{ertn:x},4"));
        // As GDB steps: nothing is ever executed behind the handler.
        gdb.check(&format!("Z0,{:x},4", ertn + 4));
        assert!(gdb.ask("vCont;c").starts_with("T05"));
        let pc = gdb.register(1, PC);
        assert!((CODE..CODE + 24).contains(&pc), "{pc:#x}");
    });
}

#[test]
fn watchpoints_stop_before_the_access() {
    let mut machine = machine(1);
    let mut straight = super::machines::machine(1);
    debug(&mut machine, Vec::new(), |gdb| {
        for (kind, name, at) in [(2, "watch", 3), (3, "rwatch", 4), (4, "awatch", 3)] {
            let address = DATA + 4;
            gdb.check(&format!("Z{kind},{address:x},2"));
            let reason = gdb.ask("vCont;c");
            assert!(reason.contains(&format!(";{name}:")), "{reason}");
            assert!(reason.contains(&format!("{address:x}")), "{reason}");
            assert_eq!(gdb.register(1, PC), CODE + 4 * at, "{name}");
            // On with it still set: the access is done, the next one stops.
            gdb.ask("vCont;c");
            let next = if kind == 4 { 4 } else { at };
            assert_eq!(gdb.register(1, PC), CODE + 4 * next, "{name}");
            gdb.check(&format!("z{kind},{address:x},2"));
        }
        // Beside it nothing stops.
        gdb.check(&format!("Z4,{:x},8", DATA + 8));
        gdb.send("vCont;c");
        gdb.say(b"\x03");
        assert!(gdb.packet().starts_with("T02"));
    });
    let until = machine.instructions() + 100_000;
    machine.run(until);
    straight.run(until);
    assert_eq!(machine.state_hash(), straight.state_hash());
}

#[test]
fn no_more_memory_is_read_at_once_than_a_packet_has_room_for() {
    let mut machine = machine(1);
    debug(&mut machine, Vec::new(), |gdb| {
        let told = gdb.ask("qSupported:swbreak+");
        let size = told.split(['=', ';']).nth(1).expect("PacketSize");
        let size = usize::from_str_radix(size, 16).expect("hexadecimal");
        let most = size / 2;
        assert_eq!(gdb.ask(&format!("m0,{most:x}")).len(), size);
        for length in [most as u64 + 1, 4096, 1 << 40, u64::MAX] {
            assert_eq!(gdb.ask(&format!("m0,{length:x}")), "E16", "{length:#x}");
        }
    });
}

#[test]
fn memory_and_registers_are_written() {
    let mut machine = machine(2);
    debug(&mut machine, Vec::new(), |gdb| {
        gdb.ask("?");
        let words: String = PROGRAM[..2]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(gdb.ask(&format!("m{CODE:x},8")), words);
        assert_eq!(
            gdb.ask(&format!("m{:x},8", 0x0d04_0000_0000_0000 | CODE)),
            words
        );
        assert_eq!(gdb.ask("mfffffffffffff900,800"), "E0e");
        assert!(
            gdb.ask(&format!("M{:x},2:0000", 0x9000_0000u64))
                .starts_with('E')
        );
        // addi.d r5, r5, 2 instead of 1.
        gdb.check(&format!("M{CODE:x},4:a508c002"));
        gdb.check("Hg2");
        gdb.check(&format!("P5={:016x}", 100u64.swap_bytes()));
        gdb.check(&format!("Z0,{:x},4", CODE + 8));
        let reason = gdb.ask("vCont;c");
        let thread = if reason.contains("thread:02") { 2 } else { 1 };
        assert_eq!(gdb.register(thread, 5), [2, 102][thread - 1]);
        assert!(gdb.ask("p400").starts_with('E'));
        assert!(gdb.monitor("csr eentry").contains("0x4000"));
        assert!(gdb.monitor("cpu9 csr").contains("no CPU 9"));
        assert!(gdb.monitor("tlb").contains("no entries"));
        assert!(gdb.monitor("phys 0x1000 8").contains("a5 08 c0 02"));
        assert!(gdb.monitor("stats").contains("\"instructions\""));
        assert!(gdb.monitor("nothing").contains("monitor help"));
    });
}
