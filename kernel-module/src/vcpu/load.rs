// SPDX-License-Identifier: GPL-2.0

//! A vCPU comes to a CPU and leaves it: the scheduler's notifiers.

use kernel::prelude::*;
use kvm_core::csr::CsrFile;
use la_arch::csr::Llbctl;
use pin_init::Init;

use crate::cpu::csr::{self, num, Messages};
use crate::cpu::host::{host, Here};
use crate::kvm::context::{with_irqs_off, IrqOff};
use crate::kvm::user::run_delay;
use crate::kvm::zeroed::zeroed;
use crate::vcpu::fpu;
use crate::vcpu::kept;
use crate::vcpu::notified::{Arriving, Notified};
use crate::vcpu::shared::request;
use crate::vcpu::steal;
use crate::vcpu::timer;

/// The values of a vCPU's CSRs, and where they hold.
pub(crate) struct Csrs {
    /// The home of those that the CPU does not keep for a guest, and of the others
    /// while the vCPU is off a CPU.
    pub(crate) file: CsrFile,
    /// `file` holds what the guest CSRs hold: nothing to save.
    pub(crate) saved: bool,
    /// The guest CSRs of the vCPU's last CPU hold what `file` holds: nothing to load.
    pub(crate) loaded: bool,
    /// The VM's time offset when the guest CSRs were loaded.
    offset: i64,
}

impl Csrs {
    /// Those of new vCPU number `id`.
    pub(crate) fn new(id: u32) -> impl Init<Self> {
        init!(Self {
            // SAFETY: All zero bytes are a valid file, as its type says.
            file <- unsafe { zeroed::<CsrFile>() }.chain(move |file| {
                file.initialise(id);
                Ok(())
            }),
            saved: false,
            loaded: false,
            offset: 0,
        })
    }
}

/// kvm_arch_vcpu_load: by vcpu_load and when the thread is scheduled in, to `cpu`.
pub(crate) fn scheduled_in(vcpu: Arriving<'_>, cpu: i32) {
    let vcpu = vcpu.leave_others(cpu);
    with_irqs_off(|irq_off| {
        let vcpu = &mut vcpu.here(irq_off);
        if vcpu.steal.time.is_due(run_delay) {
            vcpu.shared.generic.make_request(request::STEAL_UPDATE);
        }
        let kept = kept::take_back(vcpu, cpu, irq_off);
        // Another vCPU may have set the VM's counter since.
        let offset = vcpu.shared.vm().time_offset();
        if !kept || vcpu.csrs.offset != offset {
            load(vcpu, cpu, kept, offset, irq_off);
        }
    });
}

/// kvm_arch_vcpu_put: by vcpu_put and when the thread is scheduled out.
pub(crate) fn scheduled_out(mut vcpu: Notified<'_>) {
    if vcpu.shared.generic.is_preempted() {
        steal::preempted(&mut vcpu);
    }
    with_irqs_off(|irq_off| put(&mut vcpu, irq_off));
}

/// Puts the vCPU's state into the guest registers of this CPU, as far as
/// they do not hold it already. `kept` says that they hold all of it, as it was before the
/// VM's time offset became `offset`.
#[inline(never)]
fn load(vcpu: &mut Notified<'_>, cpu: i32, kept: bool, offset: i64, irq_off: IrqOff<'_>) {
    let here = Here::new(cpu, irq_off.pinned());
    let percpu = here.percpu(irq_off);
    if kept {
        save(vcpu, irq_off);
    } else {
        kept::save(percpu, irq_off);
    }
    let moved = vcpu.here.cpu() != cpu;
    if percpu.take_for(vcpu.shared) || moved {
        vcpu.csrs.loaded = false;
        vcpu.host_eentry = csr::read::<{ num::EENTRY }>();
    }
    vcpu.here = here;
    // Also for a thread that polls in kvm_vcpu_halt and has been moved.
    vcpu.shared.generic.set_cpu(cpu);
    timer::load(vcpu, irq_off);
    if vcpu.csrs.loaded && vcpu.csrs.offset == offset {
        return;
    }
    vcpu.csrs.offset = offset;
    csr::write::<{ num::GCNTC }>(offset as u64);
    let file = &vcpu.csrs.file;
    let messages = match (vcpu.cpucfg.msgint(), host().processor.msgint) {
        (true, _) => Messages::Guest,
        (false, true) => Messages::Empty,
        (false, false) => Messages::Absent,
    };
    csr::load_guest(file, messages);
    csr::write::<{ num::GINTC }>(file.get(num::GINTC));
    csr::write::<{ num::GSTAT }>(file.get(num::GSTAT));
    // An SC must not succeed on the LL of another vCPU.
    let wcllb = Llbctl(0).with_wcllb(true).0;
    csr::guest_exchange::<{ num::LLBCTL }>(wcllb, wcllb);
    vcpu.csrs.loaded = true;
}

/// The vCPU's thread leaves this CPU, or KVM_RUN: then the CPU keeps what it can.
#[inline]
fn put(vcpu: &mut Notified<'_>, irq_off: IrqOff<'_>) {
    let shared = vcpu.shared;
    if vcpu.units.loaded() {
        fpu::lose(shared, vcpu, irq_off.pinned());
    }
    if shared.generic.is_scheduled_out() {
        save(vcpu, irq_off);
    } else {
        kept::keep(vcpu, irq_off);
    }
}

/// Takes the vCPU's state out of the guest registers of this CPU.
#[inline(never)]
pub(crate) fn save(vcpu: &mut Notified<'_>, irq_off: IrqOff<'_>) {
    if !vcpu.csrs.saved {
        let msgint = vcpu.cpucfg.msgint();
        csr::save_guest(&mut vcpu.csrs.file, msgint);
        vcpu.csrs
            .file
            .set(num::GSTAT, csr::read::<{ num::GSTAT }>());
        vcpu.csrs.saved = true;
    }
    timer::save(vcpu, irq_off);
    vcpu.csrs
        .file
        .set(num::GINTC, csr::read::<{ num::GINTC }>());
}
