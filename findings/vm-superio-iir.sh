#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vm-superio 0.8.1 (crates.io), `Serial`.
#
# Guess: as on a 16550, the interrupt "received data available" stays pending until the
# data is read: IIR names it again and again.
# Seen: reading IIR takes it away. With a byte still unread (LSR bit 0 is 1), a second
# read of IIR says that no interrupt is pending. A driver that looks at IIR twice before
# it reads the byte, or a level-sensitive interrupt line made of IIR, misses it.
#
# Output seen:
#   IIR 0xc4 then 0xc1, data ready 1
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
    serial.write(1, 1).expect("IER: received data available");
    serial.enqueue_raw_bytes(b"x").expect("room for a byte");
    let (first, second) = (serial.read(2), serial.read(2));
    println!("IIR {first:#x} then {second:#x}, data ready {}", serial.read(5) & 1);
}
EOF
seen=$(cargo run --quiet)
echo "$seen"
[ "$seen" = "IIR 0xc4 then 0xc1, data ready 1" ] || {
    echo "vm-superio 0.8.1 answers otherwise than on the day this was written" >&2
    exit 1
}
