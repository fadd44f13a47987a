// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Devices whose interrupts must arrive: the console's UART (a level), a port of
//! virtio-serial and a virtio disk (messages).

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::Shared;

/// The name that the port has in QEMU.
const PORT: &str = "kvm-la.port";

/// Not through the page cache (asm-generic/fcntl.h).
const O_DIRECT: i32 = 0o40000;

/// A block of the disk.
const BLOCK: usize = 4096;

/// How many blocks of the disk are used.
const BLOCKS: u64 = 64;

/// Tells each line that comes in; whether it said to end.
fn listen(shared: &Shared, name: &str, input: impl Read) {
    let mut lines = BufReader::new(input);
    loop {
        let mut bytes = Vec::new();
        match lines.read_until(b'\n', &mut bytes) {
            Ok(0) => std::thread::sleep(Duration::from_millis(100)),
            Ok(_) => {
                let line = String::from_utf8_lossy(&bytes);
                println!("KVM-LA-STEADY {name} {}", line.trim_end());
                if name == "console" && line.trim_end() == "end" {
                    std::process::exit(0);
                }
            }
            Err(error) => {
                shared.wrong(format_args!("the {name} cannot be read: {error}"));
                return;
            }
        }
    }
}

pub(crate) fn console(shared: &Shared) {
    listen(shared, "console", std::io::stdin());
}

/// The port, if there is one.
pub(crate) fn port(shared: &Shared) {
    let named = |path: &PathBuf| {
        fs::read_to_string(path.join("name")).is_ok_and(|name| name.trim_end() == PORT)
    };
    let Ok(ports) = fs::read_dir("/sys/class/virtio-ports") else {
        return;
    };
    let Some(port) = ports.flatten().map(|entry| entry.path()).find(named) else {
        return;
    };
    let Some(name) = port.file_name() else {
        return;
    };
    match File::open(PathBuf::from("/dev").join(name)) {
        Ok(file) => {
            println!("KVM-LA-STEADY port is open");
            listen(shared, "port", file);
        }
        Err(error) => shared.wrong(format_args!("the port cannot be opened: {error}")),
    }
}

/// A block in memory as the disk wants it.
#[repr(align(4096))]
struct Block([u8; BLOCK]);

/// The first disk, if there is one: every block is as it was last written.
pub(crate) fn disk(shared: &Shared) {
    let disk = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(O_DIRECT)
        .open("/dev/vda");
    let Ok(disk) = disk else {
        return;
    };
    let mut block = Block([0; BLOCK]);
    for generation in 0u64.. {
        match turn(&disk, &mut block, generation) {
            Ok(None) => {}
            Ok(Some(what)) => shared.wrong(what),
            Err(error) => {
                shared.wrong(format_args!("the disk: {error}"));
                return;
            }
        }
        shared.disk.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Verifies one block and writes the next generation; what is wrong, if anything.
fn turn(disk: &File, block: &mut Block, generation: u64) -> std::io::Result<Option<String>> {
    let number = generation % BLOCKS;
    let at = number * BLOCK as u64;
    let mut wrong = None;
    let mut verify = |block: &mut Block, expected: u8| -> std::io::Result<()> {
        block.0.fill(!expected);
        disk.read_exact_at(&mut block.0, at)?;
        if let Some(other) = block.0.iter().find(|byte| **byte != expected) {
            wrong = Some(format!("block {number} of the disk is {other}, not {expected}"));
        }
        Ok(())
    };
    if generation >= BLOCKS {
        verify(block, (generation - BLOCKS) as u8)?;
    }
    block.0.fill(generation as u8);
    disk.write_all_at(&block.0, at)?;
    verify(block, generation as u8)?;
    Ok(wrong)
}
