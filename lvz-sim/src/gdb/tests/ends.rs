// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Ends of a session that are not the debugger's wish.

use super::client::{debug, debug_within};
use super::machines::{HANDLER, left_by_its_user, machine};
use crate::engine::RunEnd;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_user_ends_a_run_that_a_debugger_has_stopped() {
    let mut machine = left_by_its_user();
    let end = debug(&mut machine, Vec::new(), |client| {
        client.ask("?");
        assert!(client.is_left());
    });
    assert_eq!(end, Some(RunEnd::Quit));
}

#[test]
fn a_packet_without_an_end_is_not_heard_out() {
    let mut machine = machine(1);
    let end = debug(&mut machine, Vec::new(), |client| {
        client.say(b"$");
        client.say(&[b'a'; (64 << 10) + 1]);
        assert!(client.is_left());
    });
    assert_eq!(end, None);
}

#[test]
fn a_user_ends_a_run_whose_debugger_takes_no_answers() {
    let mut machine = machine(1);
    let wanted = Arc::new(AtomicBool::new(false));
    machine.bus.platform.end_on(wanted.clone());
    let end = debug(&mut machine, Vec::new(), |client| {
        let ask = b"+$m9000,800#fa";
        assert_eq!(client.say_endlessly(ask), ErrorKind::WouldBlock);
        wanted.store(true, Ordering::Relaxed);
        let gone = (0..200)
            .map(|_| client.say_endlessly(ask))
            .find(|error| *error != ErrorKind::WouldBlock);
        // There was something that was not heard.
        assert_eq!(gone, Some(ErrorKind::ConnectionReset));
    });
    assert_eq!(end, Some(RunEnd::Quit));
}

/// The handler of the timer's interrupt, and steps from there, are stops beyond the limit too, in
/// the round in which the run ends.
#[test]
fn a_limit_ends_a_run_at_the_same_instruction_whatever_stopped_it() {
    const LIMIT: u64 = 150_000;
    for cpus in [1, 2] {
        let mut straight = machine(cpus);
        assert_eq!(straight.run(LIMIT), RunEnd::Limit);
        for steps in [0, 1, 7] {
            let mut stopped = machine(cpus);
            let end = debug_within(&mut stopped, Vec::new(), LIMIT, |client| {
                client.ask("?");
                client.check(&format!("Z0,{HANDLER:x},4"));
                let mut said = client.ask("vCont;c");
                while said.starts_with('T') {
                    for _ in 0..steps {
                        client.ask("vCont;s:1;c");
                    }
                    said = client.ask("vCont;c");
                }
                // The exit status of the command.
                assert_eq!(said, "W7c");
            });
            assert_eq!(end, Some(RunEnd::Limit));
            assert_eq!(
                stopped.instructions(),
                straight.instructions(),
                "{cpus} {steps}"
            );
            assert_eq!(
                stopped.state_hash(),
                straight.state_hash(),
                "{cpus} {steps}"
            );
        }
    }
}

#[test]
fn each_way_to_kill_has_its_answer() {
    for (packet, answer) in [("k", "W00"), ("vKill;1", "OK")] {
        let mut machine = machine(1);
        let end = debug(&mut machine, Vec::new(), |client| {
            client.ask("?");
            assert_eq!(client.ask(packet), answer, "{packet}");
        });
        assert_eq!(end, Some(RunEnd::Quit), "{packet}");
    }
}
