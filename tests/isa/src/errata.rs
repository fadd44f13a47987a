// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Where QEMU is wrong against the manual, by name, each with the argument.
//!
//! An erratum does not excuse a difference: it replaces QEMU's outcome by what
//! the manual asks for, and the simulator has to agree with that.

use crate::case::{Case, Outcome, State, Trap};
use crate::subjects;
use la_arch::fcsr::{CAUSE, CAUSE_SHIFT, ENABLES, FIELDS};

mod lanes;
mod list;

pub use list::ERRATA;

/// What an erratum may look at.
#[derive(Debug)]
pub struct Context<'a> {
    /// Name of the instruction.
    pub name: &'a str,
    /// What went in.
    pub case: &'a Case,
    /// What QEMU made of the same case with no floating-point exception
    /// enabled; only vector instructions have it.
    pub untrapped: Option<&'a Outcome>,
}

/// One way in which QEMU is wrong.
#[derive(Clone, Copy, Debug)]
pub struct Erratum {
    /// Name, as reports use it.
    pub name: &'static str,
    /// What it is about, in words.
    pub instructions: &'static str,
    /// What the manual says, what QEMU does, and how we know.
    pub argument: &'static str,
    /// Whether it concerns the instruction of this name.
    concerns: fn(&str) -> bool,
    /// Corrects QEMU's outcome; false if this case comes out right.
    correct: fn(&Context<'_>, &mut Outcome) -> bool,
}

/// Applies what concerns this case; returns the names.
pub fn correct(context: &Context<'_>, outcome: &mut Outcome) -> Vec<&'static str> {
    ERRATA
        .iter()
        .filter(|e| (e.concerns)(context.name))
        .filter(|e| {
            let before = outcome.clone();
            (e.correct)(context, outcome) && *outcome != before
        })
        .map(|e| e.name)
        .collect()
}

/// Whether a test needs its vector cases run a second time without traps:
/// those of floating-point instructions that can raise exceptions.
pub fn needs_untrapped(name: &str) -> bool {
    let name = name.strip_prefix('x').unwrap_or(name);
    let silent = ["vfclass", "vfrstp"].iter().any(|s| name.starts_with(s));
    name.starts_with("vf") && !silent
}

/// The outcome of an instruction that traps: nothing has changed.
fn trapped(case: &Case, trap: Trap) -> Outcome {
    Outcome {
        trap: Some(trap),
        pc: case.pc,
        state: case.state.clone(),
        window: case.window,
    }
}

/// Registers of the only instruction of a case.
fn registers(case: &Case) -> [usize; 3] {
    let word = case.words.last().copied().unwrap_or_default();
    [0, 5, 10].map(|shift| (word >> shift & 31) as usize)
}

/// The address of an access that must be aligned and is not.
fn misaligned(case: &Case) -> Option<u64> {
    let (address, size) = case.access?;
    (address & (size - 1) != 0).then_some(address)
}

fn alignment(context: &Context<'_>, outcome: &mut Outcome) -> bool {
    let Some(address) = misaligned(context.case) else {
        return false;
    };
    *outcome = trapped(context.case, Trap::Alignment(address));
    true
}

fn signed_assertion(context: &Context<'_>, outcome: &mut Outcome) -> bool {
    let [_, rj, rk] = registers(context.case);
    let [a, b] = [rj, rk].map(|r| context.case.state.gpr[r] as i64);
    let holds = if context.name == "asrtle.d" {
        a <= b
    } else {
        a > b
    };
    *outcome = if holds {
        retired(context.case, context.case.state.clone())
    } else {
        trapped(context.case, Trap::BoundCheck)
    };
    true
}

fn retired(case: &Case, state: State) -> Outcome {
    Outcome {
        trap: None,
        pc: case.end(),
        state,
        window: case.window,
    }
}

/// The whole of `fld{gt,le}` and `fst{gt,le}` by the manual's pseudo-code.
fn bounded_float(context: &Context<'_>, outcome: &mut Outcome) -> bool {
    let case = context.case;
    let Some((address, size)) = case.access else {
        return false;
    };
    let [fd, _, rk] = registers(case);
    let bound = case.state.gpr[rk];
    let within = if context.name.contains("gt") {
        address > bound
    } else {
        address <= bound
    };
    *outcome = if misaligned(case).is_some() {
        trapped(case, Trap::Alignment(address))
    } else if !within {
        trapped(case, Trap::BoundCheck)
    } else if context.name.starts_with("fld") {
        match case.read(address, size) {
            Some(value) => {
                let mut state = case.state.clone();
                // The manual leaves the high half of a single open; as in
                // every other single-precision load it is all ones.
                let high = if size == 4 { u64::MAX << 32 } else { 0 };
                state.vr[fd][0] = value | high;
                retired(case, state)
            }
            None => trapped(case, Trap::Unmapped(address)),
        }
    } else {
        let mut stored = retired(case, case.state.clone());
        let value = case.state.vr[fd][0].to_le_bytes();
        if case.write(&mut stored.window, address, &value[..size as usize]) {
            stored
        } else if case.read(address, size).is_some() {
            trapped(case, Trap::ReadOnly(address))
        } else {
            trapped(case, Trap::Unmapped(address))
        }
    };
    true
}

fn same_rd_rj(context: &Context<'_>, outcome: &mut Outcome) -> bool {
    let [rd, rj, _] = registers(context.case);
    if rd != rj {
        return false;
    }
    *outcome = trapped(context.case, Trap::Illegal);
    true
}

fn reserved_fcsr_bits(_: &Context<'_>, outcome: &mut Outcome) -> bool {
    outcome.state.fcsr &= FIELDS;
    true
}

/// Of a test of words that are none of the model's instructions: one that another
/// model has.
fn absent(context: &Context<'_>, outcome: &mut Outcome) -> bool {
    let word = context.case.words.first().copied().unwrap_or_default();
    if !subjects::is_known(word) {
        return false;
    }
    *outcome = trapped(context.case, Trap::Illegal);
    true
}

/// A store that traps has stored nothing.
fn no_partial_store(context: &Context<'_>, outcome: &mut Outcome) -> bool {
    if outcome.trap.is_none() {
        return false;
    }
    outcome.window = context.case.window;
    true
}

/// A load that traps has loaded nothing.
fn no_partial_load(context: &Context<'_>, outcome: &mut Outcome) -> bool {
    if outcome.trap.is_none() {
        return false;
    }
    outcome.state.vr = context.case.state.vr;
    true
}

/// Whether an instruction is one of LSX.
fn is_lsx(name: &str) -> bool {
    name.starts_with('v') && !name.starts_with("vext2xv")
}

/// What LSX leaves in bits 255:128 is what was there.
fn upper_half_kept(context: &Context<'_>, outcome: &mut Outcome) -> bool {
    let [vd, ..] = registers(context.case);
    let [.., high, highest] = context.case.state.vr[vd];
    let [low, second, ..] = outcome.state.vr[vd];
    outcome.state.vr[vd] = [low, second, high, highest];
    true
}

/// The floating-point exception of a case whose exceptions are `cause`.
fn float_trap(case: &Case, cause: u32) -> Outcome {
    let mut outcome = trapped(case, Trap::FloatingPoint);
    let fcsr = &mut outcome.state.fcsr;
    *fcsr = *fcsr & !CAUSE | cause << CAUSE_SHIFT;
    outcome
}

/// FCSR's bit for underflow, in each field.
const UNDERFLOW: u32 = 2;

fn exact_underflow(context: &Context<'_>, outcome: &mut Outcome) -> bool {
    let case = context.case;
    let [fd, ..] = registers(case);
    let enabled = case.state.fcsr & UNDERFLOW != 0;
    let result = outcome.state.vr[fd];
    if !enabled || outcome.trap.is_some() || !lanes::any_tiny(context.name, [result[0], 0, 0, 0]) {
        return false;
    }
    *outcome = float_trap(case, UNDERFLOW);
    true
}

fn vector_float_trap(context: &Context<'_>, outcome: &mut Outcome) -> bool {
    let case = context.case;
    let Some(untrapped) = context.untrapped else {
        return false;
    };
    let [vd, ..] = registers(case);
    let enables = case.state.fcsr & ENABLES;
    let mut cause = untrapped.state.fcsr >> CAUSE_SHIFT & ENABLES;
    if lanes::any_tiny(context.name, untrapped.state.vr[vd]) {
        cause |= UNDERFLOW & enables;
    }
    if cause & enables == 0 {
        return false;
    }
    *outcome = float_trap(case, cause);
    true
}
