// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Lints of guest exits and entries: what leaves a guest without progress.

use super::findings::{Exit, Refused};
use super::lint::{instruction, page_fault};
use super::{Cpu, Trap};
use crate::finding::Rule;
use crate::world::World;
use la_arch::Exception;
use la_arch::insn::privileged::IDLE;

/// So many exits of one instruction that never completes. A hypervisor may have an
/// access repeated, while another CPU works on its page or for each table of a walk.
const WITHOUT_PROGRESS: u32 = 200;

impl Cpu {
    /// Before an exit of the guest's instruction `insn` at `pc`.
    #[cold]
    pub(super) fn lint_exit(&mut self, pc: u64, insn: Option<u32>, trap: &Trap) {
        let interrupt = trap.exception == Exception::INT;
        // What raises an exception has ended too, an interrupt is between two instructions.
        let before = self.ended().wrapping_sub(u64::from(!interrupt));
        self.lints.progress |= before != self.lints.entered;
        if interrupt {
            return;
        }
        let fault = page_fault(trap.exception) && !trap.refill;
        self.lints.refused = trap.badv.filter(|_| fault).map(|gpa| Refused {
            pc,
            gpa,
            dirty: trap.exception == Exception::PME,
        });
        let exit = Exit {
            gid: self.root().gstat().gid(),
            pc,
        };
        if std::mem::take(&mut self.lints.progress) || self.lints.exit != Some(exit) {
            self.lints.exit = Some(exit);
            self.lints.exits = 0;
        }
        // A hypervisor may wait for an interrupt of the guest by entering it again.
        if insn.is_some_and(|word| IDLE.matches(word)) {
            return;
        }
        self.lints.exits = self.lints.exits.saturating_add(1);
        if self.lints.exits == WITHOUT_PROGRESS {
            let refill = if trap.refill { " (refill)" } else { "" };
            let badv = trap.badv.map(|badv| format!(", badv={badv:#x}"));
            let what = format!(
                "{}{refill} exit{}, {WITHOUT_PROGRESS} exits in a row without progress{}",
                trap.exception.name,
                instruction(insn, pc),
                badv.unwrap_or_default(),
            );
            self.lint(Rule::ExitLoop, pc, &what);
        }
    }

    /// After the `ertn` at `pc` has entered the guest.
    #[cold]
    pub(crate) fn lint_entry(&mut self, pc: u64) {
        self.lints.entered = self.ended();
        if !self.root().crmd().ie() {
            let what = "ertn to the guest with root's interrupts off (PRMD.PIE=0)";
            self.lint_of(World::Root, Rule::EntryInterruptsOff, pc, what);
        }
        let refused = self.lints.refused.take();
        if let Some(refused) = refused.filter(|refused| refused.pc == self.pc)
            && let Some(flag) = self.still_refused(&refused)
        {
            let what = format!(
                "ertn to the guest's access at {:#x}, whose entry for {:#x} has {flag}=0",
                refused.pc, refused.gpa
            );
            self.lint_of(World::Root, Rule::StaleEntry, pc, &what);
        }
    }

    /// The flag for whose lack the TLB's entry of stage 2 still refuses the access. With
    /// the hardware walker V is looked at in the tables again (`docs/lvz.md` M-35);
    /// whether D is, Q-32 leaves open.
    fn still_refused(&self, refused: &Refused) -> Option<&'static str> {
        let page = self.stage2_page(refused.gpa)?;
        if !page.v() {
            return (!self.root().pwch().hptw_en()).then_some("V");
        }
        (refused.dirty && !page.d()).then_some("D")
    }
}
