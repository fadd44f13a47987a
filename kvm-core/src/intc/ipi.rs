// SPDX-License-Identifier: GPL-2.0

//! Inter-processor interrupts and mailboxes: IOCSR 0x1000 to 0x115f (Loongson
//! 3A5000 manual, "Inter-processor interrupts and communication"; Linux
//! kvm/intc/ipi.c).
//!
//! Each vCPU has a [`Core`]. Its IPI line is high while an enabled status bit
//! is set; upstream ignores the enable register, hardware does not.

use super::{uapi, Access, Effects, IntcError, VcpuId};
use la_arch::ipi as reg;
use la_arch::Interrupt;

/// The registers of one vCPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Core {
    status: u32,
    enable: u32,
    /// Write-only for the guest; kept for user space alone.
    set: u32,
    /// Write-only for the guest; kept for user space alone.
    clear: u32,
    mailbox: [u64; reg::MAILBOXES],
}

/// A guest write that concerns another vCPU. The target is named by its CPU
/// number ([`Vcpus::by_cpuid`](super::Vcpus::by_cpuid)); if no vCPU has it, the
/// write is dropped, as on hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// Call [`Core::raise`] on the target.
    Ipi {
        /// Target, 0 to 1023.
        cpuid: u32,
        /// The status bit to set, as a mask.
        bits: u32,
    },
    /// Call [`Core::deliver_mail`] on the target.
    Mail(Mail),
    /// Write the target's IOCSR space as [`AnySend::writes`] says.
    Any(AnySend),
}

/// A 32-bit write to half a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Target, 0 to 1023.
    pub cpuid: u32,
    half: u8,
    data: u32,
    keep: u8,
}

/// A 32-bit write to an IOCSR register of another CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnySend {
    /// Target, 0 to 1023.
    pub cpuid: u32,
    address: u16,
    data: u32,
    keep: u8,
}

/// One IOCSR write of an [`AnySend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IocsrWrite {
    /// IOCSR address.
    pub address: u64,
    /// 1 or 4 bytes.
    pub size: u32,
    /// Value, zero-extended.
    pub value: u64,
}

impl AnySend {
    /// The writes to make on the target's behalf, at most four, each through
    /// the in-kernel IOCSR devices with the target as the accessing vCPU:
    /// one of 32 bits, or one for each byte that is not kept. Bytes that are
    /// kept are never read and written back (as upstream's `send_ipi_data`
    /// does), so that neighbours which another vCPU writes at the same time
    /// stay, and a register that clears by writing ones loses nothing.
    ///
    /// A 32-bit write to IPI_SEND can come back as [`Forward::Ipi`]; the two
    /// 64-bit send registers ignore 32-bit writes, so nothing nests deeper.
    pub fn writes(self) -> impl Iterator<Item = IocsrWrite> {
        let whole = (self.keep == 0).then_some(IocsrWrite {
            address: u64::from(self.address),
            size: 4,
            value: u64::from(self.data),
        });
        let bytes = (0u8..4)
            .zip(self.data.to_le_bytes())
            .zip([0b0001, 0b0010, 0b0100, 0b1000])
            .filter(move |(_, bit)| self.keep != 0 && self.keep & bit == 0)
            .map(move |((index, byte), _)| IocsrWrite {
                address: u64::from(self.address).wrapping_add(index.into()),
                size: 1,
                value: byte.into(),
            });
        whole.into_iter().chain(bytes)
    }
}

/// The fields that MAIL_SEND and ANY_SEND share.
fn send_fields(value: u64) -> (u32, u32, u8) {
    let low = value as u32;
    (
        (low >> reg::SEND_CPU_SHIFT) & reg::SEND_CPU_MASK,
        (value >> reg::SEND_DATA_SHIFT) as u32,
        ((low >> reg::SEND_KEEP_SHIFT) & 0xf) as u8,
    )
}

/// The bits of a 32-bit register that four keep bits protect.
fn keep_mask(keep: u8) -> u32 {
    (0..4).fold(0, |mask, byte| {
        if keep & (1 << byte) != 0 {
            mask | (0xff << (8 * byte))
        } else {
            mask
        }
    })
}

impl Core {
    /// The state after reset.
    pub const fn new() -> Self {
        Self {
            status: 0,
            enable: 0,
            set: 0,
            clear: 0,
            mailbox: [0; reg::MAILBOXES],
        }
    }

    /// Whether the IPI line is high.
    pub const fn pending(&self) -> bool {
        self.status & self.enable != 0
    }

    /// Changes the state and tells the line if it changed.
    fn update(&mut self, vcpu: VcpuId, fx: &mut impl Effects, change: impl FnOnce(&mut Self)) {
        let before = self.pending();
        change(self);
        if self.pending() != before {
            fx.set_line(vcpu, Interrupt::IPI, !before);
        }
    }

    /// Reads at `offset` from IOCSR 0x1000 (see the [module](super) for what
    /// holds for all reads). The write-only registers read as zero.
    pub fn read(&self, offset: u64, size: u32) -> u64 {
        let Some(access) = Access::new(offset, size) else {
            return 0;
        };
        let register = match access.register() {
            reg::STATUS => u64::from(self.status) | u64::from(self.enable) << 32,
            register => mailbox_index(register)
                .and_then(|index| self.mailbox.get(index))
                .copied()
                .unwrap_or(0),
        };
        access.extract(register)
    }

    /// Writes at `offset` from IOCSR 0x1000 on behalf of `vcpu`, whose `Core`
    /// this is. What concerns another vCPU comes back, to be done after
    /// unlocking.
    ///
    /// MAIL_SEND and ANY_SEND take 64-bit writes only: a shorter one would
    /// have no data.
    #[must_use]
    pub fn write(
        &mut self,
        vcpu: VcpuId,
        offset: u64,
        size: u32,
        value: u64,
        fx: &mut impl Effects,
    ) -> Option<Forward> {
        let access = Access::new(offset, size)?;
        let placed = access.place(value);
        match access.register() {
            // STATUS is the low half and read-only.
            reg::STATUS => {
                let enable = (access.merge(u64::from(self.enable) << 32, value) >> 32) as u32;
                self.update(vcpu, fx, |core| core.enable = enable);
            }
            reg::SET => self.update(vcpu, fx, |core| {
                core.status = (core.status | placed as u32) & !((placed >> 32) as u32);
            }),
            reg::IPI_SEND if access.offset() == reg::IPI_SEND && size >= 4 => {
                let low = value as u32;
                return Some(Forward::Ipi {
                    cpuid: (low >> reg::SEND_CPU_SHIFT) & reg::SEND_CPU_MASK,
                    bits: 1 << (low & reg::SEND_VECTOR_MASK),
                });
            }
            reg::MAIL_SEND if size == 8 => {
                let (cpuid, data, keep) = send_fields(value);
                let half = (value as u32 >> reg::SEND_MAILBOX_SHIFT) & reg::SEND_MAILBOX_MASK;
                return Some(Forward::Mail(Mail {
                    cpuid,
                    half: half as u8,
                    data,
                    keep,
                }));
            }
            reg::ANY_SEND if size == 8 => {
                let (cpuid, data, keep) = send_fields(value);
                return Some(Forward::Any(AnySend {
                    cpuid,
                    address: (value as u32 & reg::SEND_ADDRESS_MASK) as u16,
                    data,
                    keep,
                }));
            }
            register => {
                let index = mailbox_index(register);
                if let Some(mailbox) = index.and_then(|index| self.mailbox.get_mut(index)) {
                    *mailbox = access.merge(*mailbox, value);
                }
            }
        }
        None
    }

    /// Sets status bits of this vCPU: the target's half of IPI_SEND.
    pub fn raise(&mut self, vcpu: VcpuId, bits: u32, fx: &mut impl Effects) {
        self.update(vcpu, fx, |core| core.status |= bits);
    }

    /// Tells again that the line is high, if it is: the vCPU's reset has forgotten
    /// it.
    pub fn repeat(&self, vcpu: VcpuId, fx: &mut impl Effects) {
        if self.pending() {
            fx.set_line(vcpu, Interrupt::IPI, true);
        }
    }

    /// Takes a mail from another vCPU: the target's half of MAIL_SEND.
    pub fn deliver_mail(&mut self, mail: Mail) {
        let keep = keep_mask(mail.keep);
        if let Some(mailbox) = self.mailbox.get_mut(usize::from(mail.half >> 1)) {
            let shift = 32 * u32::from(mail.half & 1);
            let written = u64::from(!keep) << shift;
            *mailbox = (*mailbox & !written) | ((u64::from(mail.data) << shift) & written);
        }
    }

    /// Reads a register for user space.
    pub fn get_attr(&self, register: Register) -> u64 {
        match register {
            Register::Status => self.status.into(),
            Register::Enable => self.enable.into(),
            Register::Set => self.set.into(),
            Register::Clear => self.clear.into(),
            Register::Mailbox(index) => self.mailbox.get(index.index()).copied().unwrap_or(0),
        }
    }

    /// Writes a register for user space. Unlike upstream the line follows, so
    /// that a restored request is not lost when the VMM restores ESTAT before.
    pub fn set_attr(
        &mut self,
        vcpu: VcpuId,
        register: Register,
        value: u64,
        fx: &mut impl Effects,
    ) {
        self.update(vcpu, fx, |core| match register {
            Register::Status => core.status = value as u32,
            Register::Enable => core.enable = value as u32,
            Register::Set => core.set = value as u32,
            Register::Clear => core.clear = value as u32,
            Register::Mailbox(index) => {
                if let Some(mailbox) = core.mailbox.get_mut(index.index()) {
                    *mailbox = value;
                }
            }
        });
    }
}

/// The mailbox at a register's offset.
fn mailbox_index(register: u64) -> Option<usize> {
    let index = register.checked_sub(reg::MAILBOX)? >> 3;
    (index < reg::MAILBOXES as u64).then_some(index as usize)
}

/// The number of a mailbox, 0 to 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailboxIndex(u8);

impl MailboxIndex {
    /// The number.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A register that user space can get and set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// STATUS, 4 bytes.
    Status,
    /// ENABLE, 4 bytes.
    Enable,
    /// SET, 4 bytes.
    Set,
    /// CLEAR, 4 bytes.
    Clear,
    /// A mailbox, 8 bytes.
    Mailbox(MailboxIndex),
}

impl Register {
    /// Decodes an attribute into the vCPU and register it names (Linux
    /// kvm/intc/ipi.c:`kvm_ipi_regs_access`).
    ///
    /// # Errors
    ///
    /// [`IntcError::Group`] for a group other than REGS, [`IntcError::Vcpu`]
    /// for a vCPU number above 255 (the caller answers the same for one that
    /// was not created), [`IntcError::Attribute`] for an unknown register.
    pub fn decode(group: u32, attr: u64) -> Result<(VcpuId, Self), IntcError> {
        if group != uapi::IPI_GRP_REGS {
            return Err(IntcError::Group);
        }
        let vcpu = VcpuId::new((attr >> 16) as u32 & 0x3ff).ok_or(IntcError::Vcpu)?;
        let register = match attr & 0xff {
            reg::STATUS => Self::Status,
            reg::ENABLE => Self::Enable,
            reg::SET => Self::Set,
            reg::CLEAR => Self::Clear,
            offset if offset & 7 == 0 => match mailbox_index(offset) {
                Some(index) => Self::Mailbox(MailboxIndex(index as u8)),
                None => return Err(IntcError::Attribute),
            },
            _ => return Err(IntcError::Attribute),
        };
        Ok((vcpu, register))
    }

    /// How many bytes user space passes.
    pub const fn size(self) -> usize {
        match self {
            Self::Mailbox(_) => 8,
            _ => 4,
        }
    }
}

#[cfg(test)]
mod tests;
