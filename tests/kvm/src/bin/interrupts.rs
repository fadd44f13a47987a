//! Interrupts into a guest: messages and routes and what they may hold,
//! KVM_CAP_IRQFD_RESAMPLE, and inter-processor interrupts that race.

use std::process::ExitCode;
use std::time::Duration;

use kvm::error::errno::{EINTR, EINVAL};
use kvm::fixture::PCH_PIC;
use kvm::harness::{self, Case, Outcome};
use kvm::signal::Alarm;
use kvm::uapi::{ROUTING_IRQCHIP, ROUTING_MSI, RoutingEntry, capability as cap};
use kvm::{Event, Guest, Kvm, ensure, ensure_eq, ensure_errno};
use la_arch::kvm::device as d;

/// Vectors of the EIOINTC.
const VECTORS: u32 = 256;

kvm::guest_code!(
    /// Enables all vectors of the EIOINTC and line HWI0, then loops with interrupts
    /// on. The handler reports each pending vector's number and acknowledges it.
    eiointc,
    "lu12i.w $s0, 0x30000",
    "lu12i.w $s1, 1",
    "addi.w $t0, $zero, -1",
    "ori $t1, $s1, 0x600", // EIOINTC enable, eight words
    "addi.d $t2, $t1, 32",
    "1:",
    "iocsrwr.w $t0, $t1",
    "addi.d $t1, $t1, 4",
    "bne $t1, $t2, 1b",
    "move $t0, $s1",
    "csrwr $t0, 0xc", // EENTRY = 0x1000
    "addi.d $t0, $zero, 4",
    "csrwr $t0, 0x4", // ECFG: HWI0
    "addi.d $t0, $zero, 4",
    "csrxchg $t0, $t0, 0x0", // CRMD.IE
    "st.d $zero, $s0, 8",    // report 1: ready
    "2:",
    "b 2b",
    ".p2align 12",
    "ori $t1, $s1, 0x800", // core's vectors that are pending
    "addi.d $t2, $t1, 32",
    "move $t3, $zero",
    "3:",
    "iocsrrd.w $t0, $t1",
    "beqz $t0, 4f",
    "ctz.w $t4, $t0",
    "addi.w $t5, $zero, 1",
    "sll.w $t5, $t5, $t4",
    "iocsrwr.w $t5, $t1", // acknowledge
    "add.d $t4, $t4, $t3",
    "st.d $t4, $s0, 0", // report 0: vector
    "b 3b",
    "4:",
    "addi.d $t1, $t1, 4",
    "addi.d $t3, $t3, 32",
    "bne $t1, $t2, 3b",
    "ertn",
);

fn ready(kvm: &Kvm) -> Result<Guest, Box<dyn std::error::Error>> {
    let guest = Guest::with_irqchip(kvm, eiointc(), 1)?;
    guest.expect(1, 0)?;
    Ok(guest)
}

/// The guest gets no interrupt within a while.
fn silent(guest: &Guest, what: &str) -> Outcome {
    let alarm = Alarm::after(Duration::from_millis(5))?;
    ensure_errno!(guest.vcpu().run(), EINTR, "the guest after {what}");
    drop(alarm);
    Ok(())
}

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
    let guest = ready(kvm)?;
    for vector in [0, 1, 31, 32, 100, 254, 255] {
        guest.vm.signal_msi(0x2ff0_0000, vector)?;
        guest.expect(0, vector.into())?;
    }
    silent(&guest, "all messages")
}

fn messages_that_are_no_vector(kvm: &Kvm) -> Outcome {
    let guest = ready(kvm)?;
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
    let guest = Guest::new(kvm, eiointc())?;
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

fn message_route(gsi: u32, data: u32) -> RoutingEntry {
    let mut of = [0; 8];
    of[0] = 0x2ff0_0000;
    of[2] = data;
    RoutingEntry {
        gsi,
        kind: ROUTING_MSI,
        flags: 0,
        pad: 0,
        of,
    }
}

fn pin_route(gsi: u32, chip: u32, pin: u32) -> RoutingEntry {
    let mut of = [0; 8];
    of[0] = chip;
    of[1] = pin;
    RoutingEntry {
        gsi,
        kind: ROUTING_IRQCHIP,
        flags: 0,
        pad: 0,
        of,
    }
}

/// irqfds to messages: what is no vector does nothing.
fn irqfd_messages(kvm: &Kvm) -> Outcome {
    let guest = ready(kvm)?;
    guest.vm.set_routing(&[
        message_route(1, 77),
        message_route(2, VECTORS),
        message_route(3, u32::MAX),
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

/// Routes to what does not exist are refused, and the table stays.
fn routes(kvm: &Kvm) -> Outcome {
    let guest = ready(kvm)?;
    guest.vm.set_routing(&[message_route(1, 9)])?;
    let event = Event::new()?;
    guest.vm.irqfd(1, &event, None)?;
    let wrong = [
        pin_route(1, 0, 64),
        pin_route(1, 0, u32::MAX),
        pin_route(1, 1, 0),
        pin_route(1, u32::MAX, 0),
        RoutingEntry {
            kind: 0,
            ..pin_route(1, 0, 0)
        },
        RoutingEntry {
            kind: 3,
            ..pin_route(1, 0, 0)
        },
        RoutingEntry {
            kind: u32::MAX,
            ..pin_route(1, 0, 0)
        },
        RoutingEntry {
            flags: 2,
            ..message_route(1, 0)
        },
        pin_route(4096, 0, 0),
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
    let guest = ready(kvm)?;
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

/// Another pin's end of interrupt is no business of ours, nor is an edge's.
fn resample_only_its_pin(kvm: &Kvm) -> Outcome {
    kvm.needs(cap::IRQFD_RESAMPLE)?;
    let guest = ready(kvm)?;
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

/// How many interrupts each of three senders waits for.
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
    for (number, vcpu) in (0u64..).zip(&guest.vcpus) {
        let mut regs = vcpu.regs()?;
        regs.gpr[4] = number;
        regs.gpr[5] = SENT;
        vcpu.set_regs(&regs)?;
    }
    let Some((receiver, senders)) = guest.vcpus.split_first() else {
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
    for bit in 1..4usize {
        ensure_eq!(
            guest.memory.read_u64(0x2_0000 + 8 * bit),
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
            name: "routes",
            run: routes,
        },
        Case {
            name: "resample",
            run: resample,
        },
        Case {
            name: "resample-only-its-pin",
            run: resample_only_its_pin,
        },
        Case {
            name: "ipi-race",
            run: ipi_race,
        },
    ])
}
