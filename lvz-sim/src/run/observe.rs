// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What is written down while a machine runs, and the engine that can do so.

use crate::calls::Calls;
use crate::cli::RunArgs;
use crate::engine::{Engine, JitOptions, Machine};
use crate::finding::Findings;
use crate::profile::Profile;
use crate::symbols::Symbols;
use crate::trace::Tracer;
use anyhow::{Context, Result, bail};
use std::sync::Arc;

/// Has the machine trace, count and watch what is asked for.
pub(super) fn prepare(machine: &mut Machine, args: &RunArgs) -> Result<()> {
    for &address in &args.poison {
        if !machine.set_poison(address, true) {
            bail!("--poison {address:#x}: there is no memory");
        }
    }
    if args.trace.lint {
        machine.bus.platform.lint(Findings::default());
    }
    // Whether or not this run needs names: a wrong file is an error.
    let symbols = Arc::new(Symbols::read(&args.symbols)?);
    for cpu in &mut machine.cpus {
        cpu.symbols = symbols.clone();
        let mut trace = args.trace;
        trace.instructions = traced(args);
        trace.site = args.trace_site;
        cpu.set_trace(trace);
        cpu.calls = args.stats_calls.map(|number| Box::new(Calls::of(number)));
        if args.stats_events {
            cpu.tally.count_each();
        }
        if args.stats_sites {
            cpu.stats.sites.get_or_insert_default();
        }
    }
    machine.debug.tracer = traced(args).then(|| Tracer {
        filter: args.trace_only.clone().unwrap_or_default(),
    });
    machine.profile = args.profile.is_some().then(|| Profile::of(&machine.cpus));
    Ok(())
}

/// Whether instructions are traced.
fn traced(args: &RunArgs) -> bool {
    args.trace.instructions || args.trace_site.is_some() || args.trace_only.is_some()
}

/// The engine that is asked for, or the fastest that there is.
pub(super) fn choose_engine(machine: &mut Machine, args: &RunArgs) -> Result<()> {
    let traced = traced(args);
    match args.engine {
        Some(Engine::Jit(_) | Engine::Check(_)) if traced => {
            bail!("instructions are traced by the interpreter: leave out --engine")
        }
        Some(engine) => machine
            .use_engine(engine)
            .context("use --engine interpreter"),
        None if traced => Ok(()),
        None => {
            if let Err(error) = machine.use_engine(Engine::Jit(JitOptions::default())) {
                crate::say!("lvz-sim: {error}: all instructions are interpreted");
            }
            Ok(())
        }
    }
}
