// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Linux and a KVM host with a guest end in the same state under every engine, and
//! the check finds nothing in them.

use std::time::Instant;

use anyhow::Result;

use super::super::report::{Report, Verdict, detail};
use super::super::{Context, Tier};
use super::{compare, end, guests, linux, passed, resumed, with_guests};
use crate::machine::Machine;

const INTERPRETER: &str = "interpreter";
const JIT: &str = "jit";

/// The others. The code of the third overflows again and again; the last compares
/// almost all that is executed.
const ENGINES: &[&str] = &[
    JIT,
    "jit,hot=100,beside=off",
    "jit,hot=100,code=64K",
    "check",
    "check,hot=100",
];

/// Who executes the two halves of a run with a snapshot in between.
const HALVES: &[[&str; 2]] = &[[INTERPRETER, JIT], [JIT, INTERPRETER]];

pub(super) fn run(context: &Context, report: &mut Report) {
    if !context.runs(Tier::Full) {
        return;
    }
    for smp in [1, 4] {
        report.case(&format!("linux-smp={smp}-engines"), || {
            engines(context, "linux", &linux(context, smp))
        });
        report.case(&format!("nested-smp={smp}-engines"), || {
            with_guests(context, &guests(context, smp, &[13]), engines)
        });
    }
}

/// Runs a machine under all engines.
fn engines(context: &Context, name: &str, machine: &Machine) -> Result<Verdict> {
    let run = context
        .products
        .cache
        .new_run(&format!("determinism-{name}-engines"))?;
    let with = |engine: &str| context.simulator.with_engine(engine);
    let whole = end(&with(INTERPRETER), machine, &run, INTERPRETER)?;
    for engine in ENGINES {
        let begun = Instant::now();
        let other = end(&with(engine), machine, &run, engine)?;
        compare(&whole, &other, engine, &run)?;
        detail(format_args!(
            "{engine} ({:.0} s)",
            begun.elapsed().as_secs_f64()
        ));
    }
    for [first, second] in HALVES {
        let other = resumed(&with(first), &with(second), machine, &whole, &run)?;
        let what = format!("{first}, and {second} from its snapshot on,");
        compare(&whole, &other, &what, &run)?;
    }
    passed(&whole, &run)
}
