// SPDX-License-Identifier: GPL-2.0-or-later

//! Slots and their flags, guests without memory where they fetch, and every way
//! to load and store where there is no RAM.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kvm::error::errno::{EINTR, EINVAL};
use kvm::guest::REPORT;
use kvm::harness::{self, Case, Outcome};
use kvm::run::Access;
use kvm::signal::Alarm;
use kvm::uapi::{MEM_LOG_DIRTY_PAGES, MEM_READONLY, capability};
use kvm::{Event, Exit, Guest, Kvm, Memory, ensure, ensure_eq, ensure_errno};
use la_arch::kvm::vcpu_attr;
use la_arch::one_reg;

kvm::guest_code!(
    /// Writes a1 to a0, reads it back and reports.
    access,
    "lu12i.w $s0, 0x30000",
    "1:",
    "st.d $a1, $a0, 0",
    "ld.d $t0, $a0, 0",
    "st.d $t0, $s0, 0",
    "addi.d $a1, $a1, 1",
    "b 1b",
);

/// Where the second slot is.
const SECOND: u64 = 0x100_0000;

fn with_second(kvm: &Kvm, flags: u32) -> Result<(Guest, Arc<Memory>), kvm::Error> {
    let guest = Guest::new(kvm, access())?;
    let memory = Arc::new(Memory::new(1 << 20)?);
    guest.vm.map(1, SECOND, &memory, flags)?;
    let mut regs = guest.vcpu().regs()?;
    regs.gpr[4] = SECOND;
    guest.vcpu().set_regs(&regs)?;
    Ok((guest, memory))
}

/// Logging is turned on and off on a slot that is in use.
fn logging_flag(kvm: &Kvm) -> Outcome {
    let (guest, memory) = with_second(kvm, 0)?;
    guest.expect(0, 0)?;
    guest.expect(0, 1)?;
    guest.vm.map(1, SECOND, &memory, MEM_LOG_DIRTY_PAGES)?;
    guest.vm.dirty_log(1)?;
    guest.expect(0, 2)?;
    let log = guest.vm.dirty_log(1)?;
    ensure_eq!(log.first(), Some(&1), "the log after a write");
    ensure_eq!(
        log.iter().map(|word| word.count_ones()).sum::<u32>(),
        1,
        "dirty pages"
    );
    ensure_eq!(
        guest.vm.dirty_log(1)?.first(),
        Some(&0),
        "the log after it was read"
    );
    guest.expect(0, 3)?;
    ensure_eq!(
        guest.vm.dirty_log(1)?.first(),
        Some(&1),
        "the log after another write"
    );
    guest.vm.map(1, SECOND, &memory, 0)?;
    guest.expect(0, 4)?;
    ensure!(
        guest.vm.dirty_log(1).is_err(),
        "a log of a slot that is not logged"
    );
    ensure_eq!(memory.read_u64(0), 4, "the slot's memory");
    Ok(())
}

/// A slot that the guest may only read: a write is user space's business.
fn read_only(kvm: &Kvm) -> Outcome {
    let (guest, memory) = with_second(kvm, MEM_READONLY)?;
    memory.write_u64(0, 0x1234);
    for round in 0..2 {
        let wanted = Access {
            address: SECOND,
            length: 8,
            written: Some(round),
        };
        ensure_eq!(
            guest.vcpu().run()?,
            Exit::Mmio(wanted),
            "the write to a read-only slot"
        );
        guest.expect(0, 0x1234)?;
    }
    ensure_eq!(memory.read_u64(0), 0x1234, "the slot's memory");
    // What it is for cannot change under the guest.
    ensure_errno!(
        guest.vm.map(1, SECOND, &memory, 0),
        EINVAL,
        "a read-only slot made writable"
    );
    ensure_errno!(
        guest.vm.map(1, SECOND, &memory, 0x100),
        EINVAL,
        "an unknown flag"
    );
    Ok(())
}

/// A slot goes and comes back elsewhere; the guest never sees the old place.
fn slot_that_moves(kvm: &Kvm) -> Outcome {
    let (guest, memory) = with_second(kvm, 0)?;
    guest.expect(0, 0)?;
    guest.vm.unmap(1)?;
    let wanted = Access {
        address: SECOND,
        length: 8,
        written: Some(1),
    };
    ensure_eq!(
        guest.vcpu().run()?,
        Exit::Mmio(wanted),
        "a write where the slot was"
    );
    let wanted = Access {
        address: SECOND,
        length: 8,
        written: None,
    };
    ensure_eq!(
        guest.vcpu().run()?,
        Exit::Mmio(wanted),
        "a read where the slot was"
    );
    guest.vcpu().page.answer_read(0x77);
    guest.expect(0, 0x77)?;
    let other = Arc::new(Memory::new(1 << 20)?);
    guest.vm.map(1, SECOND, &other, 0)?;
    guest.expect(0, 2)?;
    ensure_eq!(
        (memory.read_u64(0), other.read_u64(0)),
        (0, 2),
        "old and new memory"
    );
    // The host takes the page away: the guest gets a new one.
    other.discard(0, 1 << 20)?;
    guest.expect(0, 3)?;
    ensure_eq!(other.read_u64(0), 3, "memory after it was discarded");
    Ok(())
}

/// A guest that is started without firmware fetches where nothing is: that costs
/// its own time only, and a signal ends it.
fn no_memory_to_run_in(kvm: &Kvm) -> Outcome {
    for (with_ram, pc) in [
        (false, 0),
        (false, 0x1c00_0000),
        (true, 0x1c00_0000),
        (true, 1 << 46),
    ] {
        let guest;
        let vm = kvm.create_vm()?;
        let bare;
        let vcpu = if with_ram {
            guest = Guest::new(kvm, &[])?;
            guest.vcpu()
        } else {
            bare = vm.create_vcpu(0)?;
            &bare
        };
        vcpu.start_at(pc)?;
        for _ in 0..3 {
            let alarm = Alarm::after(Duration::from_millis(5))?;
            let start = Instant::now();
            // It may also come back by itself, with an exit that says why.
            let result = vcpu.run();
            ensure!(
                result.is_err_and(|error| error.errno == EINTR) || result.is_ok(),
                "a guest at {pc:#x}: {result:x?}"
            );
            ensure!(
                start.elapsed() < Duration::from_secs(1),
                "it held the thread for {:?}",
                start.elapsed()
            );
            drop(alarm);
        }
    }
    Ok(())
}

kvm::guest_code!(
    /// Every load there is, from a0 with a1 = 0x10, each into a value that is
    /// reported; then every store.
    loads_and_stores,
    "lu12i.w $s0, 0x30000",
    "ld.b $t0, $a0, 1", "st.d $t0, $s0, 0",
    "ld.bu $t0, $a0, 2", "st.d $t0, $s0, 0",
    "ld.h $t0, $a0, 2", "st.d $t0, $s0, 0",
    "ld.hu $t0, $a0, 4", "st.d $t0, $s0, 0",
    "ld.w $t0, $a0, 4", "st.d $t0, $s0, 0",
    "ld.wu $t0, $a0, 8", "st.d $t0, $s0, 0",
    "ld.d $t0, $a0, 8", "st.d $t0, $s0, 0",
    "ldx.b $t0, $a0, $a1", "st.d $t0, $s0, 0",
    "ldx.bu $t0, $a0, $a1", "st.d $t0, $s0, 0",
    "ldx.h $t0, $a0, $a1", "st.d $t0, $s0, 0",
    "ldx.hu $t0, $a0, $a1", "st.d $t0, $s0, 0",
    "ldx.w $t0, $a0, $a1", "st.d $t0, $s0, 0",
    "ldx.wu $t0, $a0, $a1", "st.d $t0, $s0, 0",
    "ldx.d $t0, $a0, $a1", "st.d $t0, $s0, 0",
    "ldptr.w $t0, $a0, 16", "st.d $t0, $s0, 0",
    "ldptr.d $t0, $a0, 24", "st.d $t0, $s0, 0",
    "lu12i.w $t1, -0x789ac", "ori $t1, $t1, 0x321",
    "st.b $t1, $a0, 1",
    "st.h $t1, $a0, 2",
    "st.w $t1, $a0, 4",
    "st.d $t1, $a0, 8",
    "stx.b $t1, $a0, $a1",
    "stx.h $t1, $a0, $a1",
    "stx.w $t1, $a0, $a1",
    "stx.d $t1, $a0, $a1",
    "stptr.w $t1, $a0, 16",
    "stptr.d $t1, $a0, 24",
    "st.d $a1, $s0, 8",
);

/// Length, address and extension of every load and store.
fn loads_and_stores_without_ram(kvm: &Kvm) -> Outcome {
    const AT: u64 = 0x4000_0000;
    const ANSWER: u64 = 0xf1e2_d3c4_b5a6_9788;
    let guest = Guest::new(kvm, loads_and_stores())?;
    let vcpu = guest.vcpu();
    let mut regs = vcpu.regs()?;
    regs.gpr[4] = AT;
    regs.gpr[5] = 0x10;
    vcpu.set_regs(&regs)?;
    let (byte, half, word) = (ANSWER as i8, ANSWER as i16, ANSWER as i32);
    let loads: &[(u64, u32, u64)] = &[
        (1, 1, byte as u64),
        (2, 1, u64::from(byte as u8)),
        (2, 2, half as u64),
        (4, 2, u64::from(half as u16)),
        (4, 4, word as u64),
        (8, 4, u64::from(word as u32)),
        (8, 8, ANSWER),
        (16, 1, byte as u64),
        (16, 1, u64::from(byte as u8)),
        (16, 2, half as u64),
        (16, 2, u64::from(half as u16)),
        (16, 4, word as u64),
        (16, 4, u64::from(word as u32)),
        (16, 8, ANSWER),
        (16, 4, word as u64),
        (24, 8, ANSWER),
    ];
    for (offset, length, value) in loads {
        let wanted = Access {
            address: AT + offset,
            length: *length,
            written: None,
        };
        ensure_eq!(vcpu.run()?, Exit::Mmio(wanted), "a load");
        vcpu.page.answer_read(ANSWER);
        ensure_eq!(
            vcpu.next_report()?,
            (0, *value),
            "what a load of {length} at {offset} gives"
        );
    }
    let written = 0xffff_ffff_8765_4321u64;
    let mask = |length: u32| u64::MAX >> (64 - 8 * length);
    for (offset, length) in [
        (1, 1),
        (2, 2),
        (4, 4),
        (8, 8),
        (16, 1),
        (16, 2),
        (16, 4),
        (16, 8),
        (16, 4),
        (24, 8),
    ] {
        let wanted = Access {
            address: AT + offset,
            length,
            written: Some(written & mask(length)),
        };
        ensure_eq!(
            vcpu.run()?,
            Exit::Mmio(wanted),
            "a store of {length} at {offset}"
        );
    }
    guest.expect(1, 0x10)?;
    const { assert!(REPORT != AT) };
    Ok(())
}

kvm::guest_code!(
    /// Loads into r0 from a0, and reports r0.
    load_into_r0,
    "lu12i.w $s0, 0x30000",
    "ld.d $zero, $a0, 0",
    "st.d $zero, $s0, 0",
    "add.d $t0, $zero, $zero",
    "st.d $t0, $s0, 8",
);

/// A load into r0 is executed and changes nothing.
fn load_into_r0_without_ram(kvm: &Kvm) -> Outcome {
    harness::known_in_linux(kvm, "a load gives r0 a value", load_is_dropped(kvm))
}

fn load_is_dropped(kvm: &Kvm) -> Outcome {
    let guest = Guest::new(kvm, load_into_r0())?;
    let vcpu = guest.vcpu();
    let mut regs = vcpu.regs()?;
    regs.gpr[4] = SECOND;
    vcpu.set_regs(&regs)?;
    let wanted = Access {
        address: SECOND,
        length: 8,
        written: None,
    };
    ensure_eq!(vcpu.run()?, Exit::Mmio(wanted), "a load into r0");
    vcpu.page.answer_read(0x5555);
    guest.expect(0, 0)?;
    ensure_eq!(vcpu.regs()?.gpr[0], 0, "r0 as user space sees it");
    guest.expect(1, 0)
}

kvm::guest_code!(
    /// Stores a1 in every length to a0, 16 bytes apart; reports a1.
    every_length,
    "lu12i.w $s0, 0x30000",
    "st.b $a1, $a0, 0",
    "st.h $a1, $a0, 16",
    "st.w $a1, $a0, 32",
    "st.d $a1, $a0, 48",
    "st.d $a1, $s0, 0",
);

kvm::guest_code!(
    /// Stores a1 to a0 from a floating-point register; reports a1.
    floating_point,
    "lu12i.w $s0, 0x30000",
    "ori $t0, $zero, 1",
    "csrwr $t0, 0x2", // EUEN.FPE
    "movgr2fr.d $fa0, $a1",
    "fst.d $fa0, $a0, 0",
    "st.d $a1, $s0, 0",
);

/// An ioeventfd of one value hears that value in that length and nothing else (report
/// 16).
fn ioeventfd_of_a_value(kvm: &Kvm) -> Outcome {
    hears_its_value(kvm, every_length(), &[(0, 1), (16, 2), (32, 4), (48, 8)])
}

/// The same of a store from a floating-point register, which this project's module
/// emulates and Linux 7.2's does not.
fn ioeventfd_of_a_floating_point_value(kvm: &Kvm) -> Outcome {
    kvm.needs(capability::SYNC_REGS)?;
    hears_its_value(kvm, floating_point(), &[(0, 8)])
}

/// `code` stores a1 to these offsets from a0 in these lengths.
fn hears_its_value(kvm: &Kvm, code: &[u8], places: &[(u64, u32)]) -> Outcome {
    const AT: u64 = 0x4000_0000;
    const VALUE: u64 = 0xf1e2_d3c4_b5a6_9788;
    let guest = Guest::new(kvm, code)?;
    let vcpu = guest.vcpu();
    let mask = |length: u32| u64::MAX >> (64 - 8 * length);
    let mut events = Vec::new();
    for (offset, length) in places {
        let event = Event::new()?;
        guest
            .vm
            .ioeventfd_of(AT + offset, *length, VALUE & mask(*length), &event)?;
        events.push(event);
    }
    let taken = || -> Result<Vec<u64>, kvm::Error> { events.iter().map(Event::take).collect() };
    let start = |value: u64| -> Outcome {
        vcpu.start_at(0)?;
        let mut regs = vcpu.regs()?;
        (regs.gpr[4], regs.gpr[5]) = (AT, value);
        Ok(vcpu.set_regs(&regs)?)
    };
    let features = vcpu.attr(vcpu_attr::CPUCFG, 2)?;
    vcpu.set_one_reg(one_reg::cpucfg(2), features)?;
    // Above its length a value does not matter. A guest that gets an exception instead
    // never comes back.
    let alarm = Alarm::after(Duration::from_millis(50))?;
    start(VALUE)?;
    guest.expect(0, VALUE)?;
    drop(alarm);
    ensure_eq!(taken()?, vec![1; places.len()], "signals");
    // One bit is another, the highest of each length in turn.
    for (number, (_, length)) in places.iter().enumerate() {
        let value = VALUE ^ (1 << (8 * length - 1));
        start(value)?;
        for (offset, length) in places.iter().skip(number) {
            let wanted = Access {
                address: AT + offset,
                length: *length,
                written: Some(value & mask(*length)),
            };
            ensure_eq!(vcpu.run()?, Exit::Mmio(wanted), "a store of {value:#x}");
        }
        guest.expect(0, value)?;
        let heard: Vec<u64> = (0..places.len()).map(|n| u64::from(n < number)).collect();
        ensure_eq!(taken()?, heard, "signals after {value:#x}");
    }
    Ok(())
}

fn main() -> ExitCode {
    harness::run(&[
        Case {
            name: "logging-flag",
            run: logging_flag,
        },
        Case {
            name: "read-only",
            run: read_only,
        },
        Case {
            name: "slot-that-moves",
            run: slot_that_moves,
        },
        Case {
            name: "ioeventfd-of-a-value",
            run: ioeventfd_of_a_value,
        },
        Case {
            name: "ioeventfd-of-a-floating-point-value",
            run: ioeventfd_of_a_floating_point_value,
        },
        Case {
            name: "no-memory-to-run-in",
            run: no_memory_to_run_in,
        },
        Case {
            name: "loads-and-stores-without-ram",
            run: loads_and_stores_without_ram,
        },
        Case {
            name: "load-into-r0-without-ram",
            run: load_into_r0_without_ram,
        },
    ])
}
