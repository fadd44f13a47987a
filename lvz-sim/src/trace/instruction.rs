// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `--trace insn`: each instruction after it was executed, with the registers that it changed
//! and the CSR that it wrote.

use crate::cpu::{Cpu, CsrFile, Lbt, Op, Step, VReg, Via, csr_name};
use crate::disassembly::{GENERAL, text, unknown};
use crate::isa::Decoder;
use crate::mem::Bus;
use crate::world::World;
use la_arch::insn::lvz::GCSRXCHG;
use la_arch::insn::privileged::CSRXCHG;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Which instructions are traced; what is not said does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    world: Option<World>,
    plv: Option<u8>,
    cpu: Option<usize>,
    pc: Option<RangeInclusive<u64>>,
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut filter = Filter::default();
        let address = |digits: &str| {
            u64::from_str_radix(digits.strip_prefix("0x").unwrap_or(digits), 16)
                .map_err(|_| format!("'{digits}' is not a hexadecimal address"))
        };
        for part in text.split(',') {
            match part.split_once('=') {
                // What a trace's lines call it is taken too.
                Some(("mode", "host" | "root")) => filter.world = Some(World::Root),
                Some(("mode", "guest")) => filter.world = Some(World::Guest),
                Some(("plv", level)) => {
                    let level = level.parse().ok().filter(|level| *level < 4);
                    filter.plv = Some(level.ok_or("plv is 0, 1, 2 or 3")?);
                }
                Some(("cpu", number)) => {
                    let number = number.parse();
                    filter.cpu = Some(number.map_err(|_| "cpu is the number of a CPU")?);
                }
                Some(("pc", range)) => {
                    let (from, to) = range.split_once('-').ok_or("pc is FROM-TO")?;
                    filter.pc = Some(address(from)?..=address(to)?);
                }
                _ => {
                    return Err(format!(
                        "'{part}' is not mode=host, mode=guest, plv=N, cpu=N or pc=FROM-TO"
                    ));
                }
            }
        }
        Ok(filter)
    }
}

impl Filter {
    fn wants(&self, cpu: &Cpu, pc: u64) -> bool {
        self.world.is_none_or(|world| world == cpu.world())
            && self.plv.is_none_or(|plv| plv == cpu.plv)
            && self.cpu.is_none_or(|number| number == cpu.id)
            && self.pc.as_ref().is_none_or(|range| range.contains(&pc))
    }
}

/// What shows instructions.
#[derive(Debug, Default)]
pub(crate) struct Tracer {
    pub(crate) filter: Filter,
}

/// A CPU before an instruction.
pub(crate) struct Before {
    pc: u64,
    icount: u64,
    world: World,
    mode: &'static str,
    plv: u8,
    name: String,
    gpr: [u64; 32],
    vr: [VReg; 32],
    vr_high: [VReg; 32],
    fcc: u8,
    fcsr: u32,
    lbt: Lbt,
    /// Of root and guest, if the instruction may change CSRs.
    csrs: Option<[CsrFile; 2]>,
}

/// Whether a word has the opcode of privileged instructions, the only ones that change CSRs
/// otherwise than by an exception.
fn is_privileged(word: u32) -> bool {
    word >> 26 == CSRXCHG.bits >> 26
}

impl Tracer {
    /// The state before the instruction `op` at `pc`, if that is to be shown.
    pub(crate) fn before(&self, cpu: &Cpu, op: &Op, pc: u64, icount: u64) -> Option<Before> {
        let site = cpu.trace.site;
        let wanted = site.is_none() || site == cpu.stats.site();
        (wanted && self.filter.wants(cpu, pc)).then(|| Before {
            pc,
            icount,
            world: cpu.world(),
            mode: cpu.mode(),
            plv: cpu.plv,
            name: cpu.named(cpu.world(), pc),
            gpr: cpu.gpr,
            vr: cpu.vr,
            vr_high: cpu.vr_high,
            fcc: cpu.fcc,
            fcsr: cpu.fcsr,
            lbt: cpu.lbt,
            csrs: is_privileged(op.insn).then(|| World::ALL.map(|world| cpu.file(world).clone())),
        })
    }

    /// Shows an instruction that has ended.
    pub(crate) fn show(
        &self,
        cpu: &Cpu,
        bus: &Bus,
        decoder: &Decoder,
        op: &Op,
        before: &Before,
        how: Step,
    ) {
        let insn = decoder.find(op.insn);
        let text = insn.map_or_else(
            || unknown(op.insn),
            |insn| text(insn.encoding, op.insn, before.pc),
        );
        let Before {
            pc,
            icount,
            mode,
            plv,
            name,
            ..
        } = before;
        let changes = match how {
            Err(crate::cpu::Stop::Trap) => " traps".to_owned(),
            _ => before.changes(cpu) + &before.csrs(cpu, bus, op),
        };
        crate::say!(
            "[{icount}] cpu{} {mode} plv{plv} {pc:#x}{name}: {:08x} {text}{changes}",
            cpu.id,
            op.insn,
        );
    }
}

impl Before {
    /// The registers that have another value now.
    fn changes(&self, cpu: &Cpu) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        for (number, name) in GENERAL.iter().enumerate() {
            if self.gpr[number] != cpu.gpr[number] {
                let _ = write!(text, " {}={:#x}", &name[1..], cpu.gpr[number]);
            }
        }
        for number in 0..32 {
            let (low, high) = (&cpu.vr[number], &cpu.vr_high[number]);
            if self.vr_high[number] != *high {
                let [a, b, c, d] = [high.0[1], high.0[0], low.0[1], low.0[0]];
                let _ = write!(text, " xr{number}={a:#x}:{b:016x}:{c:016x}:{d:016x}");
            } else if self.vr[number].0[1] != low.0[1] {
                let _ = write!(text, " vr{number}={:#x}:{:016x}", low.0[1], low.0[0]);
            } else if self.vr[number] != *low {
                let _ = write!(text, " f{number}={:#x}", low.0[0]);
            }
        }
        for bit in (0..8).filter(|bit| (self.fcc ^ cpu.fcc) >> bit & 1 != 0) {
            let _ = write!(text, " fcc{bit}={}", cpu.fcc >> bit & 1);
        }
        if self.fcsr != cpu.fcsr {
            let _ = write!(text, " fcsr0={:#x}", cpu.fcsr);
        }
        for (number, (old, new)) in self.lbt.scr.iter().zip(&cpu.lbt.scr).enumerate() {
            if old != new {
                let _ = write!(text, " scr{number}={new:#x}");
            }
        }
        if self.lbt.eflags != cpu.lbt.eflags {
            let _ = write!(text, " eflags={:#x}", cpu.lbt.eflags);
        }
        if self.lbt.top != cpu.lbt.top {
            let _ = write!(text, " top={}", cpu.lbt.top);
        }
        text
    }

    /// The CSRs that have another value now, and the one that the instruction wrote, as they
    /// read now.
    fn csrs(&self, cpu: &Cpu, bus: &Bus, op: &Op) -> String {
        let mut text = String::new();
        for (world, old) in World::ALL.into_iter().zip(self.csrs.iter().flatten()) {
            let (via, prefix) = match (self.world, world) {
                (World::Root, World::Guest) => (Via::Gcsr, "GCSR."),
                _ => (Via::Csr, ""),
            };
            let written = self.written(op).filter(|(owner, _)| *owner == world);
            let changed = old.differing(cpu.file(world));
            let numbers: BTreeSet<u16> = changed.chain(written.map(|(_, n)| n)).collect();
            for number in numbers {
                let name = csr_name(number).unwrap_or_else(|| format!("{number:#x}"));
                let value = cpu.csr_read_of(bus, world, via, number);
                let _ = write!(text, " {prefix}{name}={value:#x}");
            }
        }
        text
    }

    /// The CSR that an instruction writes.
    fn written(&self, op: &Op) -> Option<(World, u16)> {
        let owner = match op.insn {
            // With r0 it is a read.
            _ if op.rj == 0 => return None,
            word if CSRXCHG.matches(word) => self.world,
            word if GCSRXCHG.matches(word) => World::Guest,
            _ => return None,
        };
        Some((owner, op.imm as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let filter: Filter = "mode=guest,plv=3,cpu=1,pc=0x1000-1fff".parse().unwrap();
        assert_eq!((filter.plv, filter.cpu), (Some(3), Some(1)));
        assert_eq!(filter.pc, Some(0x1000..=0x1fff));
        let host: Filter = "mode=host".parse().unwrap();
        assert_eq!("mode=root".parse::<Filter>(), Ok(host));
        for bad in ["", "mode=kernel", "plv=4", "cpu=x", "pc=1000", "pc=x-y"] {
            assert!(bad.parse::<Filter>().is_err(), "{bad}");
        }
    }
}
