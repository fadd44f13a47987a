// SPDX-License-Identifier: GPL-2.0

//! Access to control and status registers: the root's (`csr*`) and the
//! guest's (`gcsr*`, docs/lvz.md 3.2), with the number as a const parameter.
//!
//! The functions are safe to call in the sense of memory: a register of the root's own that
//! the kernel's memory accesses depend on cannot be written ([`is_ours`]). What the other
//! writes do to the machine is for the callers to get right, and each says which lock or CPU
//! pinning it relies on. All of them need preemption off when the value belongs to a vCPU.

use core::arch::asm;

use kvm_core::csr::CsrFile;
pub(crate) use la_arch::csr::number as num;
use la_arch::csr::{class, visit, Class, Visitor};

/// Registers of the root that may be written: LVZ's own, the units' switches and the
/// performance counters. None affects the kernel's own memory accesses.
const fn is_ours(number: u16) -> bool {
    number == num::EUEN || matches!(class(number), Class::Root | Class::Counter)
}

/// Makes the three accesses to a CSR, of the root or of the guest.
macro_rules! accesses {
    ($(
        $(#[$meta:meta])*
        $name:ident = $instruction:literal($($value:ident: $kind:ident),*) $(if $may:ident)?;
    )*) => {$(
        $(#[$meta])*
        #[inline(always)]
        pub(crate) fn $name<const N: u16>($($value: u64),*) -> u64 {
            $(const { assert!($may(N), "the kernel's own memory accesses depend on this CSR") };)?
            let old: u64;
            // SAFETY: Of the root's registers those alone are written that the assertion
            // lets pass; the guest's affect guest mode only and never trap in root mode
            // (docs/lvz.md G-3).
            unsafe { access!($instruction, N, old $(, $value $kind)*) };
            old
        }
    )*};
}

macro_rules! access {
    ($instruction:literal, $n:ident, $old:ident) => {
        asm!(concat!($instruction, " {old}, {n}"), old = out(reg) $old, n = const $n,
            options(nostack))
    };
    ($instruction:literal, $n:ident, $old:ident, $value:ident new) => {
        asm!(concat!($instruction, " {v}, {n}"), v = inout(reg) $value => $old, n = const $n,
            options(nostack))
    };
    ($instruction:literal, $n:ident, $old:ident, $value:ident new, $mask:ident mask) => {
        // In a register of its own: with $r0 or $r1 there the encodings are csrrd and csrwr,
        // and class `reg` has $r1.
        asm!(concat!($instruction, " {v}, $t0, {n}"), v = inout(reg) $value => $old,
            in("$t0") $mask, n = const $n, options(nostack))
    };
}

accesses! {
    /// Reads root CSR `N`.
    read = "csrrd"();
    /// Writes root CSR `N` and returns the old value.
    write = "csrwr"(value: new) if is_ours;
    /// Replaces the bits of root CSR `N` that are set in `mask`; returns the old
    /// value.
    exchange = "csrxchg"(value: new, mask: mask) if is_ours;
    /// Reads guest CSR `N`.
    guest_read = "gcsrrd"();
    /// Writes guest CSR `N` and returns the old value.
    guest_write = "gcsrwr"(value: new);
    /// Replaces the bits of guest CSR `N` that are set in `mask`; returns the old
    /// value.
    guest_exchange = "gcsrxchg"(value: new, mask: mask);
}

/// Puts registers of the file into the CPU.
struct Load<'a>(&'a CsrFile);

impl Visitor for Load<'_> {
    #[inline(always)]
    fn visit<const N: u16>(&mut self) {
        guest_write::<N>(self.0.get(N));
    }
}

/// Puts registers of the CPU into the file.
struct Save<'a>(&'a mut CsrFile);

impl Visitor for Save<'_> {
    #[inline(always)]
    fn visit<const N: u16>(&mut self) {
        self.0.set(N, guest_read::<N>());
    }
}

/// Empties registers of the CPU.
struct Clear;

impl Visitor for Clear {
    #[inline(always)]
    fn visit<const N: u16>(&mut self) {
        guest_write::<N>(0);
    }
}

/// Whose registers of message interrupts a CPU with them is to have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Messages {
    /// The guest's.
    Guest,
    /// None: the guest has no message interrupts, and must not get those of another.
    Empty,
    /// The CPU has no such registers.
    Absent,
}

/// Puts a guest's registers into the CPU, but for those that change by themselves
/// (`timer`).
#[inline]
pub(crate) fn load_guest(file: &CsrFile, messages: Messages) {
    visit(Class::Guest, &mut Load(file));
    match messages {
        Messages::Guest => visit(Class::Message, &mut Load(file)),
        Messages::Empty => visit(Class::Message, &mut Clear),
        Messages::Absent => {}
    }
}

/// Takes them out of the CPU again, with those that are only reported.
#[inline]
pub(crate) fn save_guest(file: &mut CsrFile, msgint: bool) {
    visit(Class::Guest, &mut Save(file));
    visit(Class::Constant, &mut Save(file));
    if msgint {
        visit(Class::Message, &mut Save(file));
    }
}

/// Word `index` of the CPU's configuration.
#[inline(always)]
pub(crate) fn cpucfg(index: u32) -> u32 {
    let value: u64;
    // SAFETY: `cpucfg` has no side effects.
    unsafe {
        asm!("cpucfg {v}, {i}", v = out(reg) value, i = in(reg) u64::from(index),
            options(nostack, nomem, pure))
    };
    value as u32
}

/// The stable counter as the root sees it.
#[inline(always)]
pub(crate) fn counter() -> u64 {
    let value: u64;
    // SAFETY: `rdtime.d` has no side effects.
    unsafe { asm!("rdtime.d {v}, $zero", v = out(reg) value, options(nostack, nomem)) };
    value
}

/// Drops every guest TLB entry of both stages and all GIDs on this CPU
/// (`invtlb` operation 0x12, docs/lvz.md I-5).
#[inline(always)]
pub(crate) fn flush_all_guests() {
    // SAFETY: Dropping TLB entries never changes what an access reads.
    unsafe { asm!("invtlb 0x12, $zero, $zero", options(nostack)) };
}

/// Drops the stage-2 entry of guest `gid` for the page pair that holds `gpa`
/// (`invtlb` operation 0x16, docs/lvz.md I-6). `gid` is in GSTAT's position.
#[inline(always)]
pub(crate) fn flush_stage2(gid: u64, gpa: u64) {
    // SAFETY: As for `flush_all_guests`.
    unsafe { asm!("invtlb 0x16, {g}, {a}", g = in(reg) gid, a = in(reg) gpa, options(nostack)) };
}
