// SPDX-License-Identifier: GPL-2.0-or-later

//! What KVM says of its capabilities, on /dev/kvm and on a VM.

use std::process::ExitCode;

use kvm::error::errno::ENXIO;
use kvm::harness::{self, Case, Outcome, Skip};
use kvm::uapi::capability as cap;
use kvm::uapi::{Capability, MP_RUNNABLE, MP_STOPPED};
use kvm::{Kvm, ensure, ensure_eq, ensure_errno};
use la_arch::kvm::vcpu_attr;

/// What upstream's KVM for LoongArch answers too (Linux
/// arch/loongarch/kvm/vm.c:kvm_vm_ioctl_check_extension and generic code).
const COMMON: &[(Capability, i32)] = &[
    (cap::IRQCHIP, 1),
    (cap::USER_MEMORY, 1),
    (cap::NR_MEMSLOTS, 32767),
    (cap::COALESCED_MMIO, 1),
    (cap::SYNC_MMU, 1),
    (cap::SET_GUEST_DEBUG, 1),
    (cap::IRQ_ROUTING, 4096),
    (cap::IRQFD, 1),
    (cap::IOEVENTFD, 1),
    (cap::ENABLE_CAP, 1),
    (cap::MAX_VCPUS, 256),
    (cap::ONE_REG, 1),
    (cap::SIGNAL_MSI, 1),
    (cap::READONLY_MEM, 1),
    (cap::DEVICE_CTRL, 1),
    (cap::MAX_VCPU_ID, 256),
    (cap::IMMEDIATE_EXIT, 1),
    (cap::MANUAL_DIRTY_LOG_PROTECT2, 3),
    (cap::HALT_POLL, 1),
];

fn common(kvm: &Kvm) -> Outcome {
    ensure_eq!(kvm.api_version()?, 12, "KVM_GET_API_VERSION");
    for (capability, value) in COMMON {
        ensure_eq!(kvm.capability(*capability)?, *value, "{}", capability.name);
    }
    let online = std::thread::available_parallelism()?.get();
    ensure_eq!(
        kvm.capability(cap::NR_VCPUS)?,
        i32::try_from(online.min(256))?,
        "{}",
        cap::NR_VCPUS.name
    );
    ensure!(
        kvm.capability(cap::DIRTY_LOG_RING_ACQ_REL)? > 0,
        "no dirty ring"
    );
    Ok(())
}

fn same_on_vm(kvm: &Kvm) -> Outcome {
    let vm = kvm.create_vm()?;
    for capability in cap::ALL {
        ensure_eq!(
            vm.capability(*capability)?,
            kvm.capability(*capability)?,
            "{} on a VM",
            capability.name
        );
    }
    Ok(())
}

fn unknown(kvm: &Kvm) -> Outcome {
    for number in [1_000, 0x7fff_ffff, u32::MAX] {
        let none = Capability {
            number,
            name: "no such capability",
        };
        ensure_eq!(kvm.capability(none)?, 0, "capability {number}");
    }
    Ok(())
}

/// What this project's module has beyond upstream's: all or nothing.
fn additions(kvm: &Kvm) -> Outcome {
    let additions = [
        (cap::SYNC_REGS, la_arch::sync_regs::ALL as i32),
        (cap::IRQFD_RESAMPLE, 1),
        (cap::SET_GUEST_DEBUG2, 0x1_0001),
        (cap::PRE_FAULT_MEMORY, 1),
        (cap::MP_STATE, 1 << MP_RUNNABLE | 1 << MP_STOPPED),
    ];
    if kvm.capability(cap::SYNC_REGS)? == 0 {
        ensure_eq!(
            kvm.capability(cap::MP_STATE)?,
            1,
            "upstream's KVM_CAP_MP_STATE"
        );
        return Err(Skip(format!("not offered: {}", cap::SYNC_REGS.name)).into());
    }
    for (capability, value) in additions {
        ensure_eq!(kvm.capability(capability)?, value, "{}", capability.name);
    }
    Ok(())
}

/// A VMM that asks before it uses attributes of vCPUs, and steal time by them, is told
/// (report 2; new in Linux 7.3).
fn attributes(kvm: &Kvm) -> Outcome {
    let fault = "attributes of vCPUs are not told";
    harness::known_in_linux(kvm, fault, attributes_are_told(kvm))
}

fn attributes_are_told(kvm: &Kvm) -> Outcome {
    let vcpu = kvm.create_vm()?.create_vcpu(0)?;
    for group in [vcpu_attr::CPUCFG, vcpu_attr::PVTIME_CTRL] {
        ensure_errno!(vcpu.has_attr(group, u64::MAX), ENXIO, "group {group}");
    }
    vcpu.has_attr(vcpu_attr::CPUCFG, 2)?;
    ensure_eq!(
        kvm.capability(cap::VCPU_ATTRIBUTES)?,
        1,
        "{}",
        cap::VCPU_ATTRIBUTES.name
    );
    let steal_time = vcpu.has_attr(vcpu_attr::PVTIME_CTRL, vcpu_attr::PVTIME_GPA);
    ensure_eq!(
        kvm.capability(cap::STEAL_TIME)?,
        i32::from(steal_time.is_ok()),
        "{}",
        cap::STEAL_TIME.name
    );
    Ok(())
}

fn main() -> ExitCode {
    harness::run(&[
        Case {
            name: "attributes",
            run: attributes,
        },
        Case {
            name: "common",
            run: common,
        },
        Case {
            name: "same-on-vm",
            run: same_on_vm,
        },
        Case {
            name: "unknown",
            run: unknown,
        },
        Case {
            name: "additions",
            run: additions,
        },
    ])
}
