// SPDX-License-Identifier: GPL-2.0-or-later

//! KVM_CAP_SYNC_REGS: registers in struct kvm_run.

use std::process::ExitCode;

use kvm::error::errno::{EINTR, EINVAL};
use kvm::guest::REPORT;
use kvm::harness::{self, Case, Outcome};
use kvm::run::Access;
use kvm::uapi::{Fpu, Regs, capability as cap};
use kvm::{Exit, Guest, Kvm, ensure_eq, ensure_errno};
use la_arch::csr::number as csr;
use la_arch::kvm::{CPUCFG_WORDS, vcpu_attr};
use la_arch::one_reg as id;
use la_arch::sync_regs::{
    COUNTER_CSRS, COUNTERS, CPUCFG, CSR, CSR_SELECT, CSRS, FPU, GENERAL, LBT, SETS,
};

kvm::guest_code!(
    /// Reports a0, and CSR.SAVE1 in a1, for ever; a0 grows by one each time.
    code,
    "lu12i.w $s0, 0x30000",
    "1:",
    "csrrd $a1, 0x31",
    "st.d $a0, $s0, 0",
    "st.d $a1, $s0, 8",
    "addi.d $a0, $a0, 1",
    "b 1b",
);

fn guest(kvm: &Kvm) -> Result<Guest, Box<dyn std::error::Error>> {
    kvm.needs(cap::SYNC_REGS)?;
    Ok(Guest::new(kvm, code())?)
}

/// Where a CSR is among [`CSRS`].
fn place(number: u16) -> usize {
    CSRS.iter()
        .position(|csr| *csr == number)
        .unwrap_or(usize::MAX)
}

/// What KVM_RUN shows is what the ioctls say.
fn shows(kvm: &Kvm) -> Outcome {
    let guest = guest(kvm)?;
    let vcpu = guest.vcpu();
    vcpu.set_csr(csr::SAVE0 + 1, 0x1234_5678_9abc)?;
    vcpu.page.set_valid_regs(SETS);
    guest.expect(0, 0)?;
    let (shown, asked) = (vcpu.page.regs(), vcpu.regs()?);
    ensure_eq!(shown.gpr, asked.gpr, "general registers");
    ensure_eq!(shown.pc, asked.pc, "pc");
    for (number, value) in CSRS.iter().zip(shown.csr) {
        // Counts on between the two.
        if *number != csr::TVAL {
            ensure_eq!(value, vcpu.csr(*number)?, "CSR {number:#x}");
        }
    }
    ensure_eq!(
        shown.csr.get(place(csr::SAVE0 + 1)),
        Some(&0x1234_5678_9abc),
        "CSR.SAVE1"
    );
    Ok(())
}

/// Without its bit a set is left alone.
fn shows_only_what_is_asked_for(kvm: &Kvm) -> Outcome {
    let guest = guest(kvm)?;
    let vcpu = guest.vcpu();
    let mut mark = vcpu.page.regs();
    mark.gpr = [0x77; 32];
    mark.csr = [0x88; CSRS.len()];
    vcpu.page.set_regs(&mark);
    guest.expect(0, 0)?;
    ensure_eq!(
        vcpu.page.regs().gpr,
        mark.gpr,
        "general registers without bits"
    );
    vcpu.page.set_valid_regs(CSR);
    guest.expect(1, 0)?;
    ensure_eq!(
        vcpu.page.regs().gpr,
        mark.gpr,
        "general registers with the CSRs' bit"
    );
    ensure_eq!(
        vcpu.page.regs().csr.get(place(csr::CRMD)).copied(),
        Some(vcpu.csr(csr::CRMD)?),
        "CSR.CRMD"
    );
    vcpu.page.set_valid_regs(GENERAL);
    vcpu.page.set_regs(&mark);
    guest.expect(0, 1)?;
    ensure_eq!(vcpu.page.regs().csr, mark.csr, "CSRs with the other bit");
    ensure_eq!(vcpu.page.regs().gpr, vcpu.regs()?.gpr, "general registers");
    Ok(())
}

/// What is marked dirty reaches the guest, once.
fn takes(kvm: &Kvm) -> Outcome {
    let guest = guest(kvm)?;
    let vcpu = guest.vcpu();
    vcpu.page.set_valid_regs(SETS);
    guest.expect(0, 0)?;
    guest.expect(1, 0)?;
    let mut regs = vcpu.page.regs();
    regs.gpr[0] = 0xbad;
    regs.gpr[4] = 0x5000;
    if let Some(save) = regs.csr.get_mut(place(csr::SAVE0 + 1)) {
        *save = 0x6000;
    }
    vcpu.page.set_regs(&regs);
    vcpu.page.set_dirty_regs(GENERAL | CSR);
    // a0 is 0x5000 before the guest adds one.
    guest.expect(0, 0x5001)?;
    ensure_eq!(vcpu.page.dirty_regs(), 0, "the dirty bits after KVM_RUN");
    ensure_eq!(vcpu.page.regs().gpr[0], 0, "r0");
    guest.expect(1, 0x6000)?;
    // Not marked: not taken.
    let mut regs = vcpu.page.regs();
    regs.gpr[4] = 0x9999;
    vcpu.page.set_regs(&regs);
    guest.expect(0, 0x5002)
}

/// pc is one of the general set.
fn takes_pc(kvm: &Kvm) -> Outcome {
    let guest = guest(kvm)?;
    let vcpu = guest.vcpu();
    vcpu.page.set_valid_regs(GENERAL);
    guest.expect(0, 0)?;
    let mut regs = vcpu.page.regs();
    regs.pc = 0;
    regs.gpr[4] = 0x111;
    vcpu.page.set_regs(&regs);
    vcpu.page.set_dirty_regs(GENERAL);
    guest.expect(0, 0x111)
}

/// Sets that do not exist, and values that KVM_SET_ONE_REG refuses.
fn refuses(kvm: &Kvm) -> Outcome {
    let guest = guest(kvm)?;
    let vcpu = guest.vcpu();
    for bit in (0..64).map(|bit| 1u64 << bit).filter(|bit| bit & SETS == 0) {
        vcpu.page.set_valid_regs(bit);
        ensure_errno!(vcpu.run(), EINVAL, "valid bits {bit:#x}");
        vcpu.page.set_valid_regs(0);
        vcpu.page.set_dirty_regs(bit);
        ensure_errno!(vcpu.run(), EINVAL, "dirty bits {bit:#x}");
        vcpu.page.set_dirty_regs(0);
    }
    vcpu.page.set_valid_regs(SETS);
    guest.expect(0, 0)?;
    let mut regs = vcpu.page.regs();
    // No CPU has that number.
    if let Some(cpuid) = regs.csr.get_mut(place(csr::CPUID)) {
        *cpuid = 0x1_0000;
    }
    ensure_errno!(
        vcpu.set_csr(csr::CPUID, 0x1_0000),
        EINVAL,
        "CSR.CPUID by ioctl"
    );
    vcpu.page.set_regs(&regs);
    vcpu.page.set_dirty_regs(CSR);
    ensure_errno!(vcpu.run(), EINVAL, "CSR.CPUID");
    vcpu.page.set_dirty_regs(0);
    guest.expect(1, 0)
}

/// What KVM_RUN shows when it only finishes what was pending.
fn immediate_exit(kvm: &Kvm) -> Outcome {
    let guest = guest(kvm)?;
    let vcpu = guest.vcpu();
    vcpu.set_regs(&Regs {
        gpr: [7; 32],
        pc: 0,
    })?;
    vcpu.page.set_valid_regs(GENERAL);
    vcpu.page.set_immediate_exit(true);
    ensure_errno!(vcpu.run(), EINTR, "KVM_RUN with immediate_exit");
    ensure_eq!(vcpu.page.regs().gpr, vcpu.regs()?.gpr, "general registers");
    vcpu.page.set_immediate_exit(false);
    guest.expect(0, 7)
}

/// The bits of a CPUCFG word 2 that KVM allows.
fn features(guest: &Guest) -> Result<u64, Box<dyn std::error::Error>> {
    Ok(guest.vcpu().attr(vcpu_attr::CPUCFG, 2)?)
}

/// CPUCFG words, before the sets that depend on them and after.
fn cpucfg(kvm: &Kvm) -> Outcome {
    let guest = guest(kvm)?;
    let vcpu = guest.vcpu();
    let features = features(&guest)?;
    let mut regs = vcpu.page.regs();
    regs.cpucfg = [0; CPUCFG_WORDS];
    (regs.cpucfg[0], regs.cpucfg[2], regs.cpucfg[4]) = (0x14_c010, features as u32, 100_000_000);
    vcpu.page.set_regs(&regs);
    vcpu.page.set_dirty_regs(CPUCFG);
    vcpu.page.set_valid_regs(CPUCFG);
    guest.expect(0, 0)?;
    ensure_eq!(vcpu.page.regs().cpucfg, regs.cpucfg, "the words shown");
    for (index, word) in (0..).zip(regs.cpucfg) {
        ensure_eq!(
            vcpu.one_reg(id::cpucfg(index))?,
            u64::from(word),
            "CPUCFG.{index}"
        );
    }
    // A bit that no CPU has.
    regs.cpucfg[2] |= 1 << 31;
    ensure_errno!(
        vcpu.set_one_reg(id::cpucfg(2), regs.cpucfg[2].into()),
        EINVAL,
        "CPUCFG.2 by ioctl"
    );
    vcpu.page.set_regs(&regs);
    vcpu.page.set_dirty_regs(CPUCFG);
    ensure_errno!(vcpu.run(), EINVAL, "CPUCFG.2");
    ensure_eq!(vcpu.page.dirty_regs(), CPUCFG, "what was not taken over");
    ensure_eq!(
        vcpu.one_reg(id::cpucfg(2))?,
        features,
        "CPUCFG.2 afterwards"
    );
    vcpu.page.set_dirty_regs(0);
    guest.expect(1, 0)
}

/// Floating-point and vector registers are those of KVM_GET_FPU.
fn fpu(kvm: &Kvm) -> Outcome {
    let guest = guest(kvm)?;
    let vcpu = guest.vcpu();
    let mut regs = vcpu.page.regs();
    regs.fpu.fcsr = 0x1f;
    regs.fpu.fcc = 0x0100_0001_0000_0001;
    for (n, lanes) in regs.fpu.fpr.iter_mut().enumerate() {
        *lanes = std::array::from_fn(|lane| ((n as u64) << 32) + 0x11 * lane as u64);
    }
    vcpu.page.set_regs(&regs);
    vcpu.page.set_dirty_regs(FPU);
    guest.expect(0, 0)?;
    let asked = vcpu.fpu()?;
    ensure_eq!(
        (asked.fcsr, asked.fcc, asked.fpr),
        (regs.fpu.fcsr, regs.fpu.fcc, regs.fpu.fpr),
        "KVM_GET_FPU"
    );
    // The other way.
    let set = Fpu {
        fcsr: 3,
        fcc: 1,
        fpr: [[9, 8, 7, 6]; 32],
        ..asked
    };
    vcpu.set_fpu(&set)?;
    vcpu.page.set_valid_regs(FPU);
    guest.expect(1, 0)?;
    let shown = vcpu.page.regs().fpu;
    ensure_eq!(
        (shown.fcsr, shown.fcc, shown.fpr),
        (set.fcsr, set.fcc, set.fpr),
        "the registers shown"
    );
    Ok(())
}

/// Only the CSRs that are chosen.
fn csr_select(kvm: &Kvm) -> Outcome {
    let guest = guest(kvm)?;
    let vcpu = guest.vcpu();
    let mut regs = vcpu.page.regs();
    // Nothing that a guest could run with.
    regs.csr = [u64::MAX; CSRS.len()];
    let save = place(csr::SAVE0 + 1);
    if let Some(value) = regs.csr.get_mut(save) {
        *value = 0x777;
    }
    regs.csr_dirty = 1 << save;
    vcpu.page.set_regs(&regs);
    vcpu.page.set_dirty_regs(CSR | CSR_SELECT);
    guest.expect(0, 0)?;
    guest.expect(1, 0x777)?;
    ensure_eq!(vcpu.page.dirty_regs(), 0, "the dirty bits after KVM_RUN");
    for bit in CSRS.len()..64 {
        regs.csr_dirty = 1 << bit;
        vcpu.page.set_regs(&regs);
        vcpu.page.set_dirty_regs(CSR | CSR_SELECT);
        ensure_errno!(vcpu.run(), EINVAL, "CSR bit {bit}");
    }
    vcpu.page.set_dirty_regs(CSR_SELECT);
    ensure_errno!(vcpu.run(), EINVAL, "a choice of nothing");
    vcpu.page.set_dirty_regs(0);
    vcpu.page.set_valid_regs(CSR_SELECT);
    ensure_errno!(vcpu.run(), EINVAL, "a choice of what is shown");
    vcpu.page.set_valid_regs(0);
    guest.expect(0, 1)
}

/// Counters and binary translation are as KVM_SET_ONE_REG has them: kept, or
/// refused with the same number.
fn units(kvm: &Kvm) -> Outcome {
    let guest = guest(kvm)?;
    let vcpu = guest.vcpu();
    vcpu.page.set_valid_regs(COUNTERS | LBT);
    guest.expect(0, 0)?;
    for (number, value) in COUNTER_CSRS.iter().zip(vcpu.page.regs().counters) {
        ensure_eq!(value, vcpu.csr(*number)?, "CSR {number:#x}");
    }
    let mut regs = vcpu.page.regs();
    regs.counters = std::array::from_fn(|i| if i % 2 == 0 { 0 } else { 0x100 + i as u64 });
    vcpu.page.set_regs(&regs);
    vcpu.page.set_dirty_regs(COUNTERS);
    vcpu.page.set_immediate_exit(true);
    let taken = vcpu.run();
    let (first, value) = (COUNTER_CSRS[1], regs.counters[1]);
    match vcpu.set_csr(first, value) {
        Ok(()) => {
            ensure_errno!(taken, EINTR, "counters");
            for (number, value) in COUNTER_CSRS.iter().zip(regs.counters) {
                ensure_eq!(vcpu.csr(*number)?, value, "CSR {number:#x} as set");
            }
        }
        Err(error) => ensure_errno!(taken, error.errno, "counters"),
    }
    regs.lbt.scr = [1, 2, 3, 4];
    (regs.lbt.eflags, regs.lbt.ftop) = (5, 6);
    vcpu.page.set_regs(&regs);
    vcpu.page.set_dirty_regs(LBT);
    let taken = vcpu.run();
    match vcpu.one_reg(id::LBT_SCR0) {
        Ok(value) => {
            ensure_errno!(taken, EINTR, "binary translation");
            ensure_eq!(value, 1, "scratch register 0");
            ensure_eq!(vcpu.one_reg(id::LBT_FTOP)?, 6, "top of the stack");
        }
        Err(error) => {
            ensure_errno!(taken, error.errno, "binary translation");
            ensure_eq!(vcpu.page.regs().lbt.scr, regs.lbt.scr, "a set that failed");
        }
    }
    vcpu.page.set_dirty_regs(0);
    vcpu.page.set_immediate_exit(false);
    guest.expect(1, 0)
}

kvm::guest_code!(
    /// Reports a0 and what it loads from a device.
    loads,
    "lu12i.w $s0, 0x30000",
    "1:",
    "ld.d $a1, $s0, 64",
    "st.d $a0, $s0, 0",
    "st.d $a1, $s0, 8",
    "b 1b",
);

/// Registers are taken before an access is completed, as by KVM_SET_REGS: the answer goes into
/// what was set.
fn before_an_access(kvm: &Kvm) -> Outcome {
    kvm.needs(cap::SYNC_REGS)?;
    let guest = Guest::new(kvm, loads())?;
    let vcpu = guest.vcpu();
    vcpu.page.set_valid_regs(GENERAL);
    let wanted = Access {
        address: REPORT + 64,
        length: 8,
        written: None,
    };
    for (a0, answer) in [(0x111, 0x222), (0x333, 0x444)] {
        ensure_eq!(vcpu.run()?, Exit::Mmio(wanted), "the load");
        let mut regs = vcpu.page.regs();
        (regs.gpr[4], regs.gpr[5]) = (a0, 0xbad);
        vcpu.page.set_regs(&regs);
        vcpu.page.set_dirty_regs(GENERAL);
        vcpu.page.answer_read(answer);
        guest.expect(0, a0)?;
        guest.expect(1, answer)?;
    }
    Ok(())
}

fn main() -> ExitCode {
    harness::run(&[
        Case {
            name: "shows",
            run: shows,
        },
        Case {
            name: "shows-only-what-is-asked-for",
            run: shows_only_what_is_asked_for,
        },
        Case {
            name: "takes",
            run: takes,
        },
        Case {
            name: "takes-pc",
            run: takes_pc,
        },
        Case {
            name: "refuses",
            run: refuses,
        },
        Case {
            name: "immediate-exit",
            run: immediate_exit,
        },
        Case {
            name: "cpucfg",
            run: cpucfg,
        },
        Case {
            name: "fpu",
            run: fpu,
        },
        Case {
            name: "csr-select",
            run: csr_select,
        },
        Case {
            name: "units",
            run: units,
        },
        Case {
            name: "before-an-access",
            run: before_an_access,
        },
    ])
}
