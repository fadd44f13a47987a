// SPDX-License-Identifier: GPL-2.0-or-later

//! Many vCPUs in threads of their own, and a main thread that stops, reads,
//! writes, resets, interrupts and unplugs them meanwhile, as QEMU's does. What
//! it shows by itself are lost kicks, lost registers and deadlocks; under
//! ThreadSanitizer also what is not ordered, under AddressSanitizer what is used
//! after an unplug.

use la_arch::csr::number as n;
use std::sync::atomic::Ordering;

use accel_kvm_la::hooks;
use accel_kvm_la::qemu::cpu::Cpu;

use crate::fake::guest::{COUNTED, KEPT};
use crate::fake::threads::{kick, pause_all, plug, resume_all, unplug, without_bql};
use crate::fake::{Fake, change_run_state, post_init, post_reset, pre_loadvm, reset, synchronize};

/// vCPUs.
const CPUS: i32 = 4;
/// What the main thread does.
const DEEDS: u64 = 600;

/// A machine whose main thread is this one.
struct Machine {
    fake: Fake,
    cpus: Vec<Cpu>,
    /// What general register [`KEPT`] and ERA must hold.
    kept: Vec<u64>,
    random: u64,
}

impl Machine {
    fn new(fake: Fake) -> Machine {
        let mut machine = Machine {
            fake,
            cpus: Vec::new(),
            kept: Vec::new(),
            random: 88_172_645_463_325_252,
        };
        for index in 0..CPUS {
            let cpu = machine.fake.guest(index);
            machine.cpus.push(cpu);
            machine.kept.push(0);
            machine.start(index as usize);
        }
        machine
    }

    fn draw(&mut self, end: u64) -> u64 {
        let mut x = self.random;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.random = x;
        x % end
    }

    /// A CPU object that was just made, into the running machine.
    fn start(&mut self, at: usize) {
        let cpu = self.cpus[at];
        cpu.set_csr(n::CPUID, at as u64);
        plug(cpu);
        self.store(at);
        post_init(cpu);
        resume_all(&[cpu]);
    }

    /// Gives QEMU's copy new values.
    fn store(&mut self, at: usize) {
        let value = self.draw(u64::MAX);
        self.kept[at] = value;
        self.cpus[at].set_gpr(KEPT, value);
        self.cpus[at].set_csr(n::ERA, value);
    }

    /// Reads a vCPU, which may run on: what its guest leaves alone must be right,
    /// the rest not newer than the kernel's.
    fn look(&mut self, at: usize) {
        let cpu = self.cpus[at];
        synchronize(cpu);
        assert_eq!(cpu.gpr(KEPT), self.kept[at], "vCPU {at} lost a register");
        assert_eq!(cpu.csr(n::ERA), self.kept[at], "vCPU {at} lost ERA");
        assert!(cpu.gpr(COUNTED) <= self.counted(at), "vCPU {at}");
    }

    /// The same of one that is stopped, which may be changed.
    fn change(&mut self, at: usize) {
        self.look(at);
        assert_eq!(self.cpus[at].gpr(COUNTED), self.counted(at), "vCPU {at}");
        self.store(at);
    }

    /// How often the guest ran, as its kernel has it.
    fn counted(&self, at: usize) -> u64 {
        self.fake.guest_of(at as i32).regs(at as i32).gpr[COUNTED]
    }

    /// Stops all vCPUs, does something, and lets them go on.
    fn paused(&mut self, work: impl FnOnce(&mut Machine)) {
        pause_all(&self.cpus);
        change_run_state(false);
        for index in 0..CPUS {
            let inside = &self.fake.guest_of(index).inside;
            assert!(!inside.load(Ordering::Relaxed), "vCPU {index} runs");
        }
        work(self);
        change_run_state(true);
        resume_all(&self.cpus);
    }

    fn replug(&mut self, at: usize) {
        let cpu = self.cpus[at];
        unplug(cpu);
        self.fake.free(cpu);
        self.cpus[at] = self.fake.guest(at as i32);
        self.start(at);
    }

    fn deed(&mut self) {
        let at = self.draw(CPUS as u64) as usize;
        match self.draw(16) {
            0..5 => self.look(at),
            5..8 => kick(self.cpus[at]),
            8 => self.paused(|_| {}),
            9 => self.paused(|machine| (0..CPUS as usize).for_each(|at| machine.change(at))),
            10 => self.paused(|machine| {
                for at in 0..CPUS as usize {
                    let cpu = machine.cpus[at];
                    synchronize(cpu);
                    reset(cpu);
                    machine.store(at);
                    post_reset(cpu);
                }
            }),
            11 => self.paused(|machine| {
                for at in 0..CPUS as usize {
                    pre_loadvm(machine.cpus[at]);
                    machine.store(at);
                    post_init(machine.cpus[at]);
                }
            }),
            12 => self.replug(at),
            13 => {
                // SAFETY: A CPU object that is alive.
                let result = unsafe {
                    hooks::kvm_la_kvm_loongarch_set_interrupt(self.cpus[at].as_ptr(), 2, 1)
                };
                assert_eq!(result, 0);
            }
            // The thread that waits for the BQL gets it.
            _ => without_bql(|| std::thread::sleep(std::time::Duration::from_micros(300))),
        }
    }

    fn end(mut self) {
        for at in 0..CPUS as usize {
            self.look(at);
        }
        for cpu in std::mem::take(&mut self.cpus) {
            unplug(cpu);
            self.fake.free(cpu);
        }
        for index in 0..CPUS {
            let guest = self.fake.guest_of(index);
            let ran = guest.ran.load(Ordering::Relaxed);
            let kicked = guest.kicked.load(Ordering::Relaxed);
            assert!(ran > 50, "vCPU {index} ran {ran} times");
            assert!(kicked > 5, "vCPU {index} was kicked {kicked} times");
        }
        self.fake.state(|state| {
            assert!(state.exited.is_none() && state.stopped.is_empty());
            assert!(state.handlers.is_empty(), "of vCPUs that are gone");
            assert!(state.panics > 0 && state.reaped > 0);
            assert_eq!(state.messages, [""; 0]);
        });
    }
}

fn churn(fake: Fake) {
    let mut machine = Machine::new(fake);
    for _ in 0..DEEDS {
        machine.deed();
    }
    machine.end();
}

#[test]
fn guests_and_the_main_thread_at_once() {
    churn(Fake::new());
}

#[test]
fn guests_and_the_main_thread_at_once_with_our_module() {
    churn(Fake::with_module());
}

#[test]
fn a_guest_that_computes_for_ever_is_kicked() {
    let mut fake = Fake::new();
    let cpu = fake.guest(0);
    plug(cpu);
    post_init(cpu);
    resume_all(&[cpu]);
    for _ in 0..200 {
        without_bql(|| std::thread::sleep(std::time::Duration::from_micros(500)));
        pause_all(&[cpu]);
        resume_all(&[cpu]);
    }
    assert!(fake.guest_of(0).kicked.load(Ordering::Relaxed) > 0);
    unplug(cpu);
    fake.free(cpu);
}
