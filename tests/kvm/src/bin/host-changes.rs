// SPDX-License-Identifier: GPL-2.0-or-later

//! The host moves, takes away, swaps out and merges pages that KVM has mapped before they
//! were touched, around a fault or by KVM_PRE_FAULT_MEMORY, in a slot whose dirty pages are logged: the
//! guest finds what the host has there, and each of its stores is in the log.

use std::error::Error;
use std::fs;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use kvm::affinity::OneCpu;
use kvm::harness::{self, Case, Outcome, Skip};
use kvm::ram::{AT, PAGES, Ram, first_value};
use kvm::uapi::{MEM_LOG_DIRTY_PAGES, PreFault, capability as cap};
use kvm::{Kvm, ensure, ensure_eq};

/// How often something that the host does when it likes is waited for, and how long.
const TRIES: usize = 500;
const PAUSE: Duration = Duration::from_millis(2);

/// Checks with pages that were mapped around a few that the guest has touched, and, where
/// KVM offers that, with pages that were mapped in advance.
fn each_way(kvm: &Kvm, check: fn(&Ram) -> Outcome) -> Outcome {
    let ram = Ram::new(kvm, MEM_LOG_DIRTY_PAGES)?;
    for page in (5..PAGES).step_by(16) {
        ram.expect(page, first_value(page))?;
    }
    ensure_eq!(ram.log()?, [], "pages after loads");
    check(&ram)?;
    if kvm.capability(cap::PRE_FAULT_MEMORY)? != 0 {
        let ram = Ram::new(kvm, MEM_LOG_DIRTY_PAGES)?;
        let mut range = PreFault {
            guest: AT,
            size: ram.memory.length() as u64,
            flags: 0,
            pad: [0; 5],
        };
        ram.guest.vcpu().pre_fault(&mut range)?;
        ensure_eq!(range.size, 0, "what is left of the range");
        ensure_eq!(ram.log()?, [], "pages that were mapped in advance");
        check(&ram).map_err(|error| format!("mapped in advance: {error}"))?;
    }
    Ok(())
}

/// The guest finds every page as it was, but for those that are named with their value.
fn expect_all(ram: &Ram, but: &[(usize, u64)]) -> Outcome {
    (0..PAGES).try_for_each(|page| {
        let changed = but.iter().find(|(other, _)| *other == page);
        ram.expect(page, changed.map_or(first_value(page), |(_, value)| *value))
    })
}

/// mremap: pages are at another address and zeros in their place, and then pages come back.
fn moved(ram: &Ram) -> Outcome {
    let (first, count) = (4, 8);
    let away = ram.memory.take(ram.offset(first), ram.offset(count))?;
    for page in first..first + count {
        if page.is_multiple_of(2) {
            ram.expect(page, 0)?;
        } else {
            ram.store(page, 0x2000)?;
        }
    }
    ram.store(3, 0x2003)?;
    ensure_eq!(ram.log()?, [3, 5, 7, 9, 11], "pages after stores");
    for page in 0..count {
        let found = away.read_u64(ram.offset(page));
        ensure_eq!(found, first_value(first + page), "moved page {page}");
    }
    // What was just stored goes.
    away.write_u64(0, 0x3000);
    ram.memory.put(ram.offset(first), away)?;
    expect_all(ram, &[(3, 0x2003), (first, 0x3000)])?;
    ensure_eq!(ram.log()?, [], "pages after they came back");
    ram.store(6, 0x2006)?;
    ram.store(5, 0x2005)?;
    ensure_eq!(ram.log()?, [5, 6], "pages after further stores");
    Ok(())
}

/// MADV_DONTNEED: pages are zeros.
fn given_back(ram: &Ram) -> Outcome {
    ram.store(5, 0x2005)?;
    ram.memory.discard(ram.offset(6), ram.offset(4))?;
    ram.expect(6, 0)?;
    ram.store(7, 0x2007)?;
    ram.expect(8, 0)?;
    ensure_eq!(ram.log()?, [5, 7], "pages after stores");
    // Of a page that is writable in the guest, too.
    ram.memory.discard(ram.offset(5), ram.offset(1))?;
    ram.expect(5, 0)?;
    ensure_eq!(ram.log()?, [], "pages after a load");
    ram.store(5, 0x3005)?;
    ensure_eq!(ram.log()?, [5], "pages after its next store");
    expect_all(ram, &[(5, 0x3005), (6, 0), (7, 0x2007), (8, 0), (9, 0)])
}

/// A swap of its own, in a file in memory.
struct Swap(String);

impl Swap {
    fn new() -> Result<Self, Box<dyn Error>> {
        const BEGIN: &str = "truncate -s 16M /tmp/host-changes.swap\n\
            device=$(losetup --find --show /tmp/host-changes.swap)\n\
            mkswap $device >/dev/null\nswapon $device\necho $device";
        let output = Command::new("sh").args(["-ec", BEGIN]).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "no swap: {said}");
        let device = String::from_utf8_lossy(&output.stdout);
        Ok(Self(device.trim().to_owned()))
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        let end = "swapoff $0; losetup --detach $0; rm -f /tmp/host-changes.swap";
        // The machine ends soon.
        let _ = Command::new("sh").args(["-c", end, &self.0]).status();
    }
}

/// The number behind a word of what the kernel says of this process's memory, in KiB.
fn own_memory(word: &str) -> Result<usize, Box<dyn Error>> {
    let said = fs::read_to_string("/proc/self/smaps_rollup")?;
    let found = said.lines().find_map(|line| {
        let rest = line.strip_prefix(word)?.strip_prefix(':')?;
        rest.split_whitespace().next()?.parse().ok()
    });
    found.ok_or_else(|| format!("the kernel does not say {word}").into())
}

/// All pages go to the swap, but for one or the other that is just in use.
fn page_out(ram: &Ram) -> Outcome {
    let wanted = ram.offset(PAGES - 2) / 1024;
    for _ in 0..TRIES {
        ram.memory.page_out()?;
        if own_memory("Swap")? >= wanted {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
    Err(format!(
        "{} KiB were swapped instead of {wanted}",
        own_memory("Swap")?
    )
    .into())
}

fn swapped_out(ram: &Ram) -> Outcome {
    // Of the log nothing is read before the pages are gone.
    ram.store(5, 0x2005)?;
    page_out(ram)?;
    expect_all(ram, &[(5, 0x2005)])?;
    ensure_eq!(ram.log()?, [5], "pages after they were swapped out");
    page_out(ram)?;
    ram.store(20, 0x2020)?;
    ram.store(5, 0x3005)?;
    ensure_eq!(ram.log()?, [5, 20], "pages after stores to swapped pages");
    page_out(ram)?;
    expect_all(ram, &[(5, 0x3005), (20, 0x2020)])?;
    ensure_eq!(ram.log()?, [], "pages after loads");
    ram.store(21, 0x2021)?;
    ensure_eq!(ram.log()?, [21], "pages after a store");
    Ok(())
}

/// The kernel's thread that merges pages; it ends its work with this.
struct Merger;

const KSM: &str = "/sys/kernel/mm/ksm";

impl Merger {
    fn new() -> Result<Self, Box<dyn Error>> {
        if !fs::exists(KSM)? {
            return Err(Skip("the host's kernel does not merge pages (KSM)".to_owned()).into());
        }
        fs::write(format!("{KSM}/pages_to_scan"), "1000")?;
        fs::write(format!("{KSM}/sleep_millisecs"), "1")?;
        fs::write(format!("{KSM}/run"), "1")?;
        Ok(Self)
    }
}

impl Drop for Merger {
    fn drop(&mut self) {
        // Takes apart what is merged.
        let _ = fs::write(format!("{KSM}/run"), "2");
    }
}

/// Waits until this many pages more than one have the same page in the host.
fn wait_merged(wanted: usize) -> Outcome {
    let sharing = || -> Result<usize, Box<dyn Error>> {
        let said = fs::read_to_string(format!("{KSM}/pages_sharing"))?;
        Ok(said.trim().parse()?)
    };
    for _ in 0..TRIES {
        if sharing()? >= wanted {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
    Err(format!("{} pages are merged instead of {wanted}", sharing()?).into())
}

/// Pages with four different contents.
fn merged(ram: &Ram) -> Outcome {
    let content = |page: usize| 0x4000 + page as u64 % 4;
    let expect = |but: &[(usize, u64)]| {
        let all: Vec<(usize, u64)> = (0..PAGES)
            .map(|page| {
                let changed = but.iter().find(|(other, _)| *other == page);
                changed.copied().unwrap_or((page, content(page)))
            })
            .collect();
        expect_all(ram, &all)
    };
    for page in 0..PAGES {
        ram.memory.write_u64(ram.offset(page), content(page));
    }
    let _merger = Merger::new()?;
    ram.memory.merge(true)?;
    wait_merged(PAGES - 4)?;
    expect(&[])?;
    ensure_eq!(ram.log()?, [], "pages after they were merged");
    // The store gets a page of its own; the others keep theirs.
    ram.store(8, 0x5008)?;
    ensure_eq!(ram.log()?, [8], "pages after a store");
    expect(&[(8, 0x5008)])?;
    // So does the VMM's, of which the guest sees the new page.
    ram.memory.write_u64(ram.offset(13), 0x5013);
    expect(&[(8, 0x5008), (13, 0x5013)])?;
    // Merged while the guest may write the page.
    ram.store(12, content(12))?;
    wait_merged(PAGES - 4 - 2)?;
    ram.store(12, 0x5012)?;
    ensure_eq!(ram.log()?, [12], "pages after stores");
    expect(&[(8, 0x5008), (12, 0x5012), (13, 0x5013)])?;
    ram.memory.merge(false)?;
    expect(&[(8, 0x5008), (12, 0x5012), (13, 0x5013)])?;
    ram.store(9, 0x5009)?;
    ensure_eq!(ram.log()?, [9], "pages after they were taken apart");
    Ok(())
}

fn main() -> ExitCode {
    let case = |name, run| Case { name, run };
    harness::run(&[
        case("moved", |kvm| each_way(kvm, moved)),
        case("given-back", |kvm| each_way(kvm, given_back)),
        case("swapped-out", |kvm| {
            // New pages are on a list of the CPU where they came, and go to the swap only
            // after that CPU has emptied it.
            let _here = OneCpu::new()?;
            let _swap = Swap::new()?;
            each_way(kvm, swapped_out)
        }),
        case("merged", |kvm| each_way(kvm, merged)),
    ])
}
