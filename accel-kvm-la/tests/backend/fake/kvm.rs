// SPDX-License-Identifier: GPL-2.0-or-later

//! The kernel: what it offers, its vCPUs with their registers, scripted exits
//! and scripted failures, behind QEMU's `kvm_*ioctl`.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{c_int, c_uint, c_ulong, c_void};

use accel_kvm_la::kvm::abi::{
    CreateDevice, DeviceAttr, Fpu, Interrupt, MpState, OneReg, Regs, request,
};
use accel_kvm_la::kvm::run_page::offset;
use accel_kvm_la::qemu::cpu::Cpu;
use accel_kvm_la::qemu::opaque::{CPUState, KVMState};
use accel_kvm_la::regs::table::TABLE;
use la_arch::{cpucfg::word1, csr::number as n, kvm::para, kvm::vcpu_attr, one_reg, sync_regs};

use super::{RUN_PAGE_BYTES, State, guest, with};

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

/// The register that guests read IOCSRs into.
pub const IOCSR_READ: usize = 12;

/// A vCPU in the fake kernel.
#[derive(Default)]
pub struct KvmVcpu {
    pub words: HashMap<u64, u64>,
    pub regs: Regs,
    pub fpu: Fpu,
    pub mp_state: u32,
    pub steal_time: u64,
    pub lines: Vec<i32>,
    /// Those of them that are not in ESTAT yet.
    pub queued: Vec<i32>,
}

impl KvmVcpu {
    /// Puts what was asked for into ESTAT: when it is read, and at an entry (Linux:
    /// _kvm_getcsr, kvm_deliver_intr).
    fn settle(&mut self) {
        let estat = self.words.entry(one_reg::csr(n::ESTAT)).or_default();
        for line in self.queued.drain(..) {
            let bit = 1 << line.unsigned_abs();
            *estat = if line > 0 {
                *estat | bit
            } else {
                *estat & !bit
            };
        }
    }
}

/// What cannot be written into registers.
#[derive(Default)]
pub struct Refused {
    /// Registers that cannot be written at all.
    pub registers: HashSet<u64>,
    /// Whether CPUCFG1 may have the bit of message interrupts.
    pub takes_msgint: bool,
}

impl Refused {
    /// Linux: kvm_check_cpucfg.
    fn has(&self, id: u64, value: u64) -> bool {
        let msgint = id == one_reg::cpucfg(1) && value & u64::from(word1::MSGINT) != 0;
        self.registers.contains(&id) || msgint && !self.takes_msgint
    }
}

/// The kernel and its VM.
#[derive(Default)]
pub struct Kernel {
    pub capabilities: HashMap<u32, i32>,
    pub vm_attributes: HashSet<u64>,
    pub devices: HashSet<u32>,
    pub cpucfg2_mask: Option<u64>,
    pub reg_list: bool,
    pub refused: Refused,
    pub pv_features: Option<u64>,
    pub vcpus: HashMap<i32, KvmVcpu>,
    pub exits: VecDeque<Exit>,
    /// Error numbers by request, forever.
    pub failures: HashMap<c_ulong, i32>,
    /// How many of those calls succeed first, and how many failed.
    pub good: u32,
    pub failed: u32,
    /// Requests so far, with the register or attribute.
    pub calls: Vec<(c_ulong, u64)>,
}

impl Kernel {
    /// Like upstream's.
    pub fn upstream() -> Kernel {
        Kernel {
            capabilities: HashMap::from([(14, 1), (89, 1), (32, 1)]),
            vm_attributes: HashSet::from([0, 6, 7]),
            devices: HashSet::from([12, 13, 14]),
            cpucfg2_mask: Some(0x7fff_ffff),
            ..Kernel::default()
        }
    }

    /// The error that a call is to fail with.
    fn failure(&mut self, number: c_ulong) -> Option<i32> {
        let errno = *self.failures.get(&number)?;
        if self.good > 0 {
            self.good -= 1;
            return None;
        }
        self.failed += 1;
        Some(errno)
    }

    /// With our module's additions.
    pub fn with_module() -> Kernel {
        let mut kernel = Kernel::upstream();
        kernel.capabilities.insert(74, sync_regs::ALL as i32);
        kernel.reg_list = true;
        kernel
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

pub(super) unsafe extern "C" fn kvm_check_extension(
    _state: *mut KVMState,
    extension: c_uint,
) -> c_int {
    with(|State { kernel, .. }| kernel.capabilities.get(&extension).copied().unwrap_or(0))
}

pub(super) unsafe extern "C" fn kvm_vm_ioctl(
    _state: *mut KVMState,
    number: c_ulong,
    argument: *mut c_void,
) -> c_int {
    with(|State { kernel, .. }| match number {
        request::KVM_HAS_DEVICE_ATTR => {
            // SAFETY: What the request takes.
            let attribute = unsafe { *argument.cast::<DeviceAttr>() };
            kernel.calls.push((number, attribute.attr));
            if let Some(errno) = kernel.failure(number) {
                return -errno;
            }
            if kernel.vm_attributes.contains(&attribute.attr) {
                0
            } else {
                -libc::ENXIO
            }
        }
        request::KVM_CREATE_DEVICE => {
            // SAFETY: What the request takes.
            let device = unsafe { *argument.cast::<CreateDevice>() };
            assert_eq!(device.flags, 1, "devices are only asked for");
            kernel.calls.push((number, u64::from(device.type_)));
            if let Some(errno) = kernel.failure(number) {
                return -errno;
            }
            if kernel.devices.contains(&device.type_) {
                0
            } else {
                -libc::EOPNOTSUPP
            }
        }
        _ => -libc::ENOTTY,
    })
}

pub(super) unsafe extern "C" fn kvm_vcpu_ioctl(
    cpu: *mut CPUState,
    number: c_ulong,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: A CPU object.
    let cpu = unsafe { Cpu::from_raw(cpu) }.unwrap();
    if let Some(guest) = guest::of(cpu) {
        return match guest.ioctl(cpu, number, argument) {
            Ok(()) => 0,
            Err(errno) => -errno,
        };
    }
    with(|State { kernel, .. }| {
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
        kernel.calls.push((number, detail));
        if let Some(errno) = kernel.failure(number) {
            return -errno;
        }
        match perform(kernel, cpu, number, argument) {
            Ok(()) => 0,
            Err(errno) => -errno,
        }
    })
}

/// Does a call, without a script.
pub(super) fn perform(
    kernel: &mut Kernel,
    cpu: Cpu,
    number: c_ulong,
    argument: *mut c_void,
) -> Result<(), i32> {
    if number == request::KVM_RUN {
        return run(kernel, cpu);
    }
    let steal_time = kernel
        .pv_features
        .is_some_and(|bits| bits & 1 << para::FEATURE_STEAL_TIME != 0);
    let vcpu = kernel.vcpus.get_mut(&cpu.index()).ok_or(libc::EBADF)?;
    // SAFETY: In each arm: what the request takes.
    unsafe {
        match number {
            request::KVM_GET_REGS => *argument.cast::<Regs>() = vcpu.regs,
            request::KVM_SET_REGS => vcpu.regs = *argument.cast::<Regs>(),
            request::KVM_GET_FPU => *argument.cast::<Fpu>() = vcpu.fpu,
            request::KVM_SET_FPU => vcpu.fpu = *argument.cast::<Fpu>(),
            request::KVM_GET_MP_STATE => (*argument.cast::<MpState>()).mp_state = vcpu.mp_state,
            request::KVM_SET_MP_STATE => vcpu.mp_state = (*argument.cast::<MpState>()).mp_state,
            request::KVM_INTERRUPT => {
                let line = (*argument.cast::<Interrupt>()).irq;
                vcpu.lines.push(line);
                vcpu.queued.push(line);
            }
            request::KVM_GET_ONE_REG => {
                let reg = *argument.cast::<OneReg>();
                if reg.id == one_reg::csr(n::ESTAT) {
                    vcpu.settle();
                }
                let value = match reg.id {
                    one_reg::DEBUG_INST => 0x002b_8101,
                    id => vcpu.words.get(&id).copied().unwrap_or(0),
                };
                *(reg.addr as *mut u64) = value;
            }
            request::KVM_SET_ONE_REG => {
                let reg = *argument.cast::<OneReg>();
                let value = *(reg.addr as *const u64);
                if kernel.refused.has(reg.id, value) {
                    return Err(libc::EINVAL);
                }
                if reg.id == one_reg::VCPU_RESET {
                    vcpu.words.insert(one_reg::csr(n::ESTAT), 0);
                    vcpu.queued.clear();
                    vcpu.steal_time = 0;
                } else {
                    vcpu.words.insert(reg.id, value);
                }
            }
            request::KVM_HAS_DEVICE_ATTR
            | request::KVM_GET_DEVICE_ATTR
            | request::KVM_SET_DEVICE_ATTR => {
                let attribute = *argument.cast::<DeviceAttr>();
                let value = attribute.addr as *mut u64;
                match (attribute.group, attribute.attr) {
                    (vcpu_attr::CPUCFG, 2) => {
                        let mask = kernel.cpucfg2_mask.ok_or(libc::ENXIO)?;
                        if number == request::KVM_GET_DEVICE_ATTR {
                            *value = mask;
                        }
                    }
                    (vcpu_attr::CPUCFG, feature) if feature == u64::from(para::CPUCFG_FEATURE) => {
                        if number == request::KVM_SET_DEVICE_ATTR {
                            kernel.pv_features = Some(*value);
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
                if !kernel.reg_list {
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

fn run(kernel: &mut Kernel, cpu: Cpu) -> Result<(), i32> {
    // SAFETY: The run page of the object, which only this call uses now.
    let page =
        unsafe { std::slice::from_raw_parts_mut(cpu.kvm_run().cast::<u8>(), RUN_PAGE_BYTES) };
    let word = |page: &[u8], at: usize| u64::from_ne_bytes(page[at..][..8].try_into().unwrap());
    let has_sync = kernel.capabilities.contains_key(&74);
    let vcpu = kernel.vcpus.get_mut(&cpu.index()).ok_or(libc::EBADF)?;
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
            if vcpu.words.get(&id).copied().unwrap_or(0) != value && kernel.refused.has(id, value) {
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
    // Linux: kvm_complete_iocsr_read, of its own module before it looks at `immediate_exit`.
    let io = offset::UNION;
    if !has_sync && page[offset::EXIT_REASON] == 38 && page[io + 20] == 0 {
        vcpu.regs.gpr[IOCSR_READ] = word(page, io + 8);
    }
    let result = if page[offset::IMMEDIATE_EXIT] != 0 {
        Err(libc::EINTR)
    } else {
        page[offset::EXIT_REASON..][..4].fill(0);
        vcpu.settle();
        match kernel.exits.pop_front() {
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
        vcpu.settle();
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
