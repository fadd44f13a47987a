// SPDX-License-Identifier: GPL-2.0-or-later

//! Slots that are deleted, made anew and moved, and pages that are taken away, while other
//! vCPUs fault: a load gives what the memory has, a store that was made to memory is there, and
//! what the log says and the VMM copies is the whole memory.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use kvm::harness::{self, Case, Outcome};
use kvm::ram::{AT, PAGES, Ram, SLOT, first_value};
use kvm::uapi::MEM_LOG_DIRTY_PAGES;
use kvm::{Kvm, Memory, Vcpu, ensure, ensure_eq};

/// vCPUs, each with pages of its own: every third of four. The fourth page is not stored to.
const VCPUS: usize = 3;

/// How often the slot changes.
const CHANGES: usize = 200;

/// Where else the memory is.
const ELSEWHERE: u64 = 2 * AT;

/// Stores to a vCPU's own pages, and loads them and those that are not stored to, at one of these
/// addresses, until it is said to stop: what its pages have at last.
fn use_pages(
    ram: &Ram,
    vcpu: &Vcpu,
    own: usize,
    places: &[u64],
    stop: &AtomicBool,
) -> Result<(), String> {
    let mut values: Vec<u64> = (0..PAGES).map(first_value).collect();
    let mut rounds = 0usize;
    let mut found = 0usize;
    while !stop.load(Ordering::Relaxed) {
        rounds += 1;
        let group = rounds * 7 % (PAGES / 4);
        let (page, value) = match rounds % 3 {
            0 => (4 * group + VCPUS, None),
            1 => (4 * group + own, None),
            _ => (4 * group + own, Some(0x1_0000 + rounds as u64)),
        };
        for at in places {
            let address = at + ram.offset(page) as u64;
            let touched = ram
                .touch(vcpu, address, value)
                .map_err(|error| format!("page {page}: {error}"))?;
            let known = values.get_mut(page).ok_or("no such page")?;
            if let Some(value) = value.filter(|_| touched.stored) {
                *known = value;
            }
            if let Some(loaded) = touched.loaded {
                found += 1;
                // Of pages that are taken away the VMM makes zeros and writes them again.
                if loaded != *known && !(page % 4 == VCPUS && loaded == 0) {
                    return Err(format!("page {page} has {loaded:#x}, not {known:#x}"));
                }
            }
        }
    }
    for group in 0..PAGES / 4 {
        let page = 4 * group + own;
        let (has, wanted) = (ram.memory.read_u64(ram.offset(page)), values.get(page));
        if Some(&has) != wanted {
            return Err(format!(
                "the memory of page {page}: {has:#x}, not {wanted:x?}"
            ));
        }
    }
    if found == 0 {
        return Err(format!("nothing was found in {rounds} rounds"));
    }
    Ok(())
}

/// Makes changes, by their number, while all vCPUs use their pages.
fn while_used(ram: &Ram, places: &[u64], mut change: impl FnMut(usize) -> Outcome) -> Outcome {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let users: Vec<_> = ram
            .guest
            .vcpus
            .iter()
            .enumerate()
            .map(|(own, vcpu)| {
                scope.spawn({
                    let stop = &stop;
                    move || use_pages(ram, vcpu, own, places, stop)
                })
            })
            .collect();
        let changed = (0..CHANGES).try_for_each(&mut change);
        stop.store(true, Ordering::Relaxed);
        for user in users {
            user.join().map_err(|_| "a thread with a vCPU panicked")??;
        }
        changed
    })
}

/// The slot goes and comes back, every other time with a log.
fn deleted(kvm: &Kvm) -> Outcome {
    let ram = Ram::shared(kvm, VCPUS as u32, 0)?;
    while_used(&ram, &[AT], |change| {
        ram.guest.vm.unmap(SLOT)?;
        ram.set_flags([0, MEM_LOG_DIRTY_PAGES][change % 2])
    })
}

/// The slot is at one address and at another.
fn moved(kvm: &Kvm) -> Outcome {
    let ram = Ram::shared(kvm, VCPUS as u32, 0)?;
    while_used(&ram, &[AT, ELSEWHERE], |change| {
        let at = [ELSEWHERE, AT][change % 2];
        ram.guest.vm.map(SLOT, at, &ram.memory, 0)?;
        Ok(())
    })
}

/// The slot is a page further on and back again: what is memory before and afterwards is memory
/// in between.
fn moved_by_a_page(kvm: &Kvm) -> Outcome {
    let ram = Ram::shared(kvm, 1, 0)?;
    let vcpu = ram.guest.vcpu();
    let stop = AtomicBool::new(false);
    let load = || -> Result<(), String> {
        let mut pages = (1..PAGES).cycle();
        while !stop.load(Ordering::Relaxed) {
            let page = pages.next().unwrap_or(1);
            let loaded = ram
                .touch(vcpu, AT + ram.offset(page) as u64, None)
                .map_err(|error| format!("page {page}: {error}"))?
                .loaded;
            let values = [page, page - 1].map(|page| Some(first_value(page)));
            if !values.contains(&loaded) {
                return Err(format!("page {page} has {loaded:x?}, not of {values:x?}"));
            }
        }
        Ok(())
    };
    let outcome = thread::scope(|scope| -> Outcome {
        let loading = scope.spawn(load);
        let moved = (0..CHANGES).try_for_each(|change| {
            let at = AT + [Memory::page_size(), 0][change % 2] as u64;
            ram.guest.vm.map(SLOT, at, &ram.memory, 0)
        });
        stop.store(true, Ordering::Relaxed);
        loading
            .join()
            .map_err(|_| "the thread with the vCPU panicked")??;
        Ok(moved?)
    });
    harness::known_in_linux(kvm, "memory is a device while its slot moves", outcome)
}

/// Another slot goes, comes back and moves, and pages that are not stored to are taken away,
/// while the VMM copies what the log says: at last it has the whole memory.
fn logged(kvm: &Kvm) -> Outcome {
    let ram = Ram::shared(kvm, VCPUS as u32, MEM_LOG_DIRTY_PAGES)?;
    let vm = &ram.guest.vm;
    let mut copy: Vec<u64> = (0..PAGES).map(first_value).collect();
    let mut logged = 0;
    let mut take_over = || -> Outcome {
        for page in ram.log()? {
            logged += 1;
            if let Some(word) = copy.get_mut(page) {
                *word = ram.memory.read_u64(ram.offset(page));
            }
        }
        Ok(())
    };
    while_used(&ram, &[AT], |change| {
        take_over()?;
        let scratch = 4 * (change % (PAGES / 4)) + VCPUS;
        let offset = ram.offset(scratch);
        ram.memory.discard(offset, Memory::page_size())?;
        ram.memory.write_u64(offset, first_value(scratch));
        match change % 3 {
            0 => vm.map(SLOT + 1, ELSEWHERE, &ram.memory, 0)?,
            1 => vm.map(SLOT + 1, 2 * ELSEWHERE, &ram.memory, 0)?,
            _ => vm.unmap(SLOT + 1)?,
        }
        Ok(())
    })?;
    take_over()?;
    ensure!(logged > 0, "no page was written");
    for (page, copied) in copy.iter().enumerate() {
        let found = ram.memory.read_u64(ram.offset(page));
        ensure_eq!(*copied, found, "the copy of page {page}");
    }
    Ok(())
}

fn main() -> ExitCode {
    let case = |name, run| Case { name, run };
    harness::run(&[
        case("deleted", deleted),
        case("moved", moved),
        case("moved-by-a-page", moved_by_a_page),
        case("logged", logged),
    ])
}
