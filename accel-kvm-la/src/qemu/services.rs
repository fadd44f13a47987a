// SPDX-License-Identifier: GPL-2.0-or-later

//! Every function and global of QEMU that the backend uses, as one table.
//!
//! Nothing here is an undefined symbol of the library: in a QEMU tree the C
//! shim hands the addresses over, in a QEMU that was built without us they are
//! found by name, and in tests they are a fake's. What fills the table calls
//! [`Services::resolve`] and then [`install`].
//!
//! Signatures are those of QEMU 11.1 (include/system/kvm.h, include/qemu/*.h,
//! include/system/*.h, include/qapi/error.h, include/qom/object.h).

use std::ffi::{c_char, c_int, c_uint, c_ulong, c_void};
use std::sync::OnceLock;

use super::log::say;
use super::opaque::{
    AddressSpace, CPUState, FlatView, GuestPanicInformation, KVMState, MemoryListener,
    MemoryRegion, Object, ObjectProperty, QEMUError, QemuThread, VMChangeStateEntry,
};

/// Callback of `run_on_cpu`; `run_on_cpu_data` is a union of one word.
pub type RunOnCpuFn = unsafe extern "C" fn(cpu: *mut CPUState, data: *mut c_void);
/// Callback of `qemu_add_vm_change_state_handler`.
pub type VmChangeStateHandler =
    unsafe extern "C" fn(opaque: *mut c_void, running: bool, state: c_int);
/// Getter of a bool property.
pub type PropertyGetBool =
    unsafe extern "C" fn(object: *mut Object, errp: *mut *mut QEMUError) -> bool;
/// Setter of a bool property.
pub type PropertySetBool =
    unsafe extern "C" fn(object: *mut Object, value: bool, errp: *mut *mut QEMUError);
/// Start routine of a thread.
pub type ThreadFn = unsafe extern "C" fn(argument: *mut c_void) -> *mut c_void;

/// What a symbol of the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The backend cannot work without it.
    Required,
    /// There is a way without it.
    Optional,
}

/// Reads one symbol's address into the type of its field.
///
/// # Safety
///
/// `address` is that of the function or object whose type `T` names.
unsafe fn cast<T: Copy>(address: *mut c_void) -> T {
    const { assert!(size_of::<T>() == size_of::<*mut c_void>()) };
    // SAFETY: Same size; by this function's contract a valid `T`.
    unsafe { std::mem::transmute_copy(&address) }
}

macro_rules! services {
    (
        required { $( $(#[$rdoc:meta])* $rname:ident : $rtype:ty; )* }
        optional { $( $(#[$odoc:meta])* $oname:ident : $otype:ty; )* }
    ) => {
        /// Functions and globals of QEMU. The name of a field is the symbol.
        #[derive(Clone, Copy)]
        #[allow(non_snake_case, clippy::pub_underscore_fields)]
        pub struct Services {
            $( $(#[$rdoc])* pub $rname: $rtype, )*
            $( $(#[$odoc])* pub $oname: Option<$otype>, )*
            /// What is not a symbol.
            pub link: LinkServices,
        }

        impl Services {
            /// Names of all symbols.
            pub const SYMBOLS: &'static [(&'static str, Need)] = &[
                $( (stringify!($rname), Need::Required), )*
                $( (stringify!($oname), Need::Optional), )*
            ];

            /// Fills the table; the error lists the required symbols that
            /// `find` (null for none) did not find.
            ///
            /// # Safety
            ///
            /// Each address that `find` returns is that of the function or
            /// object of QEMU with this name, which has the type given here.
            pub unsafe fn resolve(
                mut find: impl FnMut(&'static str) -> *mut c_void,
                link: LinkServices,
            ) -> Result<Services, Vec<&'static str>> {
                let mut missing = Vec::new();
                $(
                    let $rname = find(stringify!($rname));
                    if $rname.is_null() {
                        missing.push(stringify!($rname));
                    }
                )*
                if !missing.is_empty() {
                    return Err(missing);
                }
                Ok(Services {
                    // SAFETY: By this function's contract, and not null.
                    $( $rname: unsafe { cast::<$rtype>($rname) }, )*
                    $( $oname: {
                        let address = find(stringify!($oname));
                        if address.is_null() {
                            None
                        } else {
                            // SAFETY: By this function's contract.
                            Some(unsafe { cast::<$otype>(address) })
                        }
                    }, )*
                    link,
                })
            }
        }
    };
}

/// Services that are no exported symbol of QEMU and come from the link layer.
#[derive(Clone, Copy)]
pub struct LinkServices {
    /// Stores into the thread-local `current_cpu` of the calling thread.
    pub set_current_cpu: unsafe extern "C" fn(cpu: *mut CPUState),
    /// Collects the dirty rings: of this vCPU, or of all if it is null. The BQL
    /// is held. Without it `memory_global_dirty_log_sync` serves.
    pub dirty_ring_reap: Option<unsafe extern "C" fn(cpu: *mut CPUState)>,
    /// The IOCSR address space of a vCPU, if the link layer knows it. Else one is
    /// made over `/machine/iocsr[0]`.
    pub iocsr_address_space: Option<unsafe extern "C" fn(cpu: *mut CPUState) -> *mut AddressSpace>,
}

services! {
    required {
        // Locks and the vCPU's thread.
        /// `bql_lock` is a macro around it.
        bql_lock_impl: unsafe extern "C" fn(file: *const c_char, line: c_int);
        /// Gives the BQL up.
        bql_unlock: unsafe extern "C" fn();
        /// Whether this thread holds the BQL.
        bql_locked: unsafe extern "C" fn() -> bool;
        /// Waits while there is nothing to do, then does the queued work.
        qemu_process_cpu_events: unsafe extern "C" fn(cpu: *mut CPUState);
        /// Not stopped and not paused.
        cpu_can_run: unsafe extern "C" fn(cpu: *mut CPUState) -> bool;
        /// Begins the part that exclusive sections wait for.
        cpu_exec_start: unsafe extern "C" fn(cpu: *mut CPUState);
        /// Ends what `cpu_exec_start` began.
        cpu_exec_end: unsafe extern "C" fn(cpu: *mut CPUState);
        /// Starts a thread; mode 0 is joinable.
        qemu_thread_create: unsafe extern "C" fn(
            thread: *mut QemuThread, name: *const c_char, start: ThreadFn,
            argument: *mut c_void, mode: c_int);
        /// Stores the calling thread's handle.
        qemu_thread_get_self: unsafe extern "C" fn(thread: *mut QemuThread);
        /// Kernel id of the calling thread.
        qemu_get_thread_id: unsafe extern "C" fn() -> c_int;
        /// Lets `qemu_init_vcpu` go on.
        cpu_thread_signal_created: unsafe extern "C" fn(cpu: *mut CPUState);
        /// Lets `cpu_remove_sync` go on.
        cpu_thread_signal_destroyed: unsafe extern "C" fn(cpu: *mut CPUState);
        /// Makes the thread known to RCU.
        rcu_register_thread: unsafe extern "C" fn();
        /// Undoes it.
        rcu_unregister_thread: unsafe extern "C" fn();
        /// Seeds the thread's deterministic randomness.
        qemu_guest_random_seed_thread_part2: unsafe extern "C" fn(seed: u64);
        /// Runs `function` in the vCPU's thread and waits.
        run_on_cpu: unsafe extern "C" fn(
            cpu: *mut CPUState, function: RunOnCpuFn, data: *mut c_void);
        /// Whether the calling thread is the vCPU's.
        qemu_cpu_is_self: unsafe extern "C" fn(cpu: *mut CPUState) -> bool;
        /// The vCPU with an index, or null.
        qemu_get_cpu: unsafe extern "C" fn(index: c_int) -> *mut CPUState;

        // KVM's file descriptors.
        /// ioctl of `/dev/kvm`; -errno.
        kvm_ioctl: unsafe extern "C" fn(s: *mut KVMState, request: c_ulong, ...) -> c_int;
        /// ioctl of the VM; -errno.
        kvm_vm_ioctl: unsafe extern "C" fn(s: *mut KVMState, request: c_ulong, ...) -> c_int;
        /// ioctl of a vCPU; -errno.
        kvm_vcpu_ioctl: unsafe extern "C" fn(cpu: *mut CPUState, request: c_ulong, ...) -> c_int;
        /// KVM_CHECK_EXTENSION of `/dev/kvm`; an error reads 0.
        kvm_check_extension: unsafe extern "C" fn(s: *mut KVMState, extension: c_uint) -> c_int;
        /// Creates or unparks the vCPU, maps its pages, calls
        /// `kvm_arch_init_vcpu`.
        kvm_init_vcpu: unsafe extern "C" fn(cpu: *mut CPUState, errp: *mut *mut QEMUError) -> c_int;
        /// Parks the vCPU.
        kvm_destroy_vcpu: unsafe extern "C" fn(cpu: *mut CPUState);
        /// Installs SIG_IPI's handler and unblocks it in this thread.
        kvm_init_cpu_signals: unsafe extern "C" fn(cpu: *mut CPUState);
        /// Sets the vCPU's debug flags; calls `kvm_arch_update_guest_debug`.
        kvm_update_guest_debug: unsafe extern "C" fn(cpu: *mut CPUState, reinject: c_ulong) -> c_int;
        /// Whether there is a software breakpoint at all.
        kvm_sw_breakpoints_active: unsafe extern "C" fn(cpu: *mut CPUState) -> c_int;
        /// The software breakpoint at `pc`, or null.
        kvm_find_sw_breakpoint: unsafe extern "C" fn(cpu: *mut CPUState, pc: u64) -> *mut c_void;
        /// Makes the VM's memory private or shared.
        kvm_convert_memory: unsafe extern "C" fn(start: u64, size: u64, to_private: bool) -> c_int;
        /// Adds a route from `gsi` to a pin of a controller.
        kvm_irqchip_add_irq_route: unsafe extern "C" fn(
            s: *mut KVMState, gsi: c_int, irqchip: c_int, pin: c_int);
        /// Tells KVM of the routes.
        kvm_irqchip_commit_routes: unsafe extern "C" fn(s: *mut KVMState);
        /// Whether `kernel-irqchip=split` was asked for.
        kvm_kernel_irqchip_split: unsafe extern "C" fn() -> bool;
        /// Whether KVM has a routing table.
        kvm_has_gsi_routing: unsafe extern "C" fn() -> c_int;

        // Memory.
        /// Reads or writes device or memory; the lock is its business.
        address_space_rw: unsafe extern "C" fn(
            space: *mut AddressSpace, address: u64, attrs: u64, buffer: *mut c_void,
            length: u64, is_write: bool) -> u32;
        /// Makes an address space over a region.
        address_space_init: unsafe extern "C" fn(
            space: *mut AddressSpace, root: *mut MemoryRegion, name: *const c_char);
        /// Reads or writes guest-virtual memory for a debugger.
        cpu_memory_rw_debug: unsafe extern "C" fn(
            cpu: *mut CPUState, address: u64, buffer: *mut c_void, length: usize,
            is_write: bool) -> c_int;
        /// What loads and stores reach; the object itself, not a pointer to it.
        address_space_memory: *mut AddressSpace;
        /// The address space of the ports.
        address_space_io: *mut AddressSpace;
        /// Collects the dirty pages of everything; the BQL is held.
        memory_global_dirty_log_sync: unsafe extern "C" fn(last_stage: bool);
        /// Whether there is a limit on the rate of dirty pages.
        dirtylimit_in_service: unsafe extern "C" fn() -> bool;
        /// Makes the vCPU wait if it is over its limit.
        dirtylimit_vcpu_execute: unsafe extern "C" fn(cpu: *mut CPUState);

        // State of the machine.
        /// Asks for a reset.
        qemu_system_reset_request: unsafe extern "C" fn(cause: c_int);
        /// Asks for the end.
        qemu_system_shutdown_request: unsafe extern "C" fn(cause: c_int);
        /// The guest crashed; takes `info`, which may be null.
        qemu_system_guest_panicked: unsafe extern "C" fn(info: *mut GuestPanicInformation);
        /// What the vCPU tells about the crash, or null.
        cpu_get_crash_info: unsafe extern "C" fn(cpu: *mut CPUState) -> *mut GuestPanicInformation;
        /// Stops all vCPUs, with a RunState as the reason.
        vm_stop: unsafe extern "C" fn(state: c_int) -> c_int;
        /// Calls `callback` at each stop and start.
        qemu_add_vm_change_state_handler: unsafe extern "C" fn(
            callback: VmChangeStateHandler, opaque: *mut c_void) -> *mut VMChangeStateEntry;
        /// Ends that.
        qemu_del_vm_change_state_handler: unsafe extern "C" fn(entry: *mut VMChangeStateEntry);
        /// Prints the vCPU's state to a `FILE`.
        cpu_dump_state: unsafe extern "C" fn(cpu: *mut CPUState, file: *mut c_void, flags: c_int);
        /// A debug exit: gdbstub takes over.
        cpu_handle_guest_debug: unsafe extern "C" fn(cpu: *mut CPUState);

        // Errors.
        /// Prints a message with the place it belongs to.
        error_report: unsafe extern "C" fn(format: *const c_char, ...);
        /// The same for a warning.
        warn_report: unsafe extern "C" fn(format: *const c_char, ...);
        /// `error_setg` is a macro around it.
        error_setg_internal: unsafe extern "C" fn(
            errp: *mut *mut QEMUError, source: *const c_char, line: c_int,
            function: *const c_char, format: *const c_char, ...);
        /// Adds a line that says what to do.
        error_append_hint: unsafe extern "C" fn(
            errp: *const *mut QEMUError, format: *const c_char, ...);
        /// Prints an error and frees it.
        error_report_err: unsafe extern "C" fn(error: *mut QEMUError);
        /// An `Error **` that ends the process.
        error_fatal: *mut *mut QEMUError;

        // Objects.
        /// The object of `-machine`.
        qdev_get_machine: unsafe extern "C" fn() -> *mut Object;
        /// `object` if it is of the type, or null.
        object_dynamic_cast: unsafe extern "C" fn(
            object: *mut Object, name: *const c_char) -> *mut Object;
        /// Finds an object by path.
        object_resolve_path: unsafe extern "C" fn(
            path: *const c_char, ambiguous: *mut bool) -> *mut Object;
        /// Gives an object a property that is on or off.
        object_property_add_bool: unsafe extern "C" fn(
            object: *mut Object, name: *const c_char, get: Option<PropertyGetBool>,
            set: Option<PropertySetBool>) -> *mut ObjectProperty;
        /// Describes a property.
        object_property_set_description: unsafe extern "C" fn(
            object: *mut Object, name: *const c_char, description: *const c_char);
        /// The value of a string or enum property as text, for `g_free`; null
        /// on an error.
        object_property_get_str: unsafe extern "C" fn(
            object: *mut Object, name: *const c_char,
            errp: *mut *mut QEMUError) -> *mut c_char;
        /// Frees what QEMU allocated (glib).
        g_free: unsafe extern "C" fn(memory: *mut c_void);
        /// Frees an error; null is nothing.
        error_free: unsafe extern "C" fn(error: *mut QEMUError);
        /// End of the process with QEMU's exit handlers (libc).
        exit: unsafe extern "C" fn(status: c_int) -> !;

        // Globals.
        /// The accelerator's state.
        kvm_state: *mut *mut KVMState;
        /// Whether KVM is the accelerator in use.
        kvm_allowed: *mut bool;
        /// Whether the kernel has the interrupt controllers.
        kvm_kernel_irqchip: *mut bool;
        /// Whether a halted vCPU waits in the kernel.
        kvm_halt_in_kernel_allowed: *mut bool;
        /// Whether irqfd can deliver messages.
        kvm_msi_via_irqfd_allowed: *mut bool;
        /// Whether routes can be used.
        kvm_gsi_routing_allowed: *mut bool;
        /// Whether interrupts need no vCPU to be stopped.
        kvm_async_interrupts_allowed: *mut bool;
        /// Standard error (libc).
        stderr: *mut *mut c_void;
    }
    optional {
        // Accesses that need no search for the region (`lookup`): all or none.
        /// Calls what the listener says at changes of the memory map; the BQL is held.
        memory_listener_register: unsafe extern "C" fn(
            listener: *mut MemoryListener, filter: *mut AddressSpace);
        /// A reference of the address space's view.
        address_space_get_flatview: unsafe extern "C" fn(
            space: *mut AddressSpace) -> *mut FlatView;
        /// Gives it back.
        flatview_unref: unsafe extern "C" fn(view: *mut FlatView);
        /// The region at an address, and where in it that is.
        flatview_translate: unsafe extern "C" fn(
            view: *mut FlatView, address: u64, offset: *mut u64, length: *mut u64,
            is_write: bool, attrs: u64) -> *mut MemoryRegion;
        /// Where a region's RAM is; all ones if it has none.
        memory_region_get_ram_addr: unsafe extern "C" fn(region: *const MemoryRegion) -> u64;
        /// How much of an access the region takes at once.
        memory_access_size: unsafe extern "C" fn(
            region: *mut MemoryRegion, length: c_uint, offset: u64) -> c_int;
        /// Takes the BQL if the region needs it and this thread does not hold it, and says
        /// whether.
        prepare_mmio_access: unsafe extern "C" fn(region: *mut MemoryRegion) -> bool;
        /// Reads a device's register.
        memory_region_dispatch_read: unsafe extern "C" fn(
            region: *mut MemoryRegion, offset: u64, value: *mut u64, op: c_uint,
            attrs: u64) -> u32;
        /// Has the region's device take a store; MEMTX_*.
        memory_region_dispatch_write: unsafe extern "C" fn(
            region: *mut MemoryRegion, offset: u64, value: u64, op: c_uint,
            attrs: u64) -> u32;
        // KVM_RUN without `kvm_vcpu_ioctl` (`kvm::run`): all or none.
        /// Begins a call on the vCPU's file descriptor; waits while memory slots change.
        accel_cpu_ioctl_begin: unsafe extern "C" fn(cpu: *mut CPUState);
        /// Ends what `accel_cpu_ioctl_begin` began.
        accel_cpu_ioctl_end: unsafe extern "C" fn(cpu: *mut CPUState);
        /// Whether the trace event `kvm_vcpu_ioctl` is on.
        _TRACE_KVM_VCPU_IOCTL_DSTATE: *mut u16;

        /// Whether `kernel-irqchip=on` was asked for.
        kvm_kernel_irqchip_required: unsafe extern "C" fn() -> bool;
        /// The value of a bool property; false on an error. Only where QEMU's
        /// own backend settles a vCPU's features.
        object_property_get_bool: unsafe extern "C" fn(
            object: *mut Object, name: *const c_char,
            errp: *mut *mut QEMUError) -> bool;
        /// Makes the kernel's controller of message interrupts, for the board; never
        /// called here. QEMU has it since the series after 11.1.
        kvm_dintc_realize: unsafe extern "C" fn(
            device: *mut c_void, errp: *mut *mut QEMUError);
    }
}

// SAFETY: Function addresses and addresses of QEMU's globals, which live as
// long as the process; what synchronises their use is said where they are used.
unsafe impl Send for Services {}
// SAFETY: As above.
unsafe impl Sync for Services {}

static SERVICES: OnceLock<Services> = OnceLock::new();

/// Gives the backend its QEMU, once. False if it had one already.
pub fn install(services: Services) -> bool {
    SERVICES.set(services).is_ok()
}

/// The table, if there is one.
pub fn installed() -> Option<&'static Services> {
    SERVICES.get()
}

/// The table.
///
/// Hooks are reached only through addresses that the link layer places after
/// [`install`], so a missing table is a fault of that layer; the process ends
/// with a message rather than going on with nothing.
pub fn services() -> &'static Services {
    match SERVICES.get() {
        Some(services) => services,
        None => {
            say(
                "accel-kvm-la: a hook was called before the backend was linked to QEMU; \
                 this is a fault of the backend, please report it\n",
            );
            std::process::abort();
        }
    }
}
