//! KVM_CAP_MP_STATE: a vCPU that is stopped stays out of the guest.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use kvm::error::errno::{EINTR, EINVAL};
use kvm::harness::{self, Case, Outcome, Skip};
use kvm::signal::Alarm;
use kvm::uapi::{MP_RUNNABLE, MP_STOPPED, capability as cap};
use kvm::{Guest, Kvm, ensure, ensure_eq, ensure_errno};

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
            name: "stopped-with-immediate-exit",
            run: stopped_with_immediate_exit,
        },
    ])
}
