// SPDX-License-Identifier: GPL-2.0-or-later

//! A QEMU and a KVM inside the process: [`qemu`] has the functions and globals
//! that the backend links to, [`kvm`] a kernel with a store of registers,
//! scripted exits and scripted failures. CPU objects are in a layout of our own.
//!
//! One test at a time has it ([`Fake::new`]).

pub mod guest;
mod kvm;
mod qemu;
pub mod threads;

use la_arch::csr::number as n;
use std::collections::{HashMap, HashSet};
use std::ffi::{c_ulong, c_void};
use std::sync::Once;
use std::time::Duration;

use accel_kvm_la::hooks;
use accel_kvm_la::qemu::cpu::Cpu;
use accel_kvm_la::qemu::layout::{self, Layout, Source};
use accel_kvm_la::qemu::opaque::{CPUState, KVMState};
use accel_kvm_la::qemu::services::{self, LinkServices, Services};
use accel_kvm_la::vcpu::state::Vcpu;
use parking_lot::{Condvar, Mutex, MutexGuard};

use guest::Guest;
pub use kvm::{Exit, IOCSR_READ, Kernel, exit};
use qemu::GLOBALS;
pub use qemu::{DIRECT, RAM, VIEWS, change_map};
pub use threads::holds_bql;

/// Everything that a test sets up or looks at.
#[derive(Default)]
pub struct State {
    pub kernel: Kernel,
    pub messages: Vec<String>,
    pub stopped: Vec<i32>,
    pub resets: u32,
    pub shutdowns: u32,
    pub panics: u32,
    pub dumps: u32,
    pub accesses: Vec<(usize, u64, u64, usize, bool)>,
    /// An address whose access changes the map.
    pub changes_map: Option<u64>,
    /// Addresses that were looked for in the map.
    pub translated: Vec<u64>,
    pub breakpoints: HashSet<u64>,
    pub memory: HashMap<u64, [u8; 4]>,
    pub debug_stops: u32,
    /// KVM_SET_GUEST_DEBUG's flags of CPUs.
    pub debug_flags: HashMap<usize, u32>,
    pub reaped: u32,
    pub exited: Option<i32>,
    /// Work of [`threads::in_another_thread`] that came to an end.
    pub finished: Option<i32>,
    pub handlers: Vec<(usize, usize)>,
    pub threads: Vec<String>,
    pub life: Vec<&'static str>,
    pub properties: Vec<String>,
    /// Bool properties that are set.
    pub properties_on: Vec<&'static str>,
    /// `kvm_arch_*` are QEMU's own: only the operations call the backend.
    pub only_operations: bool,
    pub can_run: bool,
    pub routes: Vec<(i32, i32)>,
    pub converted: Vec<(u64, u64, bool)>,
}

static STATE: Mutex<Option<State>> = Mutex::new(None);
static CHANGED: Condvar = Condvar::new();
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
static INSTALL: Once = Once::new();

fn with<T>(work: impl FnOnce(&mut State) -> T) -> T {
    let mut guard = STATE.lock();
    let result = work(guard.get_or_insert_default());
    CHANGED.notify_all();
    result
}

impl Drop for Fake {
    fn drop(&mut self) {
        threads::end();
        if std::thread::panicking() {
            // Other threads may still run, and are not to hide what failed.
            std::mem::forget(std::mem::take(&mut self.objects));
            std::mem::forget(std::mem::take(&mut self.pages));
            std::mem::forget(std::mem::take(&mut self.guests));
        }
        // Where QEMU came to its end the backend still knows the CPU, and the next
        // test's may be at the same address.
        for key in self.objects.keys() {
            // SAFETY: The address of an object, which is freed after this.
            let cpu = unsafe { Cpu::from_raw(*key as *mut CPUState) };
            cpu.map(Vcpu::remove);
        }
    }
}

/// The fake, to one test.
pub struct Fake {
    /// Memory of the CPU objects, by [`Cpu::key`].
    objects: HashMap<usize, Box<[u64]>>,
    /// Run pages of those whose guest follows a script.
    pages: Vec<Box<[u64]>>,
    guests: HashMap<i32, Box<Guest>>,
    has_module: bool,
    _turn: MutexGuard<'static, ()>,
}

const OBJECT_WORDS: usize = 4096;
/// Offset of a word of ours: the guest that runs by itself, or 0.
const GUEST: usize = 8 * (OBJECT_WORDS - 1);
/// Offset of a word of ours: the CPU has a thread.
const HAS_THREAD: usize = 8 * (OBJECT_WORDS - 2);
const RUN_PAGE_BYTES: usize = 4096;

impl Fake {
    /// A machine like upstream's kernel makes it.
    pub fn new() -> Fake {
        let turn = ONE_AT_A_TIME.lock();
        INSTALL.call_once(install);
        let state = State {
            kernel: Kernel::upstream(),
            can_run: true,
            ..State::default()
        };
        *STATE.lock() = Some(state);
        // Each test has a VM of its own, told apart by the accelerator.
        // SAFETY: Only the test whose turn it is touches the globals.
        unsafe {
            GLOBALS.kvm_state += 0x1000;
            GLOBALS.flags = [true, true, true, false, false, false, false, false];
        }
        threads::start();
        Fake {
            objects: HashMap::new(),
            pages: Vec::new(),
            guests: HashMap::new(),
            has_module: false,
            _turn: turn,
        }
    }

    /// The same with our module's additions.
    pub fn with_module() -> Fake {
        let mut fake = Fake::new();
        fake.has_module = true;
        with(|state| state.kernel = Kernel::with_module());
        fake
    }

    pub fn state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        with(work)
    }

    pub fn kvm_state() -> *mut KVMState {
        // SAFETY: As in `new`.
        unsafe { GLOBALS.kvm_state as *mut KVMState }
    }

    pub fn flag(&self, index: usize) -> bool {
        // SAFETY: As in `new`.
        unsafe { GLOBALS.flags[index] }
    }

    pub fn set_flag(&self, index: usize, value: bool) {
        // SAFETY: As in `new`.
        unsafe { GLOBALS.flags[index] = value };
    }

    /// A CPU object, not yet in the kernel.
    pub fn cpu(&mut self, index: i32) -> Cpu {
        let mut page = vec![0; RUN_PAGE_BYTES / 8].into_boxed_slice();
        let address = page.as_mut_ptr() as u64;
        self.pages.push(page);
        let cpu = self.object(index);
        cpu.set_word(layout::layout().kvm_run, address);
        cpu
    }

    /// A CPU object whose guest runs by itself once it is plugged. A guest that
    /// was unplugged goes on with the registers that it had.
    pub fn guest(&mut self, index: i32) -> Cpu {
        let seed = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let kernel = if self.has_module {
            Kernel::with_module()
        } else {
            Kernel::upstream()
        };
        self.guests
            .entry(index)
            .or_insert_with(|| Box::new(Guest::new(kernel, index, seed)));
        let cpu = self.object(index);
        guest::attach(cpu, &self.guests[&index]);
        cpu
    }

    /// The guest of CPU `index`.
    pub fn guest_of(&self, index: i32) -> &Guest {
        &self.guests[&index]
    }

    /// Frees the object of a CPU that was unplugged.
    pub fn free(&mut self, cpu: Cpu) {
        self.objects.remove(&cpu.key());
    }

    fn object(&mut self, index: i32) -> Cpu {
        let mut memory = vec![0u64; OBJECT_WORDS].into_boxed_slice();
        let l = layout::layout();
        let raw = memory.as_mut_ptr().cast::<CPUState>();
        // SAFETY: The object lives until it is freed, in our layout.
        let cpu = unsafe { Cpu::from_raw(raw) }.unwrap();
        assert!(Vcpu::of(cpu).is_none(), "an earlier object's vCPU is known");
        self.objects.insert(cpu.key(), memory);
        cpu.set_half(l.cpu_index, index as u32);
        cpu.set_word(l.thread, 0x7000);
        // LLFTP, FP, LSX, as -cpu la464 has them.
        for (word, value) in [
            (0, 0x14_c010),
            (1, 0x3f2_f2fe),
            (2, 0x60_c3cf),
            (4, 100_000_000),
        ] {
            cpu.set_cpucfg(word, value);
        }
        // SAFETY: A CPU object under the BQL.
        unsafe { hooks::kvm_la_kvm_loongarch_cpu_post_init(cpu.as_ptr()) };
        cpu
    }

    /// A CPU object that `kvm_arch_init_vcpu` has accepted.
    pub fn vcpu(&mut self, index: i32) -> Cpu {
        let cpu = self.cpu(index);
        with(|state| {
            state.kernel.vcpus.entry(index).or_default();
        });
        // SAFETY: A CPU object under the BQL, whose run page is there.
        assert_eq!(unsafe { hooks::kvm_la_kvm_arch_init_vcpu(cpu.as_ptr()) }, 0);
        cpu
    }

    /// A vCPU after QEMU's start: written in full.
    pub fn started(&mut self, index: i32) -> Cpu {
        let cpu = self.vcpu(index);
        cpu.set_pc(0x1c00_0000);
        cpu.set_csr(n::CPUID, index as u64);
        post_init(cpu);
        self.take_calls();
        cpu
    }

    /// Requests since the last time.
    pub fn take_calls(&self) -> Vec<(c_ulong, u64)> {
        with(|state| std::mem::take(&mut state.kernel.calls))
    }

    pub fn count(&self, number: c_ulong) -> usize {
        with(|state| {
            state
                .kernel
                .calls
                .iter()
                .filter(|(request, _)| *request == number)
                .count()
        })
    }

    pub fn messages(&self) -> String {
        with(|state| state.messages.join("\n"))
    }

    /// Runs until the exits are used up.
    pub fn exec(&self, cpu: Cpu, exits: Vec<Exit>) -> i32 {
        exec(cpu, exits)
    }

    /// Waits until another thread has made `done` true.
    pub fn wait(&self, mut done: impl FnMut(&mut State) -> bool) -> bool {
        let limit = Duration::from_secs(10);
        let waits = |state: &mut Option<State>| !done(state.get_or_insert_default());
        !CHANGED
            .wait_while_for(&mut STATE.lock(), waits, limit)
            .timed_out()
    }
}

/// Runs until the exits are used up.
pub fn exec(cpu: Cpu, exits: Vec<Exit>) -> i32 {
    with(|state| state.kernel.exits = exits.into());
    // SAFETY: In the vCPU's thread with the BQL.
    unsafe { hooks::kvm_la_kvm_cpu_exec(cpu.as_ptr()) }
}

pub fn synchronize(cpu: Cpu) {
    // SAFETY: A CPU object under the BQL.
    unsafe { hooks::kvm_la_kvm_cpu_synchronize_state(cpu.as_ptr()) };
}

pub fn post_init(cpu: Cpu) {
    // SAFETY: As above.
    unsafe { hooks::kvm_la_kvm_cpu_synchronize_post_init(cpu.as_ptr()) };
}

pub fn post_reset(cpu: Cpu) {
    // SAFETY: As above.
    unsafe { hooks::kvm_la_kvm_cpu_synchronize_post_reset(cpu.as_ptr()) };
}

pub fn pre_loadvm(cpu: Cpu) {
    // SAFETY: As above.
    unsafe { hooks::kvm_la_kvm_cpu_synchronize_pre_loadvm(cpu.as_ptr()) };
}

pub fn reset(cpu: Cpu) {
    // SAFETY: As above.
    unsafe { hooks::kvm_la_kvm_arch_reset_vcpu(cpu.as_ptr()) };
}

/// Calls the handlers of stops and starts, as QEMU does.
pub fn change_run_state(running: bool) {
    let handlers = with(|state| state.handlers.clone());
    for (function, opaque) in handlers {
        // SAFETY: As it was registered.
        let function: services::VmChangeStateHandler = unsafe { std::mem::transmute(function) };
        // SAFETY: As above.
        unsafe { function(opaque as *mut c_void, running, 0) };
    }
}

fn install() {
    let mut next = 64;
    let built = Layout::build(|field| {
        let offset = next;
        next += match field.source {
            // With room for the fields behind one that have no name of their own.
            Source::Vmstate(place) => (place.size * place.count).next_multiple_of(16).max(64),
            Source::Discovered => 128,
        };
        Some(offset)
    })
    .unwrap();
    assert!(next < HAS_THREAD);
    assert!(layout::install(built));
    let link = LinkServices {
        set_current_cpu: threads::set_current_cpu,
        dirty_ring_reap: None,
        iocsr_address_space: None,
    };
    // SAFETY: Functions of the types that the table names; the variadic ones are
    // called with as many words as they take.
    let filled = unsafe { Services::resolve(qemu::address, link) };
    assert!(services::install(filled.unwrap()));
}
