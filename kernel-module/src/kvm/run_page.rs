// SPDX-License-Identifier: GPL-2.0

//! `struct kvm_run`: the page that a vCPU shares with user space.
//!
//! User space may change it at any time, so nothing in it is borrowed: each word is
//! copied, and those that decide anything are read once.

use core::marker::PhantomData;
use core::mem::offset_of;

use la_arch::sync_regs::SyncRegs;

use crate::kvm::bindings as b;

/// The page of a vCPU that lives for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct RunPage<'a> {
    run: *mut b::kvm_run,
    _vcpu: PhantomData<&'a ()>,
}

/// Copies a word of the page.
macro_rules! read {
    ($page:expr, $($field:ident).+) => {{
        let page: RunPage<'_> = $page;
        // SAFETY: The page is valid, by the contract of `new`; any words are values.
        unsafe { (&raw const (*page.run).$($field).+).read_volatile() }
    }};
}

/// Sets a word of the page.
macro_rules! write {
    ($page:expr, $($field:ident).+ = $value:expr) => {{
        let page: RunPage<'_> = $page;
        let value = $value;
        // SAFETY: As in `read`.
        unsafe { (&raw mut (*page.run).$($field).+).write_volatile(value) }
    }};
}

// As one word, which is one access: the eight bytes of an access to a device.
const _: () = {
    let data = offset_of!(b::kvm_run, __bindgen_anon_1.mmio.data);
    assert!(data.is_multiple_of(align_of::<u64>()));
    let data = offset_of!(b::kvm_run, __bindgen_anon_1.iocsr_io.data);
    assert!(data.is_multiple_of(align_of::<u64>()));
};

/// [`read`] of such bytes.
macro_rules! read_bytes {
    ($page:expr, $($field:ident).+) => {{
        let page: RunPage<'_> = $page;
        // SAFETY: As in `read`; aligned, as asserted.
        unsafe { (&raw const (*page.run).$($field).+).cast::<u64>().read_volatile() }
    }};
}

/// [`write`] of such bytes.
macro_rules! write_bytes {
    ($page:expr, $($field:ident).+ = $value:expr) => {{
        let page: RunPage<'_> = $page;
        let value = u64::from_ne_bytes($value);
        // SAFETY: As in `read_bytes`.
        unsafe { (&raw mut (*page.run).$($field).+).cast::<u64>().write_volatile(value) }
    }};
}

impl<'a> RunPage<'a> {
    /// The page at `run`.
    ///
    /// # Safety
    ///
    /// It is the page of a vCPU that lives for `'a`, and only the thread that holds
    /// the vCPU's mutex uses the result.
    #[inline]
    pub(crate) unsafe fn new(run: *mut b::kvm_run) -> Self {
        Self {
            run,
            _vcpu: PhantomData,
        }
    }

    /// `exit_reason`: KVM_EXIT_*.
    #[inline]
    pub(crate) fn set_exit_reason(self, reason: u32) {
        write!(self, exit_reason = reason);
    }

    /// KVM_EXIT_MMIO: a load or store of `len` bytes at `gpa`.
    #[inline]
    pub(crate) fn ask_mmio(self, gpa: u64, len: u8, is_write: bool, data: [u8; 8]) {
        self.set_exit_reason(b::KVM_EXIT_MMIO);
        write!(self, __bindgen_anon_1.mmio.phys_addr = gpa);
        write!(self, __bindgen_anon_1.mmio.len = u32::from(len));
        write!(self, __bindgen_anon_1.mmio.is_write = u8::from(is_write));
        write_bytes!(self, __bindgen_anon_1.mmio.data = data);
    }

    /// What user space gave for a load, and the address that it finds there.
    #[inline]
    pub(crate) fn mmio_answer(self) -> ([u8; 8], u64) {
        (
            read_bytes!(self, __bindgen_anon_1.mmio.data).to_ne_bytes(),
            read!(self, __bindgen_anon_1.mmio.phys_addr),
        )
    }

    /// KVM_EXIT_LOONGARCH_IOCSR: an access of `len` bytes to IOCSR `address`.
    #[inline]
    pub(crate) fn ask_iocsr(self, address: u32, len: u8, is_write: bool, data: [u8; 8]) {
        self.set_exit_reason(b::KVM_EXIT_LOONGARCH_IOCSR);
        write!(
            self,
            __bindgen_anon_1.iocsr_io.phys_addr = u64::from(address)
        );
        write!(self, __bindgen_anon_1.iocsr_io.len = u32::from(len));
        write!(
            self,
            __bindgen_anon_1.iocsr_io.is_write = u8::from(is_write)
        );
        write_bytes!(self, __bindgen_anon_1.iocsr_io.data = data);
    }

    /// What user space gave for an `iocsrrd`.
    #[inline]
    pub(crate) fn iocsr_answer(self) -> u64 {
        u64::from_le(read_bytes!(self, __bindgen_anon_1.iocsr_io.data))
    }

    /// KVM_EXIT_HYPERCALL; `result` is what user space need not write.
    pub(crate) fn ask_hypercall(self, number: u64, args: [u64; 6], result: u64) {
        self.set_exit_reason(b::KVM_EXIT_HYPERCALL);
        write!(self, __bindgen_anon_1.hypercall.nr = number);
        write!(self, __bindgen_anon_1.hypercall.args = args);
        write!(self, __bindgen_anon_1.hypercall.ret = result);
        write!(self, __bindgen_anon_1.hypercall.__bindgen_anon_1.flags = 0);
    }

    /// The result of a hypercall.
    pub(crate) fn hypercall_answer(self) -> u64 {
        read!(self, __bindgen_anon_1.hypercall.ret)
    }

    /// The sets of registers that user space wants to see, and those that it
    /// changed: `kvm_valid_regs` and `kvm_dirty_regs`.
    #[inline]
    pub(crate) fn register_sets(self) -> (u64, u64) {
        (read!(self, kvm_valid_regs), read!(self, kvm_dirty_regs))
    }

    /// No set is marked as changed any more.
    pub(crate) fn clear_dirty_sets(self) {
        write!(self, kvm_dirty_regs = 0);
    }

    /// The registers of these sets, for [`read_register!`] and
    /// [`write_register!`]; valid for `'a`.
    #[inline]
    pub(crate) fn registers(self) -> *mut SyncRegs {
        // SAFETY: The page is valid, and its `s` has room (checked where `SyncRegs`
        // is defined). Only an address is taken.
        unsafe { (&raw mut (*self.run).s).cast() }
    }
}

/// Copies a field of the registers in a [`RunPage`].
macro_rules! read_register {
    ($page:expr, $($field:ident).+ $([$index:expr])?) => {{
        let page: $crate::kvm::run_page::RunPage<'_> = $page;
        // SAFETY: `registers` is valid as long as `page`; any words are values.
        unsafe { (&raw const (*page.registers()).$($field).+ $([$index])?).read_volatile() }
    }};
}
pub(crate) use read_register;

/// Sets a field of the registers in a [`RunPage`].
macro_rules! write_register {
    ($page:expr, $($field:ident).+ $([$index:expr])? = $value:expr) => {{
        let page: $crate::kvm::run_page::RunPage<'_> = $page;
        let value = $value;
        // SAFETY: `registers` is valid as long as `page`.
        unsafe {
            (&raw mut (*page.registers()).$($field).+ $([$index])?).write_volatile(value)
        }
    }};
}
pub(crate) use write_register;
