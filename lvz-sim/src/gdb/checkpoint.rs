// SPDX-License-Identifier: Apache-2.0 OR MIT

//! States of a machine in memory, to go back to. Memory that did not change between two of them
//! is kept once.

use super::tape::{Mark, Tape};
use super::touched::touched;
use crate::engine::Machine;
use crate::platform::PlatformError;
use crate::snapshot::State;
use std::sync::Arc;

/// Unit in which memory is kept.
const CHUNK: usize = 64 << 10;

/// Zeros are not kept.
type Chunk = Option<Arc<[u8]>>;

/// A state between two rounds.
pub(super) struct Checkpoint {
    /// Instructions that had ended.
    pub(super) count: u64,
    /// Changes of the debugger's that had been made.
    pub(super) changes: usize,
    state: State,
    memory: Vec<Chunk>,
    marks: Vec<Mark>,
}

impl Checkpoint {
    /// The state of `machine`, and of its consoles.
    ///
    /// # Errors
    /// A device whose state cannot be saved.
    pub(super) fn of(
        machine: &Machine,
        tapes: &[Tape],
        changes: usize,
        before: Option<&Checkpoint>,
    ) -> Result<Self, PlatformError> {
        let state = machine.state()?;
        let ram = machine.bus.ram.bytes();
        let chunks = ram.chunks(CHUNK).zip(touched(ram, CHUNK)).enumerate();
        let memory = chunks.map(|(number, (bytes, is_touched))| {
            if !is_touched {
                return None;
            }
            let known = before.and_then(|before| before.memory.get(number)?.as_ref());
            match known.filter(|known| known[..] == *bytes) {
                Some(known) => Some(Arc::clone(known)),
                None if is_zero(bytes) => None,
                None => Some(Arc::from(bytes)),
            }
        });
        Ok(Self {
            count: machine.instructions(),
            changes,
            state,
            memory: memory.collect(),
            marks: tapes.iter().map(Tape::mark).collect(),
        })
    }

    /// Takes `machine` back to it.
    ///
    /// # Errors
    /// A device that has changed its shape.
    pub(super) fn restore(
        &self,
        machine: &mut Machine,
        tapes: &[Tape],
    ) -> Result<(), PlatformError> {
        let touched = touched(machine.bus.ram.bytes(), CHUNK);
        let chunks = machine.bus.ram.bytes_mut().chunks_mut(CHUNK);
        for ((bytes, kept), is_touched) in chunks.zip(&self.memory).zip(touched) {
            match kept {
                Some(kept) if kept[..] != *bytes => bytes.copy_from_slice(kept),
                None if is_touched && !is_zero(bytes) => bytes.fill(0),
                _ => {}
            }
        }
        for (tape, mark) in tapes.iter().zip(&self.marks) {
            tape.rewind(*mark);
        }
        machine.take_over(self.state.clone())
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    // By words, which the compiler makes vectors of.
    let (before, words, behind) = bytemuck::pod_align_to::<u8, u64>(bytes);
    before.iter().chain(behind).all(|byte| *byte == 0) && words.iter().all(|word| *word == 0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::machines::machine;
    use super::*;

    #[test]
    fn a_checkpoint_touches_no_memory_and_brings_all_of_it_back() {
        let mut machine = machine(1);
        let all = machine.bus.ram.size();
        let count = |machine: &Machine| {
            let touched = touched(machine.bus.ram.bytes(), CHUNK);
            touched.into_iter().filter(|touched| *touched).count()
        };
        machine.run(100_000);
        machine.bus.ram.write(all - 8, 1u64);
        let before = count(&machine);
        let first = Checkpoint::of(&machine, &[], 0, None).expect("a state");
        // If the computer does not tell, all was touched before.
        assert!(count(&machine) <= before.max(all / CHUNK / 2));
        let hash = machine.state_hash();
        // In a part that has bytes in the checkpoint, and in one that has none.
        machine.bus.ram.write(all - 16, 1u64);
        machine.bus.ram.write(all / 2, 1u64);
        machine.run(200_000);
        let changed = machine.state_hash();
        let second = Checkpoint::of(&machine, &[], 0, Some(&first)).expect("a state");
        for (checkpoint, hash) in [(&first, hash), (&second, changed), (&first, hash)] {
            checkpoint
                .restore(&mut machine, &[])
                .expect("its own state");
            assert_eq!(machine.state_hash(), hash);
        }
    }
}
