// SPDX-License-Identifier: GPL-2.0

//! All in-kernel interrupt controllers of a VM, used by guest and user space.

use super::bytes::Bytes;
use kvm_core::intc::dmsintc::{Dmsintc, Pending};
use kvm_core::intc::eiointc::Eiointc;
use kvm_core::intc::ipi::{Core, Forward, Register};
use kvm_core::intc::pch_pic::{PchPic, Source};
use kvm_core::intc::routing::{Injection, Msi, Pin, Route};
use kvm_core::intc::{uapi, Effects, VcpuId, Vcpus, Vectors};
use la_arch::iocsr::{EIOINTC_BASE, IPI_BASE, IPI_SIZE};
use la_arch::Interrupt;
use std::collections::BTreeSet;

/// vCPU ids; a vCPU's CPU number is another one.
const VCPUS: [u8; 4] = [0, 1, 7, 255];

/// The lines that are up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Lines(BTreeSet<(u8, Interrupt)>);

impl Vcpus for Lines {
    fn by_cpuid(&self, cpuid: u32) -> Option<VcpuId> {
        let index = cpuid.checked_sub(1)? as usize;
        VCPUS.get(index).map(|&id| VcpuId::from_byte(id))
    }

    fn contains(&self, vcpu: VcpuId) -> bool {
        VCPUS.contains(&vcpu.get())
    }
}

impl Effects for Lines {
    fn set_line(&mut self, vcpu: VcpuId, line: Interrupt, level: bool) {
        assert!(self.contains(vcpu), "a line of a vCPU that does not exist");
        match level {
            true => self.0.insert((vcpu.get(), line)),
            false => self.0.remove(&(vcpu.get(), line)),
        };
    }
}

/// A sink that forwards the PCH-PIC's vectors.
struct ToEiointc<'a> {
    chip: &'a mut Eiointc,
    lines: &'a mut Lines,
}

impl Vectors for ToEiointc<'_> {
    fn set_vector(&mut self, vector: u8, level: bool) {
        self.chip.set_vector(vector, level, self.lines);
    }
}

struct Vm {
    pic: PchPic,
    eiointc: Eiointc,
    dmsintc: Dmsintc,
    cores: Vec<Core>,
    pending: Pending,
    lines: Lines,
}

impl Vm {
    fn new(features: u32) -> Self {
        let mut vm = Self {
            pic: PchPic::new(),
            eiointc: Eiointc::new(),
            dmsintc: Dmsintc::new(),
            cores: VCPUS.map(|_| Core::new()).to_vec(),
            pending: Pending::new(),
            lines: Lines::default(),
        };
        for (attr, value) in [
            (uapi::EXTIOI_CTRL_INIT_NUM_CPU, 256),
            (uapi::EXTIOI_CTRL_INIT_FEATURE, features),
        ] {
            let set = vm
                .eiointc
                .set_attr(uapi::EXTIOI_GRP_CTRL, attr, value, &mut vm.lines);
            assert_eq!(set, Ok(()));
        }
        vm
    }

    fn core(&mut self, vcpu: VcpuId) -> Option<&mut Core> {
        let index = VCPUS.iter().position(|&id| id == vcpu.get())?;
        self.cores.get_mut(index)
    }

    /// An IOCSR write of the IPI block, with what it makes others do. `depth`
    /// bounds sends that send.
    fn write_ipi(&mut self, vcpu: VcpuId, offset: u64, size: u32, value: u64, depth: u32) {
        let mut lines = core::mem::take(&mut self.lines);
        let forward = self
            .core(vcpu)
            .and_then(|core| core.write(vcpu, offset, size, value, &mut lines));
        let target = |cpuid| lines.by_cpuid(cpuid);
        match forward {
            None => {}
            Some(Forward::Ipi { cpuid, bits }) => {
                if let Some(target) = target(cpuid) {
                    if let Some(core) = self.core(target) {
                        core.raise(target, bits, &mut lines);
                    }
                }
            }
            Some(Forward::Mail(mail)) => {
                if let Some(core) = target(mail.cpuid).and_then(|target| self.core(target)) {
                    core.deliver_mail(mail);
                }
            }
            Some(Forward::Any(any)) => {
                let target = target(any.cpuid);
                self.lines = lines;
                if let Some(target) = target.filter(|_| depth < 4) {
                    for write in any.writes() {
                        self.write_iocsr(target, write.address, write.size, write.value, depth + 1);
                    }
                }
                return;
            }
        }
        self.lines = lines;
    }

    fn write_iocsr(&mut self, vcpu: VcpuId, address: u64, size: u32, value: u64, depth: u32) {
        if let Some(offset) = address.checked_sub(EIOINTC_BASE) {
            self.eiointc
                .write(vcpu, offset, size, value, &mut self.lines);
        } else if let Some(offset) = address.checked_sub(IPI_BASE).filter(|&o| o < IPI_SIZE) {
            self.write_ipi(vcpu, offset, size, value, depth);
        }
    }

    fn inject(&mut self, injection: Injection, level: bool) {
        let mut sink = ToEiointc {
            chip: &mut self.eiointc,
            lines: &mut self.lines,
        };
        match injection {
            Injection::Pin(pin) => self.pic.set_pin(pin, Source::Vmm, level, &mut sink),
            Injection::Vector(vector) => sink.set_vector(vector, level),
            Injection::Message(target) => {
                assert_eq!(self.pending.post(target.vector, true), Ok(()));
            }
        }
    }

    /// Every line is what its controller's registers say.
    fn check(&self) {
        for (core, &id) in self.cores.iter().zip(&VCPUS) {
            let up = self.lines.0.contains(&(id, Interrupt::IPI));
            assert_eq!(up, core.pending(), "IPI of vCPU {id}");
            let vcpu = VcpuId::from_byte(id);
            let shown = (0..4).any(|word| self.eiointc.read(vcpu, 0x400 + 8 * word, 8) != 0);
            let hwi = (0..8).any(|pin| self.lines.0.contains(&(id, Interrupt::hwi(pin))));
            assert_eq!(hwi, shown, "lines of vCPU {id}");
        }
    }

    /// A new VM with the registers of this one.
    fn migrate(&self, features: u32) -> Self {
        let mut copy = Self::new(features);
        let regs = (0xa0..0xc8)
            .chain(0x200..0x220)
            .chain(0x280..0x2a0)
            .chain(0x300..0x320)
            .chain(0x800..0x900);
        let words = regs.step_by(4).map(|offset| (0u64, offset));
        let shown = (0x400u64..0x420).step_by(4);
        let of_cores = VCPUS
            .iter()
            .flat_map(|&id| shown.clone().map(move |offset| (u64::from(id), offset)));
        for (cpu, offset) in words.chain(of_cores) {
            let attr = cpu << 16 | offset;
            let value = self.eiointc.get_attr(uapi::EXTIOI_GRP_REGS, attr);
            let value = value.expect("a register that can be saved");
            let set = copy
                .eiointc
                .set_attr(uapi::EXTIOI_GRP_REGS, attr, value, &mut copy.lines);
            assert_eq!(set, Ok(()));
        }
        let state = uapi::EXTIOI_SW_STATUS_STATE;
        let value = self.eiointc.get_attr(uapi::EXTIOI_GRP_SW_STATUS, state);
        for (group, attr, value) in [
            (uapi::EXTIOI_GRP_SW_STATUS, state, value.unwrap_or(0)),
            (uapi::EXTIOI_GRP_CTRL, uapi::EXTIOI_CTRL_LOAD_FINISHED, 0),
        ] {
            assert_eq!(
                copy.eiointc.set_attr(group, attr, value, &mut copy.lines),
                Ok(())
            );
        }
        for (index, &id) in VCPUS.iter().enumerate() {
            for offset in [0x0, 0x4, 0x20, 0x28, 0x30, 0x38] {
                let attr = u64::from(id) << 16 | offset;
                let (vcpu, register) =
                    Register::decode(uapi::IPI_GRP_REGS, attr).expect("a register");
                let value = self.cores[index].get_attr(register);
                copy.cores[index].set_attr(vcpu, register, value, &mut copy.lines);
            }
        }
        let group = uapi::PCH_PIC_GRP_REGS;
        let words = [0x20, 0x40, 0x60, 0xc0, 0xe0, 0x380, 0x3a0, 0x3e0];
        for attr in words.into_iter().chain(0x100..0x140).chain(0x200..0x240) {
            let value = self.pic.get_attr(group, attr).expect("a register");
            assert_eq!(copy.pic.set_attr(group, attr, value), Ok(()));
        }
        copy
    }
}

/// An offset near a register block, and a size that need not fit.
fn access(bytes: &mut Bytes<'_>, length: u64) -> (u64, u32) {
    let offset = bytes.below(length);
    match bytes.byte() {
        byte @ 0..=251 => {
            let size = 1 << (byte & 3);
            (offset & !(u64::from(size) - 1), size)
        }
        252 => (offset, bytes.word()),
        253 => (bytes.long(), 8),
        byte => (offset, u32::from(byte & 3) + 1),
    }
}

/// A VM's controllers under guest accesses, interrupts and ioctls; at the end
/// and in between they are saved and restored.
pub fn interrupt_controllers(data: &[u8]) {
    let mut bytes = Bytes(data);
    let features = u32::from(bytes.byte() & 15);
    let mut vm = Vm::new(features);
    // User space may have written registers without the lines following.
    let mut disturbed = false;
    while bytes.more() {
        let who = VCPUS[bytes.below(4) as usize];
        let vcpu = VcpuId::from_byte(who);
        match bytes.byte() % 9 {
            0 => {
                let (offset, size) = access(&mut bytes, 0x900);
                let value = bytes.long();
                vm.eiointc.write(vcpu, offset, size, value, &mut vm.lines);
                let _ = vm.eiointc.read(vcpu, offset, size);
            }
            1 => {
                let (offset, size) = access(&mut bytes, 16);
                let value = bytes.long();
                vm.eiointc.virt_write(offset, size, value, &mut vm.lines);
                let _ = vm.eiointc.virt_read(offset, size);
            }
            2 => {
                let (offset, size) = access(&mut bytes, 0x160);
                let value = bytes.long();
                vm.write_ipi(vcpu, offset, size, value, 0);
                if let Some(core) = vm.core(vcpu) {
                    let _ = core.read(offset, size);
                }
            }
            3 => {
                let (offset, size) = access(&mut bytes, 0x3e8);
                let value = bytes.long();
                let mut sink = ToEiointc {
                    chip: &mut vm.eiointc,
                    lines: &mut vm.lines,
                };
                vm.pic.write(offset, size, value, &mut sink);
                let _ = vm.pic.read(offset, size);
            }
            4 => {
                if let Some(pin) = Pin::new(bytes.byte().into()) {
                    let level = bytes.flag();
                    vm.inject(Injection::Pin(pin), level);
                }
            }
            5 => {
                let msi = Msi::new(bytes.word(), bytes.word(), bytes.word());
                let route =
                    Route::from_user(bytes.word() % 4, bytes.word() % 2, bytes.byte().into(), msi);
                let level = bytes.flag();
                let injection = route.and_then(|route| route.injection(level, Some(&vm.dmsintc)));
                if let Ok(Some(injection)) = injection {
                    vm.inject(injection, level);
                }
            }
            6 => {
                let (group, attr, value) = (bytes.byte() % 8, bytes.word(), bytes.long());
                let group = 0x4000_0000 | u32::from(group);
                let attr = u64::from(attr);
                let known = Eiointc::attr_size(group, attr, true);
                let set = vm
                    .eiointc
                    .set_attr(group, attr, value as u32, &mut vm.lines);
                assert!(known.is_ok() || set.is_err());
                let _ = vm.pic.set_attr(group, attr, value);
                let _ = vm.dmsintc.set_attr(group, attr, value);
                if let Ok((vcpu, register)) = Register::decode(group, attr) {
                    let mut lines = core::mem::take(&mut vm.lines);
                    if let Some(core) = vm.core(vcpu) {
                        core.set_attr(vcpu, register, value, &mut lines);
                    }
                    vm.lines = lines;
                }
                disturbed = true;
            }
            7 => {
                let taken = vm.pending.take();
                assert_eq!(vm.pending.take(), [0; 4], "{taken:?}");
            }
            _ if !disturbed => {
                let copy = vm.migrate(features);
                copy.check();
                assert_eq!(copy.lines, vm.lines, "lines after a migration");
                vm = copy;
            }
            _ => {}
        }
        if !disturbed {
            vm.check();
        }
    }
}
