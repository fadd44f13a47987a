// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `--profile`: where instructions are executed, by symbol, as folded stacks.
//!
//! A CPU's program counter is looked at where its turn ends, and stands for the instructions of
//! the turn. The machine has no part in it and runs as fast as without.

use crate::cpu::Cpu;
use crate::world::World;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A profile in the making.
#[derive(Debug)]
pub(crate) struct Profile {
    /// Instructions by what they are of.
    weights: BTreeMap<String, u64>,
    /// Instructions of each CPU that are in `weights`.
    noted: Vec<u64>,
}

impl Profile {
    /// One that begins now: what `cpus` executed before, in the run that a snapshot is of, is not
    /// in it.
    pub(crate) fn of(cpus: &[Cpu]) -> Self {
        Self {
            weights: BTreeMap::new(),
            noted: cpus.iter().map(|cpu| cpu.icount).collect(),
        }
    }

    /// Notes the end of a turn of `cpu`.
    pub(crate) fn note(&mut self, cpu: &Cpu) {
        let Some(noted) = self.noted.get_mut(cpu.id) else {
            return;
        };
        let instructions = cpu.icount - std::mem::replace(noted, cpu.icount);
        if instructions == 0 {
            return;
        }
        let world = cpu.world();
        let mode = match world {
            World::Root => "host",
            World::Guest => "guest",
        };
        let level = if cpu.plv == 0 { "kernel" } else { "user" };
        let function = match cpu.symbols.find(world, cpu.csr().direct(), cpu.pc) {
            // Programs are at the same addresses as each other, and have no symbols here.
            Some((name, _)) if cpu.plv == 0 => name,
            _ => "[unknown]",
        };
        let stack = format!("{mode};{level};{function}");
        *self.weights.entry(stack).or_default() += instructions;
    }

    /// One line a stack: frames, the outermost first, and a number of instructions.
    pub(crate) fn folded(&self) -> String {
        let mut text = String::new();
        for (stack, weight) in &self.weights {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{stack} {weight}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Model;
    use crate::engine::Machine;
    use crate::mem::Ram;
    use crate::platform::PlatformConfig;
    use std::sync::Arc;

    #[test]
    fn it_has_what_is_executed_from_now_on_over_a_reset_too() {
        let ram = Ram::new(16 << 20).expect("memory for a test");
        let machine = Machine::with_memory(Model::default(), 1, ram, PlatformConfig::default());
        let mut machine = machine.expect("a machine without files");
        machine.cpus[0].icount = 1000;
        let mut profile = Profile::of(&machine.cpus);
        profile.note(&machine.cpus[0]);
        assert_eq!(profile.folded(), "");
        let symbols = Arc::clone(&machine.cpus[0].symbols);
        machine.reset_cpus();
        assert!(Arc::ptr_eq(&symbols, &machine.cpus[0].symbols));
        machine.cpus[0].icount += 5;
        profile.note(&machine.cpus[0]);
        assert_eq!(profile.folded(), "host;kernel;[unknown] 5\n");
    }
}
