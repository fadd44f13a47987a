// SPDX-License-Identifier: GPL-2.0-or-later

//! Interrupts into a guest: messages and routes and what they may hold,
//! KVM_CAP_IRQFD_RESAMPLE, lines by number, and inter-processor interrupts that
//! race.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use kvm::error::errno::{EEXIST, EINTR, EINVAL};
use kvm::fixture::PCH_PIC;
use kvm::harness::{self, Case, Outcome};
use kvm::signal::Alarm;
use kvm::uapi::{RoutingEntry, capability as cap};
use kvm::vectors::{self, ready, silent};
use kvm::{Event, Guest, Kvm, Memory, Vcpu, ensure, ensure_eq, ensure_errno};
use la_arch::csr::number as csr;
use la_arch::eiointc;
use la_arch::kvm::device as d;

/// Vectors of the EIOINTC.
const VECTORS: u32 = 256;

fn state(guest: &Guest) -> Result<Vec<u64>, kvm::Error> {
    let irqchip = guest.irqchip.as_ref();
    (0..8)
        .map(|word| {
            let isr = 0x300 + 4 * word;
            irqchip.map_or(Ok(0), |chip| chip.eiointc.get(d::EXTIOI_GRP_REGS, isr))
        })
        .collect()
}

fn messages(kvm: &Kvm) -> Outcome {
    let guest = ready(kvm, 1)?;
    for vector in [0, 1, 31, 32, 100, 254, 255] {
        guest.vm.signal_msi(0x2ff0_0000, vector)?;
        guest.expect(0, vector.into())?;
    }
    silent(&guest, "all messages")
}

fn messages_that_are_no_vector(kvm: &Kvm) -> Outcome {
    let guest = ready(kvm, 1)?;
    let before = state(&guest)?;
    for data in [
        VECTORS,
        VECTORS + 1,
        0x1_0005,
        0x7fff_ffff,
        0x8000_0000,
        u32::MAX,
    ] {
        ensure_errno!(
            guest.vm.signal_msi(0x2ff0_0000, data),
            EINVAL,
            "message {data:#x}"
        );
    }
    ensure_eq!(state(&guest)?, before, "the EIOINTC after them");
    silent(&guest, "messages that are no vector")
}

fn messages_without_controllers(kvm: &Kvm) -> Outcome {
    let guest = Guest::new(kvm, vectors::reporter())?;
    ensure!(
        guest.vm.signal_msi(0x2ff0_0000, 5).is_err(),
        "a message was delivered nowhere"
    );
    ensure!(
        guest.vm.irq_line(5, true).is_err(),
        "a line was raised nowhere"
    );
    ensure!(
        guest.vm.irqfd(5, &Event::new()?, None).is_err(),
        "an irqfd leads nowhere"
    );
    Ok(())
}

/// irqfds to messages: what is no vector does nothing.
fn irqfd_messages(kvm: &Kvm) -> Outcome {
    let guest = ready(kvm, 1)?;
    guest.vm.set_routing(&[
        RoutingEntry::message(1, 77),
        RoutingEntry::message(2, VECTORS),
        RoutingEntry::message(3, u32::MAX),
    ])?;
    let events = [Event::new()?, Event::new()?, Event::new()?];
    for (gsi, event) in (1..).zip(&events) {
        guest.vm.irqfd(gsi, event, None)?;
    }
    let [good, first, second] = &events;
    for _ in 0..3 {
        let before = state(&guest)?;
        first.signal()?;
        second.signal()?;
        ensure!(
            state(&guest)? == before,
            "messages that are no vector changed the EIOINTC"
        );
        good.signal()?;
        guest.expect(0, 77)?;
    }
    // A signal may go through a worker: give it time to do harm.
    silent(&guest, "messages that are no vector")?;
    guest.vm.remove_irqfd(1, good)?;
    good.signal()?;
    silent(&guest, "an irqfd that was removed")
}

/// An irqfd whose GSI has no route yet, or has none any longer, does nothing.
fn irqfd_without_route(kvm: &Kvm) -> Outcome {
    /// Behind the pins, which have a route each from the beginning.
    const GSI: u32 = 64;
    let guest = ready(kvm, 1)?;
    let event = Event::new()?;
    guest.vm.irqfd(GSI, &event, None)?;
    let does_nothing = |what| -> Outcome {
        let before = state(&guest)?;
        event.signal()?;
        silent(&guest, what)?;
        ensure_eq!(state(&guest)?, before, "the EIOINTC after {what}");
        Ok(())
    };
    does_nothing("an irqfd that has no route yet")?;
    guest.vm.set_routing(&[RoutingEntry::message(GSI, 77)])?;
    event.signal()?;
    guest.expect(0, 77)?;
    guest.vm.set_routing(&[RoutingEntry::pin(1, 0, 1)])?;
    does_nothing("an irqfd whose route is gone")
}

/// Routes to what does not exist are refused, and the table stays.
fn routes(kvm: &Kvm) -> Outcome {
    let guest = ready(kvm, 1)?;
    guest.vm.set_routing(&[RoutingEntry::message(1, 9)])?;
    let event = Event::new()?;
    guest.vm.irqfd(1, &event, None)?;
    let wrong = [
        RoutingEntry::pin(1, 0, 64),
        RoutingEntry::pin(1, 0, u32::MAX),
        RoutingEntry::pin(1, 1, 0),
        RoutingEntry::pin(1, u32::MAX, 0),
        RoutingEntry {
            kind: 0,
            ..RoutingEntry::pin(1, 0, 0)
        },
        RoutingEntry {
            kind: 3,
            ..RoutingEntry::pin(1, 0, 0)
        },
        RoutingEntry {
            kind: u32::MAX,
            ..RoutingEntry::pin(1, 0, 0)
        },
        RoutingEntry {
            flags: 2,
            ..RoutingEntry::message(1, 0)
        },
        RoutingEntry::pin(4096, 0, 0),
    ];
    for route in wrong {
        ensure_errno!(
            guest.vm.set_routing(&[route]),
            EINVAL,
            "the route {route:x?}"
        );
        event.signal()?;
        guest.expect(0, 9)?;
    }
    Ok(())
}

/// A level pin: the VMM's device holds it up until the guest has handled it and
/// unmasks the pin; then KVM lowers it and tells the device to look again.
fn resample(kvm: &Kvm) -> Outcome {
    kvm.needs(cap::IRQFD_RESAMPLE)?;
    const PIN: u32 = 5;
    let guest = ready(kvm, 1)?;
    let Some(chip) = &guest.irqchip else {
        return Ok(());
    };
    let pic = |register: u64| chip.pch_pic.get(d::PCH_PIC_GRP_REGS, register);
    let mask = |guest: &Guest, masked: bool| -> Outcome { set_pin_mask(guest, PIN, masked) };
    let (device, again) = (Event::new()?, Event::new()?);
    guest.vm.irqfd(PIN, &device, Some(&again))?;
    mask(&guest, false)?;
    ensure_eq!(again.take()?, 0, "resampling before any interrupt");
    for round in 0..3 {
        device.signal()?;
        guest.expect(0, PIN.into())?;
        ensure_eq!(
            pic(0x380)? >> PIN & 1,
            1,
            "the request while the device holds it, round {round}"
        );
        mask(&guest, true)?;
        ensure_eq!(again.take()?, 0, "resampling at masking");
        mask(&guest, false)?;
        ensure_eq!(again.take()?, 1, "resampling at unmasking, round {round}");
        ensure_eq!(pic(0x380)? >> PIN & 1, 0, "the request after that");
        if round == 1 {
            // Nothing to resample: the device had been told.
            mask(&guest, true)?;
            mask(&guest, false)?;
            ensure_eq!(again.take()?, 0, "resampling a pin that is down");
        }
    }
    guest.vm.remove_irqfd(PIN, &device)?;
    Ok(())
}

/// A pin that an irqfd's device and one that the VMM emulates share: what KVM lowers for the one
/// is still up for the other.
fn resample_shared_pin(kvm: &Kvm) -> Outcome {
    kvm.needs(cap::IRQFD_RESAMPLE)?;
    const PIN: u32 = 7;
    let guest = ready(kvm, 1)?;
    let (device, again) = (Event::new()?, Event::new()?);
    guest.vm.irqfd(PIN, &device, Some(&again))?;
    set_pin_mask(&guest, PIN, false)?;
    device.signal()?;
    guest.expect(0, PIN.into())?;
    // The guest has been with both devices; now the emulated one has something new.
    guest.vm.irq_line(PIN, true)?;
    guest.expect(0, PIN.into())?;
    set_pin_mask(&guest, PIN, true)?;
    set_pin_mask(&guest, PIN, false)?;
    ensure_eq!(again.take()?, 1, "resampling at unmasking");
    guest.expect(0, PIN.into())?;
    let Some(chip) = &guest.irqchip else {
        return Ok(());
    };
    let request = || chip.pch_pic.get(d::PCH_PIC_GRP_REGS, 0x380);
    ensure_eq!(request()? >> PIN & 1, 1, "the request that the VMM holds");
    // The VMM's end of it does not end the irqfd's.
    device.signal()?;
    guest.vm.irq_line(PIN, false)?;
    ensure_eq!(request()? >> PIN & 1, 1, "the request that the irqfd holds");
    set_pin_mask(&guest, PIN, true)?;
    set_pin_mask(&guest, PIN, false)?;
    ensure_eq!(again.take()?, 1, "resampling again");
    ensure_eq!(request()? >> PIN & 1, 0, "the request at the end");
    Ok(())
}

/// Another pin's end of interrupt is no business of ours, nor is an edge's.
fn resample_only_its_pin(kvm: &Kvm) -> Outcome {
    kvm.needs(cap::IRQFD_RESAMPLE)?;
    let guest = ready(kvm, 1)?;
    let (device, again) = (Event::new()?, Event::new()?);
    guest.vm.irqfd(5, &device, Some(&again))?;
    set_pin_mask(&guest, 5, false)?;
    device.signal()?;
    guest.expect(0, 5)?;
    guest.vm.irq_line(6, true)?;
    set_pin_mask(&guest, 6, false)?;
    guest.expect(0, 6)?;
    set_pin_mask(&guest, 6, true)?;
    set_pin_mask(&guest, 6, false)?;
    ensure_eq!(again.take()?, 0, "resampling by another pin");
    Ok(())
}

kvm::guest_code!(
    /// Does what user space puts into its registers: writes a1 to a0, reports.
    store,
    "1:",
    "st.d $a1, $a0, 0",
    "st.d $zero, $s0, 16",
    "b 1b",
);

/// Has a second vCPU of the guest's own kind write the mask register.
fn set_pin_mask(guest: &Guest, pin: u32, masked: bool) -> Outcome {
    let Some(chip) = &guest.irqchip else {
        return Ok(());
    };
    let old = chip.pch_pic.get(d::PCH_PIC_GRP_REGS, 0x20)?;
    let bit = 1u64 << pin;
    let new = if masked { old | bit } else { old & !bit };
    // The same vCPU, elsewhere and with interrupts off, and back.
    let vcpu = guest.vcpu();
    guest.memory.write(0x8000, store());
    let (regs, crmd) = (vcpu.regs()?, vcpu.csr(0)?);
    let mut there = regs;
    there.pc = 0x8000;
    there.gpr[4] = PCH_PIC + 0x20;
    there.gpr[5] = new;
    vcpu.set_csr(0, crmd & !4)?;
    vcpu.set_regs(&there)?;
    let report = vcpu.next_report()?;
    ensure_eq!(report, (2, 0), "the report of the store");
    // The store has been executed: what is pending of it ends here.
    vcpu.page.set_immediate_exit(true);
    ensure_errno!(vcpu.run(), EINTR, "KVM_RUN with immediate_exit");
    vcpu.page.set_immediate_exit(false);
    vcpu.set_regs(&regs)?;
    vcpu.set_csr(0, crmd)?;
    ensure_eq!(
        chip.pch_pic.get(d::PCH_PIC_GRP_REGS, 0x20)?,
        new,
        "the mask"
    );
    Ok(())
}

kvm::guest_code!(
    /// Writes a1 to a0, then runs without an exit.
    store_and_run,
    "st.d $a1, $a0, 0",
    "1:",
    "b 1b",
);

/// A vCPU whose own access has lowered a line of its own is as soon interrupted as any: by
/// another CPU, not by the next tick of the host, which is milliseconds away.
fn kick_after_resampling(kvm: &Kvm) -> Outcome {
    kvm.needs(cap::IRQFD_RESAMPLE)?;
    const SHARED: u32 = 5;
    const OTHER: u32 = 6;
    const ROUNDS: u64 = 9;
    const SOON: Duration = Duration::from_millis(1);
    let guest = ready(kvm, 1)?;
    let (device, again) = (Event::new()?, Event::new()?);
    guest.vm.irqfd(SHARED, &device, Some(&again))?;
    set_pin_mask(&guest, OTHER, false)?;
    let Some(chip) = &guest.irqchip else {
        return Ok(());
    };
    let (vcpu, vm, pic) = (guest.vcpu(), &guest.vm, &chip.pch_pic);
    let mask = !(1 << SHARED | 1 << OTHER);
    let mut delays = Vec::new();
    for round in 0..ROUNDS {
        device.signal()?;
        guest.memory.write(0x8000, store_and_run());
        let mut there = vcpu.regs()?;
        there.pc = 0x8000;
        there.gpr[4] = PCH_PIC + 0x20;
        there.gpr[5] = mask;
        vcpu.set_regs(&there)?;
        vcpu.set_csr(0, vcpu.csr(0)? | 4)?;
        // At another time between two ticks each round.
        std::thread::sleep(Duration::from_micros(430 * round));
        delays.push(std::thread::scope(|scope| {
            let asker = scope.spawn(move || {
                // The store has been carried out, and the guest runs on.
                while pic.get(d::PCH_PIC_GRP_REGS, 0x20)? != mask {}
                vm.irq_line(OTHER, true).map(|()| Instant::now())
            });
            guest.expect(0, OTHER.into())?;
            let came = Instant::now();
            let asked = asker.join().map_err(|_| "the asking thread panicked")??;
            Ok::<_, Box<dyn std::error::Error>>(came.saturating_duration_since(asked))
        })?);
        ensure_eq!(again.take()?, 1, "resampling in round {round}");
        guest.vm.irq_line(OTHER, false)?;
        set_pin_mask(&guest, SHARED, true)?;
    }
    delays.sort_unstable();
    let middle = delays.get(delays.len() / 2).copied().unwrap_or_default();
    ensure!(middle < SOON, "the interrupt came after {delays:?}");
    Ok(())
}

/// The registers of the EIOINTC that decide about the line of vector 0, as offsets:
/// ENABLE, ISR, COREISR of vCPU 0, IPMAP.
const OF_VECTOR_0: [u64; 4] = [0x200, 0x300, 0x400, 0xc0];

/// With numbers in place of bitmaps a byte of IPMAP beyond the eight lines is line 0,
/// before and after it was saved and restored (report 18; since Linux 7.3).
fn encoded_lines(kvm: &Kvm) -> Outcome {
    let fault = "an encoded line beyond the eight is not line 0";
    harness::known_in_linux(kvm, fault, encoded_lines_are_eight(kvm))
}

fn encoded_lines_are_eight(kvm: &Kvm) -> Outcome {
    const LINES: u64 = 0x1ffc;
    for (byte, line) in [
        (0, 0),
        (7, 7),
        (8, 0),
        (9, 0),
        (12, 0),
        (0x80, 0),
        (0xff, 0),
    ] {
        let source = Guest::with_irqchip(kvm, vectors::reporter(), 1)?;
        let target = Guest::with_irqchip(kvm, vectors::reporter(), 1)?;
        let (Some(from), Some(to)) = (&source.irqchip, &target.irqchip) else {
            return Ok(());
        };
        let (state, finished) = (d::EXTIOI_SW_STATUS_STATE, d::EXTIOI_CTRL_LOAD_FINISHED);
        let numbers = u64::from(eiointc::ENABLED | eiointc::INT_ENCODE);
        from.eiointc.set(d::EXTIOI_GRP_SW_STATUS, state, numbers)?;
        from.eiointc.set(d::EXTIOI_GRP_REGS, 0x200, 1)?;
        from.eiointc.set(d::EXTIOI_GRP_REGS, 0xc0, byte)?;
        from.eiointc.set(d::EXTIOI_GRP_CTRL, finished, 0)?;
        source.vm.signal_msi(0x2ff0_0000, 0)?;
        let wanted = 4 << line;
        let seen = source.vcpu().csr(csr::ESTAT)? & LINES;
        ensure_eq!(seen, wanted, "lines for the byte {byte:#x}");
        for register in OF_VECTOR_0 {
            let value = from.eiointc.get(d::EXTIOI_GRP_REGS, register)?;
            to.eiointc.set(d::EXTIOI_GRP_REGS, register, value)?;
        }
        let saved = from.eiointc.get(d::EXTIOI_GRP_SW_STATUS, state)?;
        to.eiointc.set(d::EXTIOI_GRP_SW_STATUS, state, saved)?;
        to.eiointc.set(d::EXTIOI_GRP_CTRL, finished, 0)?;
        ensure_eq!(
            to.eiointc.get(d::EXTIOI_GRP_REGS, 0xc0)?,
            byte,
            "the byte as it was saved"
        );
        let estat = source.vcpu().csr(csr::ESTAT)?;
        target.vcpu().set_csr(csr::ESTAT, estat)?;
        target
            .vcpu()
            .set_csr(csr::GINTC, source.vcpu().csr(csr::GINTC)?)?;
        let seen = target.vcpu().csr(csr::ESTAT)? & LINES;
        ensure_eq!(
            seen,
            wanted,
            "lines for the byte {byte:#x} that was restored"
        );
    }
    Ok(())
}

/// How many interrupts each of the senders waits for.
const SENT: u64 = 2000;

kvm::guest_code!(
    /// vCPU 0 takes interrupts and counts them by their bits; the others (a0) send
    /// it their own bit, wait until it was counted, and so on.
    ipi,
    "lu12i.w $s0, 0x30000",
    "lu12i.w $s1, 1",
    "lu12i.w $s2, 0x20", // counts, eight bytes a bit
    "bnez $a0, 3f",
    "addi.w $t0, $zero, -1",
    "ori $t1, $s1, 4",
    "iocsrwr.w $t0, $t1", // enable all bits
    "1:",
    "iocsrrd.w $t0, $s1", // status
    "beqz $t0, 1b",
    "ori $t1, $s1, 0xc",
    "iocsrwr.w $t0, $t1", // clear what was seen
    "2:",
    "ctz.w $t1, $t0",
    "slli.d $t2, $t1, 3",
    "add.d $t2, $t2, $s2",
    "ld.d $t3, $t2, 0",
    "addi.d $t3, $t3, 1",
    "st.d $t3, $t2, 0",
    "addi.d $t2, $t0, -1",
    "and $t0, $t0, $t2",
    "bnez $t0, 2b",
    "b 1b",
    "3:",
    "slli.d $s3, $a0, 3",
    "add.d $s3, $s3, $s2",
    "move $s4, $zero",
    "ori $t1, $s1, 0x40",
    "4:",
    "iocsrwr.w $a0, $t1", // to CPU 0
    "addi.d $s4, $s4, 1",
    "5:",
    "ld.d $t0, $s3, 0",
    "bne $t0, $s4, 5b",
    "bne $s4, $a1, 4b",
    "st.d $s4, $s0, 0",
);

/// Every interrupt arrives, though three vCPUs set bits of the same register
/// while its owner clears them.
fn ipi_race(kvm: &Kvm) -> Outcome {
    let guest = Guest::with_irqchip(kvm, ipi(), 4)?;
    race(&guest.memory, &guest.vcpus)
}

/// vCPUs are made in any order, each number once, and interrupts find them (report
/// 21).
fn numbers_out_of_order(kvm: &Kvm) -> Outcome {
    let guest = Guest::with_irqchip(kvm, ipi(), 0)?;
    let mut vcpus = Vec::new();
    for (cpuid, number) in (0u64..).zip([3, 1, 0, 200]) {
        let vcpu = guest.vm.create_vcpu(number)?;
        ensure_errno!(guest.vm.create_vcpu(number), EEXIST, "vCPU {number} again");
        vcpu.start_at(0)?;
        vcpu.set_csr(csr::CPUID, cpuid)?;
        vcpus.push(vcpu);
    }
    for number in [256, 1 << 16, u32::MAX] {
        ensure_errno!(guest.vm.create_vcpu(number), EINVAL, "vCPU {number}");
    }
    ensure_errno!(guest.vm.create_vcpu(3), EEXIST, "vCPU 3 again");
    race(&guest.memory, &vcpus)
}

/// The first takes what the others send.
fn race(memory: &Memory, vcpus: &[Vcpu]) -> Outcome {
    for (number, vcpu) in (0u64..).zip(vcpus) {
        let mut regs = vcpu.regs()?;
        regs.gpr[4] = number;
        regs.gpr[5] = SENT;
        vcpu.set_regs(&regs)?;
    }
    let Some((receiver, senders)) = vcpus.split_first() else {
        return Ok(());
    };
    let stop = std::sync::atomic::AtomicBool::new(false);
    let stop = &stop;
    std::thread::scope(|scope| -> Outcome {
        let receiving = scope.spawn(move || -> Result<(), String> {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let alarm = Alarm::after(Duration::from_millis(20)).map_err(|e| e.to_string())?;
                match receiver.run() {
                    Err(error) if error.errno == EINTR => {}
                    other => return Err(format!("the receiver came back: {other:x?}")),
                }
                drop(alarm);
            }
            Ok(())
        });
        let sending: Vec<_> = senders
            .iter()
            .map(|vcpu| scope.spawn(|| vcpu.next_report().map_err(|error| error.to_string())))
            .collect();
        let reports: Vec<_> = sending
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let received = receiving.join();
        for report in reports {
            let report = report.map_err(|_| "a sender died")??;
            ensure_eq!(report, (0, SENT), "a sender's report");
        }
        received.map_err(|_| "the receiver died")??;
        Ok(())
    })?;
    for bit in 1..vcpus.len() {
        ensure_eq!(
            memory.read_u64(0x2_0000 + 8 * bit),
            SENT,
            "interrupts counted of bit {bit}"
        );
    }
    Ok(())
}

fn main() -> ExitCode {
    harness::run(&[
        Case {
            name: "messages",
            run: messages,
        },
        Case {
            name: "messages-that-are-no-vector",
            run: messages_that_are_no_vector,
        },
        Case {
            name: "messages-without-controllers",
            run: messages_without_controllers,
        },
        Case {
            name: "irqfd-messages",
            run: irqfd_messages,
        },
        Case {
            name: "irqfd-without-route",
            run: irqfd_without_route,
        },
        Case {
            name: "routes",
            run: routes,
        },
        Case {
            name: "resample",
            run: resample,
        },
        Case {
            name: "resample-shared-pin",
            run: resample_shared_pin,
        },
        Case {
            name: "kick-after-resampling",
            run: kick_after_resampling,
        },
        Case {
            name: "resample-only-its-pin",
            run: resample_only_its_pin,
        },
        Case {
            name: "encoded-lines",
            run: encoded_lines,
        },
        Case {
            name: "ipi-race",
            run: ipi_race,
        },
        Case {
            name: "numbers-out-of-order",
            run: numbers_out_of_order,
        },
    ])
}
