// SPDX-License-Identifier: GPL-2.0-or-later

//! The dirty log of huge pages with manual clearing
//! (KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2), begun with all pages written.

use std::process::ExitCode;
use std::sync::Arc;

use kvm::harness::{self, Case, Outcome};
use kvm::uapi::{MEM_LOG_DIRTY_PAGES, capability as cap};
use kvm::{Guest, Kvm, Memory, ensure, ensure_eq};

/// A huge page where pages have 16 KiB: what one page of their addresses covers.
fn huge_page() -> usize {
    Memory::page_size() * Memory::page_size() / 8
}

/// Where the guest has the memory.
const AT: u64 = 0x1_0000_0000;

kvm::guest_code!(
    /// Stores a1 to a0, and reports.
    store,
    "lu12i.w $s0, 0x30000",
    "st.d $a1, $a0, 0",
    "st.d $a1, $s0, 0",
);

/// KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE and KVM_DIRTY_LOG_INITIALLY_SET.
const MANUAL: u64 = 1;
const INITIALLY_SET: u64 = 2;

/// Two huge pages of a guest, in use.
struct Huge {
    guest: Guest,
    memory: Arc<Memory>,
    part: (usize, usize),
}

impl Huge {
    fn new(kvm: &Kvm, mode: u64) -> Result<Self, Box<dyn std::error::Error>> {
        let guest = Guest::new(kvm, store())?;
        guest.vm.enable(cap::MANUAL_DIRTY_LOG_PROTECT2, [mode, 0])?;
        let size = huge_page();
        let memory = Arc::new(Memory::new(3 * size)?);
        memory.advise_huge(true)?;
        let offset = memory.address().next_multiple_of(size as u64) - memory.address();
        let this = Self {
            guest,
            memory,
            part: (offset as usize, 2 * size),
        };
        this.guest.vm.map_part(1, AT, &this.memory, this.part, 0)?;
        for page in [0, this.pages() / 2] {
            this.store(page)?;
        }
        let said = std::fs::read_to_string("/proc/self/smaps_rollup")?;
        let huge = said
            .lines()
            .find_map(|line| {
                line.strip_prefix("AnonHugePages:")?
                    .split_whitespace()
                    .next()
            })
            .and_then(|kib| kib.parse::<usize>().ok());
        ensure!(
            huge >= Some(2 * size / 1024),
            "the host has {huge:?} KiB in huge pages instead of two"
        );
        Ok(this)
    }

    fn pages(&self) -> usize {
        self.part.1 / Memory::page_size()
    }

    /// The guest stores to a page; its memory shows it.
    fn store(&self, page: usize) -> Outcome {
        let vcpu = self.guest.vcpu();
        let value = 0x1000 + page as u64;
        let offset = page * Memory::page_size();
        vcpu.start_at(0)?;
        let mut regs = vcpu.regs()?;
        (regs.gpr[4], regs.gpr[5]) = (AT + offset as u64, value);
        vcpu.set_regs(&regs)?;
        self.guest.expect(0, value)?;
        ensure_eq!(
            self.memory.read_u64(self.part.0 + offset),
            value,
            "the memory of page {page}"
        );
        Ok(())
    }

    fn start_log(&self) -> Outcome {
        let vm = &self.guest.vm;
        vm.map_part(1, AT, &self.memory, self.part, MEM_LOG_DIRTY_PAGES)?;
        Ok(())
    }

    /// The pages of which the log says that they were written, or that they were not,
    /// whichever are fewer.
    fn log(&self) -> Result<(Vec<usize>, bool), kvm::Error> {
        let log = self.guest.vm.dirty_log(1)?;
        let written = |page: &usize| {
            log.get(page / 64)
                .is_some_and(|word| word >> (page % 64) & 1 != 0)
        };
        let count = (0..self.pages()).filter(written).count();
        let most = count > self.pages() / 2;
        let few = (0..self.pages()).filter(|page| written(page) != most);
        Ok((few.collect(), most))
    }
}

/// All pages are written to begin with; those that are cleared, and only those, are
/// logged when they are written again (report 22).
fn initially_set(kvm: &Kvm) -> Outcome {
    let huge = Huge::new(kvm, MANUAL | INITIALLY_SET)?;
    huge.start_log()?;
    let vm = &huge.guest.vm;
    let none = Vec::new();
    ensure_eq!(
        huge.log()?,
        (none.clone(), true),
        "pages not in the first log"
    );
    // Reading it clears nothing.
    ensure_eq!(huge.log()?, (none, true), "pages not in the second log");
    huge.store(5)?;
    vm.clear_dirty_log(1, 0, &[u64::MAX])?;
    let first: Vec<usize> = (0..64).collect();
    ensure_eq!(huge.log()?, (first, true), "pages not in the log");
    // The huge page is in pieces now: a store makes one of them written.
    huge.store(3)?;
    huge.store(70)?;
    huge.store(63)?;
    let first: Vec<usize> = (0..63).filter(|page| *page != 3).collect();
    ensure_eq!(
        huge.log()?,
        (first, true),
        "pages not in the log after stores"
    );
    vm.clear_dirty_log(1, 0, &[1 << 3])?;
    huge.store(63)?;
    let first: Vec<usize> = (0..63).collect();
    ensure_eq!(huge.log()?, (first.clone(), true), "pages not in the log");
    huge.store(3)?;
    let without = |page: usize| -> Vec<usize> {
        let others = first.iter().copied();
        others.filter(|other| *other != page).collect()
    };
    ensure_eq!(huge.log()?, (without(3), true), "pages not in the log");
    // One page of the other huge page.
    let second = huge.pages() / 2;
    vm.clear_dirty_log(1, second as u64, &[1 << 7])?;
    huge.store(second + 8)?;
    let mut clean = without(3);
    clean.push(second + 7);
    ensure_eq!(huge.log()?, (clean.clone(), true), "pages not in the log");
    huge.store(second + 7)?;
    clean.pop();
    ensure_eq!(huge.log()?, (clean, true), "pages not in the log");
    Ok(())
}

/// The same from a log that begins empty, where a store to a huge page is one page's.
fn manual(kvm: &Kvm) -> Outcome {
    let huge = Huge::new(kvm, MANUAL)?;
    huge.start_log()?;
    let vm = &huge.guest.vm;
    ensure_eq!(huge.log()?, (vec![], false), "pages of the first log");
    let second = huge.pages() / 2;
    huge.store(9)?;
    huge.store(second)?;
    huge.store(9)?;
    for _ in 0..2 {
        ensure_eq!(huge.log()?, (vec![9, second], false), "pages of the log");
    }
    vm.clear_dirty_log(1, 0, &[1 << 9 | 1 << 8])?;
    huge.store(10)?;
    ensure_eq!(huge.log()?, (vec![10, second], false), "pages of the log");
    huge.store(9)?;
    ensure_eq!(
        huge.log()?,
        (vec![9, 10, second], false),
        "pages of the log"
    );
    Ok(())
}

fn main() -> ExitCode {
    harness::run(&[
        Case {
            name: "initially-set",
            run: initially_set,
        },
        Case {
            name: "manual",
            run: manual,
        },
    ])
}
