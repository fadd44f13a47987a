// SPDX-License-Identifier: GPL-2.0-or-later

//! State of a vCPU that user space gets and sets: pending interrupts, reset,
//! floating point, software CSRs, and errors of addresses and ids.

use std::process::ExitCode;

use kvm::affinity::OneCpu;
use kvm::error::errno::{EFAULT, EINVAL};
use kvm::harness::{self, Case, Outcome};
use kvm::uapi::{DEVICE_EIOINTC, DEVICE_IPI, DEVICE_PCH_PIC, Fpu, OneReg, Regs};
use kvm::{Guest, Kvm, Vcpu, ensure, ensure_eq, ensure_errno, request};
use la_arch::csr::{Crmd, Ecfg, number as csr};
use la_arch::one_reg as id;

kvm::guest_code!(
    /// Waits with interrupts on as user space set them; the handler (at 0x1000)
    /// reports ESTAT's lines.
    wait,
    "lu12i.w $s0, 0x30000",
    "st.d $zero, $s0, 8",
    "1:",
    "b 1b",
    ".p2align 12",
    "lu12i.w $s0, 0x30000",
    "csrrd $t0, 0x5",
    "st.d $t0, $s0, 0",
    "1:",
    "b 1b",
);

fn interruptible(kvm: &Kvm) -> Result<Guest, kvm::Error> {
    let guest = Guest::new(kvm, wait())?;
    let vcpu = guest.vcpu();
    vcpu.set_csr(csr::CRMD, Crmd(0).with_da(true).with_ie(true).0)?;
    vcpu.set_csr(csr::ECFG, Ecfg(0).with_lie(0x1fff).0)?;
    vcpu.set_csr(csr::EENTRY, 0x1000)?;
    Ok(guest)
}

/// An interrupt that waits is in ESTAT before the guest has run, and goes with
/// ESTAT to another vCPU, as in a migration.
fn pending_interrupt_moves(kvm: &Kvm) -> Outcome {
    for line in 2..10 {
        let source = interruptible(kvm)?;
        source.vcpu().interrupt(line)?;
        let estat = source.vcpu().csr(csr::ESTAT)?;
        ensure_eq!(estat & 0x3ff, 1 << line, "ESTAT with line {line} raised");
        let gintc = source.vcpu().csr(csr::GINTC)?;
        let target = interruptible(kvm)?;
        target.vcpu().set_csr(csr::ESTAT, estat)?;
        target.vcpu().set_csr(csr::GINTC, gintc)?;
        let (number, seen) = target.vcpu().next_report()?;
        ensure_eq!(
            (number, seen & 0x1fff),
            (0, 1 << line),
            "what the second vCPU's guest sees"
        );
    }
    Ok(())
}

/// An interrupt that comes after ESTAT was read is not lost when what was read is
/// written back, as a VMM does whose VM goes on.
fn interrupt_between_read_and_write(kvm: &Kvm) -> Outcome {
    for line in 2..10 {
        let guest = interruptible(kvm)?;
        let vcpu = guest.vcpu();
        let estat = vcpu.csr(csr::ESTAT)?;
        vcpu.interrupt(line)?;
        vcpu.set_csr(csr::ESTAT, estat)?;
        let (number, seen) = vcpu.next_report()?;
        ensure_eq!(
            (number, seen & 0x1fff),
            (0, 1 << line),
            "what the guest sees"
        );
    }
    // What came before it was read is part of what is written.
    let guest = interruptible(kvm)?;
    let vcpu = guest.vcpu();
    vcpu.interrupt(5)?;
    let estat = vcpu.csr(csr::ESTAT)?;
    vcpu.set_csr(csr::ESTAT, estat & !0x1fff)?;
    guest.expect(1, 0)
}

/// A line that is taken back before the guest has run is not seen.
fn interrupt_taken_back(kvm: &Kvm) -> Outcome {
    let guest = interruptible(kvm)?;
    let vcpu = guest.vcpu();
    vcpu.interrupt(5)?;
    vcpu.interrupt(-5)?;
    ensure_eq!(vcpu.csr(csr::ESTAT)? & 0x1fff, 0, "ESTAT");
    guest.expect(1, 0)
}

fn interrupt_numbers(kvm: &Kvm) -> Outcome {
    let guest = interruptible(kvm)?;
    for line in [0, 15, 16, 64, 1000, -15, -1000, i32::MAX, i32::MIN] {
        ensure_errno!(guest.vcpu().interrupt(line), EINVAL, "KVM_INTERRUPT {line}");
    }
    guest.expect(1, 0)
}

/// Lines are the in-kernel controllers' as soon as there are all of them: one that
/// they did not raise would never be lowered (report 1; since Linux 7.3).
fn interrupt_beside_controllers(kvm: &Kvm) -> Outcome {
    let fault = "KVM_INTERRUPT is taken beside in-kernel controllers";
    harness::known_in_linux(kvm, fault, interrupt_is_refused(kvm))
}

fn interrupt_is_refused(kvm: &Kvm) -> Outcome {
    let guest = interruptible(kvm)?;
    let vcpu = guest.vcpu();
    let mut devices = Vec::new();
    for kind in [DEVICE_PCH_PIC, DEVICE_IPI, DEVICE_EIOINTC] {
        vcpu.interrupt(5)?;
        vcpu.interrupt(-5)?;
        devices.push(guest.vm.create_device(kind)?);
    }
    for line in [2, 5, 9, 10, 12, 13, -5, 0, 14, 15, i32::MAX, i32::MIN] {
        ensure_errno!(vcpu.interrupt(line), EINVAL, "KVM_INTERRUPT {line}");
    }
    ensure_eq!(vcpu.csr(csr::ESTAT)? & 0x1fff, 0, "ESTAT");
    guest.expect(1, 0)
}

/// What a reset by KVM_REG_LOONGARCH_VCPU_RESET must not leave behind.
fn reset(kvm: &Kvm) -> Outcome {
    harness::known_in_linux(kvm, "CSRs survive a reset", leaves_nothing_behind(kvm))
}

fn leaves_nothing_behind(kvm: &Kvm) -> Outcome {
    let guest = interruptible(kvm)?;
    let vcpu = guest.vcpu();
    let fresh = kvm.create_vm()?.create_vcpu(0)?;
    fresh.set_one_reg(id::VCPU_RESET, 0)?;
    let kept = [
        csr::CPUID,
        csr::TVAL,
        csr::TID,
        csr::PRCFG1,
        csr::PRCFG2,
        csr::PRCFG3,
    ];
    let csrs: Vec<u16> = [
        csr::CRMD,
        csr::PRMD,
        csr::EUEN,
        csr::MISC,
        csr::ECFG,
        csr::ERA,
        csr::BADV,
        csr::EENTRY,
        csr::TLBIDX,
        csr::TLBEHI,
        csr::TLBELO0,
        csr::ASID,
        csr::PGDL,
        csr::PGDH,
        csr::PWCL,
        csr::PWCH,
        csr::SAVE0,
        csr::SAVE0 + 7,
        csr::TCFG,
        csr::CNTC,
        csr::LLBCTL,
        csr::TLBRENTRY,
        csr::TLBRERA,
        csr::TLBRSAVE,
        csr::DMW0,
        csr::DMW0 + 1,
        csr::IMPCTL1,
        csr::ESTAT,
        csr::GINTC,
    ]
    .into_iter()
    .filter(|number| !kept.contains(number))
    .collect();
    for round in 0..2 {
        for number in &csrs {
            vcpu.set_csr(*number, 0x1_2340)?;
        }
        vcpu.set_csr(csr::TCFG, 0x4000_0001)?;
        vcpu.interrupt(4)?;
        vcpu.set_one_reg(id::VCPU_RESET, 0)?;
        for number in &csrs {
            ensure_eq!(
                vcpu.csr(*number)?,
                fresh.csr(*number)?,
                "CSR {number:#x} after reset {round}"
            );
        }
        // It runs, and nothing from before disturbs it.
        vcpu.set_csr(csr::CRMD, Crmd(0).with_da(true).with_ie(true).0)?;
        vcpu.set_csr(csr::ECFG, Ecfg(0).with_lie(0x1fff).0)?;
        vcpu.set_csr(csr::EENTRY, 0x1000)?;
        vcpu.set_regs(&Regs {
            gpr: [0; 32],
            pc: 0,
        })?;
        guest.expect(1, 0)?;
    }
    Ok(())
}

kvm::guest_code!(
    /// Reports 0 as number 1; as 0 TLBIDX after a search for the page pair of TLBEHI; as 2 the
    /// same after it has written an entry. Something else may replace that one before the
    /// search: a1 is how often it is written again then.
    search_and_fill,
    "lu12i.w $s0, 0x30000",
    "st.d $zero, $s0, 8",
    "tlbsrch",
    "csrrd $t0, 0x10",
    "st.d $t0, $s0, 0",
    "1:",
    // The search has set NE, with which nothing valid is written.
    "move $t0, $a0",
    "csrwr $t0, 0x10",
    "tlbfill",
    "tlbsrch",
    "csrrd $t0, 0x10",
    "srli.d $t1, $t0, 31",
    "andi $t1, $t1, 1",
    "beqz $t1, 2f",
    "addi.d $a1, $a1, -1",
    "bnez $a1, 1b",
    "2:",
    "st.d $t0, $s0, 16",
    "3:",
    "b 3b",
);

/// TLBIDX for pages of 16 KiB, and its bit that says that a search found nothing.
const PAIR_OF_16K: u64 = 14 << 24;
const NOT_FOUND: u64 = 1 << 31;

/// A page pair that is not in the set of the guest's code, which is fetched, and fills
/// that set, between two instructions.
const PAIR: u64 = 0x4002_8000;

/// After a reset too each vCPU has TLB entries of its own.
fn reset_keeps_vcpus_apart(kvm: &Kvm) -> Outcome {
    stay_apart(kvm, |vcpu| Ok(vcpu.set_one_reg(id::VCPU_RESET, 0)?))
}

/// Nor after user space has written to the CSRs that are no state of a vCPU: each of them
/// reads zero or is refused, and is written back as it was read.
fn user_space_keeps_vcpus_apart(kvm: &Kvm) -> Outcome {
    harness::only_on_ours(kvm)?;
    stay_apart(kvm, |vcpu| {
        let (_, listed) = vcpu.reg_list(0x1000);
        let listed = listed?;
        for number in 0..0x600 {
            if listed.contains(&id::csr(number)) {
                continue;
            }
            if let Ok(value) = vcpu.csr(number) {
                ensure_eq!(value, 0, "CSR {number:#x}, which is no state");
                vcpu.set_csr(number, value)?;
            }
        }
        Ok(())
    })
}

/// Two vCPUs that run on one CPU do not see each other's TLB entries, whatever is done
/// to them after they have run.
fn stay_apart(kvm: &Kvm, done: impl Fn(&Vcpu) -> Outcome) -> Outcome {
    let _one_cpu = OneCpu::new()?;
    let guest = Guest::new(kvm, search_and_fill())?;
    let other = guest.vm.create_vcpu(1)?;
    let vcpus = [guest.vcpu(), &other];
    for vcpu in vcpus {
        vcpu.start_at(0)?;
        ensure_eq!(vcpu.next_report()?, (1, 0), "a vCPU that has run");
    }
    for vcpu in vcpus {
        done(vcpu)?;
        vcpu.set_csr(csr::TLBIDX, PAIR_OF_16K)?;
        vcpu.set_csr(csr::STLBPS, 14)?;
        vcpu.set_csr(csr::TLBEHI, PAIR)?;
        vcpu.set_csr(csr::TLBELO0, 0x13)?;
        vcpu.set_csr(csr::TLBELO1, 0x4013)?;
        let mut gpr = [0; 32];
        // $a0, $a1
        gpr[4] = PAIR_OF_16K;
        gpr[5] = 16;
        vcpu.set_regs(&Regs { gpr, pc: 0 })?;
        ensure_eq!(vcpu.next_report()?, (1, 0), "it runs again");
    }
    for (number, vcpu) in vcpus.into_iter().enumerate() {
        let (at, index) = vcpu.next_report()?;
        ensure_eq!(
            (at, index & NOT_FOUND),
            (0, NOT_FOUND),
            "vCPU {number} has written no entry yet, TLBIDX {index:#x}"
        );
        let (at, index) = vcpu.next_report()?;
        ensure_eq!(
            (at, index & NOT_FOUND),
            (2, 0),
            "vCPU {number} has an entry, TLBIDX {index:#x}"
        );
    }
    Ok(())
}

/// All of every register comes back, also after the guest has run.
fn floating_point(kvm: &Kvm) -> Outcome {
    let guest = Guest::new(kvm, wait())?;
    let vcpu = guest.vcpu();
    let fpu = Fpu {
        fcsr: 0x0000_0100,
        pad: 0,
        fcc: 0x0101_0001_0001_0101,
        fpr: std::array::from_fn(|i| {
            std::array::from_fn(|j| 0x1111_2222_3333_0000 + 16 * i as u64 + j as u64)
        }),
    };
    vcpu.set_fpu(&fpu)?;
    for moment in ["before", "after"] {
        let found = vcpu.fpu()?;
        ensure_eq!(
            (found.fcsr, found.fcc),
            (fpu.fcsr, fpu.fcc),
            "fcsr and fcc {moment} a run"
        );
        ensure_eq!(found.fpr, fpu.fpr, "registers {moment} a run");
        guest.expect(1, 0)?;
        vcpu.start_at(0)?;
    }
    Ok(())
}

kvm::guest_code!(
    /// Reads, writes and exchanges CSRs that KVM keeps in software (here IMPCTL1,
    /// 0x80) and by its hardware copy (SAVE0, 0x30).
    exchange,
    "lu12i.w $s0, 0x30000",
    "ori $t0, $zero, 0x0f0",
    "csrwr $t0, 0x80",
    "ori $t0, $zero, 0x555",
    "ori $t1, $zero, 0x0ff",
    "csrxchg $t0, $t1, 0x80",
    "st.d $t0, $s0, 0", // the old value
    "csrrd $t0, 0x80",
    "st.d $t0, $s0, 8", // masked: 0x055
    "ori $t0, $zero, 0x0f0",
    "csrwr $t0, 0x30",
    "ori $t0, $zero, 0x555",
    "csrxchg $t0, $t1, 0x30",
    "st.d $t0, $s0, 0",
    "csrrd $t0, 0x30",
    "st.d $t0, $s0, 8",
    "csrrd $t0, 0x7ff", // no such CSR
    "st.d $t0, $s0, 16",
);

fn csr_exchange(kvm: &Kvm) -> Outcome {
    let guest = Guest::new(kvm, exchange())?;
    for csr in ["IMPCTL1", "SAVE0"] {
        ensure_eq!(
            guest.vcpu().next_report()?,
            (0, 0xf0),
            "the old value of {csr}"
        );
        ensure_eq!(
            guest.vcpu().next_report()?,
            (1, 0x55),
            "the new value of {csr}"
        );
    }
    guest.expect(2, 0)
}

/// Ids that no register has, and addresses where nothing is.
fn errors(kvm: &Kvm) -> Outcome {
    let guest = Guest::new(kvm, wait())?;
    let vcpu = guest.vcpu();
    let crmd = id::csr(csr::CRMD);
    for wrong in [
        0,
        u64::MAX,
        id::ARCH | id::SIZE_U64 | id::SET_KVM | 9,
        crmd & !id::SIZE_MASK,
        id::cpucfg(21),
    ] {
        ensure_errno!(vcpu.one_reg(wrong), EINVAL, "KVM_GET_ONE_REG {wrong:#x}");
        ensure_errno!(
            vcpu.set_one_reg(wrong, 0),
            EINVAL,
            "KVM_SET_ONE_REG {wrong:#x}"
        );
    }
    ensure_errno!(vcpu.one_reg(id::VCPU_RESET), EINVAL, "a read of the reset");
    ensure_errno!(
        vcpu.set_one_reg(id::DEBUG_INST, 1),
        EINVAL,
        "a write of the breakpoint"
    );
    let before = vcpu.one_reg(crmd)?;
    for address in [0, 8, 0x8000_0000_0000_0000, u64::MAX - 7] {
        let reg = OneReg { id: crmd, address };
        // SAFETY: nothing of this process is at these addresses.
        let get = unsafe { request::GET_ONE_REG.call_at(vcpu, &raw const reg as u64) };
        ensure_errno!(get, EFAULT, "KVM_GET_ONE_REG to {address:#x}");
        // SAFETY: as above.
        let set = unsafe { request::SET_ONE_REG.call_at(vcpu, &raw const reg as u64) };
        ensure_errno!(set, EFAULT, "KVM_SET_ONE_REG from {address:#x}");
        // SAFETY: as above.
        let regs = unsafe { request::SET_REGS.call_at(vcpu, address) };
        ensure_errno!(regs, EFAULT, "KVM_SET_REGS from {address:#x}");
        // SAFETY: as above.
        let fpu = unsafe { request::GET_FPU.call_at(vcpu, address) };
        ensure_errno!(fpu, EFAULT, "KVM_GET_FPU to {address:#x}");
    }
    ensure_eq!(vcpu.one_reg(crmd)?, before, "CSR.CRMD after the errors");
    guest.expect(1, 0)
}

fn general_registers(kvm: &Kvm) -> Outcome {
    let vcpu = kvm.create_vm()?.create_vcpu(0)?;
    let regs = Regs {
        gpr: std::array::from_fn(|i| 0xf000_0000_0000_0000 + i as u64 * 0x111),
        pc: 0x9000_0000_1234_5678,
    };
    vcpu.set_regs(&regs)?;
    let found = vcpu.regs()?;
    ensure_eq!(found.gpr[0], 0, "r0");
    ensure!(
        found.gpr[1..] == regs.gpr[1..] && found.pc == regs.pc,
        "registers: {found:x?}"
    );
    Ok(())
}

fn main() -> ExitCode {
    harness::run(&[
        Case {
            name: "general-registers",
            run: general_registers,
        },
        Case {
            name: "floating-point",
            run: floating_point,
        },
        Case {
            name: "pending-interrupt-moves",
            run: pending_interrupt_moves,
        },
        Case {
            name: "interrupt-between-read-and-write",
            run: interrupt_between_read_and_write,
        },
        Case {
            name: "interrupt-taken-back",
            run: interrupt_taken_back,
        },
        Case {
            name: "interrupt-numbers",
            run: interrupt_numbers,
        },
        Case {
            name: "interrupt-beside-controllers",
            run: interrupt_beside_controllers,
        },
        Case {
            name: "reset",
            run: reset,
        },
        Case {
            name: "reset-keeps-vcpus-apart",
            run: reset_keeps_vcpus_apart,
        },
        Case {
            name: "user-space-keeps-vcpus-apart",
            run: user_space_keeps_vcpus_apart,
        },
        Case {
            name: "csr-exchange",
            run: csr_exchange,
        },
        Case {
            name: "errors",
            run: errors,
        },
    ])
}
