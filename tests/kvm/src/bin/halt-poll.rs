// SPDX-License-Identifier: GPL-2.0-or-later

//! What wakes a vCPU that halted, within its polling window: the window is so long that a
//! wake-up which is missed shows as a delay until its end.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use kvm::error::errno::EINTR;
use kvm::harness::{self, Case, Outcome};
use kvm::random::Random;
use kvm::signal::Alarm;
use kvm::uapi::capability;
use kvm::{Guest, Kvm, affinity, ensure, ensure_eq};
use la_arch::csr::{Crmd, Ecfg, number as csr};

kvm::guest_code!(
    /// Sleeps; the handler (at 0x1000) ends the timer's interrupt and reports ESTAT.
    sleep,
    "1:",
    "idle 0",
    "b 1b",
    ".p2align 12",
    "lu12i.w $s0, 0x30000",
    "csrrd $t0, 0x5",
    "ori $t1, $zero, 1",
    "csrwr $t1, 0x44",
    "st.d $t0, $s0, 0",
    "ertn",
);

const TIMER: u64 = 1 << 11;
const IPI: u64 = 1 << 12;

/// The IPI line, of KVM_INTERRUPT.
const IPI_LINE: i32 = 12;

/// Ticks of the machine's 100 MHz in a microsecond.
const TICKS: u64 = 100;

/// The longest window, which is reached by sleeps that last half of it.
const WINDOW: Duration = Duration::from_millis(80);

/// A wake-up that takes longer was missed, and the tick of the host as well.
const LATE: Duration = Duration::from_millis(20);

/// Half of the wake-ups take no longer. Without the kick it would be half the time between
/// two ticks of the host, which end a wait too.
const USUAL: Duration = Duration::from_micros(300);

const ROUNDS: u32 = 200;

/// A guest whose vCPU polls for longer than [`LATE`].
fn polling(kvm: &Kvm) -> Result<Guest, Box<dyn std::error::Error>> {
    let guest = Guest::new(kvm, sleep())?;
    guest
        .vm
        .enable(capability::HALT_POLL, [WINDOW.as_nanos() as u64, 0])?;
    let vcpu = guest.vcpu();
    vcpu.set_csr(csr::CRMD, Crmd(0).with_da(true).with_ie(true).0)?;
    vcpu.set_csr(csr::ECFG, Ecfg(0).with_lie(TIMER | IPI).0)?;
    vcpu.set_csr(csr::EENTRY, 0x1000)?;
    // From 10 microseconds on the window doubles with each sleep that is longer.
    for _ in 0..16 {
        let slept = expires_after(&guest, WINDOW / 2)?;
        ensure!(slept >= WINDOW / 4, "a sleep took {slept:?}");
    }
    Ok(guest)
}

/// How long KVM_RUN takes with the guest's timer set to `time`, whose interrupt is
/// reported.
fn expires_after(guest: &Guest, time: Duration) -> Result<Duration, Box<dyn std::error::Error>> {
    let ticks = time.as_nanos() as u64 * TICKS / 1000;
    guest.vcpu().set_csr(csr::TCFG, ticks & !3 | 1)?;
    guest.vcpu().set_csr(csr::TVAL, ticks & !3)?;
    let begun = Instant::now();
    let (_, estat) = guest.vcpu().next_report()?;
    ensure_eq!(estat & (TIMER | IPI), TIMER, "the timer's interrupt");
    Ok(begun.elapsed())
}

/// By the guest's timer, at its time.
fn timer(kvm: &Kvm) -> Outcome {
    affinity::run_on(0)?;
    let guest = polling(kvm)?;
    let mut random = Random::new(1, 0);
    for round in 0..ROUNDS {
        let time = Duration::from_nanos(random.below(300_000));
        let slept = expires_after(&guest, time)?;
        ensure!(
            slept + Duration::from_micros(1) >= time && slept < time + LATE,
            "round {round}: a sleep of {time:?} took {slept:?}"
        );
    }
    Ok(())
}

/// By an interrupt from a thread on another CPU.
fn interrupt(kvm: &Kvm) -> Outcome {
    affinity::run_on(0)?;
    let guest = polling(kvm)?;
    let vcpu = guest.vcpu();
    let (asked, done) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            affinity::run_on(1).map_err(|error| error.to_string())?;
            let mut random = Random::new(2, 0);
            let mut times = Vec::new();
            for round in 1..=ROUNDS {
                while asked.load(Ordering::Acquire) < round {
                    std::hint::spin_loop();
                }
                // Before and while the vCPU begins to wait, most often after.
                for _ in 0..random.below(40_000) {
                    std::hint::spin_loop();
                }
                let begun = Instant::now();
                vcpu.interrupt(IPI_LINE)
                    .map_err(|error| error.to_string())?;
                while done.load(Ordering::Acquire) < round {
                    std::hint::spin_loop();
                }
                let took = begun.elapsed();
                if took >= LATE {
                    return Err(format!("round {round}: a wake-up took {took:?}"));
                }
                times.push(took);
            }
            times.sort();
            let median = times[times.len() / 2];
            if median > USUAL {
                return Err(format!("half of the wake-ups took {median:?} or longer"));
            }
            Ok(())
        });
        for round in 1..=ROUNDS {
            if sender.is_finished() {
                break;
            }
            asked.store(round, Ordering::Release);
            let (_, estat) = vcpu.next_report()?;
            ensure_eq!(estat & (TIMER | IPI), IPI, "the interrupt of round {round}");
            vcpu.interrupt(-IPI_LINE)?;
            done.store(round, Ordering::Release);
        }
        sender
            .join()
            .map_err(|_| "the sender panicked")?
            .map_err(Into::into)
    })
}

/// By a signal for its thread, which ends KVM_RUN.
fn signal(kvm: &Kvm) -> Outcome {
    let guest = polling(kvm)?;
    let mut random = Random::new(3, 0);
    for round in 0..ROUNDS {
        let delay = Duration::from_micros(random.below(200));
        let begun = Instant::now();
        let alarm = Alarm::after(delay)?;
        let ended = guest.vcpu().run().map(|_| ()).map_err(|error| error.errno);
        let took = begun.elapsed();
        drop(alarm);
        ensure_eq!(ended, Err(EINTR), "KVM_RUN in round {round}");
        ensure!(
            took < delay + LATE,
            "round {round}: a signal after {delay:?} ended KVM_RUN after {took:?}"
        );
    }
    Ok(())
}

fn main() -> ExitCode {
    harness::run(&[
        Case {
            name: "timer",
            run: timer,
        },
        Case {
            name: "interrupt",
            run: interrupt,
        },
        Case {
            name: "signal",
            run: signal,
        },
    ])
}
