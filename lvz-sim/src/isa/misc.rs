// SPDX-License-Identifier: Apache-2.0 OR MIT

//! System calls, barriers and the stable counter (Volume 1, 2.2.8 and 2.2.10).

use super::operand::word;
use crate::cpu::{Cpu, Group, Op, Step};
use crate::mem::Bus;
use la_arch::Exception;
use la_arch::insn::integer as enc;

fn syscall(cpu: &mut Cpu, _bus: &mut Bus, _op: &Op) -> Step {
    Err(cpu.raise(Exception::SYS))
}

fn brk(cpu: &mut Cpu, _bus: &mut Bus, _op: &Op) -> Step {
    Err(cpu.raise(Exception::BRK))
}

/// `dbar`: accesses are in program order as it is. `ibar`: it ends the block,
/// so that what follows is looked up anew.
fn barrier(_cpu: &mut Cpu, _bus: &mut Bus, _op: &Op) -> Step {
    Ok(())
}

/// `rdtime*`: rd gets part of the stable counter, rj the counter's ID. If both
/// are the same register the ID stays, as in QEMU; the manual does not say.
#[inline(always)]
fn rdtime(cpu: &mut Cpu, bus: &mut Bus, op: &Op, part: impl FnOnce(u64) -> u64) -> Step {
    let counter = cpu.stable_counter(bus, op)?;
    cpu.set(op.rd, part(counter));
    cpu.set(op.rj, cpu.timer_id());
    Ok(())
}

crate::insn_table! { Group::Integer;
    SYSCALL => syscall, @ends;
    BREAK => brk, @ends;
    DBAR => barrier;
    IBAR => barrier, @ends;
    RDTIMEL_W => |cpu, bus, op| rdtime(cpu, bus, op, |counter| word(counter as u32));
    RDTIMEH_W => |cpu, bus, op| rdtime(cpu, bus, op, |counter| word((counter >> 32) as u32));
    RDTIME_D => |cpu, bus, op| rdtime(cpu, bus, op, |counter| counter);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{In, Machine, RJ};
    use super::enc;
    use crate::world::World;
    use la_arch::Exception;

    #[test]
    fn calls_and_breakpoints_trap() {
        let nothing = In::default();
        let trap = Machine::new().trap(&enc::SYSCALL, nothing);
        assert_eq!(trap, (Exception::SYS, None));
        let trap = Machine::new().trap(&enc::BREAK, nothing);
        assert_eq!(trap, (Exception::BRK, None));
    }

    #[test]
    fn barriers_do_nothing_else() {
        for encoding in [&enc::DBAR, &enc::IBAR] {
            let mut machine = Machine::new();
            assert_eq!(machine.exec(encoding, In::default()), Ok(()));
        }
    }

    #[test]
    fn the_counter_has_halves_and_an_id() {
        let mut machine = Machine::new();
        let tid = la_arch::csr::number::TID;
        machine.cpu.put_csr(World::Root, tid, 0x8000_0003);
        // Some three years of simulated time.
        machine.cpu.time_offset = 1 << 56 | 0xdead_beef;
        let mut read = |encoding| {
            assert_eq!(machine.exec(encoding, In::default()), Ok(()));
            assert_eq!(machine.cpu.get(RJ), 0x8000_0003);
            machine.rd()
        };
        let whole = read(&enc::RDTIME_D);
        assert!(whole >> 32 != 0);
        assert_eq!(read(&enc::RDTIMEL_W), whole as i32 as u64);
        assert_eq!(read(&enc::RDTIMEH_W), (whole >> 32) as i32 as u64);
    }
}
