// SPDX-License-Identifier: GPL-2.0

//! The host's processors: what they can do, and the extension switched on and
//! off on each (docs/lvz.md 1.2, 1.3).

use core::cell::Cell;
use core::ptr::{from_ref, null_mut, NonNull};

use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Full, Relaxed, Release};
use kvm_core::cpucfg;
use kvm_core::csr::COUNTERS;
use kvm_core::mmu::Geometry;
use kvm_core::timer::Frequency;
use kvm_core::vpid::{GidMask, VpidCache};
use la_arch::lvz::{Gcfg, Gstat, Gtlbc};

use crate::cpu::csr::{self, num};
use crate::cpu::switch::SwitchPage;
use crate::kvm::any_thread::AnyThread;
use crate::kvm::atomic::Word;
use crate::kvm::bindings as b;
use crate::kvm::bindings::constant as c;
use crate::kvm::calls::calls;
use crate::kvm::context::{with_irqs_off, IrqOff, Pinned};
use crate::vcpu::kept;
use crate::vcpu::shared::Shared;

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
    percpu: PerCpuArea,
}

/// State of one physical CPU. Only that CPU touches it, with preemption off,
/// except for `forget` while a vCPU is destroyed.
pub(crate) struct PerCpu {
    /// Gives out GIDs.
    pub(crate) vpids: Cell<VpidCache>,
    /// The vCPU whose state is in the guest CSRs; only its address.
    last_vcpu: Atomic<*mut Shared>,
    /// The vCPU whose registers stay here while its thread is in user space.
    pub(crate) kept: kept::Note,
    /// The host's performance counters while a guest has them.
    pub(crate) perf_control: [Cell<u64>; COUNTERS as usize],
    /// As above, the counts.
    pub(crate) perf_count: [Cell<u64>; COUNTERS as usize],
}

impl PerCpu {
    /// The guest CSRs are `vcpu`'s from now on: whether they were not.
    pub(crate) fn take_for(&self, vcpu: &Shared) -> bool {
        let this = from_ref(vcpu).cast_mut();
        let changed = !core::ptr::eq(self.last_vcpu.read_once(), this);
        if changed {
            self.last_vcpu.write_once(this);
        }
        changed
    }
}

/// Where a vCPU is loaded, or was last.
pub(crate) struct Here {
    cpu: i32,
    /// Of any CPU before the first time.
    percpu: &'static PerCpu,
}

impl Here {
    /// Of a vCPU that has never been loaded.
    pub(crate) fn nowhere() -> Self {
        Self {
            cpu: -1,
            percpu: host().percpu.of(next_possible(-1)),
        }
    }

    /// This CPU, whose number is `cpu`.
    #[inline]
    pub(crate) fn new(cpu: i32, pinned: Pinned<'_>) -> Self {
        Self {
            cpu,
            percpu: host().percpu.of(number(pinned)),
        }
    }

    /// The CPU's number; -1 before the first time.
    #[inline]
    pub(crate) fn cpu(&self) -> i32 {
        self.cpu
    }

    /// The CPU's state. The vCPU is loaded here, or this CPU keeps its registers.
    #[inline]
    pub(crate) fn percpu(&self, _: IrqOff<'_>) -> &PerCpu {
        self.percpu
    }
}

/// One zeroed [`PerCpu`] for each possible CPU.
struct PerCpuArea(AnyThread<kernel::ffi::c_void>);

impl PerCpuArea {
    fn new() -> Result<Self> {
        let (size, align) = (size_of::<PerCpu>(), align_of::<PerCpu>());
        // SAFETY: No precondition.
        let area = unsafe { b::kvm_la_alloc_percpu(size, align) };
        Ok(Self(AnyThread::new(NonNull::new(area).ok_or(ENOMEM)?)))
    }

    /// The data of CPU `cpu`, which must be a possible one.
    #[inline]
    fn of(&self, cpu: u32) -> &PerCpu {
        // SAFETY: Only numbers of possible CPUs are given; zero bytes are a `PerCpu`.
        unsafe { &*b::kvm_la_percpu_ptr(self.0.as_ptr(), cpu).cast::<PerCpu>() }
    }
}

impl Drop for PerCpuArea {
    fn drop(&mut self) {
        // SAFETY: Allocated in `new`.
        unsafe { b::kvm_la_free_percpu(self.0.as_ptr()) };
    }
}

static HOST: Atomic<*mut Host> = Atomic::new(null_mut());

/// The host. Set before any hook runs and until after the last one.
#[inline]
pub(crate) fn host() -> &'static Host {
    // SAFETY: `Host::detect` set it before `kvm_init`, without which no caller
    // of this function runs, and `release` comes after `kvm_exit`.
    unsafe { &*HOST.read_once() }
}

impl Host {
    /// Looks the processor over and sets up what all VMs share.
    ///
    /// ENODEV without the virtualization extension or with no usable GID;
    /// ENOMEM.
    pub(crate) fn detect() -> Result {
        let options = options();
        if options & c::CPU_LVZ == 0 {
            return Err(ENODEV);
        }
        let bits = Gstat(csr::read::<{ num::GSTAT }>()).gidbit();
        let Some(gid_mask) = GidMask::new(bits) else {
            pr_err!("no GID bits: cannot tell guests from the host\n");
            return Err(ENODEV);
        };
        let hz = constant_frequency();
        let Some(frequency) = Frequency::new(hz) else {
            pr_err!("no constant timer frequency ({} Hz)\n", hz);
            return Err(ENODEV);
        };
        let geometry = geometry().ok_or(ENODEV)?;
        let switch = SwitchPage::new()?;
        let host = KBox::new(
            Host {
                switch,
                gid_mask,
                processor: processor(options),
                geometry,
                guest_state_matters: guest_state_matters(),
                frequency,
                percpu: PerCpuArea::new()?,
            },
            GFP_KERNEL,
        )?;
        host.for_each_cpu(|cpu| cpu.vpids.set(VpidCache::new(gid_mask)));
        HOST.store(KBox::into_raw(host), Release);
        Ok(())
    }

    /// State of this CPU.
    #[inline]
    pub(crate) fn this_cpu<'c>(&'c self, pinned: Pinned<'c>) -> &'c PerCpu {
        self.percpu.of(number(pinned))
    }

    fn for_each_cpu(&self, mut visit: impl FnMut(&PerCpu)) {
        let mut cpu = next_possible(-1);
        while cpu < limit() {
            visit(self.percpu.of(cpu));
            cpu = next_possible(cpu as i32);
        }
    }

    /// Makes sure that no CPU takes a later vCPU at the same address for
    /// `vcpu`, which is being destroyed.
    pub(crate) fn forget(&self, vcpu: &Shared) {
        self.for_each_cpu(|cpu| {
            let this = from_ref(vcpu).cast_mut();
            if cpu.last_vcpu.read_once() == this {
                let _ = cpu.last_vcpu.cmpxchg(this, null_mut(), Relaxed);
            }
        });
    }
}

// They read settings, CPU masks, the number of this CPU and the boot CPU's data.
calls! {
    /// How many bits of a virtual address, and of a guest physical one, the CPU has.
    pub(crate) fn address_bits() -> u32 = kvm_la_cpu_vabits;

    /// How many CPUs are online.
    pub(crate) fn online() -> u32 = kvm_la_online_cpus;

    fn options() -> u64 = kvm_la_cpu_options;

    fn constant_frequency() -> u64 = kvm_la_const_freq;

    fn guest_state_matters() -> bool = kvm_la_guest_state_matters;

    fn number(; Pinned<'_>) -> u32 = kvm_la_cpu;

    fn next_possible(cpu: i32) -> u32 = kvm_la_next_possible_cpu;

    fn limit() -> u32 = kvm_la_cpu_limit;
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
///
/// # Safety
///
/// No hook runs any more, and nothing has what [`host`] gave.
pub(crate) unsafe fn release() {
    let host = HOST.xchg(null_mut(), Full);
    if host.is_null() {
        return;
    }
    // SAFETY: Came from `KBox::into_raw`; the rest is this function's contract.
    drop(unsafe { KBox::from_raw(host) });
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
pub(crate) fn enable(pinned: Pinned<'_>) -> i32 {
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
    host().this_cpu(pinned).last_vcpu.write_once(null_mut());
    0
}

/// Switches the extension off, on this CPU.
pub(crate) fn disable() {
    with_irqs_off(|irq_off| {
        kept::save(host().this_cpu(irq_off.pinned()), irq_off);
        quiesce();
        csr::flush_all_guests();
    });
}
