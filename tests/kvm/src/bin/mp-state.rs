// SPDX-License-Identifier: GPL-2.0-or-later

//! KVM_CAP_MP_STATE: a vCPU that is stopped stays out of the guest. Interrupts that
//! devices raise while it is stopped or reset.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kvm::error::errno::{EINTR, EINVAL};
use kvm::harness::{self, Case, Outcome, Skip};
use kvm::signal::Alarm;
use kvm::uapi::{MP_RUNNABLE, MP_STOPPED, RoutingEntry, capability as cap};
use kvm::{Event, Guest, Kvm, ensure, ensure_eq, ensure_errno, vectors};
use la_arch::one_reg;

kvm::guest_code!(
    /// Reports a0, which grows by one each time.
    code,
    "lu12i.w $s0, 0x30000",
    "1:",
    "st.d $a0, $s0, 0",
    "addi.d $a0, $a0, 1",
    "b 1b",
);

fn needs_stopped(kvm: &Kvm) -> Outcome {
    if kvm.needs(cap::MP_STATE)? & 1 << MP_STOPPED == 0 {
        return Err(Skip(format!("not offered: STOPPED of {}", cap::MP_STATE.name)).into());
    }
    Ok(())
}

fn runnable(kvm: &Kvm) -> Outcome {
    let guest = Guest::new(kvm, code())?;
    ensure_eq!(
        guest.vcpu().mp_state()?,
        MP_RUNNABLE,
        "the state of a new vCPU"
    );
    guest.vcpu().set_mp_state(MP_RUNNABLE)?;
    guest.expect(0, 0)
}

fn refused(kvm: &Kvm) -> Outcome {
    let guest = Guest::new(kvm, code())?;
    let offered = kvm.capability(cap::MP_STATE)?;
    for state in (1..=16).chain([u32::MAX]) {
        // Upstream's answer 1 names RUNNABLE alone.
        if state < 31 && offered >> state & 1 != 0 {
            continue;
        }
        ensure_errno!(guest.vcpu().set_mp_state(state), EINVAL, "state {state}");
    }
    ensure_eq!(
        guest.vcpu().mp_state()?,
        MP_RUNNABLE,
        "the state after that"
    );
    guest.expect(0, 0)
}

fn stopped(kvm: &Kvm) -> Outcome {
    needs_stopped(kvm)?;
    let guest = Guest::new(kvm, code())?;
    let vcpu = guest.vcpu();
    guest.expect(0, 0)?;
    vcpu.set_mp_state(MP_STOPPED)?;
    ensure_eq!(vcpu.mp_state()?, MP_STOPPED, "the state");
    let delay = Duration::from_millis(20);
    for _ in 0..3 {
        let alarm = Alarm::after(delay)?;
        let start = Instant::now();
        ensure_errno!(vcpu.run(), EINTR, "KVM_RUN of a stopped vCPU");
        ensure!(
            start.elapsed() >= delay,
            "it came back after {:?}",
            start.elapsed()
        );
        drop(alarm);
    }
    ensure_eq!(vcpu.mp_state()?, MP_STOPPED, "the state after KVM_RUN");
    // The guest did not take a step: what it was to report next is still to come.
    vcpu.set_mp_state(MP_RUNNABLE)?;
    guest.expect(0, 1)?;
    guest.expect(0, 2)
}

/// An interrupt does not start it.
fn stopped_and_interrupted(kvm: &Kvm) -> Outcome {
    needs_stopped(kvm)?;
    let guest = Guest::new(kvm, code())?;
    let vcpu = guest.vcpu();
    guest.expect(0, 0)?;
    vcpu.set_mp_state(MP_STOPPED)?;
    vcpu.interrupt(2)?;
    let alarm = Alarm::after(Duration::from_millis(20))?;
    ensure_errno!(vcpu.run(), EINTR, "KVM_RUN of a stopped vCPU");
    drop(alarm);
    vcpu.set_mp_state(MP_RUNNABLE)?;
    guest.expect(0, 1)
}

/// Devices go on while a vCPU is stopped: what they raise waits, and is one interrupt
/// when it starts again (report 15).
fn devices_while_stopped(kvm: &Kvm) -> Outcome {
    needs_stopped(kvm)?;
    let guest = vectors::ready(kvm, 1)?;
    let vcpu = guest.vcpu();
    guest.vm.set_routing(&[RoutingEntry::message(1, 77)])?;
    let event = Event::new()?;
    guest.vm.irqfd(1, &event, None)?;
    for vector in [77, 40] {
        vcpu.set_mp_state(MP_STOPPED)?;
        for raise_again in [false, true] {
            if vector == 77 {
                event.signal()?;
            } else {
                guest.vm.signal_msi(0x2ff0_0000, vector)?;
            }
            let alarm = Alarm::after(Duration::from_millis(10))?;
            ensure_errno!(
                vcpu.run(),
                EINTR,
                "KVM_RUN of a stopped vCPU, raised again {raise_again}"
            );
            drop(alarm);
        }
        vcpu.set_mp_state(MP_RUNNABLE)?;
        guest.expect(0, vector.into())?;
        vectors::silent(&guest, "its interrupt")?;
    }
    Ok(())
}

fn restart(guest: &Guest) -> Result<(), kvm::Error> {
    for vcpu in &guest.vcpus {
        vcpu.set_one_reg(one_reg::VCPU_RESET, 0)?;
        vcpu.start_at(0)?;
    }
    Ok(())
}

/// A message that the EIOINTC holds is one interrupt of a vCPU that is reset meanwhile:
/// the line is the controller's, and still up (report 15).
fn message_over_reset(kvm: &Kvm) -> Outcome {
    let fault = "a line that is up when the vCPU is reset stays lost";
    harness::known_in_linux(kvm, fault, message_is_kept(kvm))
}

fn message_is_kept(kvm: &Kvm) -> Outcome {
    let guest = vectors::ready(kvm, 2)?;
    for vector in [77, 5] {
        guest.vm.signal_msi(0x2ff0_0000, vector)?;
        let alarm = Alarm::after(Duration::from_millis(50))?;
        restart(&guest)?;
        guest.expect(1, 0)?;
        guest.expect(0, vector.into())?;
        drop(alarm);
        vectors::silent(&guest, "what the EIOINTC held")?;
    }
    Ok(())
}

/// All vCPUs are reset again and again while an irqfd fires. No interrupt stays behind,
/// and none is lost after that (report 15).
fn irqfd_over_resets(kvm: &Kvm) -> Outcome {
    let fault = "a line that is up when the vCPU is reset stays lost";
    harness::known_in_linux(kvm, fault, resets_under_interrupts(kvm))
}

fn resets_under_interrupts(kvm: &Kvm) -> Outcome {
    const VECTOR: u64 = 77;
    let guest = vectors::ready(kvm, 2)?;
    guest
        .vm
        .set_routing(&[RoutingEntry::message(1, VECTOR as u32)])?;
    let event = Event::new()?;
    guest.vm.irqfd(1, &event, None)?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| -> Outcome {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) && event.signal().is_ok() {
                std::thread::yield_now();
            }
        });
        let outcome = (0..20).try_for_each(|round| -> Outcome {
            let alarm = Alarm::after(Duration::from_millis(50))?;
            restart(&guest)?;
            guest.expect(1, 0)?;
            for _ in 0..round % 4 {
                guest.expect(0, VECTOR)?;
            }
            drop(alarm);
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        outcome
    })?;
    // What was raised last may still come, once; then all is quiet.
    restart(&guest)?;
    guest.expect(1, 0)?;
    let alarm = Alarm::after(Duration::from_millis(5))?;
    let last = guest.vcpu().next_report();
    drop(alarm);
    if let Ok(report) = last {
        ensure_eq!(report, (0, VECTOR), "the last interrupt");
        vectors::silent(&guest, "the last interrupt")?;
    }
    for _ in 0..2 {
        let alarm = Alarm::after(Duration::from_millis(50))?;
        event.signal()?;
        guest.expect(0, VECTOR)?;
        drop(alarm);
        vectors::silent(&guest, "its interrupt")?;
    }
    Ok(())
}

fn stopped_with_immediate_exit(kvm: &Kvm) -> Outcome {
    needs_stopped(kvm)?;
    let guest = Guest::new(kvm, code())?;
    let vcpu = guest.vcpu();
    vcpu.set_mp_state(MP_STOPPED)?;
    vcpu.page.set_immediate_exit(true);
    ensure_errno!(vcpu.run(), EINTR, "KVM_RUN");
    vcpu.page.set_immediate_exit(false);
    vcpu.set_mp_state(MP_RUNNABLE)?;
    guest.expect(0, 0)
}

fn main() -> ExitCode {
    harness::run(&[
        Case {
            name: "runnable",
            run: runnable,
        },
        Case {
            name: "refused",
            run: refused,
        },
        Case {
            name: "stopped",
            run: stopped,
        },
        Case {
            name: "stopped-and-interrupted",
            run: stopped_and_interrupted,
        },
        Case {
            name: "devices-while-stopped",
            run: devices_while_stopped,
        },
        Case {
            name: "message-over-reset",
            run: message_over_reset,
        },
        Case {
            name: "irqfd-over-resets",
            run: irqfd_over_resets,
        },
        Case {
            name: "stopped-with-immediate-exit",
            run: stopped_with_immediate_exit,
        },
    ])
}
