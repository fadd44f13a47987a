//! System calls, barriers and the stable counter (Volume 1, 2.2.8 and 2.2.10).

use super::operand::word;
use super::{Group, Op, Step};
use crate::cpu::Cpu;
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
fn rdtime(cpu: &mut Cpu, op: &Op, part: impl FnOnce(u64) -> u64) -> Step {
    let counter = cpu.stable_counter(op)?;
    cpu.set(op.rd, part(counter));
    cpu.set(op.rj, cpu.timer_id());
    Ok(())
}

crate::insn_table! { Group::Integer;
    SYSCALL => syscall, @ends;
    BREAK => brk, @ends;
    DBAR => barrier;
    IBAR => barrier, @ends;
    RDTIMEL_W => |cpu, _bus, op| rdtime(cpu, op, |counter| word(counter as u32));
    RDTIMEH_W => |cpu, _bus, op| rdtime(cpu, op, |counter| word((counter >> 32) as u32));
    RDTIME_D => |cpu, _bus, op| rdtime(cpu, op, |counter| counter);
}
