// SPDX-License-Identifier: GPL-2.0-or-later

//! A guest's registers of binary translation: its first use of them exits, they are its
//! alone, and they go with it to other CPUs and through user space's interface.

use std::process::ExitCode;

use kvm::harness::{self, Case, Outcome, Skip};
use kvm::{Exit, Guest, Kvm, affinity, ensure, ensure_eq};
use la_arch::cpucfg::word2;
use la_arch::csr::{Euen, number as csr};
use la_arch::kvm::vcpu_attr;
use la_arch::one_reg as id;

/// The flags that exist.
const FLAGS: u64 = 0x8d5;

/// FCSR0.TM, the x87 stack's mode.
const TM: u32 = 0x40;

/// How many reports make a round of `held`.
const REPORTS: usize = 6;

kvm::guest_code!(
    /// Fills the scratch registers and flags from a1, one more each time, and reports them
    /// after another report, for ever. Instructions that not every assembler knows are
    /// written as words.
    held,
    "lu12i.w $s0, 0x30000",
    "1:",
    "addi.d $a1, $a1, 1",
    // movgr2scr $scr0 to $scr3, $a1 plus its number
    ".irp i,0,1,2,3",
    "addi.d $t0, $a1, \\i",
    ".word 0x00000800 | 12 << 5 | \\i",
    ".endr",
    // x86mtflag $a1, 0x3f
    ".word 0x005c0020 | 0x3f << 10 | 5",
    "st.d $zero, $s0, 0",
    // movscr2gr
    ".irp i,0,1,2,3",
    ".word 0x00000c00 | \\i << 5 | 12",
    "st.d $t0, $s0, 8",
    ".endr",
    // x86mfflag $t0, 0x3f
    ".word 0x005c0000 | 0x3f << 10 | 12",
    "st.d $t0, $s0, 16",
    "b 1b",
);

kvm::guest_code!(
    /// Reports scratch register 2 for ever, which it only reads.
    read,
    "lu12i.w $s0, 0x30000",
    "1:",
    ".word 0x00000c00 | 2 << 5 | 12",
    "st.d $t0, $s0, 0",
    "b 1b",
);

kvm::guest_code!(
    /// Reports the x87 stack's top, sets it to 6, reports it twice, sets stack mode, reports
    /// FCSR0 and the top after another report; the mode ends, and all begins again.
    stack,
    "lu12i.w $s0, 0x30000",
    "1:",
    // x86mftop $t0
    ".word 0x00007400 | 12",
    "st.d $t0, $s0, 0",
    // x86mttop 6
    ".word 0x00007000 | 6 << 5",
    ".irp i,0,1",
    ".word 0x00007400 | 12",
    "st.d $t0, $s0, 0",
    ".endr",
    // x86settm
    ".word 0x00008008",
    "st.d $zero, $s0, 0",
    "movfcsr2gr $t0, $fcsr0",
    "st.d $t0, $s0, 0",
    ".word 0x00007400 | 12",
    "st.d $t0, $s0, 0",
    // x86clrtm
    ".word 0x00008028",
    "b 1b",
);

/// A guest that has binary translation and has enabled it.
fn guest(kvm: &Kvm, code: &[u8]) -> Result<Guest, Box<dyn std::error::Error>> {
    let guest = Guest::new(kvm, code)?;
    let vcpu = guest.vcpu();
    let features = vcpu.attr(vcpu_attr::CPUCFG, 2)?;
    if features & u64::from(word2::LBT) == 0 {
        return Err(Skip("the host has no binary translation".into()).into());
    }
    vcpu.set_one_reg(id::cpucfg(2), features)?;
    vcpu.set_csr(csr::EUEN, Euen(0).with_bte(true).0)?;
    Ok(guest)
}

fn report(guest: &Guest) -> Result<u64, Box<dyn std::error::Error>> {
    match guest.vcpu().run()? {
        Exit::Mmio(access) => Ok(access.written.ok_or("a report that reads")?),
        other => Err(format!("KVM_RUN: {other:x?}").into()),
    }
}

/// The reports of a round that began with `seed`; `between` is done after each.
fn round(guest: &Guest, seed: u64, mut between: impl FnMut() -> Outcome) -> Outcome {
    for number in 0..REPORTS {
        let found = report(guest)?;
        between()?;
        let expected = match number {
            0 => 0,
            5 => seed & FLAGS,
            _ => seed + number as u64 - 1,
        };
        ensure_eq!(found, expected, "report {number} of round {seed:#x}");
    }
    Ok(())
}

fn set_seed(guest: &Guest, seed: u64) -> Outcome {
    let mut regs = guest.vcpu().regs()?;
    regs.gpr[5] = seed;
    guest.vcpu().set_regs(&regs)?;
    Ok(())
}

/// On one CPU, and on all of them in turn.
fn kept(kvm: &Kvm) -> Outcome {
    let guest = guest(kvm, held())?;
    let mut cpu = 0;
    for seed in 1..200 {
        round(&guest, seed, || {
            cpu += 1;
            Ok(affinity::run_on(if seed < 100 { 0 } else { cpu % 4 })?)
        })?;
    }
    Ok(())
}

/// Two guests by turns on one CPU: each has its own.
fn apart(kvm: &Kvm) -> Outcome {
    affinity::run_on(0)?;
    let (guest, other) = (guest(kvm, held())?, guest(kvm, held())?);
    set_seed(&other, 1 << 40)?;
    let mut left = 0;
    for seed in 1..50 {
        round(&guest, seed, || {
            // The other one's rounds go on in between.
            let number = left % REPORTS as u64;
            let begun = (1 << 40) + 1 + left / REPORTS as u64;
            let found = report(&other)?;
            left += 1;
            let expected = match number {
                0 => 0,
                5 => begun & FLAGS,
                _ => begun + number - 1,
            };
            ensure_eq!(found, expected, "the other guest's report {number}");
            Ok(())
        })?;
    }
    Ok(())
}

/// KVM_GET_ONE_REG gives what the guest has left, KVM_SET_ONE_REG what it finds.
fn one_reg(kvm: &Kvm) -> Outcome {
    let guest = guest(kvm, held())?;
    ensure_eq!(report(&guest)?, 0, "the first report");
    let scr = [id::LBT_SCR0, id::LBT_SCR1, id::LBT_SCR2, id::LBT_SCR3];
    for (register, value) in scr.into_iter().zip(1..) {
        ensure_eq!(
            guest.vcpu().one_reg(register)?,
            value,
            "register {register:#x}"
        );
        guest.vcpu().set_one_reg(register, 0x5500 + value)?;
    }
    ensure_eq!(guest.vcpu().one_reg(id::LBT_EFLAGS)?, 1, "EFLAGS");
    guest.vcpu().set_one_reg(id::LBT_EFLAGS, FLAGS)?;
    for expected in [0x5501, 0x5502, 0x5503, 0x5504, FLAGS] {
        ensure_eq!(report(&guest)?, expected, "what the guest finds");
    }
    // Of a guest that has not used the unit yet, too.
    let fresh = self::guest(kvm, read())?;
    fresh.vcpu().set_one_reg(id::LBT_SCR2, 0x7788)?;
    ensure_eq!(report(&fresh)?, 0x7788, "the register of a fresh guest");
    Ok(())
}

/// The top and the mode of the x87 stack, which instructions of binary translation alone
/// read and set, are kept like the floating-point registers that they belong to.
fn top_and_mode(kvm: &Kvm) -> Outcome {
    harness::only_on_ours(kvm)?;
    affinity::run_on(0)?;
    let (guest, other) = (guest(kvm, stack())?, self::guest(kvm, stack())?);
    for (guest, top) in [(&guest, 5), (&other, 2)] {
        let euen = Euen(0).with_bte(true).with_fpe(true);
        guest.vcpu().set_csr(csr::EUEN, euen.0)?;
        guest.vcpu().set_one_reg(id::LBT_FTOP, top)?;
    }
    for round in 0..20 {
        for number in 0..6 {
            for (guest, first) in [(&guest, 5), (&other, 2)] {
                let expected = match number {
                    0 if round == 0 => first,
                    3 => 0,
                    4 => TM.into(),
                    _ => 6,
                };
                ensure_eq!(report(guest)?, expected, "report {number} of round {round}");
            }
        }
    }
    ensure_eq!(guest.vcpu().one_reg(id::LBT_FTOP)?, 6, "the top");
    Ok(())
}

/// A host without binary translation has no stack mode for a guest.
fn mode_needs_the_unit(kvm: &Kvm) -> Outcome {
    harness::only_on_ours(kvm)?;
    let guest = Guest::new(kvm, read())?;
    let has = guest.vcpu().attr(vcpu_attr::CPUCFG, 2)? & u64::from(word2::LBT) != 0;
    let mut fpu = guest.vcpu().fpu()?;
    fpu.fcsr = TM;
    guest.vcpu().set_fpu(&fpu)?;
    let expected = if has { TM } else { 0 };
    ensure_eq!(guest.vcpu().fpu()?.fcsr, expected, "FCSR0");
    Ok(())
}

/// A guest whose CPUCFG has none gets none, and an exception instead of an exit.
fn absent(kvm: &Kvm) -> Outcome {
    let guest = guest(kvm, read())?;
    let vcpu = guest.vcpu();
    let features = vcpu.one_reg(id::cpucfg(2))?;
    vcpu.set_one_reg(id::cpucfg(2), features & !u64::from(word2::LBT))?;
    // EENTRY: a handler that reports at another place, over what is not needed.
    let entry = 0x1000u64;
    vcpu.set_csr(csr::EENTRY, entry)?;
    let words = [0x1460_0017u32, 0x29c0_22e0, 0x5000_0000];
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    guest.memory.write(entry as usize, &bytes);
    match vcpu.run()? {
        Exit::Mmio(access) => ensure_eq!(access.address, kvm::guest::REPORT + 8, "the report"),
        other => return Err(format!("KVM_RUN: {other:x?}").into()),
    }
    ensure!(vcpu.csr(csr::ERA)? == 4, "ERA: {:#x}", vcpu.csr(csr::ERA)?);
    Ok(())
}

fn main() -> ExitCode {
    let case = |name, run| Case { name, run };
    harness::run(&[
        case("kept", kept),
        case("apart", apart),
        case("one-reg", one_reg),
        case("absent", absent),
        case("top-and-mode", top_and_mode),
        case("mode-needs-the-unit", mode_needs_the_unit),
    ])
}
