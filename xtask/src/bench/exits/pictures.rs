// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The pictures of bench `exits`.

use super::super::picture::{Group, Picture};
use super::Pair;
use super::cost::Cost;

/// Cost by class, and of exits to user space where it goes.
pub(super) fn pictures(pairs: &[Pair<'_>], versions: &str) -> Vec<Picture> {
    let drawn = || pairs.iter().filter(|pair| !pair.class.is_polled());
    let group = |pair: &Pair<'_>, parts: fn(Cost) -> Vec<f64>| Group {
        name: pair.class.name.to_owned(),
        ours: parts(pair.stack()),
        upstream: parts(pair.upstream),
    };
    let classes = Picture {
        name: "exits",
        title: "What a guest exit costs the host",
        unit: "instructions until the next entry",
        versions: versions.to_owned(),
        parts: Vec::new(),
        groups: drawn()
            .map(|pair| group(pair, |cost| vec![cost.figure()]))
            .collect(),
    };
    let parts = Picture {
        name: "exit-parts",
        title: "Where the instructions of exits go that QEMU answers, or that sleep",
        unit: "instructions until the next entry",
        versions: versions.to_owned(),
        parts: [
            "kernel",
            "QEMU",
            "interrupts in between",
            "first use of the FPU after it",
        ]
        .map(str::to_owned)
        .to_vec(),
        groups: drawn()
            .filter(|pair| pair.both.is_some())
            .map(|pair| {
                group(pair, |cost| {
                    let kernel = cost.kernel + cost.refills;
                    vec![kernel, cost.user, cost.interrupts, cost.fpu]
                })
            })
            .collect(),
    };
    vec![classes, parts]
}
