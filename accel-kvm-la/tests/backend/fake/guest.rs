// SPDX-License-Identifier: GPL-2.0-or-later

//! Guests that run by themselves, each in its vCPU's thread: they compute until
//! they are kicked or want something, in an order that a number decides.
//!
//! Each has a kernel of its own, so that two vCPUs share nothing here.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use accel_kvm_la::kvm::abi::{Regs, exit_reason, request};
use accel_kvm_la::kvm::run_page::offset;
use accel_kvm_la::qemu::cpu::Cpu;
use accel_kvm_la::qemu::layout::layout;
use la_arch::kvm::para;
use parking_lot::{Mutex, MutexGuard};

use super::kvm::{Exit, Kernel, KvmVcpu, exit, perform};
use super::{GUEST, RUN_PAGE_BYTES};

/// How long a guest may wait for the kick that was promised.
const LIMIT: Duration = Duration::from_secs(60);
/// How long a guest computes between two looks at `immediate_exit`.
const STEP: Duration = Duration::from_micros(20);

/// General register that counts KVM_RUNs which entered the guest.
pub const COUNTED: usize = 4;
/// General register that guests leave alone.
pub const KEPT: usize = 5;

/// A guest's side of a vCPU.
pub struct Guest {
    kernel: Mutex<Kernel>,
    random: AtomicU64,
    page: Mutex<Option<Box<[u64]>>>,
    /// Is between entry and exit.
    pub inside: AtomicBool,
    /// Lines that were raised or lowered.
    pub lines: AtomicU32,
    /// Entries.
    pub ran: AtomicU32,
    /// Ends of KVM_RUN by a kick.
    pub kicked: AtomicU32,
}

impl Guest {
    /// A vCPU of number `index` in `kernel`.
    pub fn new(mut kernel: Kernel, index: i32, seed: u64) -> Guest {
        kernel.vcpus.insert(index, KvmVcpu::default());
        // The VM's, whichever vCPU writes them.
        kernel.pv_features = Some(1 << para::FEATURE_STEAL_TIME);
        Guest {
            kernel: Mutex::new(kernel),
            random: AtomicU64::new(seed | 1),
            page: Mutex::new(None),
            inside: AtomicBool::new(false),
            lines: AtomicU32::new(0),
            ran: AtomicU32::new(0),
            kicked: AtomicU32::new(0),
        }
    }

    fn kernel(&self) -> MutexGuard<'_, Kernel> {
        self.kernel.lock()
    }

    /// General registers as the kernel has them.
    pub fn regs(&self, index: i32) -> Regs {
        self.kernel().vcpus[&index].regs
    }

    /// A value below `end`; only the vCPU's thread draws.
    fn draw(&self, end: u64) -> u64 {
        let mut x = self.random.load(Ordering::Relaxed);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.random.store(x, Ordering::Relaxed);
        x % end
    }

    /// Maps the run page (QEMU: kvm_create_vcpu_internal).
    pub(super) fn map(&self, cpu: Cpu) {
        let mut page = vec![0u64; RUN_PAGE_BYTES / 8].into_boxed_slice();
        cpu.set_word(layout().kvm_run, page.as_mut_ptr() as u64);
        *self.page.lock() = Some(page);
    }

    /// Unmaps it (QEMU: kvm_destroy_vcpu).
    pub(super) fn unmap(&self, cpu: Cpu) {
        cpu.set_word(layout().kvm_run, 0);
        *self.page.lock() = None;
    }

    /// A call of the vCPU's file descriptor.
    pub(super) fn ioctl(
        &self,
        cpu: Cpu,
        number: std::ffi::c_ulong,
        argument: *mut std::ffi::c_void,
    ) -> Result<(), i32> {
        match number {
            // Needs no mutex of the vCPU (Linux: kvm_arch_vcpu_unlocked_ioctl).
            request::KVM_INTERRUPT => {
                self.lines.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            request::KVM_RUN if !immediate_exit(cpu) => {
                let next = self.compute(cpu);
                let mut kernel = self.kernel();
                kernel.exits.extend(next);
                let result = perform(&mut kernel, cpu, number, argument);
                kernel.exits.clear();
                if let Some(vcpu) = kernel.vcpus.get_mut(&cpu.index()) {
                    vcpu.regs.gpr[COUNTED] = vcpu.regs.gpr[COUNTED].wrapping_add(1);
                }
                result
            }
            _ => perform(&mut self.kernel(), cpu, number, argument),
        }
    }

    /// What the guest does until it leaves; none if it was kicked.
    fn compute(&self, cpu: Cpu) -> Option<Exit> {
        self.inside.store(true, Ordering::Relaxed);
        self.ran.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        let steps = match self.draw(8) {
            // Until another thread wants something.
            0 => u64::MAX,
            1 => self.draw(40),
            _ => 0,
        };
        let mut step = 0;
        while step < steps && !immediate_exit(cpu) {
            assert!(started.elapsed() < LIMIT, "a kick was lost");
            std::thread::sleep(STEP);
            step += 1;
        }
        self.inside.store(false, Ordering::Relaxed);
        if immediate_exit(cpu) {
            self.kicked.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.wish())
    }

    fn wish(&self) -> Exit {
        let is_write = self.draw(2) == 0;
        let access = move |part: &mut [u8]| {
            part[..8].copy_from_slice(&0x1fe0_01e0u64.to_ne_bytes());
            part[16..20].copy_from_slice(&4u32.to_ne_bytes());
            part[20] = u8::from(is_write);
        };
        match self.draw(20) {
            0..8 => exit(exit_reason::MMIO, access),
            8..12 => exit(exit_reason::LOONGARCH_IOCSR, access),
            12 => exit(exit_reason::HYPERCALL, |_| {}),
            13 => exit(exit_reason::DEBUG, |_| {}),
            14 => exit(exit_reason::DIRTY_RING_FULL, |_| {}),
            15 => exit(exit_reason::IRQ_WINDOW_OPEN, |_| {}),
            16 => Exit::Errno(libc::EAGAIN),
            17 => exit(exit_reason::SYSTEM_EVENT, |part| part[0] = 3),
            18 => exit(exit_reason::MEMORY_FAULT, |part| part[16] = 1),
            _ => Exit::Errno(libc::EINTR),
        }
    }
}

/// Gives a CPU object a guest that outlives it.
pub(super) fn attach(cpu: Cpu, guest: &Guest) {
    cpu.set_word(GUEST, std::ptr::from_ref(guest) as u64);
}

/// The guest of a CPU object, if it has one that runs by itself.
pub(super) fn of<'a>(cpu: Cpu) -> Option<&'a Guest> {
    let guest = cpu.word(GUEST) as *const Guest;
    // SAFETY: Set by `attach`, whose caller keeps the guest longer.
    unsafe { guest.as_ref() }
}

/// Whether the CPU object has one.
pub(super) fn runs_by_itself(cpu: Cpu) -> bool {
    cpu.word(GUEST) != 0
}

fn flag(cpu: Cpu) -> *mut u8 {
    cpu.kvm_run().cast::<u8>()
}

fn immediate_exit(cpu: Cpu) -> bool {
    // SAFETY: The page is mapped while the vCPU is used.
    unsafe { flag(cpu).add(offset::IMMEDIATE_EXIT).read_volatile() != 0 }
}

/// Makes the next KVM_RUN return, in a signal handler of the vCPU's thread.
pub(super) fn set_immediate_exit(cpu: Cpu) {
    let page = flag(cpu);
    if !page.is_null() {
        // SAFETY: As above.
        unsafe { page.add(offset::IMMEDIATE_EXIT).write_volatile(1) };
    }
}
