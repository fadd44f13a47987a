// SPDX-License-Identifier: GPL-2.0-or-later

//! KVM_CAP_SET_GUEST_DEBUG2, software breakpoints, and what KVM_HAS_DEVICE_ATTR
//! answers for VMs, vCPUs and the in-kernel devices.

use std::process::ExitCode;

use kvm::error::errno::{EINVAL, ENXIO, EPERM};
use kvm::harness::{self, Case, Outcome, Skip};
use kvm::uapi::{self, capability as cap};
use kvm::{Device, Exit, Guest, Kvm, ensure, ensure_eq, ensure_errno};
use la_arch::kvm::{device as d, guest_debug, hypercall, para, vcpu_attr, vm_feature};
use la_arch::one_reg as id;

fn debug_flags(kvm: &Kvm) -> Outcome {
    let offered = kvm.needs(cap::SET_GUEST_DEBUG2)? as u32;
    ensure!(
        offered & guest_debug::USE_SW_BP != 0,
        "no software breakpoints: {offered:#x}"
    );
    let guest = Guest::new(kvm, &[])?;
    for bit in (0..32).map(|bit| 1u32 << bit) {
        let result = guest.vcpu().set_guest_debug(guest_debug::ENABLE | bit);
        if offered & bit != 0 {
            result?;
        } else {
            ensure_errno!(result, EINVAL, "flag {bit:#x}, which is not offered");
        }
    }
    guest.vcpu().set_guest_debug(0)?;
    Ok(())
}

kvm::guest_code!(
    /// A place for the breakpoint, then a report.
    breakpoint,
    "lu12i.w $s0, 0x30000",
    "nop", // at 4
    "st.d $a0, $s0, 0",
);

/// Where the breakpoint goes.
const PLACE: u64 = 4;

fn with_breakpoint(kvm: &Kvm) -> Result<Guest, Box<dyn std::error::Error>> {
    let guest = Guest::new(kvm, breakpoint())?;
    let word = guest.vcpu().one_reg(id::DEBUG_INST)?;
    guest.memory.write_code(PLACE as usize, &[word as u32]);
    Ok(guest)
}

fn software_breakpoint(kvm: &Kvm) -> Outcome {
    let guest = with_breakpoint(kvm)?;
    let vcpu = guest.vcpu();
    vcpu.set_guest_debug(guest_debug::ENABLE | guest_debug::USE_SW_BP)?;
    for _ in 0..2 {
        ensure_eq!(vcpu.run()?, Exit::Debug, "the exit at a breakpoint");
        ensure_eq!(vcpu.regs()?.pc, PLACE, "pc at a breakpoint");
    }
    let mut regs = vcpu.regs()?;
    regs.pc += 4;
    regs.gpr[4] = 42;
    vcpu.set_regs(&regs)?;
    guest.expect(0, 42)
}

/// Without a debugger the instruction of a breakpoint is a hypercall that does not exist.
fn breakpoint_of_no_debugger(kvm: &Kvm) -> Outcome {
    let guest = with_breakpoint(kvm)?;
    guest.expect(0, hypercall::INVALID_CODE)
}

fn vm_attributes(kvm: &Kvm) -> Outcome {
    let vm = kvm.create_vm()?;
    let vcpu = vm.create_vcpu(0)?;
    let word2 = vcpu.attr(vcpu_attr::CPUCFG, 2)?;
    // LSX, LASX and the three of binary translation (CPUCFG.2, bits 6, 7, 18 to 20).
    for (feature, bit) in [(0, 6), (1, 7), (2, 18), (3, 19), (4, 20)] {
        let offered = vm.has_attr(vm_feature::GROUP, feature).is_ok();
        ensure_eq!(
            offered,
            word2 >> bit & 1 != 0,
            "feature {feature} and CPUCFG"
        );
    }
    vm.has_attr(vm_feature::GROUP, vm_feature::PV_IPI)?;
    for feature in [11, 63, u64::MAX] {
        ensure_errno!(
            vm.has_attr(vm_feature::GROUP, feature),
            ENXIO,
            "feature {feature}"
        );
    }
    ensure!(
        vm.has_attr(7, 0).is_err(),
        "a group that a VM does not have"
    );
    Ok(())
}

fn vcpu_attributes(kvm: &Kvm) -> Outcome {
    let vm = kvm.create_vm()?;
    let vcpu = vm.create_vcpu(0)?;
    let feature = u64::from(para::CPUCFG_FEATURE);
    for attribute in [2, 6, feature] {
        vcpu.has_attr(vcpu_attr::CPUCFG, attribute)?;
        vcpu.attr(vcpu_attr::CPUCFG, attribute)?;
    }
    for attribute in [0, 1, 3, 21, feature + 1, u64::MAX] {
        ensure_errno!(
            vcpu.has_attr(vcpu_attr::CPUCFG, attribute),
            ENXIO,
            "CPUCFG {attribute:#x}"
        );
    }
    for word in [21, 64, u64::MAX] {
        ensure_errno!(
            vcpu.attr(vcpu_attr::CPUCFG, word),
            ENXIO,
            "CPUCFG word {word:#x}"
        );
    }
    ensure_errno!(
        vcpu.has_attr(9, 0),
        ENXIO,
        "a group that a vCPU does not have"
    );
    // All vCPUs have the same features, and only those that KVM has.
    let offered = vcpu.attr(vcpu_attr::CPUCFG, feature)?;
    vcpu.set_attr(vcpu_attr::CPUCFG, feature, offered)?;
    ensure_errno!(
        vcpu.set_attr(vcpu_attr::CPUCFG, feature, 1 << 31),
        EINVAL,
        "a feature that KVM does not have"
    );
    let second = vm.create_vcpu(1)?;
    ensure_errno!(
        second.set_attr(vcpu_attr::CPUCFG, feature, offered ^ 1 << para::FEATURE_IPI),
        EINVAL,
        "other features for the second vCPU"
    );
    second.set_attr(vcpu_attr::CPUCFG, feature, offered)?;
    Ok(())
}

/// Attributes that a device has are those that it can get or set.
fn check_device(device: &Device, group: u32, known: &[u64], unknown: &[u64]) -> Outcome {
    for attribute in known {
        match device.has(group, *attribute) {
            Ok(()) => {}
            Err(error) if error.errno == EPERM => {
                return Err(Skip("not offered: KVM_HAS_DEVICE_ATTR of devices".to_owned()).into());
            }
            Err(error) => return Err(format!("{group:#x}/{attribute:#x}: {error}").into()),
        }
    }
    for attribute in unknown {
        ensure_errno!(
            device.has(group, *attribute),
            ENXIO,
            "{group:#x}/{attribute:#x}"
        );
        ensure!(
            device.get(group, *attribute).is_err(),
            "{group:#x}/{attribute:#x} can be read"
        );
    }
    Ok(())
}

fn device_attributes(kvm: &Kvm) -> Outcome {
    let guest = Guest::with_irqchip(kvm, &[], 2)?;
    let Some(chip) = &guest.irqchip else {
        return Ok(());
    };
    check_device(
        &chip.ipi,
        d::IPI_GRP_REGS,
        &[0x0, 0x4, 0x20, 0x38, 0x1_0000, 0x1_0020],
        &[0x2, 0x40],
    )?;
    check_device(
        &chip.eiointc,
        d::EXTIOI_GRP_REGS,
        &[0xa0, 0xc0, 0x200, 0x280, 0x300, 0x400, 0x800],
        &[0x0, 0x1000, 0xffff],
    )?;
    check_device(
        &chip.eiointc,
        d::EXTIOI_GRP_SW_STATUS,
        &[
            d::EXTIOI_SW_STATUS_NUM_CPU,
            d::EXTIOI_SW_STATUS_FEATURE,
            d::EXTIOI_SW_STATUS_STATE,
        ],
        &[3, 100],
    )?;
    check_device(
        &chip.eiointc,
        d::EXTIOI_GRP_CTRL,
        &[
            d::EXTIOI_CTRL_INIT_NUM_CPU,
            d::EXTIOI_CTRL_INIT_FEATURE,
            d::EXTIOI_CTRL_LOAD_FINISHED,
        ],
        &[2, 4],
    )?;
    check_device(
        &chip.pch_pic,
        d::PCH_PIC_GRP_REGS,
        &[
            0x20, 0x40, 0x60, 0x100, 0x13f, 0x200, 0x23f, 0x380, 0x3a0, 0x3e0,
        ],
        &[0x8, 0x140, 0x3e8],
    )?;
    check_device(
        &chip.pch_pic,
        d::PCH_PIC_GRP_CTRL,
        &[d::PCH_PIC_CTRL_INIT],
        &[1],
    )?;
    for device in [&chip.ipi, &chip.eiointc, &chip.pch_pic] {
        check_device(device, 0x7fff_ffff, &[], &[0])?;
    }
    Ok(())
}

fn devices(kvm: &Kvm) -> Outcome {
    let vm = kvm.create_vm()?;
    for kind in [uapi::DEVICE_IPI, uapi::DEVICE_EIOINTC, uapi::DEVICE_PCH_PIC] {
        ensure!(vm.has_device(kind), "no device of type {kind}");
        let _device = vm.create_device(kind)?;
        ensure!(
            vm.create_device(kind).is_err(),
            "a second device of type {kind}"
        );
    }
    ensure!(!vm.has_device(99), "a device of type 99");
    Ok(())
}

fn main() -> ExitCode {
    harness::run(&[
        Case {
            name: "debug-flags",
            run: debug_flags,
        },
        Case {
            name: "software-breakpoint",
            run: software_breakpoint,
        },
        Case {
            name: "breakpoint-of-no-debugger",
            run: breakpoint_of_no_debugger,
        },
        Case {
            name: "vm-attributes",
            run: vm_attributes,
        },
        Case {
            name: "vcpu-attributes",
            run: vcpu_attributes,
        },
        Case {
            name: "devices",
            run: devices,
        },
        Case {
            name: "device-attributes",
            run: device_attributes,
        },
    ])
}
