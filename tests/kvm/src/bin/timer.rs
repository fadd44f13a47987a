// SPDX-License-Identifier: GPL-2.0-or-later

//! The guest's timer: restored into another vCPU, and not lost beside injected
//! interrupts.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kvm::harness::{self, Case, Outcome};
use kvm::signal::Alarm;
use kvm::{Guest, Kvm, ensure, ensure_eq};
use la_arch::csr::{Crmd, Ecfg, number as csr};
use la_arch::one_reg as id;

kvm::guest_code!(
    /// Waits; the handler (at 0x1000) reports ESTAT and the time.
    wait,
    "1:",
    "b 1b",
    ".p2align 12",
    "lu12i.w $s0, 0x30000",
    "csrrd $t0, 0x5",
    "rdtime.d $t1, $zero",
    "st.d $t0, $s0, 0",
    "st.d $t1, $s0, 8",
    "2:",
    "b 2b",
);

kvm::guest_code!(
    /// As `wait`, but in `idle`.
    sleep,
    "1:",
    "idle 0",
    "b 1b",
    ".p2align 12",
    "lu12i.w $s0, 0x30000",
    "csrrd $t0, 0x5",
    "rdtime.d $t1, $zero",
    "st.d $t0, $s0, 0",
    "st.d $t1, $s0, 8",
    "2:",
    "b 2b",
);

const TIMER: u64 = 1 << 11;

/// Ticks of the counter: 5 ms of the machine's 100 MHz.
const PERIOD: u64 = 500_000;

fn prepare(guest: &Guest) -> Result<(), kvm::Error> {
    let vcpu = guest.vcpu();
    vcpu.set_csr(csr::CRMD, Crmd(0).with_da(true).with_ie(true).0)?;
    vcpu.set_csr(csr::ECFG, Ecfg(0).with_lie(TIMER).0)?;
    vcpu.set_csr(csr::EENTRY, 0x1000)
}

/// Counter, TCFG and TVAL of one vCPU are set in another: the interrupt comes at
/// its time, for a guest that waits and for one that sleeps.
fn restored(kvm: &Kvm) -> Outcome {
    let fault = "a timer that was set into a new vCPU expires at once";
    harness::known_in_linux(kvm, fault, comes_at_its_time(kvm))
}

fn comes_at_its_time(kvm: &Kvm) -> Outcome {
    for code in [wait(), sleep()] {
        let guest = Guest::new(kvm, code)?;
        let vcpu = guest.vcpu();
        prepare(&guest)?;
        vcpu.set_one_reg(id::COUNTER, 0x1_0000_0000)?;
        // One-shot, and an eighth of it is left.
        vcpu.set_csr(csr::TCFG, (8 * PERIOD) | 1)?;
        vcpu.set_csr(csr::TVAL, PERIOD)?;
        let before = vcpu.one_reg(id::COUNTER)?;
        let (number, estat) = vcpu.next_report()?;
        ensure_eq!((number, estat & 0x1fff), (0, TIMER), "the interrupt");
        let (_, time) = vcpu.next_report()?;
        let waited = time.wrapping_sub(before);
        ensure!(
            (PERIOD - PERIOD / 16..4 * PERIOD).contains(&waited),
            "the interrupt came after {waited} ticks instead of {PERIOD}"
        );
    }
    Ok(())
}

/// An interrupt that has come already is in ESTAT, and moves with it.
fn expired_and_restored(kvm: &Kvm) -> Outcome {
    let guest = Guest::new(kvm, wait())?;
    let vcpu = guest.vcpu();
    prepare(&guest)?;
    vcpu.set_csr(csr::ESTAT, TIMER)?;
    vcpu.set_csr(csr::TCFG, 0)?;
    ensure_eq!(vcpu.csr(csr::ESTAT)? & 0x1fff, TIMER, "ESTAT");
    let (number, estat) = vcpu.next_report()?;
    ensure_eq!((number, estat & 0x1fff), (0, TIMER), "the interrupt");
    Ok(())
}

kvm::guest_code!(
    /// Takes a0 ticks of a periodic timer, with a1 as TCFG, while SWI0 and HWI0
    /// come at any time; reports how many of those there were.
    count,
    "lu12i.w $s0, 0x30000",
    "lu12i.w $s1, 1",
    "csrwr $s1, 0xc",
    "lu12i.w $t0, 1", // all lines
    "addi.d $t0, $t0, -1",
    "lu12i.w $t1, 1",
    "or $t0, $t0, $t1",
    "csrwr $t0, 0x4",
    "csrwr $a1, 0x41",
    "addi.d $t0, $zero, 4",
    "csrxchg $t0, $t0, 0x0",
    "1:",
    "bnez $a0, 1b",
    "st.d $s2, $s0, 0",
    "st.d $s3, $s0, 8",
    "2:",
    "b 2b",
    ".p2align 12",
    "csrrd $t0, 0x5",
    "andi $t1, $t0, 1", // SWI0: clear it
    "beqz $t1, 3f",
    "addi.d $s2, $s2, 1",
    "move $t1, $zero",
    "ori $t2, $zero, 1",
    "csrxchg $t1, $t2, 0x5",
    "3:",
    "ori $t2, $zero, 0x800", // timer
    "and $t1, $t0, $t2",
    "beqz $t1, 4f",
    "ori $t1, $zero, 1",
    "csrwr $t1, 0x44",
    "beqz $a0, 4f",
    "addi.d $a0, $a0, -1",
    "4:",
    "ertn",
);

/// Every tick arrives while another thread raises software and hardware lines.
fn not_lost(kvm: &Kvm) -> Outcome {
    const TICKS: u64 = 200;
    let guest = Guest::new(kvm, count())?;
    let vcpu = guest.vcpu();
    let mut regs = vcpu.regs()?;
    regs.gpr[4] = TICKS;
    // Periodic, each 50 microseconds.
    regs.gpr[5] = 5_000 | 3;
    vcpu.set_regs(&regs)?;
    let stop = AtomicBool::new(false);
    let (report, sent) = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut sent = 0u32;
            while !stop.load(Ordering::Relaxed) {
                // SWI0; the guest takes it back.
                if vcpu.interrupt(0x0).is_ok() || vcpu.interrupt(12).is_ok() {
                    sent += 1;
                }
                let _ = vcpu.interrupt(-12);
                std::thread::yield_now();
            }
            sent
        });
        let report = vcpu.next_report().map_err(|error| error.to_string());
        stop.store(true, Ordering::Relaxed);
        (report, sender.join().unwrap_or(0))
    });
    ensure_eq!(report?.0, 0, "the guest's report");
    ensure!(sent > 10, "only {sent} interrupts were injected");
    Ok(())
}

kvm::guest_code!(
    /// Waits; the handler (at 0x1000) reports ESTAT, ends the interrupt and goes on.
    each,
    "1:",
    "b 1b",
    ".p2align 12",
    "lu12i.w $s0, 0x30000",
    "csrrd $t0, 0x5",
    "ori $t1, $zero, 1",
    "csrwr $t1, 0x44",
    "st.d $t0, $s0, 0",
    "ertn",
);

/// A periodic timer that is loaded with 0 counts one tick after another, also when it has
/// expired in user space (report 8; since Linux 7.3).
fn smallest_period(kvm: &Kvm) -> Outcome {
    let fault = "the smallest period is another after the vCPU was unloaded";
    harness::known_in_linux(kvm, fault, comes_again_and_again(kvm))
}

fn comes_again_and_again(kvm: &Kvm) -> Outcome {
    let guest = Guest::new(kvm, each())?;
    let vcpu = guest.vcpu();
    prepare(&guest)?;
    // Enabled, periodic, a reload value of 0; the first expiry in 50 microseconds.
    vcpu.set_csr(csr::TCFG, 3)?;
    vcpu.set_csr(csr::TVAL, PERIOD / 100)?;
    for round in 0..20 {
        let alarm = Alarm::after(Duration::from_millis(100))?;
        let (number, estat) = vcpu.next_report()?;
        ensure_eq!(
            (number, estat & 0x1fff),
            (0, TIMER),
            "interrupt {round} of the timer"
        );
        ensure!(
            vcpu.csr(csr::TVAL)? <= 1,
            "TVAL {:#x} after interrupt {round}",
            vcpu.csr(csr::TVAL)?
        );
        drop(alarm);
    }
    Ok(())
}

fn main() -> ExitCode {
    harness::run(&[
        Case {
            name: "smallest-period",
            run: smallest_period,
        },
        Case {
            name: "restored",
            run: restored,
        },
        Case {
            name: "expired-and-restored",
            run: expired_and_restored,
        },
        Case {
            name: "not-lost",
            run: not_lost,
        },
    ])
}
