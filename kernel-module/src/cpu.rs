// SPDX-License-Identifier: GPL-2.0

//! The host's processors: what they can do, and the extension switched on and
//! off on each (docs/lvz.md 1.2, 1.3).

use core::cell::Cell;
use core::sync::atomic::{AtomicPtr, Ordering};

use kernel::prelude::*;
use kvm_core::cpucfg;
use kvm_core::mmu::Geometry;
use kvm_core::timer::Frequency;
use kvm_core::vpid::{GidMask, VpidCache};
use la_arch::lvz::{Gcfg, Gstat, Gtlbc};

use crate::bindings as b;
use crate::bindings::constant as c;
use crate::context::Pinned;
use crate::csr::{self, num};
use crate::switch::SwitchPage;
use crate::vcpu::Vcpu;

/// What the module knows of the host, fixed while it is loaded.
pub(crate) struct Host {
    /// The world switch's page.
    pub(crate) switch: SwitchPage,
    /// Which bits of a vpid are the GID.
    pub(crate) gid_mask: GidMask,
    /// The processor as far as a vCPU's CPUCFG depends on it.
    pub(crate) processor: cpucfg::Host,
    /// Pages and tables.
    pub(crate) geometry: Geometry,
    /// Kernel code must not run in guest state, not even for a moment.
    pub(crate) guest_state_matters: bool,
    /// Of the stable counter and the timers.
    pub(crate) frequency: Frequency,
    /// Per-CPU [`PerCpu`].
    percpu: *mut kernel::ffi::c_void,
}

// SAFETY: Immutable after `detect`, but for the per-CPU areas, whose rules are
// those of `PerCpu`.
unsafe impl Sync for Host {}
// SAFETY: As for `Sync`.
unsafe impl Send for Host {}

/// State of one physical CPU. Only that CPU touches it, with preemption off,
/// except for `forget` while a vCPU is destroyed.
pub(crate) struct PerCpu {
    /// Gives out GIDs.
    pub(crate) vpids: Cell<VpidCache>,
    /// The vCPU whose state is in the guest CSRs.
    pub(crate) last_vcpu: AtomicPtr<Vcpu>,
    /// The host's performance counters while a guest has them.
    pub(crate) perf_control: [Cell<u64>; 4],
    /// As above, the counts.
    pub(crate) perf_count: [Cell<u64>; 4],
}

static HOST: AtomicPtr<Host> = AtomicPtr::new(core::ptr::null_mut());

/// The host. Set before any hook runs and until after the last one.
#[inline]
pub(crate) fn host() -> &'static Host {
    // SAFETY: `Host::detect` set it before `kvm_init`, without which no caller
    // of this function runs, and `release` comes after `kvm_exit`.
    unsafe { &*HOST.load(Ordering::Relaxed) }
}

impl Host {
    /// Looks the processor over and sets up what all VMs share.
    ///
    /// ENODEV without the virtualization extension or with no usable GID;
    /// ENOMEM.
    pub(crate) fn detect() -> Result {
        // SAFETY: Reads the boot CPU's data.
        let options = unsafe { b::kvm_la_cpu_options() };
        if options & c::CPU_LVZ == 0 {
            return Err(ENODEV);
        }
        let bits = Gstat(csr::read::<{ num::GSTAT }>()).gidbit();
        let Some(gid_mask) = GidMask::new(bits) else {
            pr_err!("no GID bits: cannot tell guests from the host\n");
            return Err(ENODEV);
        };
        // SAFETY: Computes from CPUCFG.
        let hz = unsafe { b::kvm_la_const_freq() };
        let Some(frequency) = Frequency::new(hz) else {
            pr_err!("no constant timer frequency ({} Hz)\n", hz);
            return Err(ENODEV);
        };
        let geometry = geometry().ok_or(ENODEV)?;
        let switch = SwitchPage::new()?;
        // SAFETY: No precondition.
        let percpu = unsafe {
            b::kvm_la_alloc_percpu(
                core::mem::size_of::<PerCpu>() as _,
                core::mem::align_of::<PerCpu>() as _,
            )
        };
        if percpu.is_null() {
            return Err(ENOMEM);
        }
        let boxed = KBox::new(
            Host {
                switch,
                gid_mask,
                processor: processor(options),
                geometry,
                // SAFETY: Reads a setting that is fixed at boot.
                guest_state_matters: unsafe { b::kvm_la_guest_state_matters() },
                frequency,
                percpu,
            },
            GFP_KERNEL,
        );
        let host = match boxed {
            Ok(host) => host,
            Err(error) => {
                // SAFETY: Allocated above.
                unsafe { b::kvm_la_free_percpu(percpu) };
                return Err(error.into());
            }
        };
        host.for_each_cpu(|cpu| cpu.vpids.set(VpidCache::new(gid_mask)));
        HOST.store(KBox::into_raw(host), Ordering::Release);
        Ok(())
    }

    /// State of CPU `cpu`, which must be a possible one.
    fn percpu(&self, cpu: u32) -> &PerCpu {
        // SAFETY: The area holds one zeroed `PerCpu` for each possible CPU; it
        // lives as long as the host.
        unsafe { &*b::kvm_la_percpu_ptr(self.percpu, cpu).cast::<PerCpu>() }
    }

    /// State of this CPU.
    #[inline]
    pub(crate) fn this_cpu(&self, _: Pinned<'_>) -> &PerCpu {
        // SAFETY: Reads the CPU's number.
        self.percpu(unsafe { b::kvm_la_cpu() })
    }

    fn for_each_cpu(&self, mut visit: impl FnMut(&PerCpu)) {
        // SAFETY: Both read cpumasks.
        unsafe {
            let limit = b::kvm_la_cpu_limit();
            let mut cpu = b::kvm_la_next_possible_cpu(-1);
            while cpu < limit {
                visit(self.percpu(cpu));
                cpu = b::kvm_la_next_possible_cpu(cpu as i32);
            }
        }
    }

    /// Makes sure that no CPU takes a later vCPU at the same address for
    /// `vcpu`, which is being destroyed.
    pub(crate) fn forget(&self, vcpu: *const Vcpu) {
        self.for_each_cpu(|cpu| {
            let _ = cpu.last_vcpu.compare_exchange(
                vcpu.cast_mut(),
                core::ptr::null_mut(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        });
    }
}

/// The kernel's page-table layout. An empty directory entry holds the address
/// of the table of invalid entries below.
fn geometry() -> Option<Geometry> {
    let mut empty = [0u64; Geometry::MAX_LEVELS];
    empty[1] = &raw const b::invalid_pte_table as u64;
    if c::PGTABLE_LEVELS > 2 {
        empty[2] = invalid_pmd_table();
    }
    if c::PGTABLE_LEVELS > 3 {
        empty[3] = invalid_pud_table();
    }
    Geometry::new(c::PAGE_SHIFT as u8, c::PGTABLE_LEVELS as u8, empty)
}

#[cfg(not(CONFIG_PGTABLE_2LEVEL))]
fn invalid_pmd_table() -> u64 {
    &raw const b::invalid_pmd_table as u64
}

#[cfg(CONFIG_PGTABLE_2LEVEL)]
fn invalid_pmd_table() -> u64 {
    0
}

#[cfg(CONFIG_PGTABLE_4LEVEL)]
fn invalid_pud_table() -> u64 {
    &raw const b::invalid_pud_table as u64
}

#[cfg(not(CONFIG_PGTABLE_4LEVEL))]
fn invalid_pud_table() -> u64 {
    0
}

fn processor(options: u64) -> cpucfg::Host {
    let mut words = [0; la_arch::kvm::CPUCFG_WORDS];
    for (index, word) in words.iter_mut().enumerate() {
        *word = csr::cpucfg(index as u32);
    }
    let has = |option: u64| options & option != 0;
    cpucfg::Host {
        words,
        lsx: has(c::CPU_LSX),
        lasx: has(c::CPU_LASX),
        lbt_x86: has(c::CPU_LBT_X86),
        lbt_arm: has(c::CPU_LBT_ARM),
        lbt_mips: has(c::CPU_LBT_MIPS),
        ptw: has(c::CPU_PTW),
        msgint: has(c::CPU_MSGINT),
        pmp: has(c::CPU_PMP),
    }
}

/// Frees what [`Host::detect`] set up.
pub(crate) fn release() {
    let host = HOST.swap(core::ptr::null_mut(), Ordering::AcqRel);
    if host.is_null() {
        return;
    }
    // SAFETY: Came from `KBox::into_raw`; no hook runs any more.
    let host = unsafe { KBox::from_raw(host) };
    // SAFETY: Allocated in `detect`.
    unsafe { b::kvm_la_free_percpu(host.percpu) };
}

/// Zeroes the LVZ controls of this CPU; capability fields are read-only.
fn quiesce() {
    csr::write::<{ num::GCFG }>(0);
    csr::write::<{ num::GSTAT }>(0);
    csr::write::<{ num::GINTC }>(0);
    let off = Gtlbc(0).with_usetgid(true).with_toti(true).0;
    csr::exchange::<{ num::GTLBC }>(0, off);
}

/// Switches the extension on, on this CPU: at load, when a CPU comes online
/// and after suspend, when all guest CSRs are lost.
#[no_mangle]
pub(crate) extern "C" fn kvm_arch_enable_virtualization_cpu() -> i32 {
    let allowed = Gcfg(csr::read::<{ num::GCFG }>());
    quiesce();
    let mut gcfg = Gcfg(0);
    // No trap beyond the unconditional ones: cache operations that could touch
    // others' data (2: all but Hit and Index-Invalidate-Writeback), and memory
    // types decided by stage 2.
    if allowed.tocip() & 1 << 2 != 0 {
        gcfg = gcfg.with_toci(2);
    }
    if allowed.matp() & 1 << 1 != 0 {
        gcfg = gcfg.with_matc(1);
    }
    csr::write::<{ num::GCFG }>(gcfg.0);
    csr::flush_all_guests();
    let usetgid = Gtlbc(0).with_usetgid(true).0;
    csr::exchange::<{ num::GTLBC }>(usetgid, usetgid);
    // SAFETY: C calls this on the CPU's hotplug thread or with interrupts off.
    let pinned = unsafe { Pinned::assume() };
    host()
        .this_cpu(pinned)
        .last_vcpu
        .store(core::ptr::null_mut(), Ordering::Relaxed);
    0
}

/// Switches the extension off, on this CPU.
#[no_mangle]
pub(crate) extern "C" fn kvm_arch_disable_virtualization_cpu() {
    quiesce();
    csr::flush_all_guests();
}
