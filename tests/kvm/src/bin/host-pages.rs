// SPDX-License-Identifier: GPL-2.0-or-later

//! Slots whose pages the host's mapping makes special: memory without page structures,
//! pages that may not be written, or not yet, and a page that never comes.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use kvm::error::errno::EFAULT;
use kvm::harness::{self, Case, Outcome, Skip};
use kvm::memory::View;
use kvm::run::RunPage;
use kvm::signal::Alarm;
use kvm::userfault::Userfault;
use kvm::{Exit, Guest, Kvm, Memory, descriptor_of, ensure, ensure_eq, ensure_errno};

kvm::guest_code!(
    /// Reports the word at a0, until a1 is not 0; then stores a1 there and reports the
    /// word again.
    words,
    "lu12i.w $s0, 0x30000",
    "1:",
    "ld.w $t0, $a0, 0",
    "st.d $t0, $s0, 0",
    "beqz $a1, 1b",
    "st.w $a1, $a0, 0",
    "ld.w $t0, $a0, 0",
    "st.d $t0, $s0, 8",
);

kvm::guest_code!(
    /// Stores a1 to a0, and reports what is there.
    store,
    "lu12i.w $s0, 0x30000",
    "st.d $a1, $a0, 0",
    "ld.d $t0, $a0, 0",
    "st.d $t0, $s0, 0",
);

kvm::guest_code!(
    /// Adds a1 to what is at a0, by a single instruction and by a pair, and reports
    /// what was there before each.
    atomic,
    "lu12i.w $s0, 0x30000",
    "amadd_db.d $t0, $a1, $a0",
    "st.d $t0, $s0, 0",
    "1:",
    "ll.d $t0, $a0, 0",
    "add.d $t1, $t0, $a1",
    "sc.d $t1, $a0, 0",
    "beqz $t1, 1b",
    "st.d $t0, $s0, 0",
);

/// Where the guest has what is tried.
const AT: u64 = 0x100_0000;

/// A guest with such a slot; its a0 is `offset` in it, a1 `value`.
fn guest(
    kvm: &Kvm,
    code: &[u8],
    memory: &Arc<Memory>,
    offset: u64,
    value: u64,
) -> Result<Guest, kvm::Error> {
    let guest = Guest::new(kvm, code)?;
    guest.vm.map(1, AT, memory, 0)?;
    let mut regs = guest.vcpu().regs()?;
    (regs.gpr[4], regs.gpr[5]) = (AT + offset, value);
    guest.vcpu().set_regs(&regs)?;
    Ok(guest)
}

/// The physical address of the first resource whose name has this in it.
fn resource(name: &str) -> Result<u64, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string("/proc/iomem")?;
    let line = text.lines().find(|line| line.contains(name));
    let begin = line.and_then(|line| line.trim().split('-').next());
    let begin = begin.and_then(|begin| u64::from_str_radix(begin, 16).ok());
    begin.ok_or_else(|| Skip(format!("/proc/iomem has no {name}")).into())
}

fn physical(address: u64, view: View) -> Result<Arc<Memory>, Box<dyn std::error::Error>> {
    let file = File::options()
        .read(true)
        .write(true)
        .open("/dev/mem")
        .map_err(|error| Skip(format!("/dev/mem: {error}")))?;
    let page = Memory::page_size() as u64;
    let memory = Memory::part_of(file.as_fd(), address & !(page - 1), page as usize, view)?;
    Ok(Arc::new(memory))
}

/// Registers of the LS7A's clock: the counter, and a match register that Linux does not
/// use (7A1000 manual, "RTC").
const RTC_READ0: u64 = 0x68;
const RTC_MATCH2: u64 = 0x74;

/// The clock's registers in a page that user space maps: their address in that page.
fn clock(view: View) -> Result<(Arc<Memory>, u64), Box<dyn std::error::Error>> {
    let address = resource("rtc")?;
    let page = Memory::page_size() as u64;
    Ok((physical(address, view)?, address & (page - 1)))
}

/// A guest that has a device's page reads and writes what the host does.
fn device_page(kvm: &Kvm) -> Outcome {
    let (memory, registers) = clock(View::Shared)?;
    let host = |register: u64| memory.read_u32((registers + register) as usize);
    let counter = guest(kvm, words(), &memory, registers + RTC_READ0, 0)?;
    for round in 0..3 {
        let before = host(RTC_READ0);
        let (number, seen) = counter.vcpu().next_report()?;
        let after = host(RTC_READ0);
        ensure!(
            number == 0 && (before..=after).contains(&(seen as u32)),
            "the guest read {seen:#x} between {before:#x} and {after:#x}, round {round}"
        );
    }
    let old = host(RTC_MATCH2);
    // Days away.
    let value = host(RTC_READ0).wrapping_sub(1 << 16) | 1;
    let writer = guest(kvm, words(), &memory, registers + RTC_MATCH2, value.into())?;
    writer.expect(0, i64::from(old as i32) as u64)?;
    writer.expect(1, i64::from(value as i32) as u64)?;
    let seen = host(RTC_MATCH2);
    let restore = guest(
        kvm,
        store_word(),
        &memory,
        registers + RTC_MATCH2,
        old.into(),
    )?;
    restore.expect(0, 0)?;
    ensure_eq!(seen, value, "the register as the host reads it");
    ensure_eq!(host(RTC_MATCH2), old, "the register at the end");
    Ok(())
}

kvm::guest_code!(
    /// Stores the word a1 to a0, and reports.
    store_word,
    "lu12i.w $s0, 0x30000",
    "st.w $a1, $a0, 0",
    "st.d $zero, $s0, 0",
);

/// A page of RAM without a page structure, which the host has mapped for reading until it
/// is first written: then the mapping gets a copy.
fn kernel_code() -> Result<Arc<Memory>, Box<dyn std::error::Error>> {
    let page = Memory::page_size() as u64;
    let address = resource("Kernel code")?.next_multiple_of(page);
    physical(address, View::Private)
}

/// The first store to such a page is the memory's, not a device's (report 4).
fn first_store(kvm: &Kvm) -> Outcome {
    let fault = "a store to a page that the host has not made writable yet is a device's";
    harness::known_in_linux(kvm, fault, first_store_is_made(kvm))
}

fn first_store_is_made(kvm: &Kvm) -> Outcome {
    const VALUE: u64 = 0x1234_5678_9abc_def0;
    // With nothing mapped, and after a load has mapped the page for reading.
    let memory = kernel_code()?;
    let old = memory.read_u64(0);
    ensure!(old != VALUE, "nothing can be seen with this value");
    guest(kvm, store(), &memory, 0, VALUE)?.expect(0, VALUE)?;
    ensure_eq!(memory.read_u64(0), VALUE, "the page as the host reads it");

    let memory = kernel_code()?;
    let word = i64::from(memory.read_u32(8) as i32) as u64;
    let next = memory.read_u32(12);
    let reader = guest(kvm, words(), &memory, 8, 0x5555)?;
    reader.expect(0, word)?;
    reader.expect(1, 0x5555)?;
    ensure_eq!(
        (memory.read_u32(8), memory.read_u32(12)),
        (0x5555, next),
        "the page as the host reads it"
    );
    ensure_eq!(kernel_code()?.read_u64(0), old, "the page itself");
    Ok(())
}

/// So is an atomic access, which no device has (report 4).
fn first_atomic_access(kvm: &Kvm) -> Outcome {
    let fault = "a store to a page that the host has not made writable yet is a device's";
    harness::known_in_linux(kvm, fault, first_atomic_access_is_made(kvm))
}

fn first_atomic_access_is_made(kvm: &Kvm) -> Outcome {
    let memory = kernel_code()?;
    let old = memory.read_u64(0);
    let adder = guest(kvm, atomic(), &memory, 0, 3)?;
    // One that gets an exception instead never comes back.
    let alarm = Alarm::after(Duration::from_millis(50))?;
    adder.expect(0, old)?;
    adder.expect(0, old.wrapping_add(3))?;
    drop(alarm);
    ensure_eq!(
        memory.read_u64(0),
        old.wrapping_add(6),
        "the page as the host reads it"
    );
    Ok(())
}

/// A store that the host does not allow its own process, in a slot that may be written:
/// KVM_RUN says that, whatever the memory is.
fn not_writable(kvm: &Kvm) -> Outcome {
    let fault = "a store that the host does not allow is a device's";
    harness::known_in_linux(kvm, fault, store_fails(kvm))
}

fn store_fails(kvm: &Kvm) -> Outcome {
    let (device, registers) = clock(View::ReadOnly)?;
    let program = File::open("/proc/self/exe")?;
    let page = Memory::page_size();
    let pages = Arc::new(Memory::part_of(program.as_fd(), 0, page, View::ReadOnly)?);
    for (memory, offset) in [(device, registers + RTC_MATCH2), (pages, 0)] {
        let old = i64::from(memory.read_u32(offset as usize) as i32) as u64;
        let guest = guest(kvm, words(), &memory, offset, 0x77)?;
        guest.expect(0, old)?;
        for _ in 0..2 {
            ensure_errno!(guest.vcpu().run(), EFAULT, "a store that cannot be made");
        }
        let now = i64::from(memory.read_u32(offset as usize) as i32) as u64;
        ensure_eq!(now, old, "the memory");
    }
    Ok(())
}

/// This program as a VMM whose guest waits for a page that does not come.
const VICTIM: &str = "waits-for-a-page";

fn victim() -> Outcome {
    let kvm = Kvm::open()?;
    let memory = Arc::new(Memory::new(Memory::page_size())?);
    let missed = Userfault::new(&memory)?;
    let guest = guest(&kvm, store(), &memory, 0, 1)?;
    let vcpu = guest.vcpu();
    println!("{} {}", vcpu.as_fd().as_raw_fd(), missed.number());
    Err(format!("KVM_RUN came back: {:x?}", vcpu.run()).into())
}

/// A VMM is killed while its guest waits for a page. Whatever still has the vCPU's shared
/// page sees that a signal ended KVM_RUN, not that an address was bad (report 9).
fn killed(kvm: &Kvm) -> Outcome {
    let fault = "KVM_RUN that is killed waiting for a page does not say so";
    harness::known_in_linux(kvm, fault, kill_is_said(kvm))
}

fn kill_is_said(kvm: &Kvm) -> Outcome {
    let mut child = Command::new("/proc/self/exe")
        .arg(VICTIM)
        .stdout(Stdio::piped())
        .spawn()?;
    let outcome = (|| -> Result<RunPage, Box<dyn std::error::Error>> {
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let mut numbers = line.split_whitespace().map(str::parse::<i32>);
        let (Some(Ok(vcpu)), Some(Ok(missed))) = (numbers.next(), numbers.next()) else {
            return Err(format!("the VMM said {line:?}").into());
        };
        let vcpu = descriptor_of(child.id(), vcpu)?;
        let page = RunPage::of(vcpu.as_fd(), kvm.run_size()?)?;
        let missed = Userfault::of(descriptor_of(child.id(), missed)?);
        missed.wait()?;
        Ok(page)
    })();
    child.kill()?;
    let status = child.wait()?;
    let page = outcome?;
    ensure_eq!(status.signal(), Some(9), "the signal that ended the VMM");
    ensure_eq!(
        page.exit(),
        Exit::Interrupted,
        "the reason of the last exit"
    );
    Ok(())
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(VICTIM) {
        if let Err(error) = victim() {
            println!("{error}");
        }
        return ExitCode::FAILURE;
    }
    harness::run(&[
        Case {
            name: "device-page",
            run: device_page,
        },
        Case {
            name: "first-store",
            run: first_store,
        },
        Case {
            name: "first-atomic-access",
            run: first_atomic_access,
        },
        Case {
            name: "not-writable",
            run: not_writable,
        },
        Case {
            name: "killed",
            run: killed,
        },
    ])
}
