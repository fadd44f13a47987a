// SPDX-License-Identifier: GPL-2.0-or-later

//! CPU features: what KVM offers, what the user asked for, and what the guest
//! gets (QEMU: target/loongarch/kvm/kvm.c, kvm_cpu_check_*).

use std::collections::HashMap;
use std::sync::Arc;

use bitflags::bitflags;
use la_arch::cpucfg::{word1, word2, word6};
use la_arch::kvm::{para, vcpu_attr, vm_feature};
use parking_lot::Mutex;

use super::irqchip;
use super::record::Vcpu;
use super::vm::Vm;
use crate::error::BackendError;
use crate::kvm::vcpu::VcpuFd;
use crate::kvm::vm::VmFd;
use crate::qemu::bql::Bql;
use crate::qemu::cpu::{Cpu, OnOffAuto};
use crate::qemu::layout::layout;
use crate::qemu::machine;
use crate::regs::table::COUNTERS;

bitflags! {
    /// What KVM offers a guest on this host.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Features: u32 {
        /// 128-bit vectors.
        const LSX = 1 << 0;
        /// 256-bit vectors.
        const LASX = 1 << 1;
        /// Binary translation: x86, Arm and MIPS.
        const LBT = 1 << 2;
        /// Performance counters.
        const PMU = 1 << 3;
        /// Paravirtual inter-processor interrupts.
        const PV_IPI = 1 << 4;
        /// Steal time.
        const STEAL_TIME = 1 << 5;
        /// Hardware page table walker.
        const PTW = 1 << 6;
        /// Message interrupts.
        const MSGINT = 1 << 7;
        /// A controller that turns a device's messages into message interrupts: the
        /// kernel's if the other controllers are the kernel's, else QEMU's.
        const DMSINTC = 1 << 8;
    }
}

impl Features {
    /// The bits that KVM allows in CPUCFG2, if it says.
    pub fn cpucfg2_mask(fd: VcpuFd) -> Option<u64> {
        fd.has_attr(vcpu_attr::CPUCFG, 2).ok()?;
        fd.attr(vcpu_attr::CPUCFG, 2).ok()
    }

    /// Asks the VM. Kernels before the VM's attributes show vectors in the mask
    /// of CPUCFG2.
    pub fn probe(fd: VmFd, cpucfg2_mask: Option<u64>) -> Features {
        let has = |attribute| fd.has_attr(vm_feature::GROUP, attribute).is_ok();
        let in_mask = |bit| cpucfg2_mask.is_some_and(|mask| mask & u64::from(bit) != 0);
        let mut features = Features::empty();
        features.set(Features::LSX, has(vm_feature::LSX) || in_mask(word2::LSX));
        features.set(
            Features::LASX,
            has(vm_feature::LASX) || in_mask(word2::LASX),
        );
        features.set(
            Features::LBT,
            has(vm_feature::X86BT) && has(vm_feature::ARMBT) && has(vm_feature::MIPSBT),
        );
        features.set(Features::PMU, has(vm_feature::PMU));
        features.set(Features::PV_IPI, has(vm_feature::PV_IPI));
        features.set(Features::STEAL_TIME, has(vm_feature::PV_STEALTIME));
        features.set(Features::PTW, has(vm_feature::PTW));
        features.set(Features::MSGINT, has(vm_feature::MSGINT));
        let delivers = features.contains(Features::MSGINT) && irqchip::has_dmsintc(fd);
        features.set(Features::DMSINTC, delivers);
        features
    }
}

/// Properties that the backend adds to CPU objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties {
    /// `lbt`.
    pub lbt: OnOffAuto,
    /// `kvm-pv-ipi`.
    pub kvm_pv_ipi: OnOffAuto,
    /// `kvm-steal-time`.
    pub kvm_steal_time: OnOffAuto,
}

impl Default for Properties {
    fn default() -> Self {
        Properties {
            lbt: OnOffAuto::Auto,
            kvm_pv_ipi: OnOffAuto::Auto,
            kvm_steal_time: OnOffAuto::Auto,
        }
    }
}

static PROPERTIES: Mutex<Option<HashMap<usize, Properties>>> = Mutex::new(None);

/// Gives a new CPU object its properties' first values. An object that was at
/// the same address before is forgotten.
pub fn init_properties(cpu: Cpu) {
    PROPERTIES
        .lock()
        .get_or_insert_default()
        .insert(cpu.key(), Properties::default());
    cpu.set_on_off_auto(layout().pmu, OnOffAuto::Auto);
}

/// The properties of a CPU object.
pub fn properties(cpu: Cpu) -> Properties {
    let properties = PROPERTIES.lock();
    properties
        .as_ref()
        .and_then(|map| map.get(&cpu.key()))
        .copied()
        .unwrap_or_default()
}

/// Changes the properties of a CPU object.
pub fn change_properties(cpu: Cpu, change: impl FnOnce(&mut Properties)) {
    change(
        PROPERTIES
            .lock()
            .get_or_insert_default()
            .entry(cpu.key())
            .or_default(),
    );
}

/// Whether the guest gets a feature: always if the host has it, unless it is
/// off; never if the host lacks it, which is an error if it is on.
fn decide(
    wish: OnOffAuto,
    offered: bool,
    feature: &'static str,
    property: &'static str,
    host: &'static str,
) -> Result<bool, BackendError> {
    match wish {
        OnOffAuto::Off => Ok(false),
        OnOffAuto::Auto => Ok(offered),
        OnOffAuto::On if offered => Ok(true),
        OnOffAuto::On => Err(BackendError::Unsupported {
            feature,
            host,
            property,
        }),
    }
}

fn set_bits(cpu: Cpu, word: usize, bits: u32, on: bool) {
    let old = cpu.cpucfg(word);
    cpu.set_cpucfg(word, if on { old | bits } else { old & !bits });
}

/// Settles the guest's features and returns the paravirtual ones.
fn settle(bql: &Bql, cpu: Cpu, offered: Features) -> Result<u32, BackendError> {
    let (layout, own) = (layout(), properties(cpu));
    let wish = |offset| cpu.on_off_auto(offset);

    let lsx = decide(
        wish(layout.lsx),
        offered.contains(Features::LSX),
        "lsx",
        "lsx",
        "on this host",
    )?;
    set_bits(cpu, 2, word2::LSX, lsx);
    let lasx = decide(
        wish(layout.lasx),
        offered.contains(Features::LASX),
        "lasx",
        "lasx",
        "on host",
    )?;
    set_bits(cpu, 2, word2::LASX, lasx);
    if decide(
        own.lbt,
        offered.contains(Features::LBT),
        "lbt",
        "lbt",
        "on this host",
    )? {
        set_bits(
            cpu,
            2,
            word2::LBT_X86 | word2::LBT_ARM | word2::LBT_MIPS,
            true,
        );
    }
    if decide(
        wish(layout.pmu),
        offered.contains(Features::PMU),
        "pmu",
        "pmu",
        "on the host",
    )? {
        cpu.set_on_off_auto(layout.pmu, OnOffAuto::On);
        cpu.set_perf_event_num(COUNTERS);
        set_bits(cpu, 6, word6::PMNUM, false);
        let counters = (COUNTERS - 1) << word6::PMNUM_SHIFT;
        // 64 bits, written as 63.
        set_bits(
            cpu,
            6,
            word6::PMP | counters | word6::PMBITS | word6::UPM,
            true,
        );
    }
    let mut pv_features = 0;
    let pv_ipi = offered.contains(Features::PV_IPI);
    if decide(own.kvm_pv_ipi, pv_ipi, "pv_ipi", "kvm-pv-ipi", "host")? {
        pv_features |= 1 << para::FEATURE_IPI;
    }
    let steal_time = offered.contains(Features::STEAL_TIME);
    if decide(
        own.kvm_steal_time,
        steal_time,
        "kvm stealtime",
        "kvm-steal-time",
        "host",
    )? {
        pv_features |= 1 << para::FEATURE_STEAL_TIME;
    }
    if machine::has_virtual_eiointc(bql) {
        pv_features |= 1 << para::FEATURE_VIRT_EXTIOI;
    }
    if decide(
        wish(layout.ptw),
        offered.contains(Features::PTW),
        "ptw",
        "ptw",
        "on the host",
    )? {
        set_bits(cpu, 2, word2::PTW, true);
    }
    let delivers = offered.contains(Features::DMSINTC);
    if wish(layout.msgint) == OnOffAuto::On && offered.contains(Features::MSGINT) && !delivers {
        return Err(BackendError::NoDmsintc);
    }
    let msgint = decide(
        wish(layout.msgint),
        delivers,
        "msgint",
        "msgint",
        "on this host",
    )?;
    set_bits(cpu, 1, word1::MSGINT, msgint);
    if !msgint {
        // The board asks the property whether it is to have a controller for
        // messages (QEMU: hw/loongarch/virt.c, virt_check_dmsi).
        cpu.set_on_off_auto(layout.msgint, OnOffAuto::Off);
    }
    Ok(pv_features)
}

/// An error for a CPU model that no KVM has. Linux refuses its CPUCFG2, which lacks
/// the constant timer (Linux: kvm_check_cpucfg).
pub fn check_model(cpu: Cpu) -> Result<(), BackendError> {
    if cpu.cpucfg(1) & word1::ARCH == word1::ARCH_LA64 {
        Ok(())
    } else {
        Err(BackendError::NotLa64)
    }
}

/// kvm_arch_init_vcpu: the kernel has the vCPU and its page is mapped; the
/// vCPU's thread calls it under the BQL.
pub fn init_vcpu(bql: &Bql, cpu: Cpu, vm: Arc<Vm>) -> Result<Arc<Vcpu>, BackendError> {
    let fd = VcpuFd::new(cpu);
    let pv_features = settle(bql, cpu, vm.features(fd))?;
    vm.breakpoint(fd);
    vm.make_iocsr(bql, cpu);
    Ok(Vcpu::create(cpu, vm, pv_features))
}

/// The same where QEMU's own `kvm_arch_init_vcpu` has settled the features and
/// listens to stops and starts: nothing of that is done again.
pub fn adopt_vcpu(bql: &Bql, cpu: Cpu, vm: Arc<Vm>) -> Arc<Vcpu> {
    let fd = VcpuFd::new(cpu);
    let offered = vm.features(fd);
    // It fails for what the host lacks and the user insists on, so that what is
    // not off is on if it is offered.
    let gets = |feature, property| offered.contains(feature) && machine::is_on(bql, cpu, property);
    let mut pv_features = 0;
    if gets(Features::PV_IPI, c"kvm-pv-ipi") {
        pv_features |= 1 << para::FEATURE_IPI;
    }
    if gets(Features::STEAL_TIME, c"kvm-steal-time") {
        pv_features |= 1 << para::FEATURE_STEAL_TIME;
    }
    if machine::has_virtual_eiointc(bql) {
        pv_features |= 1 << para::FEATURE_VIRT_EXTIOI;
    }
    vm.make_iocsr(bql, cpu);
    Vcpu::create(cpu, vm, pv_features)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_and_offers() {
        let decide = |wish, offered| decide(wish, offered, "lsx", "lsx", "on this host");
        assert_eq!(decide(OnOffAuto::Auto, true), Ok(true));
        assert_eq!(decide(OnOffAuto::Auto, false), Ok(false));
        assert_eq!(decide(OnOffAuto::Off, true), Ok(false));
        assert_eq!(decide(OnOffAuto::On, true), Ok(true));
        let error = decide(OnOffAuto::On, false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "'lsx' feature not supported by KVM on this host"
        );
        assert_eq!(error.negative_errno(), -libc::ENOTSUP);
        assert!(error.hint().is_some_and(|hint| hint.contains("lsx=on")));
    }
}
