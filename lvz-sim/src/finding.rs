// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What lints find (docs/simulator.md, Lints): lines of `--trace lint`, or data for a program.

use std::fmt;

/// What a [`Finding`] is against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A CSR write of bits that the register has not.
    DroppedBits,
    /// The same of EENTRY, TLBRENTRY or MERRENTRY, of bits that make an address no multiple of
    /// 4 KiB.
    EntryAlignment,
    /// A `gcsr` instruction names a register that a guest has not.
    NoGuestRegister,
    /// An exception in root while GSTAT.PGM is set.
    RootException,
    /// `ertn` to the guest with root's interrupts off.
    EntryInterruptsOff,
    /// A mapped load or store of root while GTLBC names a GID.
    RootLookup,
    /// `invtlb 0x16` with GID 0.
    InvtlbGid,
    /// `ertn` to an access of the guest that met an entry of stage 2 with V=0, or a store that
    /// met D=0, while the entry is still there.
    StaleEntry,
    /// The base of a page table has flags in it.
    WalkBase,
    /// A valid TLB entry is written whose physical address has bits below the page size.
    PageAddress,
    /// The same exception again and again without a return in between.
    HandlerFaults,
    /// The same page fault again and again.
    Unmended,
    /// An instruction of a guest exits again and again and never completes.
    ExitLoop,
    /// A device's interrupt that reaches no CPU although nothing holds it back.
    Undelivered,
    /// An exception comes to root while no direct mapping window and no page has EENTRY in it.
    HandlerUnmapped,
}

impl Rule {
    /// The rule in words, with where it is written.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Rule::DroppedBits => {
                "a register keeps only the bits that it has (Volume 1, chapter 7; docs/lvz.md 2)"
            }
            Rule::EntryAlignment => "an entry address is a multiple of 4 KiB (Volume 1, chapter 7)",
            Rule::NoGuestRegister => "the guest has no such register (docs/lvz.md 3.1)",
            Rule::RootException => {
                "with GSTAT.PGM set the handler's ertn enters the guest (docs/lvz.md 5.3)"
            }
            Rule::EntryInterruptsOff => {
                "in guest mode root's CRMD.IE lets root's interrupts in (docs/lvz.md 8.1)"
            }
            Rule::RootLookup => {
                "which GID such an access uses is open: have TGID zero (docs/lvz.md Q-5)"
            }
            Rule::InvtlbGid => {
                "GID 0 is the host's, so that nothing of a guest goes (docs/lvz.md 4.5)"
            }
            Rule::StaleEntry => {
                "an entry with V=0 or D=0 faults again until invtlb takes it (docs/lvz.md M-24)"
            }
            Rule::WalkBase => {
                "which bits below its page are part of a table's address is open (docs/lvz.md Q-31)"
            }
            Rule::PageAddress => {
                "bits of a page's address below its size do not count (Volume 1, 5.4.2)"
            }
            Rule::HandlerFaults => {
                "the handler causes the exception itself, and the CPU makes no progress"
            }
            Rule::Unmended => {
                "the handler returns and mends nothing, and the CPU makes no progress"
            }
            Rule::ExitLoop => {
                "the hypervisor neither goes on behind the instruction (ERA) nor mends its page"
            }
            Rule::Undelivered => "docs/platform.md has the ways of interrupts",
            Rule::HandlerUnmapped => {
                "the fetch from there is a TLB refill: have a direct mapping window (DMW) cover EENTRY"
            }
        }
    }
}

/// What software did that works by luck, or that silently does not work. Displayed it is the
/// line of `lvz-sim run --trace lint`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is against.
    pub rule: Rule,
    /// The CPU, and the virtual address of its instruction, for a walk by the hardware that of
    /// its block; `None` for [`Rule::Undelivered`].
    pub place: Option<(usize, u64)>,
    /// The whole line, for people: it may change with every version.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Findings in the order in which they come.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    quiet: bool,
}

impl Findings {
    /// A list that is printed nowhere.
    pub(crate) fn quiet() -> Self {
        Self {
            quiet: true,
            ..Self::default()
        }
    }

    /// Adds and prints one.
    pub(crate) fn add(&mut self, finding: Finding) {
        if !self.quiet {
            crate::say!("{finding}");
        }
        self.list.push(finding);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.list.iter()
    }
}
