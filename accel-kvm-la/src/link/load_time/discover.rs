// SPDX-License-Identifier: GPL-2.0-or-later

//! The layout of QEMU's CPU object, each field by a table, a trial or its
//! neighbours, and where there are two ways both must end in the same place.

use super::features::Features;
use super::image::Image;
use super::refusal::Refusal;
use super::symbols::address;
use super::vmstate::Members;
use super::{code, features, probes};
use crate::qemu::layout::{Field, Layout, Source};
use crate::qemu::services::Services;

/// CPUCFG words and bits that subsections look at (LoongArch Reference Manual
/// volume 1, 2.2.10.5): floating point and LASX in word 2, message interrupts
/// in word 1.
const CPUCFG2_FP: u32 = 1 << 0;
const CPUCFG2_LASX: u32 = 1 << 7;
const CPUCFG1_MSG_INT: u32 = 1 << 26;

/// `ON_OFF_AUTO_ON`.
const ON: u32 = 1;

/// Instructions of a small function that are looked at.
const LOOK: usize = 48;

/// What no table names.
struct Discovered {
    fields: Vec<(&'static str, usize)>,
}

/// Finds everything.
pub(crate) fn layout(image: &Image, services: &Services) -> Result<Layout, Refusal> {
    let members = Members::read(
        image,
        address("vmstate_cpu_common")?,
        address("vmstate_loongarch_cpu")?,
        address("vmstate_info_uint32")?,
    )?;
    let discovered = Discovered::find(image, services, &members)?;
    let mut failed = None;
    let layout = Layout::build(|field| match discovered.field(field, &members) {
        Ok(offset) => {
            if let Some(offset) = offset {
                log::debug!("{} at {offset:#x} ({:?})", field.name, field.source);
            }
            offset
        }
        Err(refusal) => {
            failed.get_or_insert(refusal);
            None
        }
    });
    match (failed, layout) {
        (Some(refusal), _) => Err(refusal),
        (None, Ok(layout)) => Ok(layout),
        (None, Err(missing)) => Err(Refusal::Fields(missing)),
    }
}

impl Discovered {
    fn field(&self, field: &Field, members: &Members<'_>) -> Result<Option<usize>, Refusal> {
        match field.source {
            Source::Vmstate(at) => members
                .get(at.section, at.field, at.size, at.count)
                .map(Some),
            Source::Discovered => Ok(self
                .fields
                .iter()
                .find(|(name, _)| *name == field.name)
                .map(|(_, offset)| *offset)),
        }
    }

    fn find(image: &Image, services: &Services, members: &Members<'_>) -> Result<Self, Refusal> {
        let mut found = Self { fields: Vec::new() };
        let features = features::find()?;
        found.common(features.object_bytes, image, services, members)?;
        found.loongarch(&features, members)?;
        Ok(found)
    }

    /// Fields of CPUState.
    fn common(
        &mut self,
        bytes: usize,
        image: &Image,
        services: &Services,
        members: &Members<'_>,
    ) -> Result<(), Refusal> {
        let halted = members.get("cpu_common", "halted", 4, 1)?;
        let interrupt_request = members.get("cpu_common", "interrupt_request", 4, 1)?;
        let exception_index = members.get("cpu_common/exception_index", "exception_index", 4, 1)?;
        let crash_occurred = members.get("cpu_common/crash_occurred", "crash_occurred", 1, 1)?;

        let expected = halted.wrapping_sub(12);
        let cpu_index = probes::cpu_index(bytes, address("kvm_arch_vcpu_id")?, expected)?;
        agree("cpu_index", cpu_index, expected)?;
        self.add("cpu_index", cpu_index);

        let created = probes::created(bytes, services)?;
        let thread = probes::thread(bytes, services, created.wrapping_sub(25))?;
        agree("thread", thread, created.wrapping_sub(25))?;
        self.add("thread", thread);
        self.add("thread_id", thread + 8);

        // created, stop, stopped, start_powered_off, unplug, crash_occurred,
        // exit_request are neighbours, a byte each.
        agree("unplug", created + 4, crash_occurred.wrapping_sub(1))?;
        self.add("unplug", created + 4);
        let exit_request = crash_occurred + 1;
        if !code::accesses(image, address("cpu_exit")?, exit_request, LOOK) {
            return Err(Refusal::Probe("exit_request"));
        }
        self.add("exit_request", exit_request);

        let singlestep_flags = interrupt_request + 4;
        if !code::accesses(image, address("cpu_single_step")?, singlestep_flags, LOOK) {
            return Err(Refusal::Probe("singlestep_flags"));
        }
        self.add("singlestep_flags", singlestep_flags);
        self.add("random_seed", interrupt_request + 24);

        // kvm_fd, kvm_state, kvm_run are neighbours, 8 bytes each.
        let kvm_fd = probes::kvm_fd(bytes, services, halted.wrapping_sub(76))?;
        self.add("kvm_fd", kvm_fd);
        self.add("kvm_run", kvm_fd + 16);

        let synchronize = address("kvm_cpu_synchronize_pre_loadvm")?;
        let vcpu_dirty = probes::vcpu_dirty(bytes, services, synchronize, thread)?;
        agree("vcpu_dirty", vcpu_dirty, exception_index + 4)?;
        self.add("vcpu_dirty", vcpu_dirty);
        Ok(())
    }

    /// Fields of LoongArchCPU.
    fn loongarch(&mut self, features: &Features, members: &Members<'_>) -> Result<(), Refusal> {
        let needed = |section: &'static str, bits, guess| {
            let address = members
                .needed
                .get(section)
                .ok_or(Refusal::VmStateTable(section))?;
            probes::needed_word(features.object_bytes, *address, bits, guess, section)
        };
        let ftop = members.get("cpu/lbt", "ftop", 4, 1)?;
        let cpucfg = ftop + 4;
        for (section, bits, expected) in [
            ("cpu/fpu", CPUCFG2_FP, cpucfg + 8),
            ("cpu/lasx", CPUCFG2_LASX, cpucfg + 8),
            ("cpu/msgint", CPUCFG1_MSG_INT, cpucfg + 4),
        ] {
            agree("cpucfg", needed(section, bits, expected)?, expected)?;
        }
        self.add("cpucfg", cpucfg);

        // CPUID is not migrated: a hole between its neighbours.
        let rvacfg = members.get("cpu", "CSR_RVACFG", 8, 1)?;
        let prcfg1 = members.get("cpu", "CSR_PRCFG1", 8, 1)?;
        agree("CSR_CPUID", rvacfg + 8, prcfg1.wrapping_sub(8))?;
        self.add("CSR_CPUID", rvacfg + 8);

        let pmu = needed("cpu/pmu", ON, features.ptw.wrapping_sub(4))?;
        agree("ptw", features.ptw, pmu + 4)?;
        self.add("pmu", pmu);
        self.add("ptw", features.ptw);
        self.add("lsx", features.lsx);
        self.add("lasx", features.lasx);
        self.add("msgint", features.msgint);
        Ok(())
    }

    fn add(&mut self, name: &'static str, offset: usize) {
        self.fields.push((name, offset));
    }
}

fn agree(field: &'static str, found: usize, expected: usize) -> Result<(), Refusal> {
    if found == expected {
        Ok(())
    } else {
        Err(Refusal::Disagreement {
            field,
            found,
            expected,
        })
    }
}
