// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Ends of a session that are not the debugger's wish.

use super::client::debug;
use super::machines::{left_by_its_user, machine};
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
