#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vm-fdt 0.3.0 (crates.io), `FdtWriter`.
#
# Guess: as the writer refuses a phandle that another node has, it refuses a node with the name of
# its sibling and a property that its node has already. Neither can be told apart by a path
# (Devicetree Specification 0.4, 2.2.1 and 2.2.3).
# Seen: only the phandle is refused. The tree is finished with two nodes `uart@0` and two
# properties `status`, and which of them a reader finds is its own affair.
#
# Output seen:
#   phandle: Err(DuplicatePhandle); node and property: Ok, "okay" 1, "disabled" 1, uart@0 2
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
vm-fdt = "=0.3.0"
TOML
cat >src/main.rs <<'RUST'
use vm_fdt::{Error, FdtWriter};

fn phandle_twice() -> Result<(), Error> {
    let mut tree = FdtWriter::new()?;
    let root = tree.begin_node("")?;
    for name in ["a", "b"] {
        let node = tree.begin_node(name)?;
        tree.property_phandle(1)?;
        tree.end_node(node)?;
    }
    tree.end_node(root)
}

fn names_twice() -> Result<Vec<u8>, Error> {
    let mut tree = FdtWriter::new()?;
    let root = tree.begin_node("")?;
    for _ in 0..2 {
        let node = tree.begin_node("uart@0")?;
        tree.end_node(node)?;
    }
    let node = tree.begin_node("chosen")?;
    tree.property_string("status", "okay")?;
    tree.property_string("status", "disabled")?;
    tree.end_node(node)?;
    tree.end_node(root)?;
    tree.finish()
}

fn main() {
    let tree = names_twice().expect("a tree");
    let count = |text: &str| {
        let text = text.as_bytes();
        tree.windows(text.len()).filter(|part| *part == text).count()
    };
    println!(
        "phandle: {:?}; node and property: Ok, \"okay\" {}, \"disabled\" {}, uart@0 {}",
        phandle_twice(),
        count("okay"),
        count("disabled"),
        count("uart@0")
    );
}
RUST
seen=$(cargo run --quiet)
echo "$seen"
[ "$seen" = 'phandle: Err(DuplicatePhandle); node and property: Ok, "okay" 1, "disabled" 1, uart@0 2' ] || {
    echo "vm-fdt 0.3.0 answers otherwise than on the day this was written" >&2
    exit 1
}
