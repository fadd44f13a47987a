// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Two machines in lock-step.

use super::driver::Driver;
use super::*;
use crate::platform::net::{NetConfig, NetError, QUANTUM};
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use vm_memory::Bytes;

const HEADER: [u8; 12] = [0; 12];

fn config(role: &str, path: &Path) -> NetConfig {
    format!("stream,{role}={},lockstep", path.display())
        .parse()
        .unwrap()
}

fn rig(role: &str, path: &Path) -> Rig {
    Rig::with(PlatformConfig {
        net: Some(Net::open(&config(role, path)).unwrap()),
        ..PlatformConfig::default()
    })
}

/// Runs both ends, each in a thread of its own.
fn pair<A: Send, B: Send>(
    listener: impl FnOnce(Rig) -> A + Send,
    connector: impl FnOnce(Rig) -> B + Send,
) -> (A, B) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ether");
    thread::scope(|scope| {
        let first = scope.spawn(|| listener(rig("listen", &path)));
        let second = scope.spawn(|| connector(rig("connect", &path)));
        (first.join().unwrap(), second.join().unwrap())
    })
}

/// Runs a machine: it sends a frame now and then, and notes what comes and when. The
/// computer's clock plays a part only in `pause`.
fn chatter(mut rig: Rig, step: u64, pause: Duration) -> Vec<(u64, Vec<u8>)> {
    let mut driver = Driver::new(&mut rig, 1, 2);
    driver.queue(&mut rig, 0, &[], &[3000]);
    let mut seen = Vec::new();
    let (mut now, mut number, mut used) = (0, 0u16, 0);
    while now < 60 * QUANTUM {
        let next = rig.platform.next_event().unwrap();
        now = next.min(now + step);
        thread::sleep(pause);
        rig.platform.advance(now);
        while driver.used(&rig, 0).0 != used {
            used = driver.used(&rig, 0).0;
            let length = driver.used(&rig, 0).1 as usize;
            let mut bytes = vec![0; length];
            let at = GuestAddress(0x40_0000);
            rig.ram.read_slice(&mut bytes, at).unwrap();
            seen.push((now, bytes.split_off(12)));
            driver.queue(&mut rig, 0, &[], &[3000]);
        }
        if now % (step * 3) < step {
            // Its buffers are where the driver's others are, above them.
            let frame = vec![number as u8; 20 + usize::from(number)];
            let at = GuestAddress(0x50_0000);
            let bytes = [&HEADER[..], &frame].concat();
            rig.ram.write_slice(&bytes, at).unwrap();
            driver.describe(&rig, 1, 0, (0x50_0000, bytes.len() as u32, 0, 0));
            driver.submit(&mut rig, 1, 0);
            number += 1;
        }
    }
    seen
}

#[test]
fn what_comes_and_when_depends_on_the_machines_alone() {
    let run = |first: u64, second: u64| {
        pair(
            move |rig| chatter(rig, 31_000, Duration::from_micros(first)),
            move |rig| chatter(rig, 47_000, Duration::from_micros(second)),
        )
    };
    let reference = run(0, 0);
    assert!(reference.0.len() > 30, "{}", reference.0.len());
    assert!(reference.1.len() > 30, "{}", reference.1.len());
    for (now, _) in &reference.0 {
        assert!(now.is_multiple_of(QUANTUM), "{now}");
    }
    // Whichever is the slower one.
    assert_eq!(run(300, 0), reference);
    assert_eq!(run(0, 300), reference);
}

#[test]
fn a_machine_waits_for_the_slower_one() {
    let (waited, ()) = pair(
        |mut rig| {
            let start = std::time::Instant::now();
            rig.platform.advance(QUANTUM);
            start.elapsed()
        },
        |mut rig| {
            thread::sleep(Duration::from_millis(300));
            rig.platform.advance(QUANTUM);
        },
    );
    assert!(waited >= Duration::from_millis(290), "{waited:?}");
}

/// A quantum has room for so much; the rest waits in the driver's ring.
#[test]
fn a_quantum_is_no_longer_than_the_wire() {
    let (sent, received) = pair(
        |mut rig| {
            let mut driver = Driver::new(&mut rig, 1, 2);
            let mut counts = Vec::new();
            for number in 0..6 {
                driver.describe(&rig, 1, number, (0x40_0000, 60_012, 0, 0));
                driver.submit(&mut rig, 1, number as u16);
            }
            for quantum in 1..=3 {
                counts.push(driver.used(&rig, 1).0);
                rig.platform.advance(quantum * QUANTUM);
            }
            counts
        },
        |mut rig| {
            let mut driver = Driver::new(&mut rig, 1, 2);
            for number in 0..6 {
                let at = 0x40_0000 + number * 0x1_0000;
                driver.describe(&rig, 0, number, (at, 0x1_0000, 2, 0));
                driver.submit(&mut rig, 0, number as u16);
            }
            (1..=3)
                .map(|quantum| {
                    rig.platform.advance(quantum * QUANTUM);
                    driver.used(&rig, 0).0
                })
                .collect::<Vec<_>>()
        },
    );
    assert_eq!(sent, [3, 6, 6]);
    assert_eq!(received, [3, 6, 6]);
}

/// What the machine has no buffers for is lost at the end, as in a switch.
#[test]
fn what_a_machine_does_not_take_does_not_grow() {
    let quanta = 40;
    let (sent, received) = pair(
        |mut rig| {
            let mut driver = Driver::new(&mut rig, 1, 2);
            for quantum in 1..=quanta {
                driver.describe(&rig, 1, 0, (0x40_0000, 60_012, 0, 0));
                driver.submit(&mut rig, 1, 0);
                rig.platform.advance(quantum * QUANTUM);
            }
            driver.used(&rig, 1).0
        },
        |mut rig| {
            let mut driver = Driver::new(&mut rig, 1, 2);
            for quantum in 1..=quanta {
                rig.platform.advance(quantum * QUANTUM);
            }
            let mut count = 0;
            for number in 0..quanta as u16 {
                driver.queue(&mut rig, 0, &[], &[0x1_0000]);
                count = driver.used(&rig, 0).0;
                if count != number + 1 {
                    break;
                }
            }
            count
        },
    );
    assert_eq!(sent, quanta as u16);
    assert_eq!(received, 17, "1 MiB of frames of 60000 bytes");
}

#[test]
fn the_other_goes_on_alone_when_one_ends() {
    let (ended, ()) = pair(
        |mut rig| {
            let mut driver = Driver::new(&mut rig, 1, 2);
            driver.queue(&mut rig, 0, &[], &[100]);
            for quantum in 1..10 {
                rig.platform.advance(quantum * QUANTUM);
                if rig.read(VIRTIO_BASE + VIRTIO_STRIDE + 0x106, 2) == 0 {
                    // Frames of the quantum that the peer did not end are none.
                    assert_eq!(driver.used(&rig, 0).0, 0);
                    assert_eq!(rig.platform.next_event(), None);
                    rig.platform.advance((quantum + 1) * QUANTUM);
                    return quantum;
                }
            }
            0
        },
        |mut rig| {
            let mut driver = Driver::new(&mut rig, 1, 2);
            for quantum in 1..5 {
                rig.platform.advance(quantum * QUANTUM);
            }
            driver.queue(&mut rig, 1, &[&HEADER, b"last words"], &[]);
            rig.platform.advance(5 * QUANTUM - 1);
        },
    );
    assert_eq!(ended, 5);
}

/// What a peer in lock-step may not send.
#[test]
fn a_peer_that_breaks_the_rules_is_left() {
    let long = u32::MAX.to_be_bytes().to_vec();
    let mut flood = Vec::new();
    for _ in 0..4 {
        flood.extend(60_000u32.to_be_bytes());
        flood.resize(flood.len() + 60_000, 0);
    }
    for bytes in [long, flood] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ether");
        let peer = thread::spawn({
            let path = path.clone();
            move || {
                let mut peer = wait_for(&path);
                let mut hello = [0; 20];
                peer.read_exact(&mut hello).unwrap();
                peer.write_all(&hello).unwrap();
                // The other end closes when it has seen enough.
                let _ = peer.write_all(&bytes);
                let _ = peer.read_to_end(&mut Vec::new());
            }
        });
        let mut rig = rig("listen", &path);
        rig.platform.advance(QUANTUM);
        assert_eq!(rig.read(VIRTIO_BASE + VIRTIO_STRIDE + 0x106, 2), 0);
        peer.join().unwrap();
    }
}

fn wait_for(path: &Path) -> UnixStream {
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return stream,
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

#[test]
fn both_must_want_it() {
    for first in [
        b"\0\0\0\x05frame".to_vec(),
        b"\0\0\0\0LVZSTEP0".to_vec(),
        vec![],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ether");
        let listener = UnixListener::bind(&path).unwrap();
        let peer = thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            peer.write_all(&first).unwrap();
        });
        let error = Net::open(&config("connect", &path)).unwrap_err();
        peer.join().unwrap();
        assert!(matches!(error, NetError::NotInStep(_)), "{error}");
        assert!(error.to_string().contains("lockstep"));
    }
}

/// A user can leave while the other machine does not come.
#[test]
fn a_user_can_leave_while_the_machine_waits() {
    struct Leaver(u32);
    impl HostConsole for Leaver {
        fn write(&mut self, _bytes: &[u8]) {}
        fn read(&mut self, _buffer: &mut [u8]) -> usize {
            self.0 += 1;
            0
        }
        fn quit(&self) -> bool {
            self.0 > 2
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ether");
    thread::scope(|scope| {
        let peer = scope.spawn(|| Net::open(&config("connect", &path)).unwrap());
        let net = Net::open(&config("listen", &path)).unwrap();
        let _peer = peer.join().unwrap();
        let ram = GuestRam::from_ranges(&[(GuestAddress(0), 1 << 20)]).unwrap();
        let config = PlatformConfig {
            serial: [Box::new(Leaver(0)), Box::new(NullConsole)],
            net: Some(net),
            ..PlatformConfig::default()
        };
        let mut platform = Platform::new(config, ram).unwrap();
        platform.advance(QUANTUM);
        assert!(platform.quit_requested());
    });
}
