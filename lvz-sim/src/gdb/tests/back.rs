// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Back in time.

use super::client::debug;
use super::machines::{CODE, DATA, machine};

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
