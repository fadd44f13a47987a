// SPDX-License-Identifier: GPL-2.0-or-later

//! A guest's performance counters, which are the host's, lent: they count the guest
//! alone, go with it to other CPUs and through user space's interface, and overflow.

use std::process::ExitCode;
use std::time::Duration;

use kvm::harness::{self, Case, Outcome, Skip};
use kvm::signal::Alarm;
use kvm::{Exit, Guest, Kvm, affinity, ensure, ensure_eq};
use la_arch::Interrupt;
use la_arch::cpucfg::word6;
use la_arch::csr::{Crmd, Ecfg, PerfCtrl, number as csr};
use la_arch::kvm::vcpu_attr;
use la_arch::one_reg as id;

/// Events (Linux: `loongson_event_map`).
const CYCLES: u64 = 0;
const INSTRUCTIONS: u64 = 1;

/// Four counters of 64 bits, as all known hosts have.
const FOUR: u32 = word6::PMP | 3 << word6::PMNUM_SHIFT | word6::PMBITS;

const OVERFLOW: u64 = 1 << 63;

/// A guest that has a reason to go on does not sleep for this long.
const PATIENCE: Duration = Duration::from_millis(200);

/// Instructions of a round of `counting`, of which two leave the guest: whether the CPU
/// counts those is its own affair.
const ROUND: std::ops::RangeInclusive<u64> = 5..=7;

kvm::guest_code!(
    /// Reports counters 1 and 0 for ever.
    counting,
    "lu12i.w $s0, 0x30000",
    "1:",
    "nop",
    "nop",
    "csrrd $t0, 0x201",
    "csrrd $t1, 0x203",
    "st.d $t1, $s0, 0",
    "st.d $t0, $s0, 8",
    "b 1b",
);

kvm::guest_code!(
    /// Waits for an interrupt, whose handler (at 0x1000) reports ESTAT and the counter,
    /// which it then clears.
    waiting,
    "b 0",
    ".p2align 12",
    "lu12i.w $s0, 0x30000",
    "csrrd $t0, 0x5",
    "st.d $t0, $s0, 0",
    "csrrd $t0, 0x201",
    "csrwr $zero, 0x201",
    "st.d $t0, $s0, 8",
    "ertn",
);

kvm::guest_code!(
    /// Sleeps with interrupts off, then reports ESTAT.
    sleeping,
    "lu12i.w $s0, 0x30000",
    "1:",
    "idle 0",
    "csrrd $t0, 0x5",
    "st.d $t0, $s0, 0",
    "b 1b",
);

/// A guest that has counters.
fn guest(kvm: &Kvm, code: &[u8]) -> Result<Guest, Box<dyn std::error::Error>> {
    let guest = Guest::new(kvm, code)?;
    let vcpu = guest.vcpu();
    let possible = vcpu.attr(vcpu_attr::CPUCFG, 6)?;
    if possible & u64::from(word6::PMP) == 0 {
        return Err(Skip("the host has no performance counters".into()).into());
    }
    vcpu.set_one_reg(id::cpucfg(6), u64::from(FOUR))?;
    Ok(guest)
}

/// What makes counter `i` count an event at all levels.
fn count(guest: &Guest, i: u16, event: u64, interrupt: bool) -> Outcome {
    let control = PerfCtrl(0)
        .with_event(event)
        .with_plv(0xf)
        .with_ie(interrupt);
    Ok(guest.vcpu().set_csr(csr::PERFCTRL0 + 2 * i, control.0)?)
}

fn report(guest: &Guest) -> Result<u64, Box<dyn std::error::Error>> {
    match guest.vcpu().run()? {
        Exit::Mmio(access) => Ok(access.written.ok_or("a report that reads")?),
        other => Err(format!("KVM_RUN: {other:x?}").into()),
    }
}

/// A guest whose counter 0 has cycles and counter 1 instructions.
fn counting_guest(kvm: &Kvm) -> Result<Guest, Box<dyn std::error::Error>> {
    let guest = guest(kvm, counting())?;
    count(&guest, 0, CYCLES, false)?;
    count(&guest, 1, INSTRUCTIONS, false)?;
    Ok(guest)
}

/// Instructions and cycles of each round; `between` is done after each report.
fn rounds(guest: &Guest, number: u32, mut between: impl FnMut() -> Outcome) -> Outcome {
    let mut before = None;
    for round in 0..number {
        let instructions = report(guest)?;
        between()?;
        let cycles = report(guest)?;
        between()?;
        if let Some((old_instructions, old_cycles)) = before {
            let more = instructions - old_instructions;
            ensure!(
                ROUND.contains(&more),
                "round {round} of {more} instructions"
            );
            ensure!(cycles > old_cycles, "round {round} took no cycle");
        }
        before = Some((instructions, cycles));
    }
    Ok(())
}

/// On one CPU, on all of them in turn, and with another guest that counts.
fn alone(kvm: &Kvm) -> Outcome {
    let guest = counting_guest(kvm)?;
    affinity::run_on(0)?;
    rounds(&guest, 100, || Ok(()))?;
    let mut cpu = 0;
    rounds(&guest, 100, || {
        cpu += 1;
        Ok(affinity::run_on(cpu % 4)?)
    })?;
    let other = counting_guest(kvm)?;
    rounds(&guest, 100, || report(&other).map(drop))
}

/// KVM_GET_ONE_REG gives what the guest has counted, KVM_SET_ONE_REG what it goes on from.
fn one_reg(kvm: &Kvm) -> Outcome {
    let guest = counting_guest(kvm)?;
    rounds(&guest, 3, || Ok(()))?;
    let vcpu = guest.vcpu();
    let reported = report(&guest)?;
    let more = vcpu.csr(csr::PERFCNTR0 + 2)? - reported;
    ensure!(more <= *ROUND.end(), "{more} instructions after the report");
    vcpu.set_csr(csr::PERFCNTR0 + 2, 0x12_3456_7890)?;
    report(&guest)?;
    let more = report(&guest)? - 0x12_3456_7890;
    ensure!(
        more <= 2 * ROUND.end(),
        "{more} instructions after the change"
    );
    // What the host has instead is not the guest's.
    let other = self::guest(kvm, counting())?;
    for number in csr::PERFCTRL0..csr::PERFCTRL0 + 8 {
        ensure_eq!(
            other.vcpu().csr(number)?,
            0,
            "CSR {number:#x} of a new vCPU"
        );
        other.vcpu().set_csr(number, vcpu.csr(number)?)?;
    }
    rounds(&other, 10, || Ok(()))?;
    // Stopped, they stay.
    vcpu.set_csr(csr::PERFCTRL0, 0)?;
    vcpu.set_csr(csr::PERFCTRL0 + 2, 0)?;
    let stopped = vcpu.csr(csr::PERFCNTR0 + 2)?;
    for _ in 0..20 {
        report(&guest)?;
    }
    ensure_eq!(
        vcpu.csr(csr::PERFCNTR0 + 2)?,
        stopped,
        "a counter that is off"
    );
    Ok(())
}

/// A guest in which PMI is enabled.
fn interrupted(kvm: &Kvm, code: &[u8], ie: bool) -> Result<Guest, Box<dyn std::error::Error>> {
    let guest = guest(kvm, code)?;
    let vcpu = guest.vcpu();
    vcpu.set_csr(csr::CRMD, Crmd(0).with_da(true).with_ie(ie).0)?;
    vcpu.set_csr(csr::ECFG, Ecfg(0).with_lie(Interrupt::PMI.mask()).0)?;
    vcpu.set_csr(csr::EENTRY, 0x1000)?;
    Ok(guest)
}

/// Bit 63 interrupts the guest, while it runs and if it was there before.
fn overflow(kvm: &Kvm) -> Outcome {
    let guest = interrupted(kvm, waiting(), true)?;
    let vcpu = guest.vcpu();
    for left in [100_000, 1000, 1, 0] {
        count(&guest, 0, CYCLES, true)?;
        vcpu.set_csr(csr::PERFCNTR0, OVERFLOW - left)?;
        let alarm = Alarm::after(PATIENCE)?;
        let estat = report(&guest)?;
        let counter = report(&guest)?;
        let pmi = Interrupt::PMI.mask();
        ensure_eq!(estat & pmi, pmi, "ESTAT {left} before the overflow");
        let after = counter.wrapping_sub(OVERFLOW);
        ensure!(after < 1000, "the counter at the interrupt: {counter:#x}");
        drop(alarm);
    }
    Ok(())
}

/// A vCPU whose counter has overflown does not sleep, whether it still counts or not.
fn sleep(kvm: &Kvm) -> Outcome {
    let fault = "a vCPU sleeps although a counter has an interrupt for it";
    harness::known_in_linux(kvm, fault, does_not_sleep(kvm))
}

fn does_not_sleep(kvm: &Kvm) -> Outcome {
    let guest = interrupted(kvm, sleeping(), false)?;
    let vcpu = guest.vcpu();
    for plv in [0xf, 0] {
        let control = PerfCtrl(0).with_plv(plv).with_ie(true);
        vcpu.set_csr(csr::PERFCNTR0, OVERFLOW)?;
        vcpu.set_csr(csr::PERFCTRL0, control.0)?;
        for _ in 0..3 {
            let alarm = Alarm::after(PATIENCE)?;
            let estat = report(&guest)?;
            drop(alarm);
            ensure!(estat & Interrupt::PMI.mask() != 0, "ESTAT is {estat:#x}");
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let case = |name, run| Case { name, run };
    harness::run(&[
        case("alone", alone),
        case("one-reg", one_reg),
        case("overflow", overflow),
        case("sleep", sleep),
    ])
}
