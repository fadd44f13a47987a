// SPDX-License-Identifier: GPL-2.0-or-later

//! QEMU: the functions and globals that the backend links to.

use std::ffi::{CStr, c_char, c_int, c_ulong, c_void};
use std::sync::atomic::{AtomicI64, Ordering};

use accel_kvm_la::hooks;
use accel_kvm_la::qemu::cpu::Cpu;
use accel_kvm_la::qemu::opaque::{CPUState, KVMState};
use la_arch::csr::{Crmd, number};
use parking_lot::Mutex;

use super::kvm::{kvm_check_extension, kvm_vcpu_ioctl, kvm_vm_ioctl};
use super::threads::{
    bql_lock_impl, bql_locked, bql_unlock, cpu_can_run, cpu_thread_signal_created,
    cpu_thread_signal_destroyed, holds_bql, in_guests_thread, qemu_cpu_is_self,
    qemu_process_cpu_events, qemu_thread_create, run_on_cpu,
};
use super::{guest, threads, with};

/// Globals of QEMU, a word each.
#[repr(C)]
pub(super) struct Globals {
    pub(super) kvm_state: usize,
    pub(super) flags: [bool; 8],
    stderr: usize,
    error_fatal: usize,
}

pub(super) static mut GLOBALS: Globals = Globals {
    kvm_state: 0,
    flags: [false; 8],
    stderr: 0x5d,
    error_fatal: 0,
};

/// The address of a function or global by name.
pub(super) fn address(name: &'static str) -> *mut c_void {
    let globals = &raw mut GLOBALS;
    macro_rules! functions {
        ($($function:ident)*) => {
            match name {
                $(stringify!($function) => return $function as *mut c_void,)*
                _ => {}
            }
        };
    }
    functions! {
        bql_lock_impl bql_unlock bql_locked qemu_process_cpu_events cpu_can_run qemu_thread_create
        cpu_thread_signal_created cpu_thread_signal_destroyed run_on_cpu qemu_cpu_is_self
        kvm_vm_ioctl kvm_vcpu_ioctl kvm_check_extension kvm_init_vcpu kvm_destroy_vcpu
        kvm_find_sw_breakpoint kvm_sw_breakpoints_active kvm_convert_memory kvm_update_guest_debug
        kvm_irqchip_add_irq_route kvm_has_gsi_routing address_space_init address_space_rw cpu_memory_rw_debug
        memory_listener_register address_space_get_flatview flatview_unref flatview_translate
        memory_region_get_ram_addr memory_access_size prepare_mmio_access
        memory_region_dispatch_read memory_region_dispatch_write
        memory_global_dirty_log_sync qemu_system_reset_request qemu_system_shutdown_request
        qemu_system_guest_panicked vm_stop qemu_add_vm_change_state_handler
        qemu_del_vm_change_state_handler cpu_dump_state cpu_handle_guest_debug error_report
        warn_report error_setg_internal error_report_err object_resolve_path
        object_property_add_bool exit_fake object_dynamic_cast object_property_get_str
        g_free object_property_get_bool
        kvm_kernel_irqchip_split
    }
    // SAFETY: Addresses only.
    unsafe {
        match name {
            "exit" => exit_fake as *mut c_void,
            "address_space_memory" => 0x1000 as *mut c_void,
            "address_space_io" => 0x2000 as *mut c_void,
            "kvm_state" => (&raw mut (*globals).kvm_state).cast(),
            "kvm_kernel_irqchip" => (&raw mut (*globals).flags[0]).cast(),
            "kvm_async_interrupts_allowed" => (&raw mut (*globals).flags[1]).cast(),
            "kvm_halt_in_kernel_allowed" => (&raw mut (*globals).flags[2]).cast(),
            "kvm_msi_via_irqfd_allowed" => (&raw mut (*globals).flags[3]).cast(),
            "kvm_gsi_routing_allowed" => (&raw mut (*globals).flags[4]).cast(),
            "kvm_allowed" => (&raw mut (*globals).flags[5]).cast(),
            "stderr" => (&raw mut (*globals).stderr).cast(),
            "error_fatal" => (&raw mut (*globals).error_fatal).cast(),
            "kvm_kernel_irqchip_required" => std::ptr::null_mut(),
            _ => nothing as *mut c_void,
        }
    }
}

extern "C" fn nothing() -> usize {
    0
}

unsafe extern "C" fn kvm_init_vcpu(cpu: *mut CPUState, _errp: *mut c_void) -> c_int {
    // SAFETY: A CPU object.
    let object = unsafe { Cpu::from_raw(cpu) }.unwrap();
    match guest::of(object) {
        Some(guest) => guest.map(object),
        None => with(|state| {
            state.kernel.vcpus.entry(object.index()).or_default();
        }),
    }
    with(|state| state.life.push("init"));
    if with(|state| state.only_operations) {
        return 0;
    }
    // SAFETY: As QEMU calls it.
    let result = unsafe { hooks::kvm_la_kvm_arch_init_vcpu(cpu) };
    if result < 0 {
        exit_fake(1);
    }
    result
}

unsafe extern "C" fn kvm_destroy_vcpu(cpu: *mut CPUState) {
    with(|state| state.life.push("destroy"));
    if !with(|state| state.only_operations) {
        // SAFETY: As QEMU calls it.
        unsafe { hooks::kvm_la_kvm_arch_destroy_vcpu(cpu) };
    }
    // SAFETY: A CPU object.
    let object = unsafe { Cpu::from_raw(cpu) }.unwrap();
    if let Some(guest) = guest::of(object) {
        guest.unmap(object);
    }
}

unsafe extern "C" fn kvm_find_sw_breakpoint(_cpu: *mut CPUState, pc: u64) -> usize {
    if in_guests_thread() {
        return 0;
    }
    with(|state| usize::from(state.breakpoints.contains(&pc)))
}

unsafe extern "C" fn kvm_sw_breakpoints_active(_cpu: *mut CPUState) -> c_int {
    with(|state| c_int::from(!state.breakpoints.is_empty()))
}

unsafe extern "C" fn kvm_update_guest_debug(cpu: *mut CPUState, reinject: c_ulong) -> c_int {
    assert!(holds_bql());
    assert_eq!(reinject, 0);
    // SAFETY: A CPU object.
    let steps = unsafe { Cpu::from_raw(cpu) }.is_some_and(Cpu::singlestep);
    // KVM_GUESTDBG_ENABLE and KVM_GUESTDBG_SINGLESTEP.
    let mut debug = [if steps { 3u32 } else { 0 }, 0];
    // SAFETY: A CPU object under the BQL; the words begin QEMU's structure.
    unsafe { hooks::kvm_la_kvm_arch_update_guest_debug(cpu, (&raw mut debug).cast()) };
    with(|state| state.debug_flags.insert(cpu as usize, debug[0]));
    0
}

unsafe extern "C" fn kvm_convert_memory(start: u64, size: u64, to_private: bool) -> c_int {
    with(|state| state.converted.push((start, size, to_private)));
    if size == 0 { -libc::EINVAL } else { 0 }
}

unsafe extern "C" fn kvm_irqchip_add_irq_route(
    _state: *mut KVMState,
    gsi: c_int,
    _irqchip: c_int,
    pin: c_int,
) {
    with(|state| state.routes.push((gsi, pin)));
}

unsafe extern "C" fn kvm_has_gsi_routing() -> c_int {
    1
}

unsafe extern "C" fn kvm_kernel_irqchip_split() -> bool {
    false
}

/// QEMU keeps all address spaces in a list.
static ADDRESS_SPACES: Mutex<Vec<usize>> = Mutex::new(Vec::new());

unsafe extern "C" fn address_space_init(space: usize, _root: usize, _name: *const c_char) {
    ADDRESS_SPACES.lock().push(space);
}

unsafe extern "C" fn address_space_rw(
    space: usize,
    address: u64,
    attributes: u64,
    buffer: *mut u8,
    length: u64,
    is_write: bool,
) -> u32 {
    assert!(!holds_bql(), "devices are called without the BQL");
    // Nothing that all threads share for guests that run by themselves.
    if !in_guests_thread() {
        with(|state| {
            state
                .accesses
                .push((space, address, attributes, length as usize, is_write));
        });
    }
    if !is_write {
        // SAFETY: As the caller promised.
        unsafe { buffer.write_bytes(0xa5, length as usize) };
    }
    0
}

/// What is called when the map changes: the listener, and its function.
static LISTENER: Mutex<Option<(usize, unsafe extern "C" fn(usize))>> = Mutex::new(None);

unsafe extern "C" fn memory_listener_register(listener: *mut [usize; 2], filter: usize) {
    assert!(holds_bql());
    assert_eq!(filter, 0x1000, "the address space of the memory");
    let mut known = LISTENER.lock();
    assert!(known.is_none(), "one listener a process");
    // SAFETY: A listener, whose second word is its commit.
    let commit =
        unsafe { std::mem::transmute::<usize, unsafe extern "C" fn(usize)>((*listener)[1]) };
    *known = Some((listener as usize, commit));
}

/// The memory map changes; the BQL is held.
pub fn change_map() {
    let listener = *LISTENER.lock();
    if let Some((listener, commit)) = listener {
        // SAFETY: As QEMU calls it.
        unsafe { commit(listener) };
    }
}

/// References of views that are held.
pub static VIEWS: AtomicI64 = AtomicI64::new(0);

/// A view is the address of its space, a region that and 1, or 2 if it has RAM.
unsafe extern "C" fn address_space_get_flatview(space: usize) -> usize {
    VIEWS.fetch_add(1, Ordering::Relaxed);
    space
}

unsafe extern "C" fn flatview_unref(_view: usize) {
    VIEWS.fetch_sub(1, Ordering::Relaxed);
}

/// Where RAM is.
pub const RAM: u64 = 0x7000_0000;

unsafe extern "C" fn flatview_translate(
    view: usize,
    address: u64,
    offset: *mut u64,
    _length: *mut u64,
    _is_write: bool,
    _attributes: u64,
) -> usize {
    if !in_guests_thread() {
        with(|state| state.translated.push(address));
    }
    // SAFETY: As the caller promised.
    unsafe { *offset = address };
    view | if address == RAM { 2 } else { 1 }
}

unsafe extern "C" fn memory_region_get_ram_addr(region: usize) -> u64 {
    if region & 2 == 0 { u64::MAX } else { 0 }
}

/// Registers are aligned.
unsafe extern "C" fn memory_access_size(_region: usize, length: u32, offset: u64) -> c_int {
    if offset.is_multiple_of(u64::from(length)) {
        length as c_int
    } else {
        1
    }
}

unsafe extern "C" fn prepare_mmio_access(_region: usize) -> bool {
    if in_guests_thread() {
        return false;
    }
    // SAFETY: Not held, or it ends the test.
    unsafe { threads::bql_lock_impl(c"fake".as_ptr(), 0) };
    true
}

fn dispatch(region: usize, offset: u64, op: u32, attributes: u64, is_write: bool) {
    if !in_guests_thread() {
        assert!(holds_bql(), "the device wants the BQL");
        let access = (region & !3, offset, attributes, 1 << op, is_write);
        let changes = with(|state| {
            state.accesses.push(access);
            state.changes_map == Some(offset)
        });
        if changes {
            change_map();
        }
    }
}

unsafe extern "C" fn memory_region_dispatch_read(
    region: usize,
    offset: u64,
    value: *mut u64,
    op: u32,
    attributes: u64,
) -> u32 {
    dispatch(region, offset, op, attributes, false);
    // SAFETY: As the caller promised.
    unsafe { *value = 0xa5a5_a5a5_a5a5_a5a5 };
    0
}

unsafe extern "C" fn memory_region_dispatch_write(
    region: usize,
    offset: u64,
    _value: u64,
    op: u32,
    attributes: u64,
) -> u32 {
    dispatch(region, offset, op, attributes, true);
    0
}

/// In direct address mode an address is one in this part of the memory.
pub const DIRECT: u64 = 1 << 63;

unsafe extern "C" fn cpu_memory_rw_debug(
    cpu: *mut CPUState,
    address: u64,
    buffer: *mut [u8; 4],
    length: usize,
    is_write: bool,
) -> c_int {
    assert_eq!(length, 4);
    // SAFETY: A CPU object, as the caller promised.
    let cpu = unsafe { Cpu::from_raw(cpu) }.unwrap();
    let is_direct = Crmd(cpu.csr(number::CRMD)).da();
    let address = if is_direct { DIRECT | address } else { address };
    with(|state| {
        let Some(word) = state.memory.get_mut(&address) else {
            return -1;
        };
        // SAFETY: As the caller promised.
        let buffer = unsafe { &mut *buffer };
        if is_write {
            *word = *buffer
        } else {
            *buffer = *word
        }
        0
    })
}

unsafe extern "C" fn memory_global_dirty_log_sync(_last: bool) {
    assert!(holds_bql());
    // QEMU: kvm_cpu_synchronize_kick_all.
    threads::kick_all_out();
    with(|state| state.reaped += 1);
}

unsafe extern "C" fn qemu_system_reset_request(cause: c_int) {
    assert_eq!(cause, 7);
    with(|state| state.resets += 1);
}

unsafe extern "C" fn qemu_system_shutdown_request(cause: c_int) {
    assert_eq!(cause, 6);
    with(|state| state.shutdowns += 1);
}

unsafe extern "C" fn qemu_system_guest_panicked(_info: *mut c_void) {
    with(|state| {
        assert!(holds_bql());
        state.panics += 1;
    });
}

unsafe extern "C" fn vm_stop(cause: c_int) -> c_int {
    with(|state| {
        assert!(holds_bql());
        state.stopped.push(cause);
    });
    0
}

unsafe extern "C" fn qemu_add_vm_change_state_handler(function: usize, opaque: usize) -> usize {
    with(|state| {
        state.handlers.push((function, opaque));
        opaque
    })
}

unsafe extern "C" fn qemu_del_vm_change_state_handler(entry: usize) {
    with(|state| state.handlers.retain(|(_, opaque)| *opaque != entry));
}

unsafe extern "C" fn cpu_dump_state(cpu: *mut CPUState, file: usize, flags: c_int) {
    assert_eq!((file, flags), (0x5d, 0x1_0000));
    with(|state| state.dumps += 1);
    // As QEMU's does.
    // SAFETY: A CPU object under the BQL.
    unsafe { hooks::kvm_la_kvm_cpu_synchronize_state(cpu) };
}

unsafe extern "C" fn cpu_handle_guest_debug(_cpu: *mut CPUState) {
    with(|state| state.debug_stops += 1);
}

fn note(text: *const c_char) {
    // SAFETY: The backend passes one string that ends.
    let text = unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned();
    with(|state| state.messages.push(text));
}

unsafe extern "C" fn error_report(_format: *const c_char, text: *const c_char) {
    note(text);
}

unsafe extern "C" fn warn_report(_format: *const c_char, text: *const c_char) {
    note(text);
}

unsafe extern "C" fn error_setg_internal(
    errp: *mut usize,
    _source: *const c_char,
    _line: c_int,
    _function: *const c_char,
    _format: *const c_char,
    text: *const c_char,
) {
    note(text);
    // SAFETY: The backend passes a place for the error.
    unsafe { *errp = 1 };
}

unsafe extern "C" fn error_report_err(error: usize) {
    assert_eq!(error, 1);
}

unsafe extern "C" fn object_resolve_path(path: *const c_char, _ambiguous: *mut bool) -> usize {
    // SAFETY: A string that ends.
    assert_eq!(unsafe { CStr::from_ptr(path) }, c"/machine/iocsr[0]");
    0x3000
}

unsafe extern "C" fn object_dynamic_cast(_object: usize, _name: *const c_char) -> usize {
    0x4000
}

unsafe extern "C" fn object_property_get_bool(_object: usize, name: *const c_char) -> bool {
    // SAFETY: A string that ends.
    let name = unsafe { CStr::from_ptr(name) };
    with(|state| {
        let mut on = state.properties_on.iter();
        on.any(|property| name.to_bytes() == property.as_bytes())
    })
}

unsafe extern "C" fn object_property_get_str() -> *const c_char {
    c"auto".as_ptr()
}

unsafe extern "C" fn g_free(_memory: *mut c_void) {}

unsafe extern "C" fn object_property_add_bool(_object: usize, name: *const c_char) -> usize {
    // SAFETY: A string that ends.
    let name = unsafe { CStr::from_ptr(name) }
        .to_string_lossy()
        .into_owned();
    with(|state| state.properties.push(name));
    0
}

/// QEMU's exit does not return; the thread that called it waits forever.
pub(super) extern "C" fn exit_fake(status: c_int) -> ! {
    with(|state| state.exited = Some(status));
    loop {
        std::thread::park();
    }
}
