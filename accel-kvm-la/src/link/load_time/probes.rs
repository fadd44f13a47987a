// SPDX-License-Identifier: GPL-2.0-or-later

//! Fields that no table names, found by calling QEMU's exported functions on
//! scratch memory. Nothing of QEMU's own state is changed by these calls.
//!
//! They are made at the start, with the BQL held and before there is any CPU. The memory is
//! as large as a CPU object, whose `bytes` the callers have.

use std::ffi::{c_int, c_ulong, c_void};
use std::os::fd::AsRawFd as _;

use super::image::function;
use super::refusal::Refusal;
use super::scratch::{Scratch, bisect};
use crate::qemu::opaque::CPUState;
use crate::qemu::services::Services;

/// `needed` of a VMStateDescription: `bool (*)(void *opaque)`.
type Needed = unsafe extern "C" fn(*mut c_void) -> bool;
/// `unsigned long kvm_arch_vcpu_id(CPUState *)`.
type VcpuId = unsafe extern "C" fn(*mut CPUState) -> c_ulong;
/// The four `kvm_cpu_synchronize_*`.
type Synchronize = unsafe extern "C" fn(*mut CPUState);

/// A QemuThread for scratch CPUs (include/qemu/thread-posix.h: `pthread_t` is
/// its first member).
type Thread = [u64; 8];

/// The offset of the 32-bit word in which a subsection's `needed` looks for
/// these bits; `guess` is where it should be.
pub(crate) fn needed_word(
    bytes: usize,
    address: usize,
    bits: u32,
    guess: usize,
    what: &'static str,
) -> Result<usize, Refusal> {
    // SAFETY: the walk of the tables took the address from the member `needed`
    // of a description and checked that it is in QEMU's code.
    let needed = unsafe { function::<Needed>(address) };
    let mut scratch = Scratch::new(bytes);
    bisect(scratch.len32(), Some(guess / 4), |set| {
        scratch.set32(&set, bits);
        // SAFETY: these callbacks read plain members of the object they are
        // given (target/loongarch/machine.c), and the scratch object is as large
        // as a CPU.
        let holds = unsafe { needed(scratch.object()) };
        scratch.set32(&set, 0);
        holds
    })
    .map(|word| word * 4)
    .ok_or(Refusal::Probe(what))
}

/// `cpu_index`, which `kvm_arch_vcpu_id` returns; `guess` is where it should be.
pub(crate) fn cpu_index(bytes: usize, address: usize, guess: usize) -> Result<usize, Refusal> {
    /// No index that anything else could make up.
    const INDEX: u32 = 0x5a69_78b7;
    // SAFETY: the address is that of the exported function of this name.
    let vcpu_id = unsafe { function::<VcpuId>(address) };
    let mut scratch = Scratch::new(bytes);
    bisect(scratch.len32(), Some(guess / 4), |set| {
        scratch.set32(&set, INDEX);
        // SAFETY: the function returns a member of the object (kvm.c) and the
        // scratch object is as large as a CPU.
        let id = unsafe { vcpu_id(scratch.object()) };
        scratch.set32(&set, 0);
        id == c_ulong::from(INDEX)
    })
    .map(|word| word * 4)
    .ok_or(Refusal::Probe("cpu_index"))
}

/// `thread`, through which `qemu_cpu_is_self` knows the thread; `guess` is where it
/// should be.
pub(crate) fn thread(bytes: usize, services: &Services, guess: usize) -> Result<usize, Refusal> {
    let own = own_thread(services);
    let other: Thread = [0; 8];
    let mut scratch = Scratch::new(bytes);
    let (own, other) = (address_of(&own), address_of(&other));
    scratch.fill64(other);
    bisect(scratch.len64(), Some(guess / 8), |set| {
        scratch.set64(&set, own);
        // SAFETY: the function compares the handle behind one pointer of the
        // object (system/cpus.c), and all its words point to handles.
        let is_self = unsafe { (services.qemu_cpu_is_self)(scratch.object()) };
        scratch.set64(&set, other);
        is_self
    })
    .map(|word| word * 8)
    .ok_or(Refusal::Probe("thread"))
}

/// `created`, the one byte that `cpu_thread_signal_created` sets.
pub(crate) fn created(bytes: usize, services: &Services) -> Result<usize, Refusal> {
    let mut scratch = Scratch::new(bytes);
    // SAFETY: the function sets a member and signals a condition that QEMU
    // initialised before (system/cpus.c); no thread waits for it yet.
    unsafe { (services.cpu_thread_signal_created)(scratch.object()) };
    match *scratch.changed() {
        [offset] => Ok(offset),
        _ => Err(Refusal::Probe("created")),
    }
}

/// `vcpu_dirty`, the one byte that the C backend's `synchronize_pre_loadvm`
/// sets, in the thread of the CPU and therefore at once.
pub(crate) fn vcpu_dirty(
    bytes: usize,
    services: &Services,
    address: usize,
    thread: usize,
) -> Result<usize, Refusal> {
    // SAFETY: the address is that of the exported function of this name.
    let pre_loadvm = unsafe { function::<Synchronize>(address) };
    let own = own_thread(services);
    let member = thread / 8..thread / 8 + 1;
    let mut scratch = Scratch::new(bytes);
    scratch.set64(&member, address_of(&own));
    // SAFETY: `run_on_cpu` calls the worker directly in the CPU's own thread,
    // which the object names as this one, and the worker sets one member
    // (accel/kvm/kvm-all.c).
    unsafe { pre_loadvm(scratch.object()) };
    scratch.set64(&member, 0);
    match *scratch.changed() {
        [offset] => Ok(offset),
        _ => Err(Refusal::Probe("vcpu_dirty")),
    }
}

/// `kvm_fd`, on which `kvm_vcpu_ioctl` acts; `guess` is where it is in QEMU 11.1.
pub(crate) fn kvm_fd(bytes: usize, services: &Services, guess: usize) -> Result<usize, Refusal> {
    const WHAT: Refusal = Refusal::Probe("kvm_fd");
    // SAFETY: no arguments, no effect.
    if !unsafe { (services.bql_locked)() } {
        // Without the lock the function would count itself in the object.
        return Err(WHAT);
    }
    let (reader, _writer) = std::io::pipe().map_err(|_| WHAT)?;
    let Ok(fd) = u32::try_from(reader.as_raw_fd()) else {
        return Err(WHAT);
    };
    const NONE: u32 = u32::MAX;
    let mut scratch = Scratch::new(bytes);
    scratch.fill32(NONE);
    bisect(scratch.len32(), Some(guess / 4), |set| {
        scratch.set32(&set, fd);
        let mut unread: c_int = 0;
        // SAFETY: with the BQL held the function does the ioctl on a member of
        // the object and nothing else; FIONREAD stores an int where it is told.
        let result =
            unsafe { (services.kvm_vcpu_ioctl)(scratch.object(), libc::FIONREAD, &raw mut unread) };
        scratch.set32(&set, NONE);
        result == 0
    })
    .map(|word| word * 4)
    .ok_or(WHAT)
}

fn own_thread(services: &Services) -> Thread {
    let mut own: Thread = [0; 8];
    // SAFETY: the function stores a handle, which is a `pthread_t`, and there is
    // room for more.
    unsafe { (services.qemu_thread_get_self)((&raw mut own).cast()) };
    own
}

fn address_of(thread: &Thread) -> u64 {
    let address = std::ptr::from_ref(thread).expose_provenance();
    u64::try_from(address).unwrap_or(0)
}
