// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Runs batches of cases in lvz-sim: a machine with one CPU and no devices,
//! and the driver as its only software.

use crate::case::{Case, Outcome, State, Trap, Unexpected, double};
use crate::layout::{
    CASE_BYTES, CODE, CONTEXT_BYTES, EXCEPTION_BYTES, FILLER, RESULT_BYTES, WINDOW_SIZE,
    read_only_bytes,
};
use crate::qemu::BatchResult;
use crate::system_driver::{self, physical, record};
use anyhow::{Context, Result, bail, ensure};
use la_arch::Exception;
use lvz_sim::cpu::Model;
use lvz_sim::engine::{Engine, Machine, RunEnd};
use lvz_sim::mem::Ram;
use lvz_sim::platform::PlatformConfig;

/// Instructions of the driver and its case, more than enough for each.
const INSTRUCTIONS_A_CASE: u64 = 2000;

/// A machine that runs cases.
pub struct Sim {
    machine: Machine,
    driver: Vec<u8>,
    lasx: bool,
}

impl Sim {
    /// A machine with a CPU of `model`, which the interpreter runs if no other engine is
    /// given.
    pub fn new(model: Model, engine: Option<Engine>) -> Result<Self> {
        let ram = Ram::new(physical::END)?;
        let config = PlatformConfig::default();
        let lasx = model.has_lasx();
        let mut machine = Machine::with_memory(model, 1, ram, config)?;
        if let Some(engine) = engine {
            machine.use_engine(engine)?;
        }
        Ok(Sim {
            machine,
            driver: system_driver::build(lasx),
            lasx,
        })
    }

    /// Runs `cases`, each with its code in a slot of its own.
    pub fn run(&mut self, cases: &[Case]) -> Result<BatchResult> {
        self.load(cases);
        let machine = &mut self.machine;
        machine.reset_cpus();
        machine.memory_replaced();
        let cpu = machine.cpus.first_mut().context("no CPU")?;
        cpu.pc = physical::TEXT;
        let limit = machine.instructions() + (cases.len() as u64 + 1) * INSTRUCTIONS_A_CASE;
        let end = machine.run(limit);
        if let Some(difference) = machine.difference() {
            bail!("compiled code differs from the interpreter: {difference}");
        }
        let memory = machine.bus.ram.bytes();
        let next = double(memory, physical::CURSOR as usize);
        let done = (next - physical::RESULTS) as usize / RESULT_BYTES;
        ensure!(
            end == RunEnd::Stuck && done == cases.len(),
            "lvz-sim stopped ({end:?}) in case {done} of {} of its batch, at pc {:#x}",
            cases.len(),
            machine.cpus.first().map_or(0, |cpu| cpu.pc)
        );
        let results = physical::RESULTS as usize;
        let window = physical::WINDOW as usize;
        let outcomes = cases
            .iter()
            .zip(memory[results..].chunks_exact(RESULT_BYTES))
            .map(|(case, record)| {
                let mut outcome = outcome(case, record)?;
                if !self.lasx {
                    keep_upper_halves(case, &mut outcome.state);
                }
                Ok(outcome)
            })
            .collect::<Result<_>>()?;
        Ok(BatchResult {
            outcomes,
            window: memory[window..window + WINDOW_SIZE as usize].to_vec(),
        })
    }

    /// Puts the driver and the cases into memory.
    fn load(&mut self, cases: &[Case]) {
        let memory = self.machine.bus.ram.bytes_mut();
        let mut put = |at: u64, bytes: &[u8]| {
            memory[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        };
        put(physical::TEXT, &self.driver);
        let cursor = [physical::RESULTS, physical::CASES, cases.len() as u64];
        put(physical::CURSOR, &cursor.map(u64::to_le_bytes).concat());
        put(physical::WINDOW, &vec![0; WINDOW_SIZE as usize]);
        put(physical::READ_ONLY, &read_only_bytes());
        let code = (physical::CASES - physical::CODE) as usize / 4;
        put(
            physical::CODE,
            &FILLER.to_le_bytes().repeat(code.min(1 << 19)),
        );
        for (i, case) in cases.iter().enumerate() {
            let record = physical::CASES + (i * CASE_BYTES) as u64;
            put(record, &case.state.to_context(case.pc));
            put(record + CONTEXT_BYTES as u64, &case.window);
            let words: Vec<u8> = case.words.iter().flat_map(|w| w.to_le_bytes()).collect();
            put(physical::CODE + (case.pc - CODE), &words);
        }
    }
}

/// What a CPU without LASX does not have is as it was.
fn keep_upper_halves(case: &Case, state: &mut State) {
    for (after, before) in state.vr.iter_mut().zip(&case.state.vr) {
        after[2..].copy_from_slice(&before[2..]);
    }
}

fn outcome(case: &Case, result: &[u8]) -> Result<Outcome> {
    let (exception, rest) = result.split_at(EXCEPTION_BYTES);
    let (context, window) = rest.split_at(CONTEXT_BYTES);
    let (state, era) = State::from_context(context.try_into()?).context("no vector registers")?;
    let tlbrera = double(exception, record::TLBRERA);
    let refill = tlbrera & 1 != 0;
    let pc = if refill { tlbrera & !3 } else { era };
    let left = !(case.pc..case.end()).contains(&pc);
    let trap = if left {
        // The break behind the case, or whatever a branch's target has.
        None
    } else if refill {
        Some(Trap::Unmapped(double(exception, record::TLBRBADV)))
    } else {
        let estat = double(exception, record::ESTAT);
        Some(trap(estat, double(exception, record::BADV)))
    };
    Ok(Outcome {
        trap,
        pc,
        state,
        window: window.try_into()?,
    })
}

fn trap(estat: u64, badv: u64) -> Trap {
    let (code, sub) = ((estat >> 16 & 0x3f) as u8, (estat >> 22 & 0x1ff) as u16);
    let is = |e: Exception| e.code == code && e.sub == sub;
    if is(Exception::INE) {
        Trap::Illegal
    } else if is(Exception::BRK) {
        Trap::Breakpoint
    } else if is(Exception::BCE) {
        Trap::BoundCheck
    } else if is(Exception::FPE) || is(Exception::VFPE) {
        Trap::FloatingPoint
    } else if is(Exception::ALE) {
        Trap::Alignment(badv)
    } else if is(Exception::PIL) || is(Exception::PIS) || is(Exception::ADEM) {
        Trap::Unmapped(badv)
    } else if is(Exception::PME) {
        Trap::ReadOnly(badv)
    } else {
        Trap::Other(Unexpected {
            number: i32::from(code),
            code: i32::from(sub),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;
    use la_arch::insn::integer;

    #[test]
    fn a_batch_runs_and_traps_are_seen() {
        let cases: Vec<Case> = (0..200)
            .map(|index| generate::case(&integer::LD_BU, 1, index))
            .collect();
        let result = Sim::new("la664".parse().unwrap(), None)
            .unwrap()
            .run(&cases)
            .unwrap();
        let mut traps = 0;
        for (case, outcome) in cases.iter().zip(&result.outcomes) {
            let (address, size) = case.access.unwrap();
            let rd = (case.words[0] & 31) as usize;
            match case.read(address, size) {
                Some(byte) => {
                    assert_eq!(outcome.trap, None);
                    assert_eq!(outcome.pc, case.end());
                    assert_eq!(outcome.state.gpr[rd], if rd == 0 { 0 } else { byte });
                }
                None => {
                    traps += 1;
                    assert_eq!(outcome.trap, Some(Trap::Unmapped(address)));
                    assert_eq!(outcome.state, case.state);
                }
            }
        }
        assert!(traps > 0 && traps < cases.len());
    }
}
