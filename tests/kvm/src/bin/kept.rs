// SPDX-License-Identifier: GPL-2.0-or-later

//! Guest CSRs while their vCPU's thread is in user space: a KVM may leave them in the CPU
//! then, and none of this may show it.

use std::process::ExitCode;
use std::sync::mpsc;

use kvm::harness::{self, Case, Outcome};
use kvm::{Guest, Kvm, affinity, ensure, ensure_eq};
use la_arch::csr::{Crmd, Ecfg, number as csr};
use la_arch::one_reg as id;

const SAVE0: u16 = csr::SAVE0;
const SAVE1: u16 = csr::SAVE0 + 1;

/// The hosts of the tests have more.
const CPUS: u32 = 4;

kvm::guest_code!(
    /// Adds one to SAVE0 and reports it, then SAVE1, for ever.
    count,
    "lu12i.w $s0, 0x30000",
    "1:",
    "csrrd $t0, 0x30",
    "addi.d $t0, $t0, 1",
    "move $t1, $t0",
    "csrwr $t0, 0x30",
    "st.d $t1, $s0, 0",
    "csrrd $t0, 0x31",
    "st.d $t0, $s0, 8",
    "b 1b",
);

/// Runs `f` on another thread, which runs on `cpu`.
fn on<T: Send>(
    cpu: u32,
    f: impl FnOnce() -> Result<T, Box<dyn std::error::Error>> + Send,
) -> Result<T, Box<dyn std::error::Error>> {
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let result = affinity::run_on(cpu).map_err(Into::into).and_then(|()| f());
                result.map_err(|error| error.to_string())
            })
            .join()
            .map_err(|_| "a thread panicked")?
            .map_err(Into::into)
    })
}

fn read(kvm: &Kvm) -> Outcome {
    affinity::run_on(0)?;
    let guest = Guest::new(kvm, count())?;
    let vcpu = guest.vcpu();
    vcpu.set_csr(SAVE1, 0x1234)?;
    for n in 1..20u32 {
        guest.expect(0, n.into())?;
        let found = on(n % CPUS, || Ok(vcpu.csr(SAVE0)?))?;
        ensure_eq!(found, n.into(), "SAVE0 by another thread, CPU {}", n % CPUS);
        guest.expect(1, 0x1234)?;
        ensure_eq!(vcpu.csr(SAVE0)?, n.into(), "SAVE0 by the same thread");
    }
    Ok(())
}

fn written(kvm: &Kvm) -> Outcome {
    affinity::run_on(0)?;
    let guest = Guest::new(kvm, count())?;
    let vcpu = guest.vcpu();
    for n in 1..20u32 {
        guest.expect(0, n.into())?;
        on(n % CPUS, || Ok(vcpu.set_csr(SAVE1, (n * 3).into())?))?;
        guest.expect(1, (n * 3).into())?;
    }
    Ok(())
}

/// One thread that goes from CPU to CPU.
fn moved(kvm: &Kvm) -> Outcome {
    let guest = Guest::new(kvm, count())?;
    guest.vcpu().set_csr(SAVE1, 0x77)?;
    for n in 1..60u32 {
        affinity::run_on(n * 7 % CPUS)?;
        guest.expect(0, n.into())?;
        affinity::run_on(n % CPUS)?;
        guest.expect(1, 0x77)?;
    }
    Ok(())
}

/// Many vCPUs of several VMs take turns on the CPUs, each with what is its own.
fn turns(kvm: &Kvm) -> Outcome {
    let guests = (0..3)
        .map(|_| Guest::with_irqchip(kvm, count(), 2))
        .collect::<Result<Vec<_>, _>>()?;
    let vcpus: Vec<_> = guests.iter().flat_map(|guest| &guest.vcpus).collect();
    for (number, vcpu) in (0x100..).zip(&vcpus) {
        vcpu.set_csr(SAVE1, number)?;
    }
    for round in 1..40u32 {
        for (number, vcpu) in (0x100..).zip(&vcpus) {
            affinity::run_on((round * number) % CPUS)?;
            ensure_eq!(vcpu.next_report()?, (0, round.into()), "vCPU {number:#x}");
            ensure_eq!(vcpu.next_report()?, (1, number.into()), "vCPU {number:#x}");
        }
    }
    Ok(())
}

/// A vCPU goes while a CPU has its registers; another one begins there, perhaps at the
/// same place in memory.
fn destroyed(kvm: &Kvm) -> Outcome {
    for round in 0..30u32 {
        let guest = Guest::new(kvm, count())?;
        on(round % CPUS, || guest.expect(0, 1))?;
        if round % 2 == 0 {
            on((round + 1) % CPUS, move || {
                drop(guest);
                Ok(())
            })?;
        } else {
            drop(guest);
        }
    }
    Ok(())
}

fn reset(kvm: &Kvm) -> Outcome {
    affinity::run_on(0)?;
    let guest = Guest::new(kvm, count())?;
    let vcpu = guest.vcpu();
    for n in 1..10u32 {
        guest.expect(0, 1)?;
        vcpu.set_csr(SAVE1, 0x99)?;
        guest.expect(1, 0x99)?;
        on(n % CPUS, || {
            vcpu.set_one_reg(id::VCPU_RESET, 0)?;
            ensure_eq!(vcpu.csr(SAVE1)?, 0, "SAVE1 after a reset");
            vcpu.start_at(0)?;
            Ok(())
        })?;
    }
    Ok(())
}

kvm::guest_code!(
    /// Sets a timer of 2 ms, reports that it did and the time, and goes on to report the
    /// time; the handler (at 0x1000) reports it too.
    timed,
    "lu12i.w $s0, 0x30000",
    "rdtime.d $t0, $zero",
    "lu12i.w $t1, 48",
    "ori $t1, $t1, 0xd41", // TCFG: 200,000 ticks, once
    "csrwr $t1, 0x41",
    "st.d $t0, $s0, 0",
    "1:",
    "rdtime.d $t0, $zero",
    "st.d $t0, $s0, 16",
    "b 1b",
    ".p2align 12",
    "rdtime.d $t0, $zero",
    "st.d $t0, $s0, 8",
    "2:",
    "b 2b",
);

/// The timer counts on in user space, wherever the thread goes, and expires once.
fn timer(kvm: &Kvm) -> Outcome {
    for moves in [false, true] {
        affinity::run_on(0)?;
        let guest = Guest::new(kvm, timed())?;
        let vcpu = guest.vcpu();
        vcpu.set_csr(csr::CRMD, Crmd(0).with_da(true).with_ie(true).0)?;
        vcpu.set_csr(csr::ECFG, Ecfg(0).with_lie(1 << 11).0)?;
        vcpu.set_csr(csr::EENTRY, 0x1000)?;
        let (number, begin) = vcpu.next_report()?;
        ensure_eq!(number, 0, "the first report");
        let mut last = begin;
        let end = loop {
            if moves {
                affinity::run_on((affinity::here()? + 1) % CPUS)?;
            }
            match vcpu.next_report()? {
                (1, end) => break end,
                (number, now) => {
                    ensure_eq!(number, 2, "a report before the timer");
                    last = now;
                }
            }
        };
        // However long a report takes the host, none may come between the expiry and
        // the interrupt.
        let [last, ticks] = [last, end].map(|time| time.wrapping_sub(begin));
        ensure!(
            ticks >= 200_000 && last < 201_000,
            "the timer expired after {ticks} ticks, {last} at the last report before"
        );
    }
    Ok(())
}

kvm::guest_code!(
    /// Reports the time for ever.
    clock,
    "lu12i.w $s0, 0x30000",
    "1:",
    "rdtime.d $t0, $zero",
    "st.d $t0, $s0, 0",
    "b 1b",
);

/// The first vCPU sets the counter of all, also of one whose registers a CPU has.
fn counter(kvm: &Kvm) -> Outcome {
    affinity::run_on(0)?;
    let guest = Guest::with_irqchip(kvm, clock(), 2)?;
    let [first, second] = &guest.vcpus[..] else {
        return Err("not two vCPUs".into());
    };
    second.next_report()?;
    for value in [1u64 << 40, 1 << 20] {
        on(1, || Ok(first.set_one_reg(id::COUNTER, value)?))?;
        let (_, found) = second.next_report()?;
        ensure!(
            (value..value + 10_000_000).contains(&found),
            "the counter is {found:#x}, not {value:#x}"
        );
    }
    Ok(())
}

/// Registers are read while their vCPU runs on and on.
fn read_and_run(kvm: &Kvm) -> Outcome {
    let guest = Guest::new(kvm, count())?;
    let vcpu = guest.vcpu();
    std::thread::scope(|scope| {
        let (stop, stopped) = mpsc::channel::<()>();
        let reader = scope.spawn(move || -> Result<u32, String> {
            let mut last = 0;
            let mut reads = 0;
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                let cpu = reads % CPUS;
                affinity::run_on(cpu).map_err(|error| error.to_string())?;
                let now = vcpu.csr(SAVE0).map_err(|error| error.to_string())?;
                if now < last {
                    return Err(format!("SAVE0 is {now} after {last}"));
                }
                last = now;
                reads += 1;
            }
            Ok(reads)
        });
        for n in 1..400u32 {
            affinity::run_on(n / 8 % CPUS)?;
            guest.expect(0, n.into())?;
            guest.expect(1, 0)?;
        }
        drop(stop);
        let reads = reader.join().map_err(|_| "the reader panicked")??;
        ensure!(reads > 0, "nothing was read");
        Ok(())
    })
}

fn main() -> ExitCode {
    let case = |name, run| Case { name, run };
    harness::run(&[
        case("read", read),
        case("written", written),
        case("moved", moved),
        case("turns", turns),
        case("destroyed", destroyed),
        case("reset", reset),
        case("timer", timer),
        case("counter", counter),
        case("read-and-run", read_and_run),
    ])
}
