#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# cpio 0.4.2 (crates.io), `newc::Builder` and `newc::Writer`.
#
# Guess: the writer of an entry knows its size from the start and refuses data beyond it, so
# `finish` refuses an entry that lacks data.
# Seen: `finish` is Ok. The archive's next header then stands where the reader still expects data,
# and all entries from there on are lost; the archive is found broken when it is read.
#
# Output seen:
#   too much: Err, too little: Ok, read back: "12" and Err
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
cpio = "=0.4.2"
TOML
cat >src/main.rs <<'RUST'
use cpio::newc::{trailer, Builder, Reader};
use std::io::{Cursor, Read, Write};

fn entry(name: &str, size: u32, data: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut writer = Builder::new(name).mode(0o100644).write(Vec::new(), size);
    writer.write_all(data)?;
    writer.finish()
}

fn word<T>(result: &std::io::Result<T>) -> &'static str {
    if result.is_ok() { "Ok" } else { "Err" }
}

fn main() {
    let much = entry("a", 4, b"12345");
    let little = entry("a", 4, b"12");
    let mut archive = little.as_ref().expect("an entry").clone();
    archive.extend(entry("b", 4, b"5678").expect("an entry"));
    let archive = trailer(archive).expect("an end");
    let mut first = Reader::new(Cursor::new(archive)).expect("a header");
    let mut data = Vec::new();
    first.read_to_end(&mut data).expect("four bytes");
    let second = first.finish().and_then(Reader::new);
    println!(
        "too much: {}, too little: {}, read back: {:?} and {}",
        word(&much),
        word(&little),
        String::from_utf8_lossy(&data[..2]),
        word(&second)
    );
}
RUST
seen=$(cargo run --quiet)
echo "$seen"
[ "$seen" = 'too much: Err, too little: Ok, read back: "12" and Err' ] || {
    echo "cpio 0.4.2 answers otherwise than on the day this was written" >&2
    exit 1
}
