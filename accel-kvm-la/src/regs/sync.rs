// SPDX-License-Identifier: GPL-2.0-or-later

//! Reading and writing a vCPU's registers: only what is not known, only what
//! changed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use la_arch::cpucfg::{word1, word2};
use la_arch::csr::number;
use la_arch::kvm::{para, vcpu_attr};
use la_arch::{Interrupt, one_reg};

use super::cache::Cache;
use super::list::RegList;
use super::table::{Change, Group, Register, TABLE};
use crate::error::BackendError;
use crate::kvm::IoctlError;
use crate::kvm::abi::{Fpu, Regs};
use crate::kvm::run_page::RunPage;
use crate::kvm::vcpu::VcpuFd;
use crate::qemu::cpu::{Cpu, OnOffAuto};
use crate::qemu::layout::layout;
use crate::qemu::report;

/// ESTAT.IS of the timer.
const TIMER: u64 = Interrupt::TI.mask();

/// All bits of binary translation: QEMU offers them together or not at all.
const LBT_ALL: u32 = word2::LBT_X86 | word2::LBT_ARM | word2::LBT_MIPS;

/// How much a write covers (QEMU: KvmPutState, include/system/kvm.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Before the guest runs again.
    Runtime,
    /// After a reset.
    Reset,
    /// At the start and after loading a saved state.
    Full,
}

impl Level {
    /// From QEMU's KVM_PUT_*_STATE.
    pub fn from_raw(raw: i32) -> Level {
        match raw {
            i32::MIN..=1 => Level::Runtime,
            2 => Level::Reset,
            _ => Level::Full,
        }
    }
}

/// What the kernel has and was told, for all vCPUs of a VM.
#[derive(Debug, Default)]
pub struct Kernel {
    /// Registers go through the run page.
    sync_regs: bool,
    /// There is a run state.
    mp_state: bool,
    /// There are message interrupts.
    msgint: bool,
    /// The bits of CPUCFG2 that the kernel allows.
    cpucfg2_mask: Option<u64>,
    list: OnceLock<RegList>,
    pv_features_written: AtomicBool,
    steal_time: OnceLock<bool>,
    cpucfg_warned: AtomicBool,
}

impl Kernel {
    /// A VM of which no vCPU has been written yet.
    pub fn new(sync_regs: bool, mp_state: bool, msgint: bool, cpucfg2_mask: Option<u64>) -> Kernel {
        Kernel {
            sync_regs,
            mp_state,
            msgint,
            cpucfg2_mask,
            ..Kernel::default()
        }
    }
}

/// Everything that one synchronisation needs.
#[derive(Debug)]
pub struct Synchroniser<'a> {
    /// QEMU's copy.
    pub cpu: Cpu,
    /// KVM's.
    pub fd: VcpuFd,
    /// The run page, if KVM_RUN may be used to move registers.
    pub page: Option<RunPage>,
    /// The VM.
    pub kernel: &'a Kernel,
    /// Paravirtual features of the guest.
    pub pv_features: u32,
    /// QEMU's idea of the run state.
    pub mp_state: u32,
}

impl Synchroniser<'_> {
    pub(super) fn index(&self) -> i32 {
        self.cpu.index()
    }

    /// The page, if our module is behind it.
    pub(super) fn sync_page(&self) -> Option<&RunPage> {
        self.page.as_ref().filter(|_| self.kernel.sync_regs)
    }

    /// Whether the vCPU has the register and the kernel keeps it: what our module has in the run page, or what it or another
    /// lists.
    pub(super) fn has(&self, register: &Register) -> bool {
        let offered = match register.group {
            Group::Cpucfg | Group::Csr | Group::Timer => true,
            Group::Pmu => self.cpu.on_off_auto(layout().pmu) == OnOffAuto::On,
            Group::Msgint => self.kernel.msgint && self.cpu.cpucfg(1) & word1::MSGINT != 0,
            Group::Lbt => self.cpu.cpucfg(2) & LBT_ALL == LBT_ALL,
        };
        if offered && self.kernel.sync_regs && register.group != Group::Msgint {
            return register.slot.is_some();
        }
        offered
            && self
                .kernel
                .list
                .get()
                .is_none_or(|list| list.keeps(register.id))
    }

    // Reading.

    /// Gives QEMU all of KVM's values. Returns the run state.
    pub fn read(&self, cache: &mut Cache) -> Result<u32, BackendError> {
        cache.forget_what_changes_by_itself();
        self.read_by_page(cache);
        let general = match cache.general {
            Some(general) => general,
            None => *cache.general.insert(self.fd.regs()?),
        };
        self.store_general(&general);
        for (index, register) in TABLE.iter().enumerate() {
            if self.has(register) {
                let value = match cache.word(index) {
                    Some(value) => value,
                    None => match self.read_register(register)? {
                        Some(value) => value,
                        None => continue,
                    },
                };
                cache.set_word(index, Some(value));
                register.store(self.cpu, value);
            }
        }
        let fpu = match cache.fpu {
            Some(fpu) => fpu,
            None => *cache.fpu.insert(self.fd.fpu()?),
        };
        self.store_fpu(&fpu);
        if self.has_steal_time() {
            let address = match cache.steal_time {
                Some(address) => address,
                None => self
                    .fd
                    .attr(vcpu_attr::PVTIME_CTRL, vcpu_attr::PVTIME_GPA)?,
            };
            cache.steal_time = Some(address);
            self.cpu.set_steal_time_address(address);
        }
        if self.kernel.mp_state && cache.mp_state.is_none() {
            cache.mp_state = Some(self.fd.mp_state()?);
        }
        Ok(cache.mp_state.unwrap_or(self.mp_state))
    }

    /// Gives QEMU, whose copy counts, what changes by itself: a device can raise its
    /// line at any time, and what is saved is what waits then. What QEMU has changed meanwhile
    /// stays: its message interrupt controller sets bits (QEMU: hw/intc/loongarch_dintc.c),
    /// a reset clears some.
    pub fn read_again(&self, cache: &mut Cache) -> Result<(), BackendError> {
        for (index, register) in TABLE.iter().enumerate() {
            if register.change != Change::Always || !self.has(register) {
                continue;
            }
            if cache.word(index) != Some(register.load(self.cpu)) {
                continue;
            }
            if let Some(mut value) = self.read_register(register)? {
                if register.id == one_reg::csr(number::ESTAT) {
                    // Linux's module has the timer run for the time of the read. That it has ended
                    // would not fit the rest of the timer, which is read once.
                    value = value & !TIMER | register.load(self.cpu) & TIMER;
                }
                cache.set_word(index, Some(value));
                register.store(self.cpu, value);
            }
        }
        Ok(())
    }

    fn read_register(&self, register: &Register) -> Result<Option<u64>, BackendError> {
        match self.fd.one_reg(register.id) {
            Ok(value) => Ok(Some(value)),
            // As in the C backend: the guest has its CPUCFG words all the same.
            Err(error) if register.group == Group::Cpucfg => {
                log::warn!("{register}: {error}");
                Ok(None)
            }
            Err(source) => Err(BackendError::ReadRegister {
                register: register.to_string(),
                source,
            }),
        }
    }

    fn store_general(&self, regs: &Regs) {
        for (n, value) in regs.gpr.iter().enumerate() {
            self.cpu.set_gpr(n, if n == 0 { 0 } else { *value });
        }
        self.cpu.set_pc(regs.pc);
    }

    fn store_fpu(&self, fpu: &Fpu) {
        self.cpu.set_fcsr0(fpu.fcsr);
        for (n, lanes) in fpu.fpr.iter().enumerate() {
            for (lane, value) in lanes.iter().enumerate() {
                self.cpu.set_fpr(n, lane, *value);
            }
        }
        for (n, flag) in fpu.fcc.to_le_bytes().into_iter().enumerate() {
            self.cpu.set_cf(n, flag & 1 != 0);
        }
    }

    // Writing.

    /// Gives KVM those of QEMU's values that it does not have.
    pub fn write(&self, cache: &mut Cache, level: Level) -> Result<(), BackendError> {
        match level {
            Level::Runtime => {}
            // Also if KVM's part was reset by others than our hook.
            Level::Reset => cache.forget_what_reset_changes(),
            Level::Full => cache.forget_what_changes_by_itself(),
        }
        self.limit_cpucfg2(cache);
        if self.write_by_page(cache, level).is_err() {
            // A CPUCFG word that the host does not allow spoils everything: by
            // itself it is told apart, and the rest goes through the page.
            self.write_cpucfg(cache);
            let _ = self.write_by_page(cache, level);
        }
        self.write_cpucfg(cache);
        self.write_pv_features()?;
        // The run page has all but message interrupts.
        if level == Level::Full && (!self.kernel.sync_regs || self.kernel.msgint) {
            let _ = self.kernel.list.get_or_init(|| RegList::ask(self.fd));
        }
        self.write_general(cache)?;
        self.write_registers(cache, level)?;
        self.write_fpu(cache)?;
        if level == Level::Full {
            self.write_steal_time(cache)?;
        }
        if self.kernel.mp_state && cache.mp_state != Some(self.mp_state) {
            self.fd.set_mp_state(self.mp_state)?;
            cache.mp_state = Some(self.mp_state);
        }
        Ok(())
    }

    pub(super) fn load_general(&self) -> Regs {
        Regs {
            gpr: std::array::from_fn(|n| if n == 0 { 0 } else { self.cpu.gpr(n) }),
            pc: self.cpu.pc(),
        }
    }

    fn write_general(&self, cache: &mut Cache) -> Result<(), BackendError> {
        let wanted = self.load_general();
        if cache.general != Some(wanted) {
            self.fd.set_regs(wanted)?;
            cache.general = Some(wanted);
        }
        Ok(())
    }

    /// CPUCFG words: what the kernel refuses is not the guest's, and the user is told
    /// once. The C backend goes on as well, but silently.
    fn write_cpucfg(&self, cache: &mut Cache) {
        for (index, register) in TABLE.iter().enumerate() {
            if register.group != Group::Cpucfg {
                continue;
            }
            let wanted = register.load(self.cpu);
            if cache.word(index) == Some(wanted) {
                continue;
            }
            match self.fd.set_one_reg(register.id, wanted) {
                Ok(()) => cache.set_word(index, Some(wanted)),
                Err(error) => self.cpucfg_refused(cache, index, register, wanted, &error),
            }
        }
    }

    fn cpucfg_refused(
        &self,
        cache: &mut Cache,
        index: usize,
        register: &Register,
        wanted: u64,
        error: &IoctlError,
    ) {
        let kept = self
            .write_without_msgint(index, register, wanted)
            .or_else(|| self.fd.one_reg(register.id).ok());
        let message = format!(
            "{error}: the host does not allow {register} = {wanted:#x}; the guest sees {:#x}",
            kept.unwrap_or(0)
        );
        if self.kernel.cpucfg_warned.swap(true, Ordering::Relaxed) {
            log::warn!("{message}");
        } else {
            report::warning(&message);
        }
        if let Some(kept) = kept {
            cache.set_word(index, Some(kept));
            register.store(self.cpu, kept);
        }
    }

    /// Message interrupts are the one feature in CPUCFG1 that a kernel refuses (Linux:
    /// kvm_check_cpucfg), with the whole word, without which no guest starts.
    fn write_without_msgint(&self, index: usize, register: &Register, wanted: u64) -> Option<u64> {
        let value = wanted & !u64::from(word1::MSGINT);
        (index == 1 && value != wanted && self.fd.set_one_reg(register.id, value).is_ok())
            .then_some(value)
    }

    /// Takes from QEMU's CPUCFG2 what the kernel does not allow.
    fn limit_cpucfg2(&self, cache: &Cache) {
        let wanted = u64::from(self.cpu.cpucfg(2));
        if cache.word(2) != Some(wanted) {
            self.cpu.set_cpucfg(2, self.allowed_cpucfg2(wanted) as u32);
        }
    }

    /// CPUCFG2 as the kernel allows it (QEMU: kvm_check_cpucfg2). The versions
    /// of floating point and of the constant timer are the lowest.
    fn allowed_cpucfg2(&self, wanted: u64) -> u64 {
        let Some(mask) = self.kernel.cpucfg2_mask else {
            return wanted;
        };
        let mut value = (wanted & mask) as u32;
        if value & word2::FP != 0 {
            value = value & !word2::FP_VER | lowest(word2::FP_VER);
        }
        if value & word2::LLFTP != 0 {
            value = value & !word2::LLFTP_VER | lowest(word2::LLFTP_VER);
        }
        u64::from(value)
    }

    /// Paravirtual features belong to the VM: the first write of the first vCPU
    /// sets them, and steal time is there only afterwards.
    fn write_pv_features(&self) -> Result<(), BackendError> {
        if self.kernel.pv_features_written.load(Ordering::Acquire) {
            return Ok(());
        }
        let attribute = u64::from(para::CPUCFG_FEATURE);
        if self.fd.has_attr(vcpu_attr::CPUCFG, attribute).is_ok() {
            self.fd
                .set_attr(vcpu_attr::CPUCFG, attribute, u64::from(self.pv_features))?;
        }
        self.kernel
            .pv_features_written
            .store(true, Ordering::Release);
        Ok(())
    }

    /// Whether the kernel keeps a steal-time address for this VM.
    fn has_steal_time(&self) -> bool {
        if !self.kernel.pv_features_written.load(Ordering::Acquire) {
            return false;
        }
        *self.kernel.steal_time.get_or_init(|| {
            self.fd
                .has_attr(vcpu_attr::PVTIME_CTRL, vcpu_attr::PVTIME_GPA)
                .is_ok()
        })
    }

    fn write_steal_time(&self, cache: &mut Cache) -> Result<(), BackendError> {
        let wanted = self.cpu.steal_time_address();
        if cache.steal_time != Some(wanted) && self.has_steal_time() {
            self.fd
                .set_attr(vcpu_attr::PVTIME_CTRL, vcpu_attr::PVTIME_GPA, wanted)?;
            cache.steal_time = Some(wanted);
        }
        Ok(())
    }

    /// Whether a write at `level` changes the register, and to what.
    pub(super) fn change(
        &self,
        cache: &Cache,
        index: usize,
        register: &Register,
        level: Level,
    ) -> Option<u64> {
        if register.full_only && level < Level::Full || !self.has(register) {
            return None;
        }
        let wanted = register.load(self.cpu);
        (cache.word(index) != Some(wanted)).then_some(wanted)
    }

    /// Whether TVAL and TCFG are to be written: writing one of the two restarts
    /// the other.
    pub(super) fn timer_changes(&self, cache: &Cache, level: Level) -> bool {
        TABLE
            .iter()
            .enumerate()
            .filter(|(_, register)| register.group == Group::Timer)
            .any(|(index, register)| self.change(cache, index, register, level).is_some())
    }

    fn write_registers(&self, cache: &mut Cache, level: Level) -> Result<(), BackendError> {
        let timer = self.timer_changes(cache, level);
        for (index, register) in TABLE.iter().enumerate() {
            let value = match register.group {
                Group::Cpucfg => None,
                Group::Timer if timer && self.has(register) => Some(register.load(self.cpu)),
                _ => self.change(cache, index, register, level),
            };
            if let Some(value) = value {
                cache.set_word(index, None);
                self.fd.set_one_reg(register.id, value).map_err(|source| {
                    BackendError::WriteRegister {
                        register: register.to_string(),
                        value,
                        source,
                    }
                })?;
                cache.set_word(index, Some(value));
            }
        }
        Ok(())
    }

    pub(super) fn load_fpu(&self) -> Fpu {
        Fpu {
            fcsr: self.cpu.fcsr0(),
            pad: 0,
            fcc: u64::from_le_bytes(std::array::from_fn(|n| u8::from(self.cpu.cf(n)))),
            fpr: std::array::from_fn(|n| std::array::from_fn(|lane| self.cpu.fpr(n, lane))),
        }
    }

    fn write_fpu(&self, cache: &mut Cache) -> Result<(), BackendError> {
        let wanted = self.load_fpu();
        if cache.fpu != Some(wanted) {
            self.fd.set_fpu(wanted)?;
            cache.fpu = Some(wanted);
        }
        Ok(())
    }
}

/// The lowest value that is not zero in a field.
const fn lowest(field: u32) -> u32 {
    field & field.wrapping_neg()
}
