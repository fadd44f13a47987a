// SPDX-License-Identifier: GPL-2.0

//! `struct kvm_run`: the page that a vCPU shares with user space.
//!
//! User space may change it at any time, so nothing in it is borrowed: each word is
//! copied, and those that decide anything are read once.

use core::marker::PhantomData;

use la_arch::sync_regs::SyncRegs;

use crate::bindings as b;

/// The page of a vCPU that lives for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct RunPage<'a> {
    run: *mut b::kvm_run,
    _vcpu: PhantomData<&'a ()>,
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
        // SAFETY: The page is valid, by the contract of `new`.
        unsafe { (*self.run).exit_reason = reason };
    }

    /// KVM_EXIT_MMIO: a load or store of `len` bytes at `gpa`.
    #[inline]
    pub(crate) fn ask_mmio(self, gpa: u64, len: u8, is_write: bool, data: [u8; 8]) {
        self.set_exit_reason(b::KVM_EXIT_MMIO);
        // SAFETY: As in `set_exit_reason`.
        unsafe {
            let mmio = &raw mut (*self.run).__bindgen_anon_1.mmio;
            (*mmio).phys_addr = gpa;
            (*mmio).len = u32::from(len);
            (*mmio).is_write = u8::from(is_write);
            (*mmio).data = data;
        }
    }

    /// What user space gave for a load, and the address that it finds there.
    #[inline]
    pub(crate) fn mmio_answer(self) -> ([u8; 8], u64) {
        // SAFETY: As in `set_exit_reason`; any bytes are values.
        unsafe {
            let mmio = &raw const (*self.run).__bindgen_anon_1.mmio;
            ((*mmio).data, (*mmio).phys_addr)
        }
    }

    /// KVM_EXIT_LOONGARCH_IOCSR: an access of `len` bytes to IOCSR `address`.
    #[inline]
    pub(crate) fn ask_iocsr(self, address: u32, len: u8, is_write: bool, data: [u8; 8]) {
        self.set_exit_reason(b::KVM_EXIT_LOONGARCH_IOCSR);
        // SAFETY: As in `set_exit_reason`.
        unsafe {
            let io = &raw mut (*self.run).__bindgen_anon_1.iocsr_io;
            (*io).phys_addr = u64::from(address);
            (*io).len = u32::from(len);
            (*io).is_write = u8::from(is_write);
            (*io).data = data;
        }
    }

    /// What user space gave for an `iocsrrd`.
    #[inline]
    pub(crate) fn iocsr_answer(self) -> u64 {
        // SAFETY: As in `mmio_answer`.
        let data = unsafe { (*self.run).__bindgen_anon_1.iocsr_io.data };
        u64::from_le_bytes(data)
    }

    /// KVM_EXIT_HYPERCALL; `result` is what user space need not write.
    pub(crate) fn ask_hypercall(self, number: u64, args: [u64; 6], result: u64) {
        self.set_exit_reason(b::KVM_EXIT_HYPERCALL);
        // SAFETY: As in `set_exit_reason`.
        unsafe {
            let call = &raw mut (*self.run).__bindgen_anon_1.hypercall;
            (*call).nr = number;
            (*call).args = args;
            (*call).ret = result;
            (*call).__bindgen_anon_1.flags = 0;
        }
    }

    /// The result of a hypercall.
    pub(crate) fn hypercall_answer(self) -> u64 {
        // SAFETY: As in `mmio_answer`.
        unsafe { (*self.run).__bindgen_anon_1.hypercall.ret }
    }

    /// The sets of registers that user space wants to see, and those that it
    /// changed: `kvm_valid_regs` and `kvm_dirty_regs`.
    #[inline]
    pub(crate) fn register_sets(self) -> (u64, u64) {
        // SAFETY: As in `mmio_answer`.
        unsafe {
            (
                (&raw const (*self.run).kvm_valid_regs).read_volatile(),
                (&raw const (*self.run).kvm_dirty_regs).read_volatile(),
            )
        }
    }

    /// No set is marked as changed any more.
    pub(crate) fn clear_dirty_sets(self) {
        // SAFETY: As in `set_exit_reason`.
        unsafe { (&raw mut (*self.run).kvm_dirty_regs).write_volatile(0) };
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
        let page: $crate::run_page::RunPage<'_> = $page;
        // SAFETY: `registers` is valid as long as `page`; any words are values.
        unsafe { (&raw const (*page.registers()).$($field).+ $([$index])?).read_volatile() }
    }};
}
pub(crate) use read_register;

/// Sets a field of the registers in a [`RunPage`].
macro_rules! write_register {
    ($page:expr, $($field:ident).+ $([$index:expr])? = $value:expr) => {{
        let page: $crate::run_page::RunPage<'_> = $page;
        let value = $value;
        // SAFETY: `registers` is valid as long as `page`.
        unsafe {
            (&raw mut (*page.registers()).$($field).+ $([$index])?).write_volatile(value)
        }
    }};
}
pub(crate) use write_register;
