// SPDX-License-Identifier: GPL-2.0-or-later

//! Pages beside one that the guest touches, which KVM may map with it: what is written to
//! them is logged, and they go when the host takes them, copies them or ends their slot.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kvm::harness::{self, Case, Outcome};
use kvm::process::{self, Child};
use kvm::ram::{AT, PAGES, Ram, first_value};
use kvm::uapi::{MEM_LOG_DIRTY_PAGES, MEM_READONLY, capability as cap};
use kvm::units::{Call, hold};
use kvm::{Event, Kvm, Memory, ensure, ensure_eq};

/// KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE with KVM_DIRTY_LOG_INITIALLY_SET.
const INITIALLY_SET: u64 = 3;

/// A page's store is logged, whatever was touched beside it: in a slot that is logged from
/// the start.
fn logged(kvm: &Kvm) -> Outcome {
    let ram = Ram::new(kvm, MEM_LOG_DIRTY_PAGES)?;
    ram.store(5, 1)?;
    ensure_eq!(ram.log()?, [5], "pages after a store");
    ram.store(6, 2)?;
    ram.store(4, 3)?;
    ensure_eq!(ram.load(7)?, first_value(7), "page 7");
    ensure_eq!(ram.log()?, [4, 6], "pages after stores beside it");
    // First touched by a load, in another window.
    ensure_eq!(ram.load(20)?, first_value(20), "page 20");
    ensure_eq!(ram.log()?, [], "pages after loads");
    for page in (16..32).rev() {
        ram.store(page, 4)?;
    }
    ram.store(5, 5)?;
    let written: Vec<usize> = [5].into_iter().chain(16..32).collect();
    ensure_eq!(ram.log()?, written, "pages after a window was filled");
    ensure_eq!(ram.log()?, [], "pages after that");
    Ok(())
}

/// The same where logging begins after pages were touched, and ends and begins again.
fn logged_later(kvm: &Kvm) -> Outcome {
    let ram = Ram::new(kvm, 0)?;
    for round in 0..3 {
        ram.store(5, round)?;
        ram.set_flags(MEM_LOG_DIRTY_PAGES)?;
        ram.store(6, round)?;
        ensure_eq!(ram.load(7)?, first_value(7), "page 7");
        ensure_eq!(ram.load(33)?, first_value(33), "page 33");
        ensure_eq!(ram.log()?, [6], "pages of round {round}");
        ram.store(34, round)?;
        ram.store(5, round)?;
        ensure_eq!(ram.log()?, [5, 34], "further pages of round {round}");
        ram.set_flags(0)?;
        // Everything is mapped anew.
        ram.memory.discard(0, ram.memory.length())?;
        ram.write_all();
    }
    Ok(())
}

/// The same with a log that begins with all pages and is cleared by hand.
fn logged_from_all(kvm: &Kvm) -> Outcome {
    let ram = Ram::new(kvm, 0)?;
    let vm = &ram.guest.vm;
    vm.enable(cap::MANUAL_DIRTY_LOG_PROTECT2, [INITIALLY_SET, 0])?;
    ram.store(5, 1)?;
    ram.set_flags(MEM_LOG_DIRTY_PAGES)?;
    let all: Vec<usize> = (0..PAGES).collect();
    ensure_eq!(ram.log()?, all, "pages to begin with");
    vm.clear_dirty_log(1, 0, &[u64::MAX])?;
    ensure_eq!(ram.load(4)?, first_value(4), "page 4");
    ensure_eq!(ram.load(20)?, first_value(20), "page 20");
    ensure_eq!(ram.log()?, [], "pages after they were cleared");
    ram.store(6, 2)?;
    ram.store(21, 3)?;
    ensure_eq!(ram.log()?, [6, 21], "pages after stores");
    vm.clear_dirty_log(1, 0, &[1 << 6])?;
    ram.store(7, 4)?;
    ram.store(21, 5)?;
    ensure_eq!(ram.log()?, [7, 21], "pages after one was cleared");
    ram.store(6, 6)?;
    ensure_eq!(ram.log()?, [6, 7, 21], "pages after its next store");
    Ok(())
}

/// The host takes pages away beside the one that was touched.
fn taken_away(kvm: &Kvm) -> Outcome {
    let ram = Ram::new(kvm, 0)?;
    ram.store(5, 1)?;
    ensure_eq!(ram.load(6)?, first_value(6), "page 6");
    let page = Memory::page_size();
    ram.memory.discard(ram.offset(6), 2 * page)?;
    ensure_eq!(ram.load(6)?, 0, "page 6 after it was taken away");
    ensure_eq!(ram.load(7)?, 0, "page 7 after it was taken away");
    ensure_eq!(ram.load(8)?, first_value(8), "page 8");
    ram.store(7, 2)?;
    ensure_eq!(ram.load(5)?, 1, "page 5");
    Ok(())
}

/// Pages that are to be copied when one writes to them: a child of the VMM shares them.
fn copied(kvm: &Kvm) -> Outcome {
    let ram = Ram::new(kvm, 0)?;
    ram.store(5, 1)?;
    let go = Event::new()?;
    let mut calls = [Call::fork()];
    hold(&[[0; 2]; 32], &mut calls);
    if calls[0].result == 0 {
        // The child: what the guest writes must not reach it.
        while matches!(go.take(), Ok(0)) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let same = [6, 7, 20, 21]
            .iter()
            .all(|page| ram.memory.read_u64(ram.offset(*page)) == first_value(*page));
        process::end(u64::from(!same));
    }
    let child = Child(process::result("clone", calls[0].result)?);
    let checked = || -> Outcome {
        // Mapped before, and not.
        for touched in [6, 20] {
            let beside = touched + 1;
            ensure_eq!(ram.load(touched)?, first_value(touched), "page {touched}");
            ram.store(beside, 2)?;
            ram.memory.write_u64(ram.offset(touched), 3);
            ensure_eq!(ram.load(touched)?, 3, "page {touched} after the VMM's copy");
            ram.store(touched, 4)?;
        }
        Ok(())
    }();
    go.signal()?;
    ensure_eq!(child.wait()?, 0, "the child, which has its own pages");
    checked
}

/// A slot that the guest may only read.
fn read_only(kvm: &Kvm) -> Outcome {
    let ram = Ram::new(kvm, MEM_READONLY)?;
    ensure_eq!(ram.load(5)?, first_value(5), "page 5");
    for page in [4, 5, 6] {
        ram.expect_nothing(page, Some(9))?;
        let found = ram.memory.read_u64(ram.offset(page));
        ensure_eq!(found, first_value(page), "the memory of page {page}");
    }
    ensure_eq!(ram.load(6)?, first_value(6), "page 6");
    Ok(())
}

/// A slot that begins and ends inside a window.
fn ends_of_a_slot(kvm: &Kvm) -> Outcome {
    let ram = Ram::part(kvm, (19, 5), 0)?;
    ram.store(21, 1)?;
    for page in [18, 24] {
        ram.expect_nothing(page, None)?;
        ram.expect_nothing(page, Some(2))?;
    }
    for page in [19, 20, 22, 23] {
        ensure_eq!(ram.load(page)?, first_value(page), "page {page}");
    }
    Ok(())
}

/// A slot that goes, and comes back with other memory.
fn slot_that_goes(kvm: &Kvm) -> Outcome {
    let ram = Ram::new(kvm, 0)?;
    ram.store(5, 1)?;
    ram.guest.vm.unmap(1)?;
    ram.expect_nothing(6, None)?;
    let other = Arc::new(Memory::new(ram.memory.length())?);
    for page in 0..PAGES {
        other.write_u64(ram.offset(page), 0x2000 + page as u64);
    }
    ram.guest.vm.map(1, AT, &other, 0)?;
    ensure_eq!(ram.load(5)?, 0x2005, "page 5");
    ensure_eq!(ram.load(6)?, 0x2006, "page 6");
    Ok(())
}

/// Pages come and go, and logging begins and ends, while the guest touches them.
fn changes(kvm: &Kvm) -> Outcome {
    let ram = Ram::new(kvm, 0)?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| -> Outcome {
        let changer = scope.spawn(|| -> Result<(), kvm::Error> {
            let mut round = 0usize;
            while !stop.load(Ordering::Relaxed) {
                let page = round * 7 % PAGES;
                ram.memory.discard(ram.offset(page), Memory::page_size())?;
                ram.memory.write_u64(ram.offset(page), first_value(page));
                let flags = [0, MEM_LOG_DIRTY_PAGES][round / 16 % 2];
                if round.is_multiple_of(16) {
                    ram.guest.vm.map(1, AT, &ram.memory, flags)?;
                }
                round += 1;
            }
            Ok(())
        });
        let touched = (0..400).try_for_each(|round| -> Outcome {
            let page = round * 3 % PAGES;
            // The page is being written at this moment, or was.
            let found = ram.load(page)?;
            let wanted = [0, first_value(page)];
            ensure!(wanted.contains(&found), "page {page} has {found:#x}");
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        match changer.join() {
            Ok(changed) => changed?,
            Err(_) => return Err("the thread that changes pages panicked".into()),
        }
        touched
    })?;
    for page in 0..PAGES {
        ensure_eq!(ram.load(page)?, first_value(page), "page {page} at the end");
    }
    Ok(())
}

fn main() -> ExitCode {
    let case = |name, run| Case { name, run };
    harness::run(&[
        case("logged", logged),
        case("logged-later", logged_later),
        case("logged-from-all", logged_from_all),
        case("taken-away", taken_away),
        case("copied", copied),
        case("read-only", read_only),
        case("ends-of-a-slot", ends_of_a_slot),
        case("slot-that-goes", slot_that_goes),
        case("changes", changes),
    ])
}
