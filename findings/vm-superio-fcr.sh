#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vm-superio 0.8.1 (crates.io), `Serial`.
#
# Guess: as on a 16550, writing FCR bit 1 empties the receive FIFO, and IIR bits 7:6 are zero
# until FCR bit 0 enables the FIFOs.
# Seen: FCR is written in vain. A byte received before the FIFO was cleared is still there and is
# read; IIR tells of enabled FIFOs from the start, and of the same when FCR has turned them off.
# A driver that clears the FIFO when it opens the port gets input from before.
#
# Output seen:
#   IIR 0xc1, FIFOs off 0xc1; cleared: data ready 1, 0x78
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat >Cargo.toml <<'EOF'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
vm-superio = "=0.8.1"
EOF
cat >src/main.rs <<'EOF'
use vm_superio::{Serial, Trigger};

struct Line;
impl Trigger for Line {
    type E = std::io::Error;
    fn trigger(&self) -> Result<(), Self::E> {
        Ok(())
    }
}

fn main() {
    let mut serial = Serial::new(Line, std::io::sink());
    let reset = serial.read(2);
    serial.write(2, 0).expect("FCR: FIFOs off");
    let off = serial.read(2);
    serial.enqueue_raw_bytes(b"x").expect("room for a byte");
    serial.write(2, 3).expect("FCR: FIFOs on, receive FIFO cleared");
    let (ready, data) = (serial.read(5) & 1, serial.read(0));
    println!("IIR {reset:#x}, FIFOs off {off:#x}; cleared: data ready {ready}, {data:#x}");
}
EOF
seen=$(cargo run --quiet)
echo "$seen"
[ "$seen" = "IIR 0xc1, FIFOs off 0xc1; cleared: data ready 1, 0x78" ] || {
    echo "vm-superio 0.8.1 answers otherwise than on the day this was written" >&2
    exit 1
}
