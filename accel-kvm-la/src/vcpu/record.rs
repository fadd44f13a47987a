// SPDX-License-Identifier: GPL-2.0-or-later

//! Our own record of each vCPU, by its CPU object: what QEMU's object has no
//! place for, or where we do not know the place.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

use la_arch::csr::number;
use la_arch::one_reg;
use parking_lot::{Mutex, MutexGuard, RwLock};

use super::dirty_ring::Ticket;
use super::step::Step;
use super::vm::Vm;
use crate::error::BackendError;
use crate::kvm::IoctlError;
use crate::kvm::abi::MP_STATE_RUNNABLE;
use crate::kvm::run_page::RunPage;
use crate::kvm::vcpu::VcpuFd;
use crate::qemu::cpu::Cpu;
use crate::qemu::opaque::VMChangeStateEntry;
use crate::regs::{Cache, Level, Synchroniser};

/// A vCPU.
#[derive(Debug)]
pub struct Vcpu {
    /// QEMU's object.
    pub cpu: Cpu,
    /// KVM's file descriptor.
    pub fd: VcpuFd,
    /// Its VM.
    pub vm: Arc<Vm>,
    /// QEMU's copy of the registers counts, not KVM's.
    dirty: AtomicBool,
    /// It was read from KVM, and nothing else took its place.
    read: AtomicBool,
    /// The guest may have run since the cache was last right.
    ran: AtomicBool,
    /// The thread is in the run loop, where an access may be half done.
    in_run_loop: AtomicBool,
    mp_state: AtomicU32,
    /// Paravirtual features of the guest.
    pub pv_features: u32,
    /// Registration for stops and starts of the VM.
    pub run_state_entry: AtomicPtr<VMChangeStateEntry>,
    /// What a full dirty ring waits for.
    pub ring_ticket: Ticket,
    /// The step that is under way.
    step: Mutex<Option<Step>>,
    cache: Mutex<Cache>,
}

static VCPUS: RwLock<Option<HashMap<usize, Arc<Vcpu>>>> = RwLock::new(None);

/// Whether this holds of any vCPU.
pub fn any(condition: impl Fn(&Vcpu) -> bool) -> bool {
    VCPUS
        .read()
        .as_ref()
        .is_some_and(|vcpus| vcpus.values().any(|vcpu| condition(vcpu)))
}

impl Vcpu {
    /// Makes and keeps the record of a vCPU. QEMU's copy of the registers is
    /// the one that counts (QEMU: kvm_create_vcpu_internal).
    pub fn create(cpu: Cpu, vm: Arc<Vm>, pv_features: u32) -> Arc<Vcpu> {
        let cache = if vm.is_new(cpu.index()) {
            Cache::fresh()
        } else {
            Cache::unknown()
        };
        let vcpu = Arc::new(Vcpu {
            cpu,
            fd: VcpuFd::new(cpu),
            vm,
            dirty: AtomicBool::new(true),
            read: AtomicBool::new(false),
            ran: AtomicBool::new(false),
            in_run_loop: AtomicBool::new(false),
            mp_state: AtomicU32::new(MP_STATE_RUNNABLE),
            pv_features,
            run_state_entry: AtomicPtr::default(),
            ring_ticket: Ticket::default(),
            step: Mutex::default(),
            cache: Mutex::new(cache),
        });
        cpu.set_vcpu_dirty(true);
        VCPUS
            .write()
            .get_or_insert_default()
            .insert(cpu.key(), vcpu.clone());
        vcpu
    }

    /// The record of a vCPU that was initialised.
    pub fn of(cpu: Cpu) -> Option<Arc<Vcpu>> {
        VCPUS.read().as_ref()?.get(&cpu.key()).cloned()
    }

    /// The same, or why not.
    pub fn find(cpu: Cpu) -> Result<Arc<Vcpu>, BackendError> {
        Vcpu::of(cpu).ok_or_else(|| BackendError::UnknownVcpu(cpu.index()))
    }

    /// Forgets a vCPU that goes.
    pub fn remove(cpu: Cpu) -> Option<Arc<Vcpu>> {
        VCPUS.write().as_mut()?.remove(&cpu.key())
    }

    /// The step that is under way. Nothing of QEMU is called while it is held.
    pub fn step(&self) -> MutexGuard<'_, Option<Step>> {
        self.step.lock()
    }

    /// Whether QEMU's copy of the registers counts.
    pub fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Relaxed)
    }

    /// Says whose copy counts. QEMU's is its own, until it is read from KVM.
    pub fn set_dirty(&self, dirty: bool) {
        self.read.store(false, Ordering::Relaxed);
        self.dirty.store(dirty, Ordering::Relaxed);
        self.cpu.set_vcpu_dirty(dirty);
    }

    /// Whether QEMU's copy counts and is KVM's as it was when it was read.
    pub fn is_read(&self) -> bool {
        self.read.load(Ordering::Relaxed)
    }

    /// The guest is about to run: KVM's registers will change.
    #[inline]
    pub fn note_run(&self) {
        self.ran.store(true, Ordering::Relaxed);
    }

    /// The thread enters or leaves the run loop.
    pub fn set_in_run_loop(&self, inside: bool) {
        self.in_run_loop.store(inside, Ordering::Relaxed);
    }

    /// QEMU's idea of the run state.
    pub fn set_mp_state(&self, mp_state: u32) {
        self.mp_state.store(mp_state, Ordering::Relaxed);
    }

    /// The run page.
    pub fn page(&self) -> Result<RunPage, BackendError> {
        // SAFETY: QEMU maps the page before the first use of the record and
        // unmaps it when the vCPU is destroyed, which ends its thread's use.
        unsafe { RunPage::from_raw(self.cpu.kvm_run()) }
            .ok_or_else(|| BackendError::NoRunPage(self.cpu.index()))
    }

    fn with_cache<T>(
        &self,
        work: impl FnOnce(&Synchroniser<'_>, &mut Cache) -> Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        let mut cache = self.cache.lock();
        if self.ran.swap(false, Ordering::Relaxed) {
            cache.forget_what_guest_changes();
        }
        // KVM_RUN belongs to the vCPU's thread.
        let may_run = !self.in_run_loop.load(Ordering::Relaxed) && self.cpu.is_self();
        let synchroniser = Synchroniser {
            cpu: self.cpu,
            fd: self.fd,
            page: self.page().ok().filter(|_| may_run),
            kernel: self.vm.kernel(self.fd),
            pv_features: self.pv_features,
            mp_state: self.mp_state.load(Ordering::Relaxed),
        };
        work(&synchroniser, &mut cache)
    }

    /// Gives QEMU KVM's registers.
    pub fn read_registers(&self) -> Result<(), BackendError> {
        let mp_state = self.with_cache(|synchroniser, cache| synchroniser.read(cache))?;
        self.set_mp_state(mp_state);
        Ok(())
    }

    /// The same, and QEMU's copy counts from now on.
    pub fn take_over(&self) -> Result<(), BackendError> {
        self.read_registers()?;
        self.set_dirty(true);
        self.read.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Gives QEMU what changed by itself since it took over.
    pub fn read_again(&self) -> Result<(), BackendError> {
        self.with_cache(|synchroniser, cache| synchroniser.read_again(cache))
    }

    /// Has KVM put into its registers the interrupts that were asked for. A lowering
    /// that a reset asked for would otherwise come after what is loaded next.
    pub fn settle_interrupts(&self) -> Result<(), IoctlError> {
        self.fd.one_reg(one_reg::csr(number::ESTAT)).map(drop)
    }

    /// Gives KVM QEMU's registers.
    pub fn write_registers(&self, level: Level) -> Result<(), BackendError> {
        self.with_cache(|synchroniser, cache| synchroniser.write(cache, level))
    }

    /// KVM's part of the vCPU was reset.
    pub fn forget_what_reset_changes(&self) {
        self.cache.lock().forget_what_reset_changes();
    }
}
