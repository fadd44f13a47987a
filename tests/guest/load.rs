// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The loads of `bench boot`: `load NAME SEED DIGEST`, where DIGEST is what the
//! workstation computed from SEED. Each checks what it did, says so in a line, and
//! fails otherwise.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::process::ExitCode;
use std::thread;

#[path = "compute.rs"]
mod compute;

type Outcome = Result<String, String>;

/// Flags of open(2) (Linux: include/uapi/asm-generic/fcntl.h): a write has reached the
/// disk when it returns, and nothing is cached here.
const O_DSYNC: i32 = 0o10_000;
const O_DIRECT: i32 = 0o40_000;

/// Bytes of a write to the disk, aligned as O_DIRECT wants it.
const BLOCK: usize = 4096;
#[repr(align(4096))]
struct Block([u8; BLOCK]);

/// Blocks that are written, and of how many the disk is.
const WRITES: u64 = 2000;
const BLOCKS: u64 = 4096;

/// Writes blocks one after the other, in an order without neighbours, then reads them.
fn disk() -> Outcome {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(O_DSYNC | O_DIRECT)
        .open("/dev/vda")
        .map_err(|error| format!("/dev/vda: {error}"))?;
    // An odd step visits every block of a power of two.
    let place = |number: u64| number * 1365 % BLOCKS * BLOCK as u64;
    let fill = |block: &mut Block, number: u64| {
        for (i, word) in block.0.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&(number << 32 | i as u64).to_le_bytes());
        }
    };
    let mut block = Box::new(Block([0; BLOCK]));
    for number in 0..WRITES {
        fill(&mut block, number);
        file.write_all_at(&block.0, place(number))
            .map_err(|error| format!("write {number}: {error}"))?;
    }
    let mut expected = Box::new(Block([0; BLOCK]));
    for number in 0..WRITES {
        fill(&mut expected, number);
        file.read_exact_at(&mut block.0, place(number))
            .map_err(|error| format!("read {number}: {error}"))?;
        if block.0 != expected.0 {
            return Err(format!("block {number} is not what was written"));
        }
    }
    Ok(format!("{WRITES} synchronous writes, read again"))
}

/// Requests, and their bytes.
const REQUESTS: u64 = 2000;
const REQUEST: usize = 64;

/// Sends requests through a port of virtio-serial and waits for each one's answer,
/// which is the request again.
fn serial() -> Outcome {
    let mut port = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/vport0p1")
        .map_err(|error| format!("/dev/vport0p1: {error}"))?;
    for number in 0..REQUESTS {
        let mut request = [0; REQUEST];
        for (i, word) in request.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&(number << 8 | i as u64).to_le_bytes());
        }
        port.write_all(&request)
            .map_err(|error| format!("request {number}: {error}"))?;
        let mut answer = [0; REQUEST];
        port.read_exact(&mut answer)
            .map_err(|error| format!("answer {number}: {error}"))?;
        if answer != request {
            return Err(format!("answer {number} is another one's"));
        }
    }
    Ok(format!("{REQUESTS} requests answered"))
}

/// How often the digest is worked out.
const ROUNDS: u64 = 30;

/// Computes on all CPUs, with nothing else to do but the kernel's ticks.
fn cpu(seed: u64, digest: u64) -> Outcome {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    let work = || (0..ROUNDS).all(|_| compute::digest(seed) == digest);
    let right = thread::scope(|scope| {
        let threads: Vec<_> = (0..cpus).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .all(|thread| thread.join().unwrap_or(false))
    });
    if !right {
        return Err("a digest is wrong".to_owned());
    }
    Ok(format!("{ROUNDS} digests on each of {cpus} CPUs"))
}

/// Fills three quarters of the memory and reads it again.
fn memory() -> Outcome {
    let text = fs::read_to_string("/proc/meminfo").map_err(|error| error.to_string())?;
    let kib: usize = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .ok_or("/proc/meminfo has no MemTotal")?;
    let words = kib * 1024 / 4 * 3 / 8;
    let value = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut table = Vec::with_capacity(words);
    table.extend((0..words as u64).map(value));
    for (i, word) in (0u64..).zip(&table) {
        if *word != value(i) {
            return Err(format!("word {i} is not what was written"));
        }
    }
    Ok(format!("{} MiB filled and read", words >> 17))
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let [_, name, seed, digest] = words.as_slice() else {
        eprintln!("usage: load NAME SEED DIGEST");
        return ExitCode::from(2);
    };
    let outcome = match (
        name.as_str(),
        seed.parse(),
        u64::from_str_radix(digest, 16),
    ) {
        ("disk", ..) => disk(),
        ("serial", ..) => serial(),
        ("cpu", Ok(seed), Ok(digest)) => cpu(seed, digest),
        ("memory", ..) => memory(),
        _ => Err("no such load, or no seed and digest".to_owned()),
    };
    match outcome {
        Ok(text) => {
            println!("KVM-LA-GUEST load {name}: {text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            println!("KVM-LA-GUEST load {name} failed: {text}");
            ExitCode::FAILURE
        }
    }
}
