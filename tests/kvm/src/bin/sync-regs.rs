//! KVM_CAP_SYNC_REGS: registers in struct kvm_run.

use std::process::ExitCode;

use kvm::error::errno::{EINTR, EINVAL};
use kvm::harness::{self, Case, Outcome};
use kvm::uapi::{Regs, capability as cap};
use kvm::{Guest, Kvm, ensure_eq, ensure_errno};
use la_arch::csr::number as csr;
use la_arch::sync_regs::{ALL, CSR, CSRS, GENERAL};

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
    vcpu.page.set_valid_regs(ALL);
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
    vcpu.page.set_valid_regs(ALL);
    guest.expect(0, 0)?;
    guest.expect(1, 0)?;
    let mut regs = vcpu.page.regs();
    regs.gpr[0] = 0xbad;
    regs.gpr[4] = 0x5000;
    if let Some(save) = regs.csr.get_mut(place(csr::SAVE0 + 1)) {
        *save = 0x6000;
    }
    vcpu.page.set_regs(&regs);
    vcpu.page.set_dirty_regs(ALL);
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
    for bit in (0..64).map(|bit| 1u64 << bit).filter(|bit| bit & ALL == 0) {
        vcpu.page.set_valid_regs(bit);
        ensure_errno!(vcpu.run(), EINVAL, "valid bits {bit:#x}");
        vcpu.page.set_valid_regs(0);
        vcpu.page.set_dirty_regs(bit);
        ensure_errno!(vcpu.run(), EINVAL, "dirty bits {bit:#x}");
        vcpu.page.set_dirty_regs(0);
    }
    vcpu.page.set_valid_regs(ALL);
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
    ])
}
