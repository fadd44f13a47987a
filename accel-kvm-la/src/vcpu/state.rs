// SPDX-License-Identifier: GPL-2.0-or-later

//! What the backend knows of each vCPU, by its CPU object: what QEMU's object has no
//! place for, or where we do not know the place.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

use la_arch::csr::number;
use la_arch::one_reg;
use parking_lot::{Mutex, MutexGuard, RwLock};

use super::collector::Ticket;
use super::translation::Translation;
use super::vm::Vm;
use crate::error::BackendError;
use crate::kvm::IoctlError;
use crate::kvm::abi::MP_STATE_RUNNABLE;
use crate::kvm::run_page::RunPage;
use crate::kvm::vcpu::VcpuFd;
use crate::qemu::cpu::Cpu;
use crate::qemu::lookup::Remembered;
use crate::qemu::runstate::ChangeHandler;
use crate::regs::{Cache, Level, Synchroniser};

/// Whose copy of a vCPU's registers is the authoritative one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Authority {
    /// KVM's. QEMU's is out of date.
    Kvm,
    /// QEMU's, which was read from KVM and is KVM's too, but for what changes there by
    /// itself.
    QemuAsRead,
    /// QEMU's. KVM's is out of date.
    Qemu,
}

/// A step that is under way.
#[derive(Debug)]
pub struct Step {
    /// How its addresses are translated.
    pub(super) translation: Translation,
    /// Breakpoints of its own, and what was there.
    pub(super) breakpoints: Vec<(u64, u32)>,
}

impl Step {
    /// Whether it put a breakpoint at `pc`.
    pub fn stops_at(&self, pc: u64) -> bool {
        self.breakpoints.iter().any(|(at, _)| *at == pc)
    }
}

/// What the backend has for each of QEMU's vCPUs.
#[derive(Debug)]
pub struct Vcpu {
    /// QEMU's object.
    pub cpu: Cpu,
    /// KVM's file descriptor.
    pub fd: VcpuFd,
    /// The machine that it is of.
    pub vm: Arc<Vm>,
    authority: AtomicU8,
    /// The guest may have run since the cache was last right.
    ran: AtomicBool,
    /// The thread is in the run loop, where an access may be half done.
    in_run_loop: AtomicBool,
    mp_state: AtomicU32,
    /// Paravirtual features of the guest.
    pub pv_features: u32,
    /// Registration for stops and starts of the VM.
    pub change_handler: Mutex<Option<ChangeHandler>>,
    /// Devices in memory that the guest used last.
    pub devices: Remembered,
    /// The same of IOCSR registers.
    pub iocsrs: Remembered,
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

/// QEMU's objects of all vCPUs.
pub fn cpus() -> Vec<Cpu> {
    let vcpus = VCPUS.read();
    vcpus
        .iter()
        .flat_map(HashMap::values)
        .map(|vcpu| vcpu.cpu)
        .collect()
}

/// All vCPUs let go of what they remember of the memory map.
pub fn forget_devices() {
    for vcpu in VCPUS.read().iter().flat_map(HashMap::values) {
        vcpu.devices.forget();
        vcpu.iocsrs.forget();
    }
}

impl Vcpu {
    /// Makes and keeps the state of a vCPU. QEMU's copy of the registers is the
    /// authoritative one (QEMU: kvm_create_vcpu_internal).
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
            authority: AtomicU8::new(Authority::Qemu as u8),
            ran: AtomicBool::new(false),
            in_run_loop: AtomicBool::new(false),
            mp_state: AtomicU32::new(MP_STATE_RUNNABLE),
            pv_features,
            change_handler: Mutex::default(),
            devices: Remembered::default(),
            iocsrs: Remembered::default(),
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

    /// The state of a vCPU that was initialised.
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

    /// Whose copy of the registers is the authoritative one.
    #[inline]
    pub fn authority(&self) -> Authority {
        match self.authority.load(Ordering::Relaxed) {
            0 => Authority::Kvm,
            1 => Authority::QemuAsRead,
            _ => Authority::Qemu,
        }
    }

    /// Says whose copy it is, to QEMU too.
    pub fn set_authority(&self, authority: Authority) {
        self.authority.store(authority as u8, Ordering::Relaxed);
        self.cpu.set_vcpu_dirty(authority != Authority::Kvm);
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
        RunPage::of(self.cpu).ok_or_else(|| BackendError::NoRunPage(self.cpu.index()))
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

    /// Brings QEMU's copy up to date and makes it the authoritative one.
    pub fn take_over(&self) -> Result<(), BackendError> {
        match self.authority() {
            Authority::Kvm => {
                log::trace!("vCPU {}: reading registers", self.cpu.index());
                self.read_registers()?;
                self.set_authority(Authority::QemuAsRead);
                Ok(())
            }
            Authority::QemuAsRead => {
                self.with_cache(|synchroniser, cache| synchroniser.read_again(cache))
            }
            Authority::Qemu => Ok(()),
        }
    }

    /// Has KVM put into its registers the interrupts that were asked for. A lowering
    /// that a reset asked for would otherwise come after what is loaded next.
    pub fn deliver_interrupts(&self) -> Result<(), IoctlError> {
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
