#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vm-superio 0.8.1 (crates.io), `Serial`.
#
# Guess: as on a 16550, enabling the interrupt "transmitter holding register empty" while that
# register is empty raises it at once. Drivers start to send that way; Linux's 8250 driver
# tests for it and notes a UART that does otherwise as faulty (UART_BUG_TXEN).
# Seen: IER bit 1 alone raises nothing. LSR says that the register is empty, IIR says that no
# interrupt is pending; the first comes after a byte is written.
#
# Output seen:
#   empty 1, IIR 0xc1, after a byte 0xc2
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
    serial.write(1, 2).expect("IER: transmitter holding register empty");
    let (enabled, empty) = (serial.read(2), serial.read(5) >> 5 & 1);
    serial.write(0, b'x').expect("a byte to send");
    println!("empty {empty}, IIR {enabled:#x}, after a byte {:#x}", serial.read(2));
}
EOF
seen=$(cargo run --quiet)
echo "$seen"
[ "$seen" = "empty 1, IIR 0xc1, after a byte 0xc2" ] || {
    echo "vm-superio 0.8.1 answers otherwise than on the day this was written" >&2
    exit 1
}
