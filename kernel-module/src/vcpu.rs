// SPDX-License-Identifier: GPL-2.0

//! A vCPU: its state, its creation and end, and moving its registers onto a
//! physical CPU and off again.
//!
//! # Who may touch what
//!
//! * `switch`, the cells: the thread that holds `vcpu->mutex` (every ioctl but
//!   KVM_INTERRUPT, and the whole of KVM_RUN). The scheduler's notifiers
//!   ([`kvm_arch_vcpu_load`], [`kvm_arch_vcpu_put`]) run on that thread too,
//!   between any two of its instructions while preemption is on. So what the
//!   notifiers change (`csr`, `flags`, `timer`, `last_cpu`) is only read
//!   and modified with preemption off, or while the vCPU is not loaded.
//! * `interrupts`, `messages`, `msgint`, `mp_state`, and what never changes (`id`,
//!   `kvm_vcpu`, `vm`): any thread, atomically. These are all that code may use
//!   that has a vCPU by its number (the interrupt controllers) or from a hook
//!   without the mutex.
//! * `flags` and `switch.pc` are read by interrupt handlers too, on the CPU where
//!   the vCPU is loaded (`kvm_arch_pmi_in_guest`, `kvm_arch_vcpu_get_ip`): between
//!   two instructions of the vCPU's thread, never beside them.

use core::cell::{Cell, UnsafeCell};
use core::sync::atomic::{fence, AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};

use kernel::prelude::*;
use kvm_core::cpucfg::GuestCpucfg;
use kvm_core::csr::CsrFile;
use kvm_core::decode::{Gpr, IocsrAccess, MmioTransfer};
use kvm_core::exit::ExceptionQueue;
use kvm_core::intc::{dmsintc, ipi};
use kvm_core::interrupt::Pending;
use kvm_core::steal_time::StealTime;
use kvm_core::timer::Timer;
use kvm_core::vpid::Vpid;
use la_arch::csr::Llbctl;
use la_arch::Interrupt;

use crate::bindings as b;
use crate::context::{IrqOff, IrqSaveGuard, Pinned};
use crate::cpu::{host, PerCpu};
use crate::csr::{self, num};
use crate::fpu;
use crate::run;
use crate::run_page::RunPage;
use crate::steal;
use crate::switch::Switch;
use crate::sync::{Class, Lock};
use crate::timer;
use crate::vm::Vm;

/// `KVM_REQ_*`: bits of `vcpu->requests`.
pub(crate) mod request {
    use crate::bindings::constant as c;

    /// Drop all translations: the vCPU gets a new GID.
    pub(crate) const TLB_FLUSH: u64 = c::KVM_REQ_TLB_FLUSH & 0xff;
    /// Drop the stage-2 entry of `flush_gpa`.
    pub(crate) const TLB_FLUSH_GPA: u64 = c::ARCH_REQ_0;
    /// Write the steal-time record.
    pub(crate) const STEAL_UPDATE: u64 = c::ARCH_REQ_1;
    /// Lend the performance counters.
    pub(crate) const PMU: u64 = c::ARCH_REQ_2;
    /// Load the floating-point or vector registers.
    pub(crate) const FPU_LOAD: u64 = c::ARCH_REQ_3;
    /// Load the binary translation registers.
    pub(crate) const LBT_LOAD: u64 = c::ARCH_REQ_4;
}

/// Bits of [`Vcpu::flags`].
pub(crate) mod flag {
    /// The floating-point or vector registers are loaded.
    pub(crate) const FPU: u32 = 1 << 0;
    /// The binary translation registers are loaded.
    pub(crate) const LBT: u32 = 1 << 1;
    /// The performance counters are lent.
    pub(crate) const PMU: u32 = 1 << 2;
    /// `csr` holds what the guest CSRs hold: nothing to save.
    pub(crate) const CSR_SAVED: u32 = 1 << 3;
    /// The guest CSRs of `last_cpu` hold what `csr` holds: nothing to load.
    pub(crate) const CSR_LOADED: u32 = 1 << 4;
    /// The hrtimer was started.
    pub(crate) const ALARM: u32 = 1 << 5;
}

/// Floating-point, vector and binary translation registers as vmlinux lays
/// them out.
#[repr(C)]
pub(crate) struct Units {
    pub(crate) fpu: UnsafeCell<b::loongarch_fpu>,
    pub(crate) lbt: UnsafeCell<b::loongarch_lbt>,
}

/// What waits for user space.
#[derive(Clone, Copy)]
pub(crate) enum PendingIo {
    /// A load of a general register; the data comes in `kvm_run.mmio`.
    Load(Load),
    /// A floating-point or vector load or store; its next piece is in
    /// `kvm_run.mmio`.
    Transfer(MmioTransfer),
    /// An `iocsrrd`; the data comes in `kvm_run.iocsr_io`.
    IocsrRead(IocsrAccess),
    /// A hypercall; the result comes in `kvm_run.hypercall`.
    Hypercall,
}

/// A load of a general register from a device.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Where the data goes.
    pub(crate) register: Gpr,
    /// Bytes: 1, 2, 4 or 8.
    pub(crate) width: u8,
    /// The sign is extended.
    pub(crate) signed: bool,
}

/// A vCPU, behind `kvm_vcpu.arch.vcpu`.
#[repr(C)]
pub(crate) struct Vcpu {
    /// First, so that its address is the vCPU's.
    pub(crate) switch: Switch,
    /// The generic half.
    pub(crate) kvm_vcpu: *mut b::kvm_vcpu,
    vm: *const Vm,
    /// The vCPU's number, as user space chose it.
    pub(crate) id: u32,
    /// Changes of interrupt lines that wait for the next entry.
    pub(crate) interrupts: Pending,
    /// Message interrupts that wait for the next entry.
    pub(crate) messages: dmsintc::Pending,
    /// The vCPU's inter-processor interrupt registers.
    pub(crate) ipi: Lock<ipi::Core>,
    /// The exception to raise at the next entry.
    pub(crate) exception: Cell<ExceptionQueue>,
    /// [`flag`]s. One thread changes them, its CPU's interrupt handlers read them.
    flags: AtomicU32,
    /// The physical CPU of the GID, or -1.
    pub(crate) cpu: Cell<i32>,
    /// Where the vCPU is loaded: the CPU and its data. Meaningful with
    /// preemption off.
    pub(crate) here: Cell<(i32, *const PerCpu)>,
    /// Where the vCPU was last loaded, or -1.
    pub(crate) last_cpu: Cell<i32>,
    /// The VM's `time_offset` when the guest CSRs were loaded.
    loaded_offset: Cell<i64>,
    /// The GID.
    pub(crate) vpid: Cell<Vpid>,
    /// Of [`request::TLB_FLUSH_GPA`].
    pub(crate) flush_gpa: Cell<u64>,
    /// The guest's timer while the vCPU is off a CPU.
    pub(crate) timer: Cell<Timer>,
    /// Wakes the vCPU for its timer.
    pub(crate) hrtimer: UnsafeCell<b::hrtimer>,
    /// What waits for user space.
    pub(crate) pending_io: Cell<Option<PendingIo>>,
    /// KVM_MP_STATE_*.
    mp_state: AtomicU32,
    /// Pages for stage-2 tables.
    pub(crate) table_cache: UnsafeCell<b::kvm_mmu_memory_cache>,
    /// Steal time.
    pub(crate) steal: Cell<StealTime>,
    /// Where the steal-time record is in the VMM's memory.
    pub(crate) steal_cache: UnsafeCell<b::gfn_to_hva_cache>,
    /// The same for the scheduler's notifier.
    pub(crate) preempted_cache: UnsafeCell<b::gfn_to_hva_cache>,
    cpucfg: UnsafeCell<GuestCpucfg>,
    /// The guest has message interrupts: of `cpucfg`, for any context.
    msgint: AtomicBool,
    csr: UnsafeCell<CsrFile>,
    /// Floating point and more.
    pub(crate) units: Units,
}

impl Vcpu {
    /// The vCPU of `kvm_vcpu`.
    ///
    /// # Safety
    ///
    /// `kvm_arch_vcpu_create` succeeded for it and it is not destroyed while
    /// the result is in use (C holds a reference during each call).
    #[inline]
    pub(crate) unsafe fn from_c<'a>(kvm_vcpu: *mut b::kvm_vcpu) -> &'a Vcpu {
        // SAFETY: By this function's contract; shared access only.
        unsafe { &*(*kvm_vcpu).arch.vcpu.cast::<Vcpu>() }
    }

    /// The data of the CPU that the vCPU is loaded on, and its number.
    #[inline]
    pub(crate) fn this_cpu(&self, _: Pinned<'_>) -> (i32, &PerCpu) {
        let (cpu, percpu) = self.here.get();
        // SAFETY: Set by `load`, before any caller runs, to memory that lives as
        // long as the host; the scheduler's notifiers call `load` again on
        // another CPU.
        (cpu, unsafe { &*percpu })
    }

    /// The VM, which outlives its vCPUs.
    #[inline]
    pub(crate) fn vm(&self) -> &Vm {
        // SAFETY: Set at creation; kvm_arch_destroy_vm destroys the vCPUs
        // before it frees the `Vm`.
        unsafe { &*self.vm }
    }

    /// The area shared with user space.
    #[inline]
    pub(crate) fn run(&self) -> RunPage<'_> {
        // SAFETY: The generic half lives as long as this one. Only the mutex's
        // holder calls this.
        unsafe { RunPage::new((*self.kvm_vcpu).run) }
    }

    /// The guest's general registers. Only the holder of the mutex calls this,
    /// keeps the reference no longer than one step of an emulation, and never
    /// two of them at once.
    #[inline]
    #[allow(clippy::mut_from_ref)]
    pub(crate) fn gprs(&self) -> &mut [u64; 32] {
        // SAFETY: Notifiers and other threads do not touch the registers; the
        // mutex's holder does not call this while it has a reference.
        unsafe { &mut *self.switch.gpr.get() }
    }

    fn requests(&self) -> &AtomicU64 {
        // SAFETY: The generic half lives as long as this one; C accesses the
        // word with atomic operations only.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.kvm_vcpu).requests) }
    }

    /// kvm_make_request: what was written before is seen by whoever sees it.
    #[inline]
    pub(crate) fn make_request(&self, request: u64) {
        self.requests().fetch_or(1 << request, Ordering::Release);
    }

    /// kvm_check_request: whether it was made, and takes it back.
    #[inline]
    pub(crate) fn check_request(&self, request: u64) -> bool {
        if self.requests().load(Ordering::Relaxed) & 1 << request == 0 {
            return false;
        }
        self.requests()
            .fetch_and(!(1 << request), Ordering::Relaxed);
        fence(Ordering::SeqCst);
        true
    }

    /// Takes a request back unseen.
    pub(crate) fn clear_request(&self, request: u64) {
        if self.requests().load(Ordering::Relaxed) & 1 << request != 0 {
            self.requests()
                .fetch_and(!(1 << request), Ordering::Relaxed);
        }
    }

    /// kvm_request_pending.
    #[inline]
    pub(crate) fn request_pending(&self) -> bool {
        self.requests().load(Ordering::Relaxed) != 0
    }

    /// Publishes whether the vCPU is in the guest (smp_store_mb).
    #[inline]
    pub(crate) fn set_mode(&self, mode: u32) {
        // SAFETY: As for `requests`.
        let word = unsafe { AtomicI32::from_ptr(&raw mut (*self.kvm_vcpu).mode) };
        word.store(mode as i32, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Tells the generic half where a kick must go.
    pub(crate) fn set_host_cpu(&self, cpu: i32) {
        // SAFETY: As for `requests`.
        let word = unsafe { AtomicI32::from_ptr(&raw mut (*self.kvm_vcpu).cpu) };
        word.store(cpu, Ordering::Relaxed);
    }

    /// Makes the vCPU notice a change: out of the guest, or awake.
    pub(crate) fn kick(&self) {
        // SAFETY: Callable from any context for a live vCPU.
        unsafe { b::kvm_la_vcpu_kick(self.kvm_vcpu) };
    }

    /// The statistics. Written by the vCPU's own thread only.
    #[inline]
    #[allow(clippy::mut_from_ref)]
    pub(crate) fn stat(&self) -> &mut b::kvm_vcpu_stat {
        // SAFETY: Plain counters that C reads at any time and this thread
        // alone writes; no two references live at once.
        unsafe { &mut (*self.kvm_vcpu).stat }
    }

    /// Tests a [`flag`].
    #[inline]
    pub(crate) fn flag(&self, flag: u32) -> bool {
        self.flags.load(Ordering::Relaxed) & flag != 0
    }

    /// Sets a [`flag`].
    #[inline]
    pub(crate) fn set_flag(&self, flag: u32) {
        let flags = self.flags.load(Ordering::Relaxed);
        self.flags.store(flags | flag, Ordering::Relaxed);
    }

    /// Clears a [`flag`].
    #[inline]
    pub(crate) fn clear_flag(&self, flag: u32) {
        let flags = self.flags.load(Ordering::Relaxed);
        self.flags.store(flags & !flag, Ordering::Relaxed);
    }

    /// KVM_MP_STATE_*. From any thread.
    ///
    /// Relaxed (C: READ_ONCE, WRITE_ONCE): nothing is published with the state.
    /// KVM_SET_MP_STATE and KVM_RUN, which obeys it, are ordered by the mutex.
    /// Other threads ask `kvm_arch_vcpu_runnable` for a hint alone, whether the
    /// vCPU is worth yielding to (kvm_vcpu_on_spin), and an old answer is one.
    #[inline]
    pub(crate) fn mp_state(&self) -> u32 {
        self.mp_state.load(Ordering::Relaxed)
    }

    /// Sets it; for KVM_SET_MP_STATE.
    pub(crate) fn set_mp_state(&self, state: u32) {
        self.mp_state.store(state, Ordering::Relaxed);
    }

    /// What the guest's `cpucfg` reads.
    #[inline]
    pub(crate) fn cpucfg(&self) -> &GuestCpucfg {
        // SAFETY: Changed by the mutex's holder while the vCPU is not loaded, and
        // read by the same holder or by the notifiers of a loaded vCPU; no
        // reference outlives an ioctl's step. Code without the mutex uses
        // `has_msgint`.
        unsafe { &*self.cpucfg.get() }
    }

    /// Changes it; for the mutex's holder, while the vCPU is not loaded.
    pub(crate) fn set_cpucfg(&self, cpucfg: GuestCpucfg) {
        self.msgint.store(cpucfg.msgint(), Ordering::Relaxed);
        // SAFETY: As for `cpucfg`.
        unsafe { *self.cpucfg.get() = cpucfg };
    }

    /// Whether the guest has message interrupts. From any context.
    ///
    /// Relaxed: nothing is published with it. User space that sets CPUCFG and sends
    /// a message from two threads at once has not said which comes first.
    pub(crate) fn has_msgint(&self) -> bool {
        self.msgint.load(Ordering::Relaxed)
    }

    /// The values of the CSRs: the home of those that the CPU does not keep
    /// for a guest, and of the others while the vCPU is off a CPU.
    ///
    /// Called with preemption off, or when the vCPU is not loaded; the
    /// reference lasts no longer than that, and there is one at a time.
    #[inline]
    #[allow(clippy::mut_from_ref)]
    pub(crate) fn csr(&self) -> &mut CsrFile {
        // SAFETY: Only the mutex's holder and the notifiers on its thread use
        // the file, and the rule above keeps the two apart.
        unsafe { &mut *self.csr.get() }
    }
}

impl Vcpu {
    /// Puts the vCPU's state into the guest registers of this CPU, as far as
    /// they do not hold it already.
    fn load(&self, cpu: i32, irq_off: IrqOff<'_>) {
        use core::sync::atomic::Ordering::Relaxed;

        let percpu = host().this_cpu(irq_off.pinned());
        self.here.set((cpu, percpu));
        let this: *const Vcpu = self;
        if self.last_cpu.get() != cpu || !core::ptr::eq(percpu.last_vcpu.load(Relaxed), this) {
            percpu.last_vcpu.store(this.cast_mut(), Relaxed);
            self.clear_flag(flag::CSR_LOADED);
            self.switch.host_eentry.set(csr::read::<{ num::EENTRY }>());
        }
        timer::load(self, irq_off);
        if self.steal.get().address().is_some() {
            self.make_request(request::STEAL_UPDATE);
        }
        // Another vCPU may have set the VM's counter since.
        let offset = self.vm().time_offset();
        if self.flag(flag::CSR_LOADED) && self.loaded_offset.get() == offset {
            return;
        }
        self.loaded_offset.set(offset);
        csr::write::<{ num::GCNTC }>(offset as u64);
        csr::load_guest(self.csr(), self.cpucfg().msgint());
        csr::write::<{ num::GINTC }>(self.csr().get(num::GINTC));
        csr::write::<{ num::GSTAT }>(self.csr().get(num::GSTAT));
        // An SC must not succeed on the LL of another vCPU.
        let wcllb = Llbctl(0).with_wcllb(true).0;
        csr::guest_exchange::<{ num::LLBCTL }>(wcllb, wcllb);
        self.set_flag(flag::CSR_LOADED);
    }

    /// Takes the vCPU's state out of the guest registers.
    fn put(&self, irq_off: IrqOff<'_>) {
        fpu::lose(self, irq_off.pinned());
        if !self.flag(flag::CSR_SAVED) {
            csr::save_guest(self.csr(), self.cpucfg().msgint());
            self.csr().set(num::GSTAT, csr::read::<{ num::GSTAT }>());
            self.set_flag(flag::CSR_SAVED);
        }
        timer::save(self, irq_off);
        self.csr().set(num::GINTC, csr::read::<{ num::GINTC }>());
    }
}

/// kvm_arch_vcpu_load: by vcpu_load and when the thread is scheduled in.
///
/// # Safety
///
/// C calls it for a created vCPU, on the thread that runs it.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_vcpu_load(kvm_vcpu: *mut b::kvm_vcpu, cpu: i32) {
    // SAFETY: By this function's contract.
    let vcpu = unsafe { Vcpu::from_c(kvm_vcpu) };
    vcpu.load(cpu, IrqSaveGuard::new().irq_off());
}

/// kvm_arch_vcpu_put: by vcpu_put and when the thread is scheduled out.
///
/// # Safety
///
/// As for [`kvm_arch_vcpu_load`].
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_vcpu_put(kvm_vcpu: *mut b::kvm_vcpu) {
    // SAFETY: By this function's contract.
    let vcpu = unsafe { Vcpu::from_c(kvm_vcpu) };
    // SAFETY: As above: scheduled out, not by its own wish.
    if unsafe { (*kvm_vcpu).preempted } {
        steal::preempted(vcpu);
    }
    let guard = IrqSaveGuard::new();
    // SAFETY: Reads the CPU's number.
    vcpu.last_cpu.set(unsafe { b::kvm_la_cpu() } as i32);
    vcpu.put(guard.irq_off());
}

/// kvm_arch_vcpu_create.
///
/// # Safety
///
/// C calls it once for a new `kvm_vcpu` whose `kvm`, `run` and `vcpu_id` are
/// set.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_vcpu_create(kvm_vcpu: *mut b::kvm_vcpu) -> i32 {
    // SAFETY: By this function's contract.
    match unsafe { create(kvm_vcpu) } {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// As for [`kvm_arch_vcpu_create`].
unsafe fn create(kvm_vcpu: *mut b::kvm_vcpu) -> Result {
    // SAFETY: By this function's contract.
    let (kvm, id) = unsafe { ((*kvm_vcpu).kvm, (*kvm_vcpu).vcpu_id) };
    // SAFETY: The VM is alive.
    let vm = unsafe { Vm::from_c(kvm) };
    let space = KBox::<Vcpu>::new_uninit(GFP_KERNEL_ACCOUNT | __GFP_ZERO)?;
    let place = KBox::into_raw(space).cast::<Vcpu>();
    // SAFETY: The allocation is zeroed, which is valid for integers, pointers
    // and C's structures; the fields of types that promise no such thing are
    // written. Then it is a `Vcpu`.
    let vcpu = unsafe {
        (&raw mut (*place).kvm_vcpu).write(kvm_vcpu);
        (&raw mut (*place).vm).write(vm);
        (&raw mut (*place).id).write(id as u32);
        (&raw mut (*place).interrupts).write(Pending::new());
        (&raw mut (*place).messages).write(dmsintc::Pending::new());
        Lock::place(&raw const (*place).ipi).write(ipi::Core::new());
        (*place).ipi.init(Class::Ipi);
        (&raw mut (*place).exception).write(Cell::new(ExceptionQueue::new()));
        (&raw mut (*place).vpid).write(Cell::new(Vpid::default()));
        (&raw mut (*place).timer).write(Cell::new(Timer::new()));
        (&raw mut (*place).pending_io).write(Cell::new(None));
        (&raw mut (*place).steal).write(Cell::new(StealTime::new()));
        (&raw mut (*place).cpucfg).write(UnsafeCell::new(GuestCpucfg::default()));
        KBox::from_raw(place)
    };
    vcpu.csr().initialise(id as u32);
    let host = host();
    vcpu.cpu.set(-1);
    vcpu.last_cpu.set(-1);
    vcpu.loaded_offset.set(0);
    vcpu.flush_gpa.set(u64::MAX);
    timer::init(&vcpu);

    let switch = &vcpu.switch;
    switch.handler.set(Some(run::handler()));
    switch.entry.set(host.switch.exit_entry());
    switch.guest_pgd.set(vm.table_address());
    // SAFETY: The VM's mm lives as long as the VM.
    switch.host_pgd.set(unsafe { b::kvm_la_mm_pgd(kvm) } as u64);
    switch.host_ecfg.set(csr::read::<{ num::ECFG }>() & 7 << 16);

    // SAFETY: C keeps the pointer and hands it back to `kvm_arch_vcpu_destroy`.
    unsafe { (*kvm_vcpu).arch.vcpu = KBox::into_raw(vcpu).cast() };
    Ok(())
}

/// kvm_arch_vcpu_postcreate: the vCPU is in the VM's list.
///
/// # Safety
///
/// C calls it once for a created vCPU.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_vcpu_postcreate(kvm_vcpu: *mut b::kvm_vcpu) {
    // SAFETY: By this function's contract.
    let vcpu = unsafe { Vcpu::from_c(kvm_vcpu) };
    vcpu.vm().publish(vcpu);
}

/// kvm_arch_vcpu_destroy.
///
/// # Safety
///
/// C calls it once, when nobody else uses the vCPU any more.
#[no_mangle]
pub(crate) unsafe extern "C" fn kvm_arch_vcpu_destroy(kvm_vcpu: *mut b::kvm_vcpu) {
    // SAFETY: By this function's contract; the pointer came from
    // `KBox::into_raw` in `create`.
    let vcpu = unsafe { KBox::from_raw((*kvm_vcpu).arch.vcpu.cast::<Vcpu>()) };
    timer::destroy(&vcpu);
    // SAFETY: The cache belongs to the vCPU, which no longer runs.
    unsafe { b::kvm_mmu_free_memory_cache(vcpu.table_cache.get()) };
    vcpu.vm().withdraw(&vcpu);
    host().forget(&*vcpu);
    // SAFETY: As above.
    unsafe { (*kvm_vcpu).arch.vcpu = core::ptr::null_mut() };
}

impl Vcpu {
    /// Raises interrupt line `line` (a bit number of ESTAT.IS) at the next
    /// entry. The caller kicks.
    pub(crate) fn raise(&self, line: Interrupt) {
        self.interrupts.raise(line);
    }

    /// Lowers it.
    pub(crate) fn lower(&self, line: Interrupt) {
        self.interrupts.lower(line);
    }
}
