// SPDX-License-Identifier: GPL-2.0-or-later

//! A QEMU and a KVM inside the process: the functions and globals that the
//! backend links to, CPU objects in a layout of our own, and a kernel with a
//! store of registers, scripted exits and scripted failures.
//!
//! One test at a time has it ([`Fake::new`]).

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{CStr, c_char, c_int, c_uint, c_ulong, c_void};
use std::sync::{Condvar, Mutex, MutexGuard, Once};

use accel_kvm_la::hooks;
use accel_kvm_la::kvm::abi::{DeviceAttr, Fpu, Interrupt, MpState, OneReg, Regs, request};
use accel_kvm_la::kvm::run_page::offset;
use accel_kvm_la::qemu::cpu::Cpu;
use accel_kvm_la::qemu::layout::{self, Layout, Source};
use accel_kvm_la::qemu::opaque::{CPUState, KVMState};
use accel_kvm_la::qemu::services::{self, LinkServices, RunOnCpuFn, Services, ThreadFn};
use accel_kvm_la::regs::table::TABLE;
use la_arch::{csr::number as n, kvm::para, kvm::vcpu_attr, one_reg, sync_regs};

/// Fills the run page.
pub type FillPage = Box<dyn FnOnce(&mut [u8]) + Send>;

/// What KVM_RUN does next.
pub enum Exit {
    /// Returns 0 after filling the run page.
    Page(FillPage),
    /// Returns -errno.
    Errno(i32),
    /// The guest changes its registers, then a signal comes.
    Guest(Box<dyn FnOnce(&mut KvmVcpu) + Send>),
}

/// A vCPU in the fake kernel.
#[derive(Default)]
pub struct KvmVcpu {
    pub words: HashMap<u64, u64>,
    pub regs: Regs,
    pub fpu: Fpu,
    pub mp_state: u32,
    pub steal_time: u64,
    pub lines: Vec<i32>,
}

/// One CPU object and its run page.
struct Object {
    memory: Box<[u64]>,
    page: Box<[u64]>,
}

#[derive(Default)]
pub struct State {
    pub capabilities: HashMap<u32, i32>,
    pub vm_attributes: HashSet<u64>,
    pub devices: HashSet<u32>,
    pub cpucfg2_mask: Option<u64>,
    pub reg_list: bool,
    pub refused: HashSet<u64>,
    pub pv_features: Option<u64>,
    pub vcpus: HashMap<i32, KvmVcpu>,
    pub exits: VecDeque<Exit>,
    /// Error numbers by request, forever.
    pub failures: HashMap<c_ulong, i32>,
    /// Requests so far, with the register or attribute.
    pub calls: Vec<(c_ulong, u64)>,
    pub messages: Vec<String>,
    pub stopped: Vec<i32>,
    pub resets: u32,
    pub shutdowns: u32,
    pub panics: u32,
    pub dumps: u32,
    pub accesses: Vec<(usize, u64, u64, usize, bool)>,
    pub breakpoints: HashSet<u64>,
    pub memory: HashMap<u64, [u8; 4]>,
    pub debug_stops: u32,
    pub reaped: u32,
    pub exited: Option<i32>,
    pub handlers: Vec<(usize, usize)>,
    pub threads: Vec<String>,
    pub life: Vec<&'static str>,
    pub properties: Vec<String>,
    pub can_run: bool,
    pub bql: bool,
    pub routes: Vec<(i32, i32)>,
    pub converted: Vec<(u64, u64, bool)>,
}

static STATE: Mutex<Option<State>> = Mutex::new(None);
static CHANGED: Condvar = Condvar::new();
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
static INSTALL: Once = Once::new();

/// Globals of QEMU, a word each.
#[repr(C)]
struct Globals {
    kvm_state: usize,
    flags: [bool; 8],
    stderr: usize,
    error_fatal: usize,
}
static mut GLOBALS: Globals = Globals {
    kvm_state: 0,
    flags: [false; 8],
    stderr: 0x5d,
    error_fatal: 0,
};

fn with<T>(work: impl FnOnce(&mut State) -> T) -> T {
    let mut guard = STATE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let result = work(guard.get_or_insert_default());
    CHANGED.notify_all();
    result
}

/// The fake, to one test.
pub struct Fake {
    objects: Vec<Object>,
    _turn: MutexGuard<'static, ()>,
}

const OBJECT_WORDS: usize = 4096;

impl Fake {
    /// A machine like upstream's kernel makes it.
    pub fn new() -> Fake {
        let turn = ONE_AT_A_TIME
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        INSTALL.call_once(install);
        let state = State {
            capabilities: HashMap::from([(14, 1), (89, 1), (32, 1)]),
            vm_attributes: HashSet::from([0, 6, 7]),
            devices: HashSet::from([12, 13, 14]),
            cpucfg2_mask: Some(0x7fff_ffff),
            can_run: true,
            bql: true,
            ..State::default()
        };
        *STATE
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(state);
        // Each test has a VM of its own, told apart by the accelerator.
        // SAFETY: Only the test whose turn it is touches the globals.
        unsafe {
            GLOBALS.kvm_state += 0x1000;
            GLOBALS.flags = [true, true, true, false, false, false, false, false];
        }
        Fake {
            objects: Vec::new(),
            _turn: turn,
        }
    }

    /// The same with our module's additions.
    pub fn with_module() -> Fake {
        let fake = Fake::new();
        with(|state| {
            state.capabilities.insert(74, sync_regs::ALL as i32);
            state.reg_list = true;
        });
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

    /// A CPU object, not yet in the kernel.
    pub fn cpu(&mut self, index: i32) -> Cpu {
        let mut object = Object {
            memory: vec![0; OBJECT_WORDS].into_boxed_slice(),
            page: vec![0; 512].into_boxed_slice(),
        };
        let l = layout::layout();
        let raw = object.memory.as_mut_ptr().cast::<CPUState>();
        let page = object.page.as_mut_ptr() as u64;
        self.objects.push(object);
        // SAFETY: The object lives as long as the fake, in our layout.
        let cpu = unsafe { Cpu::from_raw(raw) }.unwrap();
        cpu.set_half(l.cpu_index, index as u32);
        cpu.set_word(l.kvm_run, page);
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
            state.vcpus.entry(index).or_default();
        });
        // SAFETY: A CPU object under the BQL, whose run page is there.
        assert_eq!(unsafe { hooks::kvm_la_kvm_arch_init_vcpu(cpu.as_ptr()) }, 0);
        cpu
    }

    /// A vCPU after QEMU's start: written in full.
    pub fn started(&mut self, index: i32) -> Cpu {
        let cpu = self.vcpu(index);
        cpu.set_pc(0x1c00_0000);
        cpu.set_word(layout::layout().cpuid, index as u64);
        post_init(cpu);
        self.take_calls();
        cpu
    }

    /// Requests since the last time.
    pub fn take_calls(&self) -> Vec<(c_ulong, u64)> {
        with(|state| std::mem::take(&mut state.calls))
    }

    pub fn count(&self, number: c_ulong) -> usize {
        with(|state| {
            state
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
        with(|state| state.exits = exits.into());
        // SAFETY: In the vCPU's thread with the BQL.
        unsafe { hooks::kvm_la_kvm_cpu_exec(cpu.as_ptr()) }
    }

    /// Waits until another thread has made `done` true.
    pub fn wait(&self, mut done: impl FnMut(&mut State) -> bool) -> bool {
        let guard = STATE
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let limit = std::time::Duration::from_secs(10);
        let (_guard, result) = CHANGED
            .wait_timeout_while(guard, limit, |state| !done(state.get_or_insert_default()))
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        !result.timed_out()
    }
}

/// An exit with a reason, whose own part `fill` writes.
pub fn exit(reason: u32, fill: impl FnOnce(&mut [u8]) + Send + 'static) -> Exit {
    Exit::Page(Box::new(move |page| {
        page[offset::EXIT_REASON..][..4].copy_from_slice(&reason.to_ne_bytes());
        page[offset::UNION..][..64].fill(0);
        fill(&mut page[offset::UNION..offset::UNION + 256]);
    }))
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
    assert!(next < OBJECT_WORDS * 8);
    assert!(layout::install(built));
    let link = LinkServices {
        set_current_cpu,
        dirty_ring_reap: None,
        iocsr_address_space: None,
    };
    // SAFETY: Functions of the types that the table names; the variadic ones are
    // called with as many words as they take.
    let filled = unsafe { Services::resolve(address, link) };
    assert!(services::install(filled.unwrap()));
}

fn address(name: &'static str) -> *mut c_void {
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
        kvm_find_sw_breakpoint kvm_sw_breakpoints_active kvm_convert_memory
        kvm_irqchip_add_irq_route kvm_has_gsi_routing address_space_rw cpu_memory_rw_debug
        memory_global_dirty_log_sync qemu_system_reset_request qemu_system_shutdown_request
        qemu_system_guest_panicked vm_stop qemu_add_vm_change_state_handler
        qemu_del_vm_change_state_handler cpu_dump_state cpu_handle_guest_debug error_report
        warn_report error_setg_internal error_report_err object_resolve_path
        object_property_add_bool exit_fake object_dynamic_cast object_property_get_str
        g_free
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

unsafe extern "C" fn set_current_cpu(_cpu: *mut CPUState) {
    with(|state| state.life.push("current_cpu"));
}

unsafe extern "C" fn bql_lock_impl(_file: *const c_char, _line: c_int) {
    with(|state| {
        assert!(!state.bql, "the BQL is taken twice");
        state.bql = true;
    });
}

unsafe extern "C" fn bql_unlock() {
    with(|state| {
        assert!(state.bql, "the BQL is given up twice");
        state.bql = false;
    });
}

unsafe extern "C" fn bql_locked() -> bool {
    with(|state| state.bql)
}

unsafe extern "C" fn qemu_process_cpu_events(cpu: *mut CPUState) {
    let finished = with(|state| {
        assert!(state.bql);
        state.exits.is_empty()
    });
    if finished {
        // SAFETY: A CPU object.
        let cpu = unsafe { Cpu::from_raw(cpu) }.unwrap();
        cpu.set_half(layout::layout().unplug, 1);
        with(|state| state.can_run = false);
    }
}

unsafe extern "C" fn cpu_can_run(_cpu: *mut CPUState) -> bool {
    with(|state| state.can_run)
}

unsafe extern "C" fn qemu_thread_create(
    _thread: *mut c_void,
    name: *const c_char,
    start: ThreadFn,
    argument: *mut c_void,
    mode: c_int,
) {
    assert_eq!(mode, 0);
    // SAFETY: A string that ends.
    let name = unsafe { CStr::from_ptr(name) }
        .to_string_lossy()
        .into_owned();
    with(|state| {
        state.threads.push(name);
        // The creator waits and lets the lock go.
        state.bql = false;
    });
    let argument = argument as usize;
    std::thread::spawn(move || {
        // SAFETY: As the caller promised.
        unsafe { start(argument as *mut c_void) };
        with(|state| state.life.push("end"));
    });
}

unsafe extern "C" fn cpu_thread_signal_created(_cpu: *mut CPUState) {
    with(|state| state.life.push("created"));
}

unsafe extern "C" fn cpu_thread_signal_destroyed(_cpu: *mut CPUState) {
    with(|state| state.life.push("destroyed"));
}

unsafe extern "C" fn run_on_cpu(cpu: *mut CPUState, function: RunOnCpuFn, data: *mut c_void) {
    // SAFETY: As the caller promised; every thread here is the vCPU's.
    unsafe { function(cpu, data) };
}

unsafe extern "C" fn qemu_cpu_is_self(_cpu: *mut CPUState) -> bool {
    true
}

unsafe extern "C" fn kvm_check_extension(_state: *mut KVMState, extension: c_uint) -> c_int {
    with(|state| state.capabilities.get(&extension).copied().unwrap_or(0))
}

unsafe extern "C" fn kvm_vm_ioctl(
    _state: *mut KVMState,
    number: c_ulong,
    argument: *mut c_void,
) -> c_int {
    with(|state| match number {
        request::KVM_HAS_DEVICE_ATTR => {
            // SAFETY: What the request takes.
            let attribute = unsafe { *argument.cast::<DeviceAttr>() };
            state.calls.push((number, attribute.attr));
            if let Some(errno) = state.failures.get(&number) {
                return -errno;
            }
            if state.vm_attributes.contains(&attribute.attr) {
                0
            } else {
                -libc::ENXIO
            }
        }
        request::KVM_CREATE_DEVICE => {
            // SAFETY: What the request takes.
            let device = unsafe { *argument.cast::<accel_kvm_la::kvm::abi::CreateDevice>() };
            assert_eq!(device.flags, 1, "devices are only asked for");
            state.calls.push((number, u64::from(device.type_)));
            if state.devices.contains(&device.type_) {
                0
            } else {
                -libc::EOPNOTSUPP
            }
        }
        _ => -libc::ENOTTY,
    })
}

unsafe extern "C" fn kvm_vcpu_ioctl(
    cpu: *mut CPUState,
    number: c_ulong,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: A CPU object.
    let cpu = unsafe { Cpu::from_raw(cpu) }.unwrap();
    with(|state| {
        let detail = match number {
            // SAFETY: What the request takes.
            request::KVM_GET_ONE_REG | request::KVM_SET_ONE_REG => unsafe {
                (*argument.cast::<OneReg>()).id
            },
            request::KVM_HAS_DEVICE_ATTR
            | request::KVM_GET_DEVICE_ATTR
            // SAFETY: What the request takes.
            | request::KVM_SET_DEVICE_ATTR => unsafe { (*argument.cast::<DeviceAttr>()).attr },
            _ => 0,
        };
        state.calls.push((number, detail));
        if let Some(errno) = state.failures.get(&number) {
            return -errno;
        }
        match vcpu_ioctl(state, cpu, number, argument) {
            Ok(()) => 0,
            Err(errno) => -errno,
        }
    })
}

fn vcpu_ioctl(
    state: &mut State,
    cpu: Cpu,
    number: c_ulong,
    argument: *mut c_void,
) -> Result<(), i32> {
    if number == request::KVM_RUN {
        return run(state, cpu);
    }
    let steal_time = state
        .pv_features
        .is_some_and(|bits| bits & 1 << para::FEATURE_STEAL_TIME != 0);
    let vcpu = state.vcpus.get_mut(&cpu.index()).ok_or(libc::EBADF)?;
    // SAFETY: In each arm: what the request takes.
    unsafe {
        match number {
            request::KVM_GET_REGS => *argument.cast::<Regs>() = vcpu.regs,
            request::KVM_SET_REGS => vcpu.regs = *argument.cast::<Regs>(),
            request::KVM_GET_FPU => *argument.cast::<Fpu>() = vcpu.fpu,
            request::KVM_SET_FPU => vcpu.fpu = *argument.cast::<Fpu>(),
            request::KVM_GET_MP_STATE => (*argument.cast::<MpState>()).mp_state = vcpu.mp_state,
            request::KVM_SET_MP_STATE => vcpu.mp_state = (*argument.cast::<MpState>()).mp_state,
            request::KVM_INTERRUPT => vcpu.lines.push((*argument.cast::<Interrupt>()).irq),
            request::KVM_GET_ONE_REG => {
                let reg = *argument.cast::<OneReg>();
                let value = match reg.id {
                    one_reg::DEBUG_INST => 0x002b_8101,
                    id => vcpu.words.get(&id).copied().unwrap_or(0),
                };
                *(reg.addr as *mut u64) = value;
            }
            request::KVM_SET_ONE_REG => {
                let reg = *argument.cast::<OneReg>();
                if state.refused.contains(&reg.id) {
                    return Err(libc::EINVAL);
                }
                if reg.id == one_reg::VCPU_RESET {
                    vcpu.words.insert(one_reg::csr(n::ESTAT), 0);
                    vcpu.steal_time = 0;
                } else {
                    vcpu.words.insert(reg.id, *(reg.addr as *const u64));
                }
            }
            request::KVM_HAS_DEVICE_ATTR
            | request::KVM_GET_DEVICE_ATTR
            | request::KVM_SET_DEVICE_ATTR => {
                let attribute = *argument.cast::<DeviceAttr>();
                let value = attribute.addr as *mut u64;
                match (attribute.group, attribute.attr) {
                    (vcpu_attr::CPUCFG, 2) => {
                        let mask = state.cpucfg2_mask.ok_or(libc::ENXIO)?;
                        if number == request::KVM_GET_DEVICE_ATTR {
                            *value = mask;
                        }
                    }
                    (vcpu_attr::CPUCFG, feature) if feature == u64::from(para::CPUCFG_FEATURE) => {
                        if number == request::KVM_SET_DEVICE_ATTR {
                            state.pv_features = Some(*value);
                        }
                    }
                    (vcpu_attr::PVTIME_CTRL, _) if steal_time => match number {
                        request::KVM_GET_DEVICE_ATTR => *value = vcpu.steal_time,
                        request::KVM_SET_DEVICE_ATTR => vcpu.steal_time = *value,
                        _ => {}
                    },
                    _ => return Err(libc::ENXIO),
                }
            }
            request::KVM_GET_REG_LIST => {
                if !state.reg_list {
                    return Err(libc::ENOTTY);
                }
                let list = argument.cast::<u64>();
                let kept = TABLE.iter().filter(|register| {
                    register.csr != Some(n::PGD) && register.csr != Some(n::TICLR)
                });
                let ids: Vec<u64> = kept.map(|register| register.id).collect();
                let room = *list as usize;
                *list = ids.len() as u64;
                if room < ids.len() {
                    return Err(libc::E2BIG);
                }
                for (index, id) in ids.into_iter().enumerate() {
                    *list.add(1 + index) = id;
                }
            }
            _ => return Err(libc::ENOTTY),
        }
    }
    Ok(())
}

fn run(state: &mut State, cpu: Cpu) -> Result<(), i32> {
    // SAFETY: The run page of the object, which only this call uses now.
    let page = unsafe { std::slice::from_raw_parts_mut(cpu.kvm_run().cast::<u8>(), 4096) };
    let word = |page: &[u8], at: usize| u64::from_ne_bytes(page[at..][..8].try_into().unwrap());
    let has_sync = state.capabilities.contains_key(&74);
    let vcpu = state.vcpus.get_mut(&cpu.index()).ok_or(libc::EBADF)?;
    // SAFETY: Within the page and aligned.
    let area = unsafe {
        &mut *page
            .as_mut_ptr()
            .add(offset::SYNC_REGS)
            .cast::<sync_regs::SyncRegs>()
    };
    let dirty = word(page, offset::DIRTY_REGS);
    if has_sync && dirty != 0 {
        for (id, value, set, chosen) in area_words(area) {
            let selects = dirty & sync_regs::CSR_SELECT != 0 && set == sync_regs::CSR;
            if dirty & set == 0 || selects && !chosen {
                continue;
            }
            if vcpu.words.get(&id).copied().unwrap_or(0) != value && state.refused.contains(&id) {
                return Err(libc::EINVAL);
            }
            vcpu.words.insert(id, value);
        }
        if dirty & sync_regs::GENERAL != 0 {
            vcpu.regs = Regs {
                gpr: area.gpr,
                pc: area.pc,
            };
        }
        if dirty & sync_regs::FPU != 0 {
            vcpu.fpu = Fpu {
                fcsr: area.fpu.fcsr,
                pad: 0,
                fcc: area.fpu.fcc,
                fpr: area.fpu.fpr,
            };
        }
        page[offset::DIRTY_REGS..][..8].fill(0);
    }
    let result = if page[offset::IMMEDIATE_EXIT] != 0 {
        Err(libc::EINTR)
    } else {
        match state.exits.pop_front() {
            None => Err(libc::EINTR),
            Some(Exit::Errno(errno)) => Err(errno),
            Some(Exit::Page(fill)) => {
                fill(page);
                Ok(())
            }
            Some(Exit::Guest(change)) => {
                change(vcpu);
                Err(libc::EINTR)
            }
        }
    };
    let shown = word(page, offset::VALID_REGS);
    if has_sync && shown != 0 {
        let held = |id: u64| vcpu.words.get(&id).copied().unwrap_or(0);
        if shown & sync_regs::GENERAL != 0 {
            area.gpr = vcpu.regs.gpr;
            area.pc = vcpu.regs.pc;
        }
        if shown & sync_regs::CSR != 0 {
            area.csr = sync_regs::CSRS.map(|csr| held(one_reg::csr(csr)));
        }
        if shown & sync_regs::CPUCFG != 0 {
            area.cpucfg = std::array::from_fn(|n| held(one_reg::cpucfg(n as u16)) as u32);
        }
        if shown & sync_regs::COUNTERS != 0 {
            area.counters = sync_regs::COUNTER_CSRS.map(|csr| held(one_reg::csr(csr)));
        }
        if shown & sync_regs::LBT != 0 {
            area.lbt.scr = std::array::from_fn(|n| held(one_reg::LBT_SCR0 + n as u64));
            area.lbt.eflags = held(one_reg::LBT_EFLAGS);
            area.lbt.ftop = held(one_reg::LBT_FTOP);
        }
        if shown & sync_regs::FPU != 0 {
            area.fpu.fcsr = vcpu.fpu.fcsr;
            area.fpu.fcc = vcpu.fpu.fcc;
            area.fpu.fpr = vcpu.fpu.fpr;
        }
    }
    result
}

/// The words of the run page in the order in which the module takes them over:
/// id, value, set, and whether a choice of CSRs has it.
fn area_words(area: &sync_regs::SyncRegs) -> Vec<(u64, u64, u64, bool)> {
    let cpucfg = (0..).zip(area.cpucfg).map(|(n, word)| {
        let id = one_reg::cpucfg(n);
        (id, u64::from(word), sync_regs::CPUCFG, false)
    });
    let csrs = sync_regs::CSRS.iter().zip(area.csr).enumerate();
    let csrs = csrs.map(|(n, (csr, value))| {
        let chosen = area.csr_dirty >> n & 1 != 0;
        (one_reg::csr(*csr), value, sync_regs::CSR, chosen)
    });
    let counters = sync_regs::COUNTER_CSRS.iter().zip(area.counters);
    let counters = counters.map(|(csr, value)| {
        let id = one_reg::csr(*csr);
        (id, value, sync_regs::COUNTERS, false)
    });
    let lbt = area
        .lbt
        .scr
        .into_iter()
        .chain([area.lbt.eflags, area.lbt.ftop]);
    let lbt = (one_reg::LBT_SCR0..)
        .zip(lbt)
        .map(|(id, value)| (id, value, sync_regs::LBT, false));
    cpucfg.chain(csrs).chain(counters).chain(lbt).collect()
}

unsafe extern "C" fn kvm_init_vcpu(cpu: *mut CPUState, _errp: *mut c_void) -> c_int {
    // SAFETY: A CPU object.
    let index = unsafe { Cpu::from_raw(cpu) }.unwrap().index();
    with(|state| {
        state.vcpus.entry(index).or_default();
        state.life.push("init");
    });
    // SAFETY: As QEMU calls it.
    let result = unsafe { hooks::kvm_la_kvm_arch_init_vcpu(cpu) };
    if result < 0 {
        exit_fake(1);
    }
    result
}

unsafe extern "C" fn kvm_destroy_vcpu(cpu: *mut CPUState) {
    with(|state| state.life.push("destroy"));
    // SAFETY: As QEMU calls it.
    unsafe { hooks::kvm_la_kvm_arch_destroy_vcpu(cpu) };
}

unsafe extern "C" fn kvm_find_sw_breakpoint(_cpu: *mut CPUState, pc: u64) -> usize {
    with(|state| usize::from(state.breakpoints.contains(&pc)))
}

unsafe extern "C" fn kvm_sw_breakpoints_active(_cpu: *mut CPUState) -> c_int {
    with(|state| c_int::from(!state.breakpoints.is_empty()))
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

unsafe extern "C" fn address_space_rw(
    space: usize,
    address: u64,
    attributes: u64,
    buffer: *mut u8,
    length: u64,
    is_write: bool,
) -> u32 {
    with(|state| {
        assert!(!state.bql, "devices are called without the BQL");
        state
            .accesses
            .push((space, address, attributes, length as usize, is_write));
    });
    if !is_write {
        // SAFETY: As the caller promised.
        unsafe { buffer.write_bytes(0xa5, length as usize) };
    }
    0
}

unsafe extern "C" fn cpu_memory_rw_debug(
    _cpu: *mut CPUState,
    address: u64,
    buffer: *mut [u8; 4],
    length: usize,
    is_write: bool,
) -> c_int {
    assert_eq!(length, 4);
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
    with(|state| {
        assert!(state.bql);
        state.reaped += 1;
    });
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
        assert!(state.bql);
        state.panics += 1;
    });
}

unsafe extern "C" fn vm_stop(cause: c_int) -> c_int {
    with(|state| {
        assert!(state.bql);
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
extern "C" fn exit_fake(status: c_int) -> ! {
    with(|state| state.exited = Some(status));
    loop {
        std::thread::park();
    }
}
