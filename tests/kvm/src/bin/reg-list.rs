// SPDX-License-Identifier: GPL-2.0-or-later

//! KVM_GET_REG_LIST: complete, readable, settable in order.

use std::collections::BTreeSet;
use std::process::ExitCode;

use kvm::error::errno::{E2BIG, EFAULT, EINVAL, ENOTTY};
use kvm::harness::{self, Case, Outcome, Skip};
use kvm::{Kvm, Vcpu, ensure, ensure_eq, ensure_errno, request};
use la_arch::csr::number as csr;
use la_arch::kvm::vcpu_attr;
use la_arch::one_reg as id;

type Error = Box<dyn std::error::Error>;

/// The list of a vCPU; skips where KVM has no such ioctl.
fn list(vcpu: &Vcpu) -> Result<Vec<u64>, Error> {
    match vcpu.reg_list(0x1000) {
        (_, Ok(list)) => Ok(list),
        (_, Err(error)) if matches!(error.errno, ENOTTY | EINVAL) => {
            Err(Skip("not offered: KVM_GET_REG_LIST".to_owned()).into())
        }
        (_, Err(error)) => Err(error.into()),
    }
}

/// Every id that can name a register.
fn all_ids() -> impl Iterator<Item = u64> {
    let csrs = (0..0x1000).map(id::csr);
    let words = (0..64).map(id::cpucfg);
    let own = (0..16).map(|n| id::ARCH | id::SIZE_U64 | id::SET_KVM | n);
    let lbt = (0..16).map(|n| id::ARCH | id::SIZE_U64 | id::SET_LBT | n);
    csrs.chain(words).chain(own).chain(lbt)
}

fn readable(kvm: &Kvm) -> Outcome {
    let vcpu = kvm.create_vm()?.create_vcpu(0)?;
    let list = list(&vcpu)?;
    let different: BTreeSet<u64> = list.iter().copied().collect();
    ensure_eq!(different.len(), list.len(), "ids without repetition");
    for id in &list {
        ensure!(
            vcpu.one_reg(*id).is_ok(),
            "{id:#x} is listed and cannot be read"
        );
    }
    for id in [
        id::csr(csr::CRMD),
        id::csr(csr::TCFG),
        id::csr(csr::CPUID),
        id::cpucfg(2),
        id::COUNTER,
    ] {
        ensure!(different.contains(&id), "{id:#x} is not listed");
    }
    Ok(())
}

/// Nothing that is not listed holds state: a write is refused, or not kept.
fn complete(kvm: &Kvm) -> Outcome {
    let vcpu = kvm.create_vm()?.create_vcpu(0)?;
    let listed: BTreeSet<u64> = list(&vcpu)?.into_iter().collect();
    // PGD is PGDL or PGDH by BADV, and TICLR and VCPU_RESET only act: what KVM
    // keeps of a write does not reach the guest. GINTC is part of ESTAT.
    vcpu.set_csr(csr::GINTC, 0x10)?;
    ensure_eq!(
        vcpu.csr(csr::ESTAT)? & 0x3fc,
        0x40,
        "GINTC's lines in ESTAT"
    );
    vcpu.set_csr(csr::ESTAT, 0)?;
    ensure_eq!(vcpu.csr(csr::GINTC)?, 0, "ESTAT's lines in GINTC");
    let no_state = [csr::PGD, csr::TICLR, csr::GINTC].map(id::csr);
    // This vCPU has no performance counters (CPUCFG.6), whatever KVM keeps of them.
    let counters = (csr::PERFCTRL0..csr::PERFCTRL0 + 0x20).map(id::csr);
    let no_state: BTreeSet<u64> = no_state
        .into_iter()
        .chain([id::VCPU_RESET])
        .chain(counters)
        .collect();
    let unlisted = all_ids().filter(|id| !listed.contains(id) && !no_state.contains(id));
    for id in unlisted {
        let Ok(before) = vcpu.one_reg(id) else {
            ensure!(
                vcpu.set_one_reg(id, 0).is_err(),
                "{id:#x} can be written and not read"
            );
            continue;
        };
        for value in [0x10, 0x5a5a_a5a0, before ^ 0xf0] {
            if vcpu.set_one_reg(id, value).is_err() {
                continue;
            }
            let after = vcpu.one_reg(id)?;
            ensure!(
                after == before || value == before,
                "{id:#x} is not listed and keeps {value:#x}"
            );
        }
    }
    Ok(())
}

fn too_little_room(kvm: &Kvm) -> Outcome {
    let vcpu = kvm.create_vm()?.create_vcpu(0)?;
    let all = list(&vcpu)?.len();
    for room in [0, 1, all - 1] {
        let (count, result) = vcpu.reg_list(room);
        ensure_errno!(result, E2BIG, "a list with room for {room}");
        ensure_eq!(count, all as u64, "the number that E2BIG comes with");
    }
    let (count, result) = vcpu.reg_list(all);
    ensure_eq!(result?.len(), all, "a list of the right size");
    ensure_eq!(count, all as u64, "its number");
    Ok(())
}

fn bad_address(kvm: &Kvm) -> Outcome {
    let vcpu = kvm.create_vm()?.create_vcpu(0)?;
    list(&vcpu)?;
    for address in [0, 8, u64::MAX - 7, 0x8000_0000_0000_0000] {
        // SAFETY: nothing of this process is there.
        let result = unsafe { request::GET_REG_LIST.call_at(&vcpu, address) };
        ensure_errno!(result, EFAULT, "a list at {address:#x}");
    }
    Ok(())
}

/// What one vCPU has goes into one of another VM, in the order of the list.
fn round_trip(kvm: &Kvm) -> Outcome {
    let source = kvm.create_vm()?.create_vcpu(0)?;
    let ids = list(&source)?;
    // A CPU without a feature that every LoongArch has is refused: begin with what
    // KVM allows, as a VMM does.
    let allowed = source.attr(vcpu_attr::CPUCFG, 2)?;
    source.set_one_reg(id::cpucfg(2), allowed)?;
    // So is a vCPU without a number.
    source.set_csr(csr::CPUID, 3)?;
    // State that differs from that of a new vCPU wherever a value is allowed.
    for (i, id) in ids.iter().enumerate() {
        let old = source.one_reg(*id)?;
        let new = old ^ (0x40 + ((i as u64) << 8));
        let _ = source.set_one_reg(*id, new);
    }
    source.set_csr(csr::TCFG, 0)?;
    let target = kvm.create_vm()?.create_vcpu(0)?;
    for id in &ids {
        let value = source.one_reg(*id)?;
        let result = target.set_one_reg(*id, value);
        ensure!(
            result.is_ok(),
            "{id:#x} = {value:#x} cannot be set: {result:?}"
        );
    }
    let mut changed = 0;
    let fresh = kvm.create_vm()?.create_vcpu(0)?;
    for id in &ids {
        // Runs on while the two are read.
        if *id == id::COUNTER {
            continue;
        }
        let (wanted, found) = (source.one_reg(*id)?, target.one_reg(*id)?);
        ensure_eq!(found, wanted, "register {id:#x} of the second vCPU");
        changed += u32::from(fresh.one_reg(*id)? != found);
    }
    ensure!(
        changed > 30,
        "only {changed} registers had a value of their own"
    );
    let (before, after) = (source.one_reg(id::COUNTER)?, target.one_reg(id::COUNTER)?);
    // A second of the machine's 100 MHz.
    ensure!(
        after.wrapping_sub(before) < 100_000_000 || before.wrapping_sub(after) < 100_000_000,
        "the counter: {before:#x}, then {after:#x}"
    );
    Ok(())
}

/// A vCPU that was never set up can be copied too: what it has is allowed,
/// although no CPU has a CPUCFG.2 of zero and 256 is no CPU's number.
fn new_vcpu(kvm: &Kvm) -> Outcome {
    let source = kvm.create_vm()?.create_vcpu(0)?;
    let ids = list(&source)?;
    let target = kvm.create_vm()?.create_vcpu(0)?;
    for id in ids {
        let value = source.one_reg(id)?;
        let result = target.set_one_reg(id, value);
        ensure!(
            result.is_ok(),
            "{id:#x} = {value:#x} cannot be set: {result:?}"
        );
    }
    // It is still a vCPU that was never set up, and the rules of changes hold.
    target.set_csr(csr::CPUID, 5)?;
    ensure_errno!(
        target.set_csr(csr::CPUID, source.csr(csr::CPUID)?),
        EINVAL,
        "taking CSR.CPUID back"
    );
    let allowed = target.attr(vcpu_attr::CPUCFG, 2)?;
    target.set_one_reg(id::cpucfg(2), allowed)?;
    ensure_errno!(
        target.set_one_reg(id::cpucfg(2), 0),
        EINVAL,
        "taking CPUCFG.2 back"
    );
    Ok(())
}

fn main() -> ExitCode {
    harness::run(&[
        Case {
            name: "readable",
            run: readable,
        },
        Case {
            name: "complete",
            run: complete,
        },
        Case {
            name: "too-little-room",
            run: too_little_room,
        },
        Case {
            name: "bad-address",
            run: bad_address,
        },
        Case {
            name: "round-trip",
            run: round_trip,
        },
        Case {
            name: "new-vcpu",
            run: new_vcpu,
        },
    ])
}
