// SPDX-License-Identifier: GPL-2.0-or-later

//! The VMM's own floating-point and vector registers over KVM_RUN: whatever its thread
//! does and whatever the guest does with the units, they are the thread's.

use std::process::ExitCode;
use std::time::Duration;

use kvm::error::errno::EINTR;
use kvm::harness::{self, Case, Outcome};
use kvm::process::{self, Child};
use kvm::signal::{self, Alarm};
use kvm::units::{Call, Vectors, hold, pattern};
use kvm::{Exit, Guest, Kvm, affinity, ensure, ensure_eq};
use la_arch::csr::{Euen, number as csr};
use la_arch::kvm::vcpu_attr;
use la_arch::one_reg as id;

kvm::guest_code!(
    /// Reports for ever, without the units.
    plain,
    "lu12i.w $s0, 0x30000",
    "1:",
    "st.d $a0, $s0, 0",
    "addi.d $a0, $a0, 1",
    "b 1b",
);

kvm::guest_code!(
    /// Reports for ever f3, one more each time, from where all of vr3 is; a1 is what to
    /// begin with.
    vectors,
    "lu12i.w $s0, 0x30000",
    "vreplgr2vr.d $vr3, $a1",
    "1:",
    "vaddi.du $vr3, $vr3, 1",
    "vpickve2gr.d $t0, $vr3, 1",
    "st.d $t0, $s0, 8",
    "movfr2gr.d $t0, $f3",
    "st.d $t0, $s0, 0",
    "b 1b",
);

kvm::guest_code!(
    /// Fills all vector registers and runs on.
    filled,
    "1:",
    "addi.d $a0, $a0, 1",
    ".irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    "vreplgr2vr.d $vr\\i, $a0",
    ".endr",
    "b 1b",
);

/// A guest that may use the units.
fn guest(kvm: &Kvm, code: &[u8]) -> Result<Guest, kvm::Error> {
    let guest = Guest::new(kvm, code)?;
    let vcpu = guest.vcpu();
    let features = vcpu.attr(vcpu_attr::CPUCFG, 2)?;
    vcpu.set_one_reg(id::cpucfg(2), features)?;
    vcpu.set_csr(csr::EUEN, Euen(0).with_fpe(true).with_sxe(true).0)?;
    Ok(guest)
}

/// The calls succeed, and the registers are what they were before.
fn keep(seed: u64, calls: &mut [Call]) -> Outcome {
    let values = pattern(seed);
    ensure_eq!(hold(&values, calls), values, "the thread's registers");
    for call in calls {
        ensure!(call.result >= 0, "a call failed: {call:?}");
    }
    Ok(())
}

fn stay(kvm: &Kvm) -> Outcome {
    let guest = guest(kvm, plain())?;
    for round in 0..20 {
        keep(round, &mut [Call::run(guest.vcpu()); 5])?;
        let run = guest.vcpu().page.exit();
        ensure!(matches!(run, Exit::Mmio(_)), "KVM_RUN: {run:x?}");
    }
    Ok(())
}

/// The guest has registers of its own, which are its alone.
fn beside_the_guests(kvm: &Kvm) -> Outcome {
    let guest = guest(kvm, vectors())?;
    for round in 1..50u64 {
        for number in [1, 0] {
            keep(round, &mut [Call::run(guest.vcpu())])?;
            // The report that `keep` ran for.
            let Exit::Mmio(access) = guest.vcpu().page.exit() else {
                return Err("no report".into());
            };
            ensure_eq!(access.written, Some(round), "lane {number} of the guest");
        }
        let fpu = guest.vcpu().fpu()?;
        ensure_eq!(fpu.fpr[3][..2], [round, round], "vr3 by KVM_GET_FPU");
    }
    Ok(())
}

/// A signal ends KVM_RUN; its handler has the registers for itself.
fn signals(kvm: &Kvm) -> Outcome {
    signal::prepare_scrambling()?;
    for code in [filled(), &[0, 0, 0, 0x50]] {
        // The second is a branch to itself.
        let guest = guest(kvm, code)?;
        for round in 0..5 {
            let values = pattern(round);
            let alarm = Alarm::prepared(Duration::from_millis(3))?;
            let mut calls = [Call::run(guest.vcpu())];
            let found = hold(&values, &mut calls);
            drop(alarm);
            ensure_eq!(found, values, "the thread's registers over a signal");
            ensure_eq!(calls[0].result, -i64::from(EINTR), "KVM_RUN");
        }
    }
    Ok(())
}

fn migrate(kvm: &Kvm) -> Outcome {
    for code in [plain(), vectors()] {
        let guest = guest(kvm, code)?;
        let run = Call::run(guest.vcpu());
        let masks = [1u64, 2, 4, 8];
        let [a, b, c, d] = masks.each_ref().map(affinity::moving_to);
        for round in 0..5 {
            keep(round, &mut [a, run, b, run, c, run, d, run, a, run])?;
        }
        ensure_eq!(affinity::here()?, 0, "the thread's CPU");
    }
    Ok(())
}

/// A child begins with its parent's floating-point registers: of a vector register the
/// kernel gives it the lower half (Linux: arch/loongarch/kernel/process.c, copy_thread).
fn forks(kvm: &Kvm) -> Outcome {
    for code in [plain(), vectors()] {
        let guest = guest(kvm, code)?;
        let values = pattern(7);
        let run = Call::run(guest.vcpu());
        let mut calls = [run, run, Call::fork(), Call::give_way()];
        let found = hold(&values, &mut calls);
        if calls[2].result == 0 {
            let lower = |vectors: Vectors| vectors.map(|[lower, _]| lower);
            process::end(u64::from(lower(found) != lower(values)));
        }
        let child = Child(process::result("clone", calls[2].result)?);
        ensure_eq!(child.wait()?, 0, "the child's status: its registers");
        ensure_eq!(found, values, "the parent's registers");
    }
    Ok(())
}

/// What a tracer sees and sets are the thread's registers.
fn traced(_: &Kvm) -> Outcome {
    let values = pattern(9);
    let mut other = values;
    other[5] = [0x55, 0x66];
    let mut fork = [Call::fork()];
    hold(&values, &mut fork);
    if fork[0].result == 0 {
        process::end(match tracee(&values, &other) {
            Ok(()) => 0,
            Err(error) => {
                println!("the traced process: {error}");
                1
            }
        });
    }
    let child = Child(process::result("clone", fork[0].result)?);
    for _ in 0..2 {
        ensure_eq!(child.wait()? & 0xff, 0x7f, "the child's status: stopped");
        let seen = child.vectors()?;
        child.set_vectors(&other)?;
        child.go_on()?;
        ensure_eq!(seen, values, "what a tracer sees");
    }
    ensure_eq!(child.wait()?, 0, "the child's status: its registers");
    Ok(())
}

/// A process that stops after KVM_RUN, of a guest without and one with use of the units.
fn tracee(values: &Vectors, other: &Vectors) -> Outcome {
    process::trace_me()?;
    let kvm = Kvm::open()?;
    for code in [plain(), vectors()] {
        let guest = guest(&kvm, code)?;
        let run = Call::run(guest.vcpu());
        let mut calls = [run, Call::stop(), run];
        ensure_eq!(hold(values, &mut calls), *other, "what a tracer set");
        ensure!(calls[2].result == 0, "KVM_RUN: {:?}", calls[2]);
    }
    Ok(())
}

/// Two threads of one CPU, each with a guest and registers of its own.
fn two_threads(kvm: &Kvm) -> Outcome {
    let guests = [guest(kvm, vectors())?, guest(kvm, vectors())?];
    std::thread::scope(|scope| {
        let threads = guests.each_ref().map(|guest| {
            let seed = core::ptr::from_ref(guest).addr() as u64;
            scope.spawn(move || -> Result<(), String> {
                affinity::run_on(0).map_err(|error| error.to_string())?;
                let run = Call::run(guest.vcpu());
                let way = Call::give_way();
                for round in 1..100u64 {
                    keep(seed ^ round, &mut [run, way, run, way])
                        .map_err(|error| error.to_string())?;
                    let fpu = guest.vcpu().fpu().map_err(|error| error.to_string())?;
                    if fpu.fpr[3][0] != round {
                        return Err(format!("{:#x} in f3, not {round:#x}", fpu.fpr[3][0]));
                    }
                }
                Ok(())
            })
        });
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })
}

fn main() -> ExitCode {
    let case = |name, run| Case { name, run };
    harness::run(&[
        case("stay", stay),
        case("beside-the-guests", beside_the_guests),
        case("signals", signals),
        case("migrate", migrate),
        case("forks", forks),
        case("traced", traced),
        case("two-threads", two_threads),
    ])
}
