// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Fuzz target `snapshots`: a snapshot in which anything has changed.

use super::board::Parts;
use super::devices::access;
use super::random::Random;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use lvz_sim::engine::Engine;
use std::io::{Read as _, Write as _};

/// Where the state is: behind magic number and length.
const STATE: usize = 16;

/// The target: a snapshot is refused, or a machine goes on from it.
///
/// # Panics
/// The loader does, or the machine.
pub fn snapshots(bytes: &[u8]) {
    let mut random = Random::new(bytes);
    let parts = Parts::choose(&mut random);
    let mut machine = match random.below(2) {
        0 => {
            let mut machine = super::machine(bytes, Engine::Interpreter, None);
            machine.run(1_000);
            if random.below(2) == 1 {
                // Stopped inside a turn, and often inside a block.
                lvz_sim::gdb::hear(&mut machine, b"$vCont;s:p1.1#f2");
            }
            machine.set_poison(0x1000, true);
            machine
        }
        _ => {
            let mut machine = parts.machine();
            access(&mut random, &parts, &mut machine, 100);
            machine
        }
    };
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("snapshot");
    machine.save(&path).expect("a snapshot");
    let saved = std::fs::read(&path).expect("a snapshot");
    let mut snapshot = Vec::new();
    GzDecoder::new(saved.as_slice())
        .read_to_end(&mut snapshot)
        .expect("a snapshot");
    let length = u64::from_le_bytes(snapshot[8..STATE].try_into().expect("eight bytes"));
    for _ in 0..1 + random.below(4) {
        let at = match random.below(8) {
            0 => random.below(STATE),
            _ => STATE + (random.next() % length) as usize,
        };
        let any = random.next() as u8;
        let value = random.one_of(&[0, 1, 0x7f, 0x80, 0xff, any]);
        // One byte, or a number of many.
        let count = random.one_of(&[1, 1, 9]);
        for byte in snapshot.iter_mut().skip(at).take(count) {
            *byte = value;
        }
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&snapshot).expect("memory");
    std::fs::write(&path, encoder.finish().expect("memory")).expect("a file");
    if machine.load(&path).is_ok() {
        let until = machine.instructions().saturating_add(2_000);
        machine.run(until);
    }
}
