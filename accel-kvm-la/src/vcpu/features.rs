// SPDX-License-Identifier: GPL-2.0-or-later

//! CPU features: what KVM offers, what the user asked for, and what the guest
//! gets (QEMU: target/loongarch/kvm/kvm.c, kvm_cpu_check_*).

use std::collections::HashMap;
use std::sync::Arc;

use la_arch::cpucfg::{word1, word2, word6};
use la_arch::kvm::para;
use parking_lot::Mutex;

use super::offered::Features;
use super::state::Vcpu;
use super::vm::Vm;
use crate::error::BackendError;
use crate::kvm::vcpu::VcpuFd;
use crate::qemu::bql::Bql;
use crate::qemu::cpu::{Cpu, OnOffAuto};
use crate::qemu::layout::layout;
use crate::qemu::machine;
use crate::regs::table::COUNTERS;

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

/// A feature that the host may have, the user may wish, and the guest gets or not.
struct Choice {
    offered: Features,
    /// Names and host as the C backend's error has them.
    feature: &'static str,
    property: &'static str,
    host: &'static str,
    wish: fn(Cpu) -> OnOffAuto,
    /// Tells the CPU object whether the guest gets it; returns bits of the paravirtual
    /// features.
    apply: fn(Cpu, bool) -> u32,
}

/// All, in the order in which the C backend complains of them.
const CHOICES: [Choice; 8] = [
    Choice {
        offered: Features::LSX,
        feature: "lsx",
        property: "lsx",
        host: "on this host",
        wish: |cpu| cpu.on_off_auto(layout().lsx),
        apply: |cpu, on| set_bits(cpu, 2, word2::LSX, on),
    },
    Choice {
        offered: Features::LASX,
        feature: "lasx",
        property: "lasx",
        host: "on host",
        wish: |cpu| cpu.on_off_auto(layout().lasx),
        apply: |cpu, on| set_bits(cpu, 2, word2::LASX, on),
    },
    Choice {
        offered: Features::LBT,
        feature: "lbt",
        property: "lbt",
        host: "on this host",
        wish: |cpu| properties(cpu).lbt,
        apply: |cpu, on| {
            let bits = word2::LBT_X86 | word2::LBT_ARM | word2::LBT_MIPS;
            if on { set_bits(cpu, 2, bits, true) } else { 0 }
        },
    },
    Choice {
        offered: Features::PMU,
        feature: "pmu",
        property: "pmu",
        host: "on the host",
        wish: |cpu| cpu.on_off_auto(layout().pmu),
        apply: |cpu, on| if on { give_counters(cpu) } else { 0 },
    },
    Choice {
        offered: Features::PV_IPI,
        feature: "pv_ipi",
        property: "kvm-pv-ipi",
        host: "host",
        wish: |cpu| properties(cpu).kvm_pv_ipi,
        apply: |_, on| u32::from(on) << para::FEATURE_IPI,
    },
    Choice {
        offered: Features::STEAL_TIME,
        feature: "kvm stealtime",
        property: "kvm-steal-time",
        host: "host",
        wish: |cpu| properties(cpu).kvm_steal_time,
        apply: |_, on| u32::from(on) << para::FEATURE_STEAL_TIME,
    },
    Choice {
        offered: Features::PTW,
        feature: "ptw",
        property: "ptw",
        host: "on the host",
        wish: |cpu| cpu.on_off_auto(layout().ptw),
        apply: |cpu, on| {
            if on {
                set_bits(cpu, 2, word2::PTW, true)
            } else {
                0
            }
        },
    },
    Choice {
        offered: Features::DMSINTC,
        feature: "msgint",
        property: "msgint",
        host: "on this host",
        wish: |cpu| cpu.on_off_auto(layout().msgint),
        apply: |cpu, on| {
            if !on {
                // The board asks the property whether it is to have a controller for
                // messages (QEMU: hw/loongarch/virt.c, virt_check_dmsi).
                cpu.set_on_off_auto(layout().msgint, OnOffAuto::Off);
            }
            set_bits(cpu, 1, word1::MSGINT, on)
        },
    },
];

fn set_bits(cpu: Cpu, word: usize, bits: u32, on: bool) -> u32 {
    let old = cpu.cpucfg(word);
    cpu.set_cpucfg(word, if on { old | bits } else { old & !bits });
    0
}

fn give_counters(cpu: Cpu) -> u32 {
    cpu.set_on_off_auto(layout().pmu, OnOffAuto::On);
    cpu.set_perf_event_num(COUNTERS);
    set_bits(cpu, 6, word6::PMNUM, false);
    let counters = (COUNTERS - 1) << word6::PMNUM_SHIFT;
    // 64 bits, written as 63.
    let bits = word6::PMP | counters | word6::PMBITS | word6::UPM;
    set_bits(cpu, 6, bits, true)
}

/// Decides what the guest gets and returns the paravirtual features.
fn choose(bql: &Bql, cpu: Cpu, offered: Features) -> Result<u32, BackendError> {
    let mut pv_features = 0;
    for choice in &CHOICES {
        let (wish, is_offered) = ((choice.wish)(cpu), offered.contains(choice.offered));
        if choice.offered == Features::DMSINTC
            && (wish, is_offered) == (OnOffAuto::On, false)
            && offered.contains(Features::MSGINT)
        {
            return Err(BackendError::NoDmsintc);
        }
        let on = decide(
            wish,
            is_offered,
            choice.feature,
            choice.property,
            choice.host,
        )?;
        pv_features |= (choice.apply)(cpu, on);
    }
    Ok(pv_features | virtual_eiointc(bql))
}

/// The bit of the machine's interrupt controller, which no property of a CPU governs.
fn virtual_eiointc(bql: &Bql) -> u32 {
    u32::from(machine::has_virtual_eiointc(bql)) << para::FEATURE_VIRT_EXTIOI
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
    let pv_features = choose(bql, cpu, vm.features(fd))?;
    vm.breakpoint(fd);
    vm.make_iocsr(bql, cpu);
    Ok(Vcpu::create(cpu, vm, pv_features))
}

/// The same where QEMU's own `kvm_arch_init_vcpu` has chosen the features and
/// listens to stops and starts: nothing of that is done again.
pub fn adopt_vcpu(bql: &Bql, cpu: Cpu, vm: Arc<Vm>) -> Arc<Vcpu> {
    let fd = VcpuFd::new(cpu);
    let offered = vm.features(fd);
    // It fails for what the host lacks and the user insists on, so that what is
    // not off is on if it is offered.
    let gets = |feature, property| offered.contains(feature) && machine::is_on(bql, cpu, property);
    let pv_ipi = gets(Features::PV_IPI, c"kvm-pv-ipi");
    let steal_time = gets(Features::STEAL_TIME, c"kvm-steal-time");
    let pv_features = u32::from(pv_ipi) << para::FEATURE_IPI
        | u32::from(steal_time) << para::FEATURE_STEAL_TIME
        | virtual_eiointc(bql);
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
