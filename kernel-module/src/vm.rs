// SPDX-License-Identifier: GPL-2.0

//! A VM: its state, creation and end, and the capabilities.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicI64, AtomicPtr, AtomicU64, Ordering};

use kernel::prelude::*;
use kvm_core::cpucfg::{vm_features, CpucfgError, PvFeatures};
use kvm_core::csr::{CpuidChange, PhysIdOwner};
use la_arch::lvz::Gcfg;

use crate::bindings as b;
use crate::bindings::constant as c;
use crate::cpu::host;
use crate::csr::{self, num};
use crate::hooks::GUEST_DEBUG;
use crate::irqchip::Chips;
use crate::vcpu::Vcpu;

/// Guest CPU numbers (CSR.CPUID) that a vCPU can have (Linux KVM_MAX_PHYID).
pub(crate) const MAX_CPUID: usize = 256;

/// vCPUs by a number.
type VcpuTable = KVBox<[AtomicPtr<Vcpu>; MAX_CPUID]>;

/// A VM, behind `kvm.arch.vm`.
pub(crate) struct Vm {
    /// The generic half.
    pub(crate) kvm: *mut b::kvm,
    /// The root of the stage-2 tables, in directly mapped memory. The tables
    /// are protected by `kvm->mmu_lock`.
    pub(crate) root: *mut u64,
    /// First guest physical address beyond the VM.
    pub(crate) gpa_limit: u64,
    /// KVM_LOONGARCH_VM_FEAT_* that the host offers, by number.
    pub(crate) features: u64,
    /// [`PvFeatures::to_word`]; changed under `lock`.
    pv: AtomicU64,
    /// Guest counter minus root counter.
    time_offset: AtomicI64,
    /// vCPU by id, from its completion to its end.
    by_id: VcpuTable,
    /// vCPU by CSR.CPUID; a number is given once, under `lock`.
    by_cpuid: VcpuTable,
    /// The interrupt controllers.
    pub(crate) chips: Chips,
    /// Excludes two changes of `by_cpuid` or of `pv`.
    lock: UnsafeCell<b::spinlock_t>,
}

// SAFETY: Fields are immutable after creation, atomic, or guarded by the locks
// that their descriptions name.
unsafe impl Sync for Vm {}
// SAFETY: As for `Sync`.
unsafe impl Send for Vm {}

impl Vm {
    /// The VM of `kvm`.
    ///
    /// # Safety
    ///
    /// `kvm_arch_init_vm` succeeded for it, and it is not destroyed while the
    /// result is in use.
    #[inline]
    pub(crate) unsafe fn from_c<'a>(kvm: *mut b::kvm) -> &'a Vm {
        // SAFETY: By this function's contract.
        unsafe { &*(*kvm).arch.vm.cast::<Vm>() }
    }

    /// Host physical address of the root table.
    pub(crate) fn table_address(&self) -> u64 {
        // SAFETY: Arithmetic on a directly mapped address.
        unsafe { b::kvm_la_pa(self.root.cast()) as u64 }
    }

    /// Guest counter minus root counter.
    pub(crate) fn time_offset(&self) -> i64 {
        self.time_offset.load(Ordering::Relaxed)
    }

    /// Sets the guest's counter, for vCPUs loaded from now on.
    pub(crate) fn set_time_offset(&self, offset: i64) {
        self.time_offset.store(offset, Ordering::Relaxed);
    }

    /// The paravirtual features of the guest.
    #[inline]
    pub(crate) fn pv(&self) -> PvFeatures {
        PvFeatures::from_word(self.pv.load(Ordering::Relaxed))
    }

    /// Sets them, if they agree with what an other vCPU has set.
    pub(crate) fn set_pv(&self, value: u64) -> core::result::Result<(), CpucfgError> {
        self.locked(|| {
            let new = self.pv().set(value)?;
            self.pv.store(new.to_word(), Ordering::Relaxed);
            Ok(())
        })
    }

    /// Runs `f` with the lock of `by_cpuid` and `pv`.
    pub(crate) fn locked<R>(&self, f: impl FnOnce() -> R) -> R {
        // SAFETY: Initialised in `create`; unlocked below.
        let flags = unsafe { b::kvm_la_spin_lock_irqsave(self.lock.get()) };
        let result = f();
        // SAFETY: Locked above with these flags.
        unsafe { b::kvm_la_spin_unlock_irqrestore(self.lock.get(), flags) };
        result
    }

    /// The vCPU with CSR.CPUID `cpuid`.
    pub(crate) fn vcpu_by_cpuid(&self, cpuid: u64) -> Option<&Vcpu> {
        let vcpu = self.slot(cpuid)?.load(Ordering::Acquire);
        // SAFETY: A vCPU leaves the table before it is freed, and it is freed
        // with the VM only.
        unsafe { vcpu.as_ref() }
    }

    /// The vCPU that user space created as number `id`.
    #[inline]
    pub(crate) fn vcpu_by_id(&self, id: u32) -> Option<&Vcpu> {
        let vcpu = self.by_id.get(id as usize)?.load(Ordering::Acquire);
        // SAFETY: As for `vcpu_by_cpuid`.
        unsafe { vcpu.as_ref() }
    }

    /// `vcpu` is complete: others may find it by its id.
    pub(crate) fn publish(&self, vcpu: &Vcpu) {
        if let Some(slot) = self.by_id.get(vcpu.id as usize) {
            let pointer: *const Vcpu = vcpu;
            slot.store(pointer.cast_mut(), Ordering::Release);
        }
    }

    /// `vcpu` is being destroyed: nobody finds it any more.
    pub(crate) fn withdraw(&self, vcpu: &Vcpu) {
        if let Some(slot) = self.by_id.get(vcpu.id as usize) {
            let pointer: *const Vcpu = vcpu;
            let _ = slot.compare_exchange(
                pointer.cast_mut(),
                core::ptr::null_mut(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
        }
        self.drop_cpuid(vcpu);
    }

    /// Gives `vcpu` the number `cpuid`: EINVAL if that is too large, another's,
    /// or if the vCPU has a different one already.
    pub(crate) fn set_cpuid(&self, vcpu: &Vcpu, cpuid: u64) -> Result {
        let this: *const Vcpu = vcpu;
        self.locked(|| {
            let current = self.cpuid_of(this);
            let change = kvm_core::csr::set_cpuid(current, cpuid, |id| {
                let owner = self.slot(u64::from(id)).map(|s| s.load(Ordering::Relaxed));
                match owner {
                    Some(owner) if core::ptr::eq(owner, this) => PhysIdOwner::This,
                    Some(owner) if !owner.is_null() => PhysIdOwner::Other,
                    _ => PhysIdOwner::Nobody,
                }
            });
            match change {
                Ok(CpuidChange::Unchanged) => Ok(()),
                Ok(CpuidChange::Assign(id)) => {
                    vcpu.csr().set(num::CPUID, u64::from(id));
                    if let Some(slot) = self.slot(u64::from(id)) {
                        slot.store(this.cast_mut(), Ordering::Release);
                    }
                    Ok(())
                }
                Err(error) => Err(Error::from_errno(-error.errno())),
            }
        })
    }

    fn slot(&self, cpuid: u64) -> Option<&AtomicPtr<Vcpu>> {
        self.by_cpuid.get(usize::try_from(cpuid).ok()?)
    }

    fn cpuid_of(&self, vcpu: *const Vcpu) -> Option<u16> {
        let position = self
            .by_cpuid
            .iter()
            .position(|slot| core::ptr::eq(slot.load(Ordering::Relaxed), vcpu))?;
        u16::try_from(position).ok()
    }

    /// Takes `vcpu`'s number back.
    fn drop_cpuid(&self, vcpu: &Vcpu) {
        let this: *const Vcpu = vcpu;
        self.locked(|| {
            for slot in self.by_cpuid.iter() {
                if core::ptr::eq(slot.load(Ordering::Relaxed), this) {
                    slot.store(core::ptr::null_mut(), Ordering::Release);
                }
            }
        });
    }

    /// Whether the host offers KVM_LOONGARCH_VM_FEAT_ number `feature`.
    pub(crate) fn supports(&self, feature: u64) -> bool {
        feature < 64 && self.features & 1 << feature != 0
    }
}

fn empty_table() -> Result<VcpuTable> {
    let table = VcpuTable::new_uninit(GFP_KERNEL_ACCOUNT | __GFP_ZERO)?;
    // SAFETY: All-zero bytes are null pointers.
    Ok(unsafe { table.assume_init() })
}

/// kvm_arch_init_vm.
///
/// # Safety
///
/// C calls it once for a new VM.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_init_vm(kvm: *mut b::kvm, _kind: usize) -> i32 {
    // SAFETY: By this function's contract.
    match unsafe { create(kvm) } {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// As for [`kvm_arch_init_vm`].
unsafe fn create(kvm: *mut b::kvm) -> Result {
    let (by_id, by_cpuid) = (empty_table()?, empty_table()?);
    // SAFETY: Reads a kernel setting.
    let steal_time = unsafe { b::kvm_la_sched_info_on() };
    let counters = Gcfg(csr::read::<{ num::GCFG }>()).gpmp();
    let features = vm_features(&host().processor, counters, steal_time);
    // SAFETY: Reads the boot CPU's data.
    let bits = unsafe { b::kvm_la_cpu_vabits() };
    let vm = KBox::new(
        Vm {
            kvm,
            root: core::ptr::null_mut(),
            gpa_limit: 1u64.checked_shl(bits).unwrap_or(1 << 47),
            features,
            pv: AtomicU64::new(PvFeatures::new(steal_time).to_word()),
            time_offset: AtomicI64::new(0),
            by_id,
            by_cpuid,
            chips: Chips::new(),
            lock: UnsafeCell::new(b::spinlock_t::default()),
        },
        GFP_KERNEL_ACCOUNT,
    )?;
    // SAFETY: The lock is at its final address.
    unsafe { b::kvm_la_spin_lock_init(vm.lock.get()) };
    // SAFETY: No precondition.
    let root = unsafe { b::kvm_la_get_zeroed_pages(0) } as *mut u64;
    if root.is_null() {
        return Err(ENOMEM);
    }
    // SAFETY: One page, as a page directory is.
    unsafe { b::pgd_init(root.cast()) };
    let vm = KBox::into_raw(vm);
    // SAFETY: Nobody else has the pointers yet.
    unsafe {
        (*vm).root = root;
        (*kvm).arch.vm = vm.cast();
    }
    Ok(())
}

/// kvm_arch_destroy_vm.
///
/// # Safety
///
/// C calls it once, when nobody else uses the VM any more.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_destroy_vm(kvm: *mut b::kvm) {
    // SAFETY: By this function's contract.
    unsafe { b::kvm_destroy_vcpus(kvm) };
    // SAFETY: Came from `KBox::into_raw` in `create`.
    let vm = unsafe { KBox::from_raw((*kvm).arch.vm.cast::<Vm>()) };
    // SAFETY: The root table is the VM's own; kvm_arch_flush_shadow_all freed
    // those below it.
    unsafe {
        b::kvm_la_free_pages(vm.root as u64 as _, 0);
        (*kvm).arch.vm = core::ptr::null_mut();
    }
}

/// kvm_vm_ioctl_check_extension: KVM_CHECK_EXTENSION of what is ours; `kvm` is
/// null on /dev/kvm.
#[no_mangle]
pub(crate) extern "C" fn kvm_vm_ioctl_check_extension(_kvm: *mut b::kvm, extension: isize) -> i32 {
    let Ok(extension) = u32::try_from(extension) else {
        return 0;
    };
    match extension {
        b::KVM_CAP_IRQCHIP
        | b::KVM_CAP_ONE_REG
        | b::KVM_CAP_ENABLE_CAP
        | b::KVM_CAP_READONLY_MEM
        | b::KVM_CAP_IMMEDIATE_EXIT
        | b::KVM_CAP_IOEVENTFD
        | b::KVM_CAP_VCPU_ATTRIBUTES
        | b::KVM_CAP_IRQFD_RESAMPLE
        | b::KVM_CAP_SET_GUEST_DEBUG => 1,
        // A bit for each KVM_MP_STATE_*; upstream, which has RUNNABLE (0)
        // alone, answers 1.
        b::KVM_CAP_MP_STATE => 1 << b::KVM_MP_STATE_RUNNABLE | 1 << b::KVM_MP_STATE_STOPPED,
        b::KVM_CAP_SET_GUEST_DEBUG2 => GUEST_DEBUG as i32,
        b::KVM_CAP_SYNC_REGS => la_arch::sync_regs::ALL as i32,
        // SAFETY: Reads a kernel setting.
        b::KVM_CAP_STEAL_TIME => i32::from(unsafe { b::kvm_la_sched_info_on() }),
        // SAFETY: Reads a cpumask.
        b::KVM_CAP_NR_VCPUS => unsafe { b::kvm_la_online_cpus() }.min(b::KVM_MAX_VCPUS) as i32,
        b::KVM_CAP_MAX_VCPUS => b::KVM_MAX_VCPUS as i32,
        b::KVM_CAP_MAX_VCPU_ID => c::KVM_MAX_VCPU_IDS as i32,
        b::KVM_CAP_NR_MEMSLOTS => c::KVM_USER_MEM_SLOTS as i32,
        _ => 0,
    }
}
