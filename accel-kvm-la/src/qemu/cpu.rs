// SPDX-License-Identifier: GPL-2.0-or-later

//! A QEMU CPU object, with its fields by [`Layout`].
//!
//! Fields are read and written as relaxed atomics: QEMU's own accesses are
//! ordered by the BQL or by the vCPU's thread, and where it uses acquire and
//! release, so does this.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering,
};

use super::layout::{Layout, layout};
use super::opaque::{CPUState, Object, QemuThread};
use super::services::services;

/// Words of a floating-point register's slot: four lanes.
pub const FPR_LANES: usize = 4;
/// CPUCFG words that QEMU keeps.
pub const CPUCFG_WORDS: usize = la_arch::kvm::CPUCFG_WORDS;

/// Value of an OnOffAuto property (qapi/common.json).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOffAuto {
    /// As the host has it.
    Auto,
    /// Required.
    On,
    /// Absent.
    Off,
}

impl OnOffAuto {
    /// From QEMU's number; what is none of them is taken for off.
    pub fn from_raw(raw: u32) -> OnOffAuto {
        match raw {
            0 => OnOffAuto::Auto,
            1 => OnOffAuto::On,
            _ => OnOffAuto::Off,
        }
    }

    /// QEMU's number.
    pub fn raw(self) -> u32 {
        match self {
            OnOffAuto::Auto => 0,
            OnOffAuto::On => 1,
            OnOffAuto::Off => 2,
        }
    }

    /// As a bool property sets it.
    pub fn from_bool(on: bool) -> OnOffAuto {
        if on { OnOffAuto::On } else { OnOffAuto::Off }
    }

    /// As a bool property shows it.
    pub fn is_not_off(self) -> bool {
        self != OnOffAuto::Off
    }
}

/// A CPU object that is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu(NonNull<CPUState>);

// SAFETY: A handle; each access to the object is atomic.
unsafe impl Send for Cpu {}
// SAFETY: As above.
unsafe impl Sync for Cpu {}

macro_rules! atomics {
    ($( $(#[$doc:meta])* $method:ident: $atomic:ty, $plain:ty; )*) => {
        $(
            $(#[$doc])*
            fn $method(&self, offset: usize) -> &$atomic {
                // SAFETY: The object is alive (`from_raw`) and the layout names
                // an aligned field of this size in it.
                unsafe { <$atomic>::from_ptr(self.0.as_ptr().wrapping_byte_add(offset).cast::<$plain>()) }
            }
        )*
    };
}

/// A CPU's `exit_request`, for a loop that asks again and again.
#[derive(Clone, Copy, Debug)]
pub struct ExitRequest<'a>(&'a AtomicU8);

impl ExitRequest<'_> {
    /// Whether it is set: pairs with the release in `cpu_exit`.
    #[inline]
    pub fn is_set(self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }
}

impl Cpu {
    atomics! {
        /// A bool field.
        bool_at: AtomicBool, bool;
        /// A byte field.
        u8_at: AtomicU8, u8;
        /// A 32-bit field.
        u32_at: AtomicU32, u32;
        /// A signed 32-bit field.
        i32_at: AtomicI32, i32;
        /// A 64-bit field.
        u64_at: AtomicU64, u64;
    }

    /// The CPU at `cpu`.
    ///
    /// # Safety
    ///
    /// `cpu` is a LoongArch CPU object that stays alive as long as the handle
    /// or a copy of it is used, and the installed [`Layout`] is its.
    pub unsafe fn from_raw(cpu: *mut CPUState) -> Option<Cpu> {
        NonNull::new(cpu).map(Cpu)
    }

    /// For QEMU's functions.
    pub fn as_ptr(self) -> *mut CPUState {
        self.0.as_ptr()
    }

    /// For QEMU's functions on objects.
    pub fn object(self) -> *mut Object {
        self.0.as_ptr().cast()
    }

    /// Key of tables by CPU.
    pub fn key(self) -> usize {
        self.0.as_ptr() as usize
    }

    fn layout(&self) -> &'static Layout {
        layout()
    }

    fn pointer_at<T>(&self, offset: usize) -> *mut T {
        // SAFETY: As in `atomics`; the field is a pointer.
        let field =
            unsafe { AtomicPtr::<T>::from_ptr(self.0.as_ptr().wrapping_byte_add(offset).cast()) };
        field.load(Ordering::Relaxed)
    }

    /// `cpu_index`.
    pub fn index(self) -> i32 {
        self.i32_at(self.layout().cpu_index).load(Ordering::Relaxed)
    }

    /// QEMU's `halted`: not 0 while the vCPU waits for an interrupt.
    pub fn halted(self) -> u32 {
        self.u32_at(self.layout().halted).load(Ordering::Relaxed)
    }

    /// `thread`, which `qemu_init_vcpu` allocated.
    pub fn thread(self) -> *mut QemuThread {
        self.pointer_at(self.layout().thread)
    }

    /// Stores `thread_id`.
    pub fn set_thread_id(self, id: i32) {
        self.i32_at(self.layout().thread_id)
            .store(id, Ordering::Relaxed);
    }

    /// Whether the vCPU is being taken out of the machine.
    pub fn unplug(self) -> bool {
        self.u8_at(self.layout().unplug).load(Ordering::Relaxed) != 0
    }

    /// QEMU's request that the vCPU's thread leaves the guest.
    pub fn exit_request(&self) -> ExitRequest<'_> {
        ExitRequest(self.u8_at(self.layout().exit_request))
    }

    /// Bit 0 of `singlestep_flags`.
    pub fn singlestep(self) -> bool {
        self.u32_at(self.layout().singlestep_flags)
            .load(Ordering::Relaxed)
            & 1
            != 0
    }

    /// Seed of the thread's random numbers.
    pub fn random_seed(self) -> u64 {
        self.u64_at(self.layout().random_seed)
            .load(Ordering::Relaxed)
    }

    /// `kvm_fd`: that of the vCPU from `kvm_init_vcpu` to `kvm_destroy_vcpu`.
    pub fn kvm_fd(self) -> i32 {
        self.i32_at(self.layout().kvm_fd).load(Ordering::Relaxed)
    }

    /// `kvm_run`: null before `kvm_init_vcpu` and after `kvm_destroy_vcpu`.
    pub fn kvm_run(self) -> *mut c_void {
        self.pointer_at(self.layout().kvm_run)
    }

    /// Mirrors our dirty flag into `vcpu_dirty`.
    pub fn set_vcpu_dirty(self, dirty: bool) {
        self.bool_at(self.layout().vcpu_dirty)
            .store(dirty, Ordering::Relaxed);
    }

    /// A 64-bit field of the register table.
    pub fn word(self, offset: usize) -> u64 {
        self.u64_at(offset).load(Ordering::Relaxed)
    }

    /// Sets a 64-bit field of the register table.
    pub fn set_word(self, offset: usize, value: u64) {
        self.u64_at(offset).store(value, Ordering::Relaxed);
    }

    /// A 32-bit field of the register table.
    pub fn half(self, offset: usize) -> u32 {
        self.u32_at(offset).load(Ordering::Relaxed)
    }

    /// Sets a 32-bit field of the register table.
    pub fn set_half(self, offset: usize, value: u32) {
        self.u32_at(offset).store(value, Ordering::Relaxed);
    }

    /// The program counter.
    pub fn pc(self) -> u64 {
        self.word(self.layout().pc)
    }

    /// Sets the program counter.
    pub fn set_pc(self, pc: u64) {
        self.set_word(self.layout().pc, pc);
    }

    /// General register `n` modulo 32.
    pub fn gpr(self, n: usize) -> u64 {
        self.word(self.layout().gpr + 8 * (n % 32))
    }

    /// Sets general register `n` modulo 32.
    pub fn set_gpr(self, n: usize, value: u64) {
        self.set_word(self.layout().gpr + 8 * (n % 32), value);
    }

    fn fpr_offset(self, n: usize, lane: usize) -> usize {
        self.layout().fpr + 8 * (FPR_LANES * (n % 32) + lane % FPR_LANES)
    }

    /// Lane of floating-point register `n`.
    pub fn fpr(self, n: usize, lane: usize) -> u64 {
        self.word(self.fpr_offset(n, lane))
    }

    /// Sets a lane of floating-point register `n`.
    pub fn set_fpr(self, n: usize, lane: usize, value: u64) {
        self.set_word(self.fpr_offset(n, lane), value);
    }

    /// Condition flag `n` modulo 8.
    pub fn cf(self, n: usize) -> bool {
        self.u8_at(self.layout().cf + n % 8).load(Ordering::Relaxed) & 1 != 0
    }

    /// Sets condition flag `n` modulo 8.
    pub fn set_cf(self, n: usize, value: bool) {
        self.u8_at(self.layout().cf + n % 8)
            .store(u8::from(value), Ordering::Relaxed);
    }

    /// The floating-point control and status register.
    pub fn fcsr0(self) -> u32 {
        self.half(self.layout().fcsr0)
    }

    /// Sets that register.
    pub fn set_fcsr0(self, value: u32) {
        self.set_half(self.layout().fcsr0, value);
    }

    /// CSR `number`; 0 if QEMU does not have it.
    pub fn csr(self, number: u16) -> u64 {
        self.layout()
            .csr(number)
            .map_or(0, |offset| self.word(offset))
    }

    /// Sets CSR `number`, if QEMU has it.
    pub fn set_csr(self, number: u16, value: u64) {
        if let Some(offset) = self.layout().csr(number) {
            self.set_word(offset, value);
        }
    }

    /// CPUCFG word; 0 past the end.
    pub fn cpucfg(self, word: usize) -> u32 {
        if word < CPUCFG_WORDS {
            self.half(self.layout().cpucfg + 4 * word)
        } else {
            0
        }
    }

    /// Sets a CPUCFG word; nothing past the end.
    pub fn set_cpucfg(self, word: usize, value: u32) {
        if word < CPUCFG_WORDS {
            self.set_half(self.layout().cpucfg + 4 * word, value);
        }
    }

    /// Sets how many performance counters the vCPU has.
    pub fn set_perf_event_num(self, value: u32) {
        self.set_half(self.layout().perf_event_num, value);
    }

    /// `stealtime.guest_addr`.
    pub fn steal_time_address(self) -> u64 {
        self.word(self.layout().stealtime_guest_addr)
    }

    /// Sets `stealtime.guest_addr`.
    pub fn set_steal_time_address(self, value: u64) {
        self.set_word(self.layout().stealtime_guest_addr, value);
    }

    /// `kvm_state_counter`.
    pub fn state_counter(self) -> u64 {
        self.word(self.layout().kvm_state_counter)
    }

    /// Sets `kvm_state_counter`.
    pub fn set_state_counter(self, value: u64) {
        self.set_word(self.layout().kvm_state_counter, value);
    }

    /// An OnOffAuto field.
    pub fn on_off_auto(self, offset: usize) -> OnOffAuto {
        OnOffAuto::from_raw(self.half(offset))
    }

    /// Sets an OnOffAuto field.
    pub fn set_on_off_auto(self, offset: usize, value: OnOffAuto) {
        self.set_half(offset, value.raw());
    }

    /// Whether the calling thread is the vCPU's.
    pub fn is_self(self) -> bool {
        // SAFETY: The object is alive.
        unsafe { (services().qemu_cpu_is_self)(self.as_ptr()) }
    }
}
