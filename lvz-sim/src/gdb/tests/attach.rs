// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Debuggers that come and go while the machine runs, or stands still.

use super::client::{Client, once, register};
use super::machines::{CODE, idle_for_ever, left_by_its_user, machine};
use crate::cpu::Model;
use crate::engine::{Machine, RunEnd};
use crate::gdb::{Address, Listener, Options, run};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// Wants the end of a run when it is dropped, so that a test that fails ends.
struct Ending(Arc<AtomicBool>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn options(directory: &TempDir, wait: bool) -> Options {
    let address = Address::Unix(directory.path().join("socket"));
    Options {
        listener: Listener::open(&address).expect("a socket"),
        wait,
        tapes: Vec::new(),
        no_history: None,
    }
}

/// Runs `machine` as `--gdb` does while `debuggers` come to the socket, at the latest until they
/// have returned.
fn served(machine: &mut Machine, debuggers: impl FnOnce(&Path) + Send) -> RunEnd {
    let directory = tempfile::tempdir().expect("a directory");
    let ending = Ending(Arc::default());
    machine.bus.platform.end_on(ending.0.clone());
    let options = options(&directory, false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ending = ending;
            debuggers(&directory.path().join("socket"));
        });
        once(|command| run(machine, options, u64::MAX, command))
    })
}

#[test]
fn a_running_machine_is_stopped_and_goes_on_as_if_it_had_not_been() {
    let count = register(&Model::default(), "icount");
    let mut machine = machine(2);
    let end = served(&mut machine, |socket| {
        let mut last = [0; 2];
        for _ in 0..3 {
            let mut gdb = Client::attach(socket);
            assert!(gdb.ask("?").starts_with(['S', 'T']));
            let now = [gdb.register(1, count), gdb.register(2, count)];
            // It has been running, and has gone on after the last debugger had left.
            assert!(
                now[0] > last[0] && now[1] > last[1],
                "{now:?} after {last:?}"
            );
            assert_eq!([gdb.register(1, count), gdb.register(2, count)], now);
            gdb.check(&format!("Z0,{:x},4", CODE + 12));
            assert!(gdb.ask("vCont;c").contains("swbreak:"));
            gdb.ask("vCont;s:1;c");
            last = [gdb.register(1, count), gdb.register(2, count)];
            gdb.detach();
        }
    });
    assert_eq!(end, RunEnd::Quit);
    let mut straight = super::machines::machine(2);
    let until = machine.instructions() + 100_000;
    machine.bus.platform.end_on(Arc::default());
    machine.run(until);
    straight.run(until);
    assert_eq!(machine.state_hash(), straight.state_hash());
}

#[test]
fn a_machine_that_is_idle_for_ever_waits_for_debuggers() {
    let count = register(&Model::default(), "icount");
    let mut machine = idle_for_ever();
    let end = served(&mut machine, |socket| {
        for _ in 0..3 {
            let mut gdb = Client::attach(socket);
            gdb.ask("?");
            assert_eq!(gdb.monitor("mode"), "cpu0 host PLV0, idle, pc 0x1004\n");
            assert_eq!(gdb.register(1, count), 1);
            // And one that is attached is told that nothing will happen.
            assert!(gdb.ask("vCont;c").starts_with("T02"));
            gdb.detach();
        }
    });
    assert_eq!(end, RunEnd::Quit);
}

#[test]
fn a_user_ends_a_machine_that_waits_for_a_debugger() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut machine = left_by_its_user();
    let ending = Ending(Arc::default());
    machine.bus.platform.end_on(ending.0.clone());
    let (over, is_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let late = scope.spawn(move || {
            let _ending = ending;
            is_over.recv_timeout(Duration::from_secs(30)) == Err(RecvTimeoutError::Timeout)
        });
        let options = options(&directory, true);
        let end = once(|command| run(&mut machine, options, u64::MAX, command));
        drop(over);
        assert_eq!(end, RunEnd::Quit);
        assert!(!late.join().expect("no panic"), "the user was not heard");
    });
}
