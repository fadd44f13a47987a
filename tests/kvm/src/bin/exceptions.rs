// SPDX-License-Identifier: GPL-2.0-or-later

//! Exceptions that KVM injects, and the modes that may make hypercalls.

use std::process::ExitCode;

use kvm::harness::{self, Case, Outcome};
use kvm::{Guest, Kvm, ensure, ensure_eq};
use la_arch::one_reg as id;

kvm::guest_code!(
    /// Loads from a0; the handler (at 0x1000) reports ESTAT, ERA and BADV.
    load,
    "lu12i.w $s0, 0x30000",
    "lu12i.w $s1, 1",
    "csrwr $s1, 0xc",
    "ld.d $t0, $a0, 0", // at 0xc
    "st.d $t0, $s0, 32",
    "1:",
    "b 1b",
    ".p2align 12",
    "csrrd $t0, 0x5",
    "st.d $t0, $s0, 0",
    "csrrd $t0, 0x6",
    "st.d $t0, $s0, 8",
    "csrrd $t0, 0x7",
    "st.d $t0, $s0, 16",
    "1:",
    "b 1b",
);

/// An address beyond what the guest's CPU has: address error of a load (ADEM, code
/// 8 with subcode 1), in ESTAT's fields and not beside them.
fn address_beyond(kvm: &Kvm) -> Outcome {
    let fault = "the code is not put into ESTAT's field";
    harness::known_in_linux(kvm, fault, raises_address_error(kvm))
}

fn raises_address_error(kvm: &Kvm) -> Outcome {
    let guest = Guest::new(kvm, load())?;
    let vcpu = guest.vcpu();
    // Not a multiple of what the guest has: page walks drop the bits beyond.
    let address = 1 << 47 | 0x2000_0000;
    let mut regs = vcpu.regs()?;
    regs.gpr[4] = address;
    vcpu.set_regs(&regs)?;
    let (number, estat) = vcpu.next_report()?;
    ensure_eq!(
        (number, estat >> 16),
        (0, 1 << 6 | 8),
        "ESTAT's code and subcode"
    );
    guest.expect(1, 0xc)?;
    guest.expect(2, address)
}

kvm::guest_code!(
    /// An LSX instruction on a CPU that has no LSX by its CPUCFG.
    vector,
    "lu12i.w $s0, 0x30000",
    "lu12i.w $s1, 1",
    "csrwr $s1, 0xc",
    ".word 0x700a0000", // vadd.b $vr0, $vr0, $vr0, at 0xc
    "st.d $zero, $s0, 32",
    "1:",
    "b 1b",
    ".p2align 12",
    "csrrd $t0, 0x5",
    "st.d $t0, $s0, 0",
    "csrrd $t0, 0x6",
    "st.d $t0, $s0, 8",
    "1:",
    "b 1b",
);

/// A unit that the guest does not have: what the CPU says of an instruction that
/// does not exist (INE, code 13), or that is disabled (SXD, code 16).
fn vectors_that_the_guest_does_not_have(kvm: &Kvm) -> Outcome {
    let guest = Guest::new(kvm, vector())?;
    let vcpu = guest.vcpu();
    let word2 = vcpu.one_reg(id::cpucfg(2))?;
    ensure_eq!(word2 >> 6 & 1, 0, "LSX in the CPUCFG of a new vCPU");
    let (number, estat) = vcpu.next_report()?;
    ensure_eq!(number, 0, "the exception handler's report");
    let code = estat >> 16 & 0x3f;
    ensure!(
        matches!(code, 13 | 16),
        "exception code {code} of ESTAT {estat:#x}"
    );
    ensure_eq!(estat >> 22, 0, "the subcode");
    guest.expect(1, 0xc)
}

kvm::guest_code!(
    /// A hypercall at the privilege level in a2: IPI to CPU 0 in a form that needs
    /// no memory. Reports a0; the handler reports ESTAT.
    hypercall,
    "lu12i.w $s0, 0x30000",
    "lu12i.w $s1, 1",
    "csrwr $s1, 0xc",
    "csrwr $a2, 0x1", // PRMD.PPLV
    "pcaddi $t0, 3",
    "csrwr $t0, 0x6",
    "ertn",
    "ori $a0, $zero, 1", // KVM_HCALL_FUNC_IPI
    "ori $a1, $zero, 1",
    "move $a2, $zero",
    "move $a3, $zero",
    ".word 0x002b8100", // hvcl 0x100
    "st.d $a0, $s0, 0",
    "1:",
    "b 1b",
    ".p2align 12",
    "csrrd $t0, 0x5",
    "st.d $t0, $s0, 8",
    "1:",
    "b 1b",
);

/// The guest's kernel may make hypercalls, its programs may not.
fn privilege_of_hypercalls(kvm: &Kvm) -> Outcome {
    for level in 0..4u64 {
        let guest = Guest::new(kvm, hypercall())?;
        let vcpu = guest.vcpu();
        let mut regs = vcpu.regs()?;
        regs.gpr[6] = level;
        vcpu.set_regs(&regs)?;
        let (number, value) = vcpu.next_report()?;
        if level == 0 {
            ensure_eq!(
                (number, value),
                (0, 0),
                "the hypercall of the guest's kernel"
            );
        } else {
            ensure_eq!(
                number,
                1,
                "the exception handler's report at level {level}, {value:#x}"
            );
            let code = value >> 16 & 0x3f;
            // IPE or INE.
            ensure!(
                matches!(code, 13 | 14),
                "exception code {code} at level {level}"
            );
            ensure_eq!(
                vcpu.csr(5)? & 0x1fff,
                0,
                "ESTAT's lines: no interrupt was sent"
            );
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    harness::run(&[
        Case {
            name: "address-beyond",
            run: address_beyond,
        },
        Case {
            name: "vectors-that-the-guest-does-not-have",
            run: vectors_that_the_guest_does_not_have,
        },
        Case {
            name: "privilege-of-hypercalls",
            run: privilege_of_hypercalls,
        },
    ])
}
