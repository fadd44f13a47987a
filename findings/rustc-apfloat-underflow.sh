#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# rustc_apfloat 0.2.3+llvm-462a31f5a5ab (crates.io), `Double`.
#
# Guess: the smallest normal double times 1 - 2^-53 raises underflow. The product has 53 bits and
# lies below the normal numbers, so it is tiny before and after rounding (IEEE 754-2019, 7.5), and
# as a double it is inexact: it becomes the smallest normal number.
# Seen: INEXACT alone. The crate looks whether the number that comes out is denormal.
#
# Output seen:
#   smallest normal true, inexact true, underflow false
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
rustc_apfloat = "=0.2.3"
TOML
cat >src/main.rs <<'RUST'
use rustc_apfloat::ieee::Double;
use rustc_apfloat::{Float, Status};

fn main() {
    let smallest = Double::smallest_normalized();
    let below_one = Double::from_bits(u128::from((1.0 - f64::EPSILON / 2.0).to_bits()));
    let product = smallest * below_one;
    println!(
        "smallest normal {}, inexact {}, underflow {}",
        product.value == smallest,
        product.status.contains(Status::INEXACT),
        product.status.contains(Status::UNDERFLOW)
    );
}
RUST
seen=$(cargo run --quiet)
echo "$seen"
[ "$seen" = "smallest normal true, inexact true, underflow false" ] || {
    echo "rustc_apfloat 0.2.3 answers otherwise than on the day this was written" >&2
    exit 1
}
