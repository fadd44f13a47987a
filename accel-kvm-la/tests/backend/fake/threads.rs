// SPDX-License-Identifier: GPL-2.0-or-later

//! QEMU's threads: the BQL, a thread a vCPU with its queued work, and kicks by
//! signal (QEMU: system/cpus.c, cpu-common.c).
//!
//! What is called without the BQL takes no lock here: a lock that all threads
//! share would hide from ThreadSanitizer what the backend's own are for.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Once};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use accel_kvm_la::hooks;
use accel_kvm_la::qemu::cpu::Cpu;
use accel_kvm_la::qemu::layout::layout;
use accel_kvm_la::qemu::opaque::CPUState;
use accel_kvm_la::qemu::services::{RunOnCpuFn, ThreadFn};
use accel_kvm_la::vcpu::collector;
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{Fake, HAS_THREAD, guest, with};

/// How long anything may take before it counts as stuck.
const LIMIT: Duration = Duration::from_secs(60);

/// One vCPU's thread.
#[derive(Default)]
struct VcpuThread {
    handle: Option<JoinHandle<()>>,
    pthread: Option<libc::pthread_t>,
    created: bool,
    stop: bool,
    stopped: bool,
    work: VecDeque<(RunOnCpuFn, usize, Arc<AtomicBool>)>,
}

/// What the BQL guards, and the BQL.
#[derive(Default)]
struct Threads {
    taken: bool,
    vcpus: HashMap<usize, VcpuThread>,
}

impl Threads {
    fn vcpu(&mut self, cpu: Cpu) -> &mut VcpuThread {
        self.vcpus.entry(cpu.key()).or_default()
    }
}

static THREADS: Mutex<Option<Threads>> = Mutex::new(None);
static MOVED: Condvar = Condvar::new();

thread_local! {
    static HOLDS_BQL: Cell<bool> = const { Cell::new(false) };
    static CURRENT_CPU: Cell<Option<Cpu>> = const { Cell::new(None) };
}

fn lock() -> MutexGuard<'static, Option<Threads>> {
    THREADS.lock()
}

fn change<T>(work: impl FnOnce(&mut Threads) -> T) -> T {
    let result = work(lock().get_or_insert_default());
    MOVED.notify_all();
    result
}

/// Whether the calling thread holds the BQL.
pub fn holds_bql() -> bool {
    HOLDS_BQL.get()
}

/// A new machine: the calling thread holds the BQL, and there are no vCPUs.
pub(super) fn start() {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        let handler: extern "C" fn(c_int) = sig_ipi;
        // SAFETY: The handler does what a handler may.
        unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
    });
    *lock() = Some(Threads {
        taken: true,
        ..Threads::default()
    });
    HOLDS_BQL.set(true);
}

/// Gives the BQL up until the dirty rings that vCPUs asked for are collected.
pub fn let_rings_be_collected() {
    let started = Instant::now();
    while !collector::is_idle() {
        assert!(started.elapsed() < LIMIT, "the rings are not collected");
        without_bql(|| std::thread::sleep(Duration::from_micros(50)));
    }
}

/// The end of the machine that this thread had.
pub(super) fn end() {
    if !std::thread::panicking() && holds_bql() {
        let_rings_be_collected();
    }
    HOLDS_BQL.set(false);
}

fn take(mut guard: MutexGuard<'_, Option<Threads>>, started: Instant) {
    while guard.as_ref().is_some_and(|threads| threads.taken) {
        assert!(started.elapsed() < LIMIT, "no thread gives the BQL up");
        MOVED.wait_for(&mut guard, LIMIT);
    }
    guard.get_or_insert_default().taken = true;
    HOLDS_BQL.set(true);
}

/// Waits with the BQL given up meanwhile, as a condition variable does.
fn wait_until(what: &str, mut ready: impl FnMut(&mut Threads) -> bool) {
    assert!(holds_bql(), "waiting for {what} needs the BQL");
    let started = Instant::now();
    loop {
        let mut guard = lock();
        let threads = guard.get_or_insert_default();
        if ready(threads) {
            return;
        }
        assert!(started.elapsed() < LIMIT, "stuck: {what}");
        threads.taken = false;
        HOLDS_BQL.set(false);
        MOVED.notify_all();
        MOVED.wait_for(&mut guard, LIMIT);
        take(guard, started);
    }
}

/// Does `work` without the BQL.
pub fn without_bql<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: The caller holds it, which is checked.
    unsafe { bql_unlock() };
    let result = work();
    // SAFETY: This thread does not hold it.
    unsafe { bql_lock_impl(c"".as_ptr(), 0) };
    result
}

/// Does `work` with the BQL in another thread, which may end QEMU: its result,
/// or none if it did.
pub fn in_another_thread(fake: &Fake, work: impl FnOnce() -> i32 + Send + 'static) -> Option<i32> {
    HOLDS_BQL.set(false);
    std::thread::Builder::new()
        .stack_size(1 << 18)
        .spawn(move || {
            HOLDS_BQL.set(true);
            let result = work();
            HOLDS_BQL.set(false);
            with(|state| state.finished = Some(result));
        })
        .unwrap();
    let ended = fake.wait(|state| state.finished.is_some() || state.exited.is_some());
    HOLDS_BQL.set(true);
    assert!(ended, "QEMU neither goes on nor ends");
    fake.state(|state| state.finished)
}

/// `qemu_init_vcpu`: starts the vCPU's thread and waits until it is there.
pub fn plug(cpu: Cpu) {
    // SAFETY: A CPU object under the BQL, which the caller keeps until it is
    // unplugged.
    unsafe { hooks::kvm_la_create_vcpu_thread(cpu.as_ptr()) };
    wait_until("a thread is created", |threads| threads.vcpu(cpu).created);
}

/// `cpu_remove_sync`.
pub fn unplug(cpu: Cpu) {
    change(|threads| threads.vcpu(cpu).stop = true);
    cpu.set_half(layout().unplug, 1);
    kick(cpu);
    let handle = change(|threads| threads.vcpu(cpu).handle.take());
    without_bql(|| handle.unwrap().join().unwrap());
    change(|threads| threads.vcpus.remove(&cpu.key()));
}

/// `pause_all_vcpus`: afterwards none of them runs.
pub fn pause_all(cpus: &[Cpu]) {
    for cpu in cpus {
        change(|threads| threads.vcpu(*cpu).stop = true);
        kick(*cpu);
    }
    wait_until("all vCPUs are paused", |threads| {
        cpus.iter().all(|cpu| threads.vcpu(*cpu).stopped)
    });
}

/// `resume_all_vcpus`.
pub fn resume_all(cpus: &[Cpu]) {
    for cpu in cpus {
        change(|threads| {
            let vcpu = threads.vcpu(*cpu);
            (vcpu.stop, vcpu.stopped) = (false, false);
        });
        kick(*cpu);
    }
}

/// `qemu_cpu_kick`, with the exit request of `cpu_exit`.
pub fn kick(cpu: Cpu) {
    exit_request(cpu).store(1, Ordering::Release);
    if let Some(thread) = change(|threads| threads.vcpu(cpu).pthread) {
        // SAFETY: The thread has not been joined: it is in the table.
        unsafe { libc::pthread_kill(thread, libc::SIGUSR1) };
    }
}

fn exit_request(cpu: Cpu) -> &'static AtomicU8 {
    // SAFETY: A field of a CPU object that outlives the call; all accesses are
    // atomic.
    unsafe {
        AtomicU8::from_ptr(
            cpu.as_ptr()
                .wrapping_byte_add(layout().exit_request)
                .cast::<u8>(),
        )
    }
}

/// Whether this is the thread of a vCPU whose guest runs by itself.
pub(super) fn in_guests_thread() -> bool {
    CURRENT_CPU.get().is_some_and(guest::runs_by_itself)
}

/// `kvm_ipi_signal`.
extern "C" fn sig_ipi(_signal: c_int) {
    if let Some(cpu) = CURRENT_CPU.get() {
        guest::set_immediate_exit(cpu);
    }
}

pub(super) unsafe extern "C" fn set_current_cpu(cpu: *mut CPUState) {
    // SAFETY: A CPU object.
    let cpu = unsafe { Cpu::from_raw(cpu) };
    CURRENT_CPU.set(cpu);
    // SAFETY: No argument.
    let this = unsafe { libc::pthread_self() };
    change(|threads| threads.vcpu(cpu.unwrap()).pthread = Some(this));
    with(|state| state.life.push("current_cpu"));
}

pub(super) unsafe extern "C" fn bql_lock_impl(_file: *const c_char, _line: c_int) {
    assert!(!holds_bql(), "the BQL is taken twice");
    take(lock(), Instant::now());
}

pub(super) unsafe extern "C" fn bql_unlock() {
    assert!(holds_bql(), "the BQL is given up twice");
    HOLDS_BQL.set(false);
    change(|threads| threads.taken = false);
}

pub(super) unsafe extern "C" fn bql_locked() -> bool {
    holds_bql()
}

pub(super) unsafe extern "C" fn qemu_process_cpu_events(cpu: *mut CPUState) {
    // SAFETY: A CPU object.
    let cpu = unsafe { Cpu::from_raw(cpu) }.unwrap();
    assert!(holds_bql());
    if !guest::runs_by_itself(cpu) {
        if with(|state| state.kernel.exits.is_empty()) {
            cpu.set_half(layout().unplug, 1);
            with(|state| state.can_run = false);
        }
        return;
    }
    wait_until("a vCPU has nothing to do", |threads| {
        let vcpu = threads.vcpu(cpu);
        vcpu.stop || !vcpu.stopped || !vcpu.work.is_empty()
    });
    exit_request(cpu).store(0, Ordering::Relaxed);
    change(|threads| {
        let vcpu = threads.vcpu(cpu);
        vcpu.stopped |= vcpu.stop;
        vcpu.stop = false;
    });
    while let Some((function, data, done)) = change(|threads| threads.vcpu(cpu).work.pop_front()) {
        // SAFETY: As the caller that queued it promised.
        unsafe { function(cpu.as_ptr(), data as *mut c_void) };
        change(|_| done.store(true, Ordering::Relaxed));
    }
}

pub(super) unsafe extern "C" fn cpu_can_run(cpu: *mut CPUState) -> bool {
    // SAFETY: A CPU object.
    let cpu = unsafe { Cpu::from_raw(cpu) }.unwrap();
    if !guest::runs_by_itself(cpu) {
        return with(|state| state.can_run);
    }
    change(|threads| {
        let vcpu = threads.vcpu(cpu);
        !vcpu.stop && !vcpu.stopped
    })
}

pub(super) unsafe extern "C" fn qemu_thread_create(
    _thread: *mut c_void,
    name: *const c_char,
    start: ThreadFn,
    argument: *mut c_void,
    mode: c_int,
) {
    assert_eq!(mode, 0);
    // SAFETY: A CPU object, as `start` takes it.
    let cpu = unsafe { Cpu::from_raw(argument.cast()) }.unwrap();
    // SAFETY: A string that ends.
    let name = unsafe { CStr::from_ptr(name) };
    with(|state| state.threads.push(name.to_string_lossy().into_owned()));
    cpu.set_word(HAS_THREAD, 1);
    // Until the machine lets it go.
    change(|threads| threads.vcpu(cpu).stopped = true);
    let handle = std::thread::spawn(move || {
        // SAFETY: As the caller promised.
        unsafe { start(cpu.as_ptr().cast()) };
        with(|state| state.life.push("end"));
    });
    change(|threads| threads.vcpu(cpu).handle = Some(handle));
}

pub(super) unsafe extern "C" fn cpu_thread_signal_created(cpu: *mut CPUState) {
    // SAFETY: A CPU object.
    let cpu = unsafe { Cpu::from_raw(cpu) }.unwrap();
    change(|threads| threads.vcpu(cpu).created = true);
    with(|state| state.life.push("created"));
}

pub(super) unsafe extern "C" fn cpu_thread_signal_destroyed(_cpu: *mut CPUState) {
    with(|state| state.life.push("destroyed"));
}

pub(super) unsafe extern "C" fn qemu_cpu_is_self(cpu: *mut CPUState) -> bool {
    // SAFETY: A CPU object.
    let cpu = unsafe { Cpu::from_raw(cpu) }.unwrap();
    // Without a thread of its own the test's serves.
    cpu.word(HAS_THREAD) == 0 || CURRENT_CPU.get() == Some(cpu)
}

/// Returns when every vCPU that has a thread has been out of the guest.
pub(super) fn kick_all_out() {
    unsafe extern "C" fn nothing(_cpu: *mut CPUState, _data: *mut c_void) {}
    let cpus: Vec<usize> = change(|threads| {
        let there = threads.vcpus.iter();
        let there = there.filter(|(_, vcpu)| vcpu.created && vcpu.handle.is_some());
        there.map(|(cpu, _)| *cpu).collect()
    });
    for cpu in cpus {
        // The BQL was given up for the one before: its thread may have been ended.
        let is_there = change(|threads| {
            let vcpu = threads.vcpus.get(&cpu);
            vcpu.is_some_and(|vcpu| vcpu.handle.is_some())
        });
        if is_there {
            // SAFETY: A CPU object, by its address.
            unsafe { run_on_cpu(cpu as *mut CPUState, nothing, std::ptr::null_mut()) };
        }
    }
}

pub(super) unsafe extern "C" fn run_on_cpu(
    cpu: *mut CPUState,
    function: RunOnCpuFn,
    data: *mut c_void,
) {
    // SAFETY: As the caller promised.
    if unsafe { qemu_cpu_is_self(cpu) } {
        // SAFETY: As the caller promised.
        unsafe { function(cpu, data) };
        return;
    }
    assert!(holds_bql(), "work is queued under the BQL");
    // SAFETY: A CPU object.
    let cpu = unsafe { Cpu::from_raw(cpu) }.unwrap();
    // Its own, since the vCPU may be gone when the caller looks.
    let done = Arc::new(AtomicBool::new(false));
    let work = (function, data as usize, Arc::clone(&done));
    change(|threads| threads.vcpu(cpu).work.push_back(work));
    kick(cpu);
    wait_until("queued work is done", |_| done.load(Ordering::Relaxed));
}
