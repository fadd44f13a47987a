#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# rustc_apfloat 0.2.3+llvm-462a31f5a5ab (crates.io), `Double`.
#
# Guess: a result beyond the largest finite number raises overflow in every rounding mode, also
# where that number is the rounded result (IEEE 754-2019, 7.4: what counts is the result rounded
# as if the exponent had no limit).
# Seen: the largest double plus itself overflows to infinity with OVERFLOW | INEXACT, and rounded
# towards zero becomes the largest double with INEXACT alone. Flags of a processor cannot be
# compared with this crate's at that number.
#
# Output seen:
#   to nearest: infinite true, overflow true; towards zero: infinite false, overflow false
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
use rustc_apfloat::{Float, Round, Status};

fn twice(round: Round) -> (bool, bool) {
    let sum = Double::largest().add_r(Double::largest(), round);
    (sum.value.is_infinite(), sum.status.contains(Status::OVERFLOW))
}

fn main() {
    let (nearest, zero) = (twice(Round::NearestTiesToEven), twice(Round::TowardZero));
    println!(
        "to nearest: infinite {}, overflow {}; towards zero: infinite {}, overflow {}",
        nearest.0, nearest.1, zero.0, zero.1
    );
}
RUST
seen=$(cargo run --quiet)
echo "$seen"
[ "$seen" = "to nearest: infinite true, overflow true; towards zero: infinite false, overflow false" ] || {
    echo "rustc_apfloat 0.2.3 answers otherwise than on the day this was written" >&2
    exit 1
}
