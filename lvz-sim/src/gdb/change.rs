// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a debugger changes in a machine.

use super::registers::Register;
use crate::engine::Machine;

/// A change, which can be made again.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// A register of a CPU.
    Register(usize, Register, Vec<u8>),
    /// Memory, at a physical address.
    Memory(u64, Vec<u8>),
    /// Whether the page at a physical address raises machine errors.
    Poison(u64, bool),
}

impl Change {
    pub(super) fn make(&self, machine: &mut Machine) {
        match self {
            Change::Register(cpu, register, bytes) => {
                if let Some(cpu) = machine.cpus.get_mut(*cpu) {
                    register.write(cpu, &mut machine.bus, bytes);
                }
            }
            Change::Memory(pa, bytes) => write_memory(machine, *pa, bytes),
            Change::Poison(pa, poisoned) => {
                machine.set_poison(*pa, *poisoned);
            }
        }
    }
}

/// Writes memory as a device does: decoded code and reservations in it end.
fn write_memory(machine: &mut Machine, pa: u64, bytes: &[u8]) {
    let bus = &mut machine.bus;
    for (at, byte) in (pa..).zip(bytes) {
        if let Some(offset) = bus.ram.offset(at) {
            bus.written_from_outside(offset);
            bus.ram.write(offset, *byte);
        }
    }
}
