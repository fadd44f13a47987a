// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Back in time.

use super::client::{Client, debug, register};
use super::machines::{CODE, DATA, HANDLER, machine};
use crate::cpu::Model;
use std::thread;
use std::time::Duration;

const PC: usize = 33;

#[test]
fn steps_back() {
    let mut machine = machine(2);
    debug(&mut machine, Vec::new(), |gdb| {
        gdb.ask("?");
        gdb.check(&format!("Z0,{:x},4", CODE + 8));
        for _ in 0..5 {
            gdb.ask("vCont;c");
        }
        gdb.check(&format!("z0,{:x},4", CODE + 8));
        let mut seen = Vec::new();
        for _ in 0..40 {
            seen.push((gdb.register(1, PC), gdb.register(1, 5), gdb.register(1, 6)));
            gdb.ask("vCont;s:1;c");
        }
        for expected in seen.iter().rev() {
            let reason = gdb.ask("bs");
            assert!(reason.starts_with("T05"), "{reason}");
            let now = (gdb.register(1, PC), gdb.register(1, 5), gdb.register(1, 6));
            assert_eq!(now, *expected);
        }
        // And on again.
        for expected in &seen[1..] {
            gdb.ask("vCont;s:1;c");
            let now = (gdb.register(1, PC), gdb.register(1, 5), gdb.register(1, 6));
            assert_eq!(now, *expected);
        }
    });
}

#[test]
fn runs_back_to_a_stop() {
    let mut machine = machine(1);
    debug(&mut machine, Vec::new(), |gdb| {
        gdb.ask("?");
        let fourth = CODE + 12;
        gdb.check(&format!("Z0,{fourth:x},4"));
        let mut seen = Vec::new();
        for _ in 0..4 {
            gdb.ask("vCont;c");
            seen.push(gdb.register(1, 5));
        }
        for expected in seen.iter().rev().skip(1) {
            let reason = gdb.ask("bc");
            assert!(reason.contains("swbreak"), "{reason}");
            assert_eq!(gdb.register(1, 5), *expected);
        }
        // Before the first there is nothing but the beginning.
        let reason = gdb.ask("bc");
        assert!(reason.contains("replaylog:begin"), "{reason}");
        assert_eq!(gdb.register(1, PC), CODE);
        gdb.check(&format!("z0,{fourth:x},4"));
        // A watchpoint, backwards: the last store before now.
        gdb.check(&format!("Z0,{CODE:x},4"));
        for _ in 0..10 {
            gdb.ask("vCont;c");
        }
        let count = gdb.register(1, 5);
        gdb.check(&format!("z0,{CODE:x},4"));
        gdb.check(&format!("Z2,{DATA:x},8"));
        let reason = gdb.ask("bc");
        assert!(reason.contains(";watch:"), "{reason}");
        assert_eq!((gdb.register(1, PC), gdb.register(1, 5)), (fourth, count));
    });
}

/// With CPUs that take turns, and checkpoints between the stops: each has its place in the order of
/// all, which the registers of both CPUs tell.
#[test]
fn runs_back_over_checkpoints_to_stops_of_two_cpus() {
    let model = Model::default();
    let numbers = ["pc", "icount", "r5", "r6", "r8"].map(|name| register(&model, name));
    let mut machine = machine(2);
    debug(&mut machine, Vec::new(), |gdb| {
        gdb.ask("?");
        // The handler of their timers' interrupts.
        gdb.check(&format!("Z0,{HANDLER:x},4"));
        let place = |gdb: &mut Client, reason: &str| {
            let cpu = if reason.contains("thread:02") { 2 } else { 1 };
            assert_eq!(gdb.register(cpu, PC), HANDLER, "{reason}");
            let values = [1, 2].map(|cpu| numbers.map(|number| gdb.register(cpu, number)));
            (cpu, values)
        };
        let mut seen = Vec::new();
        // One is taken where the machine goes on a while after the last.
        while checkpoints(gdb) < 5 {
            for _ in 0..3 {
                let reason = gdb.ask("vCont;c");
                seen.push(place(gdb, &reason));
            }
            thread::sleep(Duration::from_millis(300));
        }
        for cpu in [1, 2] {
            assert!(
                seen.iter().any(|(of, _)| *of == cpu),
                "no stop of CPU {cpu}"
            );
        }
        for expected in seen.iter().rev().skip(1) {
            let reason = gdb.ask("bc");
            assert!(reason.contains("swbreak"), "{reason}");
            assert_eq!(place(gdb, &reason), *expected);
        }
        assert!(gdb.ask("bc").contains("replaylog:begin"));
        // And forwards again.
        for expected in &seen {
            let reason = gdb.ask("vCont;c");
            assert_eq!(place(gdb, &reason), *expected);
        }
    });
}

/// How many checkpoints there are.
fn checkpoints(gdb: &mut Client) -> usize {
    let text = gdb.monitor("history");
    let count = text
        .split_once(" by ")
        .and_then(|(_, rest)| rest.split_once(' '));
    count.map_or(0, |(count, _)| count.parse().expect("a number"))
}

#[test]
fn what_was_changed_is_changed_again() {
    let mut machine = machine(1);
    debug(&mut machine, Vec::new(), |gdb| {
        gdb.ask("?");
        gdb.check(&format!("Z0,{CODE:x},4"));
        gdb.ask("vCont;c");
        gdb.ask("vCont;c");
        let one = |value: u64| format!("{:016x}", value.swap_bytes());
        gdb.check(&format!("P5={}", one(1000)));
        gdb.check(&format!("M{:x},8:{}", DATA + 256, one(7)));
        gdb.ask("vCont;c");
        gdb.ask("vCont;c");
        assert_eq!(gdb.register(1, 5), 1002);
        gdb.ask("bc");
        assert_eq!(gdb.register(1, 5), 1001);
        gdb.ask("bc");
        // Where it was changed.
        assert_eq!(gdb.register(1, 5), 1000);
        gdb.ask("bc");
        assert!(gdb.register(1, 5) < 1000);
        assert_eq!(gdb.ask(&format!("m{:x},8", DATA + 256)), one(0));
        // On over the change, which is made again.
        gdb.ask("vCont;c");
        gdb.ask("vCont;c");
        assert_eq!(gdb.register(1, 5), 1001);
        assert_eq!(gdb.ask(&format!("m{:x},8", DATA + 256)), one(7));
    });
}

#[test]
fn poison_is_a_change_like_others() {
    let mut machine = machine(1);
    debug(&mut machine, Vec::new(), |gdb| {
        gdb.ask("?");
        let load = CODE + 16;
        gdb.check(&format!("Z0,{load:x},4"));
        gdb.ask("vCont;c");
        // It goes on from there, so that there is a past.
        gdb.ask("vCont;c");
        assert!(gdb.monitor("poison 0x1000000000").contains("no memory"));
        assert_eq!(gdb.monitor(&format!("poison {DATA:#x}")), "");
        gdb.ask("vCont;s:1");
        // MERRENTRY is zero here.
        assert_eq!(gdb.register(1, PC), 0);
        gdb.ask("bs");
        assert_eq!(gdb.register(1, PC), load);
        gdb.ask("vCont;s:1");
        assert_eq!(gdb.register(1, PC), 0);
        gdb.ask("bs");
        assert_eq!(gdb.monitor(&format!("unpoison {:#x}", DATA + 8)), "");
        gdb.ask("vCont;s:1");
        assert_eq!(gdb.register(1, PC), load + 4);
    });
}
