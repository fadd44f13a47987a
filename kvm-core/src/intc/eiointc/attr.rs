// SPDX-License-Identifier: GPL-2.0

//! The EIOINTC as user space sees it: creation, save and restore (Linux
//! kvm/intc/eiointc.c:`kvm_eiointc_get_attr`, `kvm_eiointc_set_attr`).

use super::super::{uapi, Access, Effects, IntcError, Line, VcpuId};
use super::{Eiointc, Register};
use la_arch::eiointc as reg;

/// What an attribute names.
enum Attr {
    /// The 32-bit half of a register.
    Word(Register, Access),
    /// The same of a vCPU's COREISR.
    Core(VcpuId, usize, Access),
    NumCpu,
    Feature,
    State,
}

impl Eiointc {
    /// How many bytes user space passes with an attribute. A register or
    /// state that does not exist is found later, in `get_attr` and `set_attr`.
    ///
    /// # Errors
    ///
    /// [`IntcError::Group`]; [`IntcError::Attribute`] for an unknown command.
    pub fn attr_size(group: u32, attr: u64, write: bool) -> Result<usize, IntcError> {
        match group {
            uapi::EXTIOI_GRP_REGS | uapi::EXTIOI_GRP_SW_STATUS => Ok(4),
            uapi::EXTIOI_GRP_CTRL if write => match attr {
                uapi::EXTIOI_CTRL_INIT_NUM_CPU | uapi::EXTIOI_CTRL_INIT_FEATURE => Ok(4),
                uapi::EXTIOI_CTRL_LOAD_FINISHED => Ok(0),
                _ => Err(IntcError::Attribute),
            },
            _ => Err(IntcError::Group),
        }
    }

    /// What an attribute of REGS or SW_STATUS names.
    fn decode(&self, group: u32, attr: u64) -> Result<Attr, IntcError> {
        let offset = attr & 0xffff;
        match group {
            uapi::EXTIOI_GRP_REGS => {
                // Any byte of a 32-bit word names the word.
                let access = Access::new(offset & !3, 4).ok_or(IntcError::Attribute)?;
                match Register::at(access.register()).ok_or(IntcError::Attribute)? {
                    Register::CoreIsr(index) => {
                        let cpu = (attr >> 16) as u32 & 0xffff;
                        if cpu >= self.num_cpu {
                            return Err(IntcError::Vcpu);
                        }
                        let vcpu = VcpuId::new(cpu).ok_or(IntcError::Vcpu)?;
                        Ok(Attr::Core(vcpu, index, access))
                    }
                    register => Ok(Attr::Word(register, access)),
                }
            }
            uapi::EXTIOI_GRP_SW_STATUS => match offset {
                uapi::EXTIOI_SW_STATUS_NUM_CPU => Ok(Attr::NumCpu),
                uapi::EXTIOI_SW_STATUS_FEATURE => Ok(Attr::Feature),
                uapi::EXTIOI_SW_STATUS_STATE => Ok(Attr::State),
                _ => Err(IntcError::Attribute),
            },
            _ => Err(IntcError::Group),
        }
    }

    /// The 64-bit register, for a change; `None` for COREISR, which needs a
    /// vCPU.
    fn register_mut(&mut self, register: &Register) -> Option<&mut u64> {
        match *register {
            Register::NodeType(i) => self.nodetype.get_mut(i),
            Register::IpMap => Some(&mut self.ipmap),
            Register::Enable(i) => self.enable.0.get_mut(i),
            Register::Bounce(i) => self.bounce.0.get_mut(i),
            Register::Isr(i) => self.isr.0.get_mut(i),
            Register::CoreMap(i) => self.coremap.get_mut(i),
            Register::CoreIsr(_) => None,
        }
    }

    /// Reads 32 bits for user space.
    ///
    /// # Errors
    ///
    /// [`IntcError::Group`] (also for commands), [`IntcError::Attribute`],
    /// [`IntcError::Vcpu`] for COREISR of a vCPU number that is not below the
    /// number of vCPUs.
    pub fn get_attr(&self, group: u32, attr: u64) -> Result<u32, IntcError> {
        Ok(match self.decode(group, attr)? {
            // No register but COREISR depends on the reading vCPU.
            Attr::Word(_, access) => {
                self.read(VcpuId::from_byte(0), access.offset(), access.size()) as u32
            }
            Attr::Core(vcpu, _, access) => self.read(vcpu, access.offset(), access.size()) as u32,
            Attr::NumCpu => self.num_cpu,
            Attr::Feature => self.features,
            Attr::State => self.status,
        })
    }

    /// Writes 32 bits for user space, or does a command. Registers change
    /// without effect until LOAD_FINISHED; NUM_CPU and FEATURE of SW_STATUS
    /// are left alone.
    ///
    /// # Errors
    ///
    /// Those of [`Eiointc::get_attr`] and [`Eiointc::attr_size`];
    /// [`IntcError::Value`] for more than 256 vCPUs.
    pub fn set_attr(
        &mut self,
        group: u32,
        attr: u64,
        value: u32,
        fx: &mut impl Effects,
    ) -> Result<(), IntcError> {
        if group == uapi::EXTIOI_GRP_CTRL {
            return self.command(attr, value, fx);
        }
        match self.decode(group, attr)? {
            Attr::Word(register, access) => {
                if let Some(word) = self.register_mut(&register) {
                    *word = access.merge(*word, value.into());
                }
            }
            Attr::Core(vcpu, index, access) => {
                if let Some(core) = self.coreisr.get_mut(vcpu.index()) {
                    core.set_word(index, access.merge(core.word(index), value.into()));
                }
            }
            Attr::State => self.status = value,
            Attr::NumCpu | Attr::Feature => {}
        }
        Ok(())
    }

    fn command(&mut self, attr: u64, value: u32, fx: &mut impl Effects) -> Result<(), IntcError> {
        match attr {
            uapi::EXTIOI_CTRL_INIT_NUM_CPU => {
                if value as usize > VcpuId::COUNT {
                    return Err(IntcError::Value);
                }
                self.num_cpu = value;
            }
            uapi::EXTIOI_CTRL_INIT_FEATURE => {
                self.features = value;
                // Without the extension there is no configuration to write.
                if value & reg::HAS_VIRT_EXTENSION == 0 {
                    self.status |= reg::ENABLED;
                }
            }
            uapi::EXTIOI_CTRL_LOAD_FINISHED => self.load_finished(fx),
            _ => return Err(IntcError::Attribute),
        }
        Ok(())
    }

    /// Derives routes and lines from the restored registers. Lines that are
    /// high are told even if they were before: the vCPUs may have been reset
    /// since.
    fn load_finished(&mut self, fx: &mut impl Effects) {
        for vector in 0..=u8::MAX {
            if let Some(target) = self.new_target(vector, fx) {
                self.set_target(vector, target);
            }
        }
        for vcpu in (0..=u8::MAX).map(VcpuId::from_byte) {
            let before = self.lines.get(vcpu.index()).copied().unwrap_or(0);
            self.drive(vcpu, fx);
            let still = before & self.lines.get(vcpu.index()).copied().unwrap_or(0);
            for line in (0..8).filter(|line| still & (1 << line) != 0) {
                fx.set_line(vcpu, Line::hwi(line), true);
            }
        }
    }
}
