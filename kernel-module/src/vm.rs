// SPDX-License-Identifier: GPL-2.0

//! A VM: its state, creation and end, and the capabilities.

pub(crate) mod vcpu_table;

use kernel::new_spinlock;
use kernel::prelude::*;
use kernel::sync::atomic::Atomic;
use kernel::sync::SpinLock;
use kernel::types::ForeignOwnable;
use kvm_core::cpucfg::{vm_features, CpucfgError, PvFeatures};
use kvm_core::csr::{set_cpuid, CpuidChange, PhysIdOwner};
use la_arch::lvz::Gcfg;

use crate::cpu::csr::{self, num};
use crate::cpu::host::{self, host};
use crate::irqchip::Chips;
use crate::kvm::atomic::Word;
use crate::kvm::bindings as b;
use crate::kvm::error::OrErrno;
use crate::kvm::from_c::{from_c, Unmade};
use crate::kvm::generic_vm::KvmVm;
use crate::kvm::pages::ZeroedPage;
use crate::kvm::user::has_run_delay;
use crate::vcpu::shared::Shared;
use crate::vm::vcpu_table::VcpuTable;

/// A VM, behind `kvm.arch.vm`. Fields do not change after creation, are atomic, or have
/// the lock that their descriptions name.
#[pin_data]
pub(crate) struct Vm {
    /// The generic half.
    pub(crate) kvm: KvmVm,
    /// The root of the stage-2 tables. The tables are protected by `kvm->mmu_lock`.
    pub(crate) root: ZeroedPage,
    /// First guest physical address beyond the VM.
    pub(crate) gpa_limit: u64,
    /// KVM_LOONGARCH_VM_FEAT_* that the host offers, by number.
    features: u64,
    /// [`PvFeatures::to_word`]; changed under `lock`.
    pv: Atomic<u64>,
    /// Guest counter minus root counter.
    time_offset: Atomic<i64>,
    /// vCPU by id, from its completion to its end.
    by_id: VcpuTable,
    /// vCPU by CSR.CPUID; a number is given once, under `lock`.
    by_cpuid: VcpuTable,
    /// The interrupt controllers.
    pub(crate) chips: Chips,
    /// Excludes two changes of `by_cpuid` or of `pv`, which are read without.
    #[pin]
    lock: SpinLock<()>,
}

impl Vm {
    /// Host physical address of the root table.
    pub(crate) fn table_address(&self) -> u64 {
        self.root.physical()
    }

    /// Guest counter minus root counter.
    #[inline]
    pub(crate) fn time_offset(&self) -> i64 {
        self.time_offset.read_once()
    }

    /// Sets the guest's counter, for vCPUs loaded from now on.
    pub(crate) fn set_time_offset(&self, offset: i64) {
        self.time_offset.write_once(offset);
    }

    /// The paravirtual features of the guest.
    #[inline]
    pub(crate) fn pv(&self) -> PvFeatures {
        PvFeatures::from_word(self.pv.read_once())
    }

    /// Sets them, if they agree with what an other vCPU has set.
    pub(crate) fn set_pv(&self, value: u64) -> core::result::Result<(), CpucfgError> {
        let _guard = self.lock.lock();
        let new = self.pv().set(value)?;
        self.pv.write_once(new.to_word());
        Ok(())
    }

    /// The vCPU with CSR.CPUID `cpuid`.
    #[inline]
    pub(crate) fn vcpu_by_cpuid(&self, cpuid: u64) -> Option<&Shared> {
        self.by_cpuid.get(usize::try_from(cpuid).ok()?)
    }

    /// The vCPU that user space created as number `id`.
    #[inline]
    pub(crate) fn vcpu_by_id(&self, id: u32) -> Option<&Shared> {
        self.by_id.get(id as usize)
    }

    /// `vcpu` is complete: others may find it by its id.
    pub(crate) fn publish(&self, vcpu: &Shared) {
        // SAFETY: `withdraw` comes before the vCPU is freed (vcpu/life.rs).
        unsafe { self.by_id.put(vcpu.id as usize, vcpu) };
    }

    /// `vcpu` is being destroyed: nothing finds it any more.
    pub(crate) fn withdraw(&self, vcpu: &Shared) {
        self.by_id.remove(vcpu.id as usize, vcpu);
        let _guard = self.lock.lock();
        if let Some(cpuid) = vcpu.cpuid() {
            self.by_cpuid.remove(cpuid.into(), vcpu);
        }
    }

    /// Gives `vcpu` the number `cpuid`: EINVAL if that is too large, another's,
    /// or if the vCPU has a different one already. The number, if it is new.
    pub(crate) fn set_cpuid(&self, vcpu: &Shared, cpuid: u64) -> Result<Option<u16>> {
        let _guard = self.lock.lock();
        let table = &self.by_cpuid;
        let change = set_cpuid(vcpu.cpuid(), cpuid, |id| {
            let id = usize::from(id);
            match table.get(id) {
                Some(_) if table.is(id, vcpu) => PhysIdOwner::This,
                Some(_) => PhysIdOwner::Other,
                None => PhysIdOwner::Nobody,
            }
        });
        Ok(match change.or_errno()? {
            CpuidChange::Unchanged => None,
            CpuidChange::Assign(id) => {
                // SAFETY: As in `publish`.
                unsafe { table.put(usize::from(id), vcpu) };
                vcpu.set_cpuid(id);
                Some(id)
            }
        })
    }

    /// Whether the host offers KVM_LOONGARCH_VM_FEAT_ number `feature`.
    pub(crate) fn supports(&self, feature: u64) -> bool {
        feature < 64 && self.features & 1 << feature != 0
    }
}

from_c! {
    /// A VM that lives: `kvm_arch_init_vm` succeeded for it, and it is not destroyed
    /// meanwhile.
    ['a] &'a Vm: *mut b::kvm = |kvm| &*(*kvm).arch.vm.cast::<Vm>();
}

/// kvm_arch_init_vm.
pub(crate) fn create(mut new: Unmade<'_, b::kvm>, _kind: usize) -> Result {
    let steal_time = has_run_delay();
    let counters = Gcfg(csr::read::<{ num::GCFG }>()).gpmp();
    let root = ZeroedPage::new()?;
    // SAFETY: One page, as a page directory is.
    unsafe { b::pgd_init(root.as_ptr().cast()) };
    // SAFETY: C frees it after the `Vm`.
    let kvm = unsafe { KvmVm::new(new.get()) };
    let vm = KBox::try_pin_init(
        try_pin_init!(Vm {
            kvm,
            root,
            gpa_limit: 1u64.checked_shl(host::address_bits()).unwrap_or(1 << 47),
            features: vm_features(&host().processor, counters, steal_time),
            pv: Atomic::new(PvFeatures::new(steal_time).to_word()),
            time_offset: Atomic::new(0),
            by_id: VcpuTable::new()?,
            by_cpuid: VcpuTable::new()?,
            chips: Chips::new(),
            lock <- new_spinlock!((), "kvm_la_vm"),
        }? Error),
        GFP_KERNEL_ACCOUNT,
    )?;
    // C keeps the pointer and hands it back to `destroy`.
    new.0.arch.vm = vm.into_foreign();
    Ok(())
}

/// kvm_arch_destroy_vm: nothing else uses the VM any more. The tables below the root
/// are gone (kvm_arch_flush_shadow_all).
pub(crate) fn destroy(vm: Pin<KBox<Vm>>) {
    // SAFETY: The generic half is alive, and nothing uses its vCPUs any more.
    unsafe { b::kvm_destroy_vcpus(vm.kvm.as_ptr()) };
}
