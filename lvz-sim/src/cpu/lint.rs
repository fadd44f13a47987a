// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Lints, as `--trace lint` prints them: what software does that works by luck, or does not work and says
//! nothing. Each finding names the instruction and the rule; a place is reported once for
//! each rule. The machine is the same, but that it looks for interrupts after each
//! instruction of root while GTLBC names a GID (`Watch::lookups`).

use super::csr_numbers::{csr_name, listed};
use super::findings::Last;
use super::{Cpu, Trap, Via};
use crate::disassembly::word_text;
use crate::finding::{Finding, Rule};
use crate::mem::Bus;
use crate::mmu::PA_MASK;
use crate::world::World;
use la_arch::Exception;
use la_arch::csr::{Class, TlbElo, number as n};

/// So many times the same exception without a return: the handler causes it itself.
const WITHOUT_RETURN: u32 = 8;
/// So many times the same page fault: the handler does not mend it.
const UNMENDED: u32 = 200;

pub(super) fn page_fault(exception: Exception) -> bool {
    (Exception::PIL.code..=Exception::PPI.code).contains(&exception.code)
}

/// The instruction `insn` at `pc` as part of a line, if it could be fetched.
pub(super) fn instruction(insn: Option<u32>, pc: u64) -> String {
    insn.map_or_else(String::new, |word| format!(" of `{}`", word_text(word, pc)))
}

fn register(number: u16) -> String {
    csr_name(number).unwrap_or_else(|| format!("CSR {number:#x}"))
}

impl Cpu {
    fn guest_has(&self, number: u16) -> bool {
        listed(number).is_some_and(|(csr, _)| match csr.class {
            Class::Guest
            | Class::Message
            | Class::Volatile
            | Class::Constant
            | Class::Stateless => true,
            Class::Counter => self.lent_to_guest(number),
            Class::Software | Class::Root | Class::Absent => false,
        })
    }

    /// Address of the instruction that is being executed, if it has called
    /// [`Cpu::executing`].
    pub(super) fn pc_executing(&self) -> u64 {
        self.pc.wrapping_add(4 * self.inside.saturating_sub(1))
    }

    /// Reports a finding about the instruction at `pc`.
    pub(crate) fn lint(&mut self, rule: Rule, pc: u64, what: &str) {
        self.lint_of(self.world(), rule, pc, what);
    }

    /// Reports a finding about the instruction of `world` at `pc`.
    #[cold]
    pub(super) fn lint_of(&mut self, world: World, rule: Rule, pc: u64, what: &str) {
        if self.lints.reported.insert((rule, pc)) {
            let (icount, id, text) = (self.icount, self.id, rule.text());
            let name = self.named(world, pc);
            self.lints.found.add(Finding {
                rule,
                place: Some((id, pc)),
                text: format!("[{icount}] cpu{id} lint: {what}, pc={pc:#x}{name}: {text}"),
            });
        }
    }

    /// After an access to a CSR by the instruction that is being executed: `written` is
    /// the value that it wrote, `old` what the register read before.
    #[cold]
    pub(crate) fn lint_csr(
        &mut self,
        bus: &Bus,
        via: Via,
        number: u16,
        old: u64,
        written: Option<u64>,
    ) {
        let pc = self.pc_executing();
        let prefix = if via == Via::Gcsr { "g" } else { "" };
        let name = register(number);
        if via == Via::Gcsr && !self.guest_has(number) {
            let what = format!("gcsr access to {name}");
            return self.lint(Rule::NoGuestRegister, pc, &what);
        }
        let Some(value) = written else {
            return;
        };
        match number {
            // Ones clear, or start what does not show in the register.
            n::TICLR | n::LLBCTL | n::TVAL | n::MWPS | n::FWPS => return,
            // Page table entries have software's bits where these have none.
            n::TLBELO0 | n::TLBELO1 | n::TLBRELO0 | n::TLBRELO1 => return,
            _ => {}
        }
        let mut dropped = value & !self.csr_read(bus, via, number) & !old;
        if matches!(number, n::TLBRENTRY | n::MERRENTRY) {
            // Linux writes addresses of a direct mapping window, of which the physical
            // one stays (arch/loongarch/mm/tlb.c: setup_tlb_handler).
            dropped &= PA_MASK;
        }
        if dropped != 0 {
            let rule = match number {
                n::EENTRY | n::TLBRENTRY | n::MERRENTRY if dropped & !0xfff == 0 => {
                    Rule::EntryAlignment
                }
                _ => Rule::DroppedBits,
            };
            let what = format!(
                "{prefix}csr write to {name}: of {value:#x} the bits {dropped:#x} are lost"
            );
            self.lint(rule, pc, &what);
        }
    }

    /// Before `invtlb` at `pc` is executed.
    pub(crate) fn lint_invtlb(&mut self, pc: u64, op: u8, info: u64) {
        let gid = info >> 16 & 0xff;
        if op == 0x16 && gid == 0 && !self.in_guest() && self.model.has_lvz() {
            self.lint(Rule::InvtlbGid, pc, "invtlb 0x16 with GID 0");
        }
    }

    /// Before the instruction that is being executed, `tlbwr`, `tlbfill` or a `gtlb` form of
    /// them, writes an entry of pages of 2^`ps` bytes.
    #[cold]
    pub(crate) fn lint_tlb_entry(&mut self, instruction: &str, ps: u8, lo: [u64; 2]) {
        let below = (1u64 << ps.min(47)) - 1;
        let halves = lo.map(TlbElo).into_iter().filter(|half| half.v());
        let addresses = halves.map(|half| half.ppn() << 12);
        let wrong: Vec<_> = addresses.filter(|pa| pa & below != 0).collect();
        for pa in wrong {
            let what = format!(
                "{instruction} of a page of {} KiB at {pa:#x}: the bits {:#x} are lost",
                1u64 << ps.min(47) >> 10,
                pa & below
            );
            self.lint(Rule::PageAddress, self.pc_executing(), &what);
        }
    }

    /// Before an exception is delivered: whether root's handler can be fetched.
    fn lint_handler(&mut self, bus: &Bus, pc: u64, insn: Option<u32>, trap: &Trap) {
        let handler = self.root().raw(n::EENTRY);
        let elsewhere = trap.refill || trap.machine_error || self.in_guest() && !trap.to_root;
        if elsewhere || self.peek(bus, World::Root, handler).is_some() {
            return;
        }
        let (name, of) = (trap.exception.name, instruction(insn, pc));
        let what = format!("{name}{of} with EENTRY={handler:#x} in no window and no page");
        self.lint(Rule::HandlerUnmapped, pc, &what);
    }

    /// Before an exception of the instruction `insn` at `pc` is delivered.
    #[cold]
    pub(crate) fn lint_exception(&mut self, bus: &Bus, pc: u64, insn: Option<u32>, trap: &Trap) {
        self.lint_handler(bus, pc, insn, trap);
        if !self.in_guest() && self.root().gstat().pgm() && !trap.refill {
            let (name, of) = (trap.exception.name, instruction(insn, pc));
            let what = format!("{name}{of} in root while GSTAT.PGM is set");
            self.lint(Rule::RootException, pc, &what);
        }
        if self.in_guest() && trap.to_root {
            return self.lint_exit(pc, insn, trap);
        }
        if trap.exception == Exception::INT {
            return;
        }
        let mends = page_fault(trap.exception);
        let exception = Last {
            world: self.world(),
            pc,
            badv: trap.badv,
            code: (!mends).then_some((trap.exception.code, trap.exception.sub)),
        };
        if self.lints.last != Some(exception) {
            self.lints.last = Some(exception);
            (self.lints.times, self.lints.times_without_return) = (0, 0);
        }
        let lints = &mut self.lints;
        lints.times = lints.times.saturating_add(1);
        lints.times_without_return = lints.times_without_return.saturating_add(1);
        let rule = if lints.times_without_return == WITHOUT_RETURN {
            Rule::HandlerFaults
        } else if lints.times == UNMENDED && mends {
            Rule::Unmended
        } else {
            return;
        };
        let times = lints.times;
        let csr = self.csr();
        let badv = trap.badv.map(|badv| format!("badv={badv:#x}, "));
        let what = format!(
            "{}{} {times} times in a row ({}EENTRY={:#x}, TLBRENTRY={:#x})",
            trap.exception.name,
            instruction(insn, pc),
            badv.unwrap_or_default(),
            csr.raw(n::EENTRY),
            csr.raw(n::TLBRENTRY),
        );
        self.lint(rule, pc, &what);
    }

    /// A return from an exception that was no refill.
    pub(super) fn lint_returned(&mut self) {
        self.lints.times_without_return = 0;
    }

    /// Whether a mapped load or store of root is one that `Rule::RootLookup` is about.
    pub(super) fn lint_root_lookups(&self) -> bool {
        let (gtlbc, crmd) = (self.root().gtlbc(), self.root().crmd());
        self.trace.lint
            && !self.in_guest()
            && crmd.pg()
            && !crmd.da()
            && gtlbc.usetgid()
            && gtlbc.tgid() != 0
    }
}
