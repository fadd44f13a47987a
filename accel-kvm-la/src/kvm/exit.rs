// SPDX-License-Identifier: GPL-2.0-or-later

//! Why KVM_RUN returned (KVM_EXIT_*; Linux: include/uapi/linux/kvm.h, `struct kvm_run`).

use std::marker::PhantomData;

use super::abi::{exit_reason, system_event};
use super::run_page::{RunPage, offset::UNION};

/// An access to a device or to an IOCSR register.
#[derive(Debug)]
pub struct Access<'a> {
    /// Guest-physical address or register.
    pub address: u64,
    /// What is written, or where what is read goes: the first [`Access::size`] bytes.
    data: &'a mut [u8; 8],
    /// Bytes, at most 8.
    size: u32,
    /// Direction.
    pub is_write: bool,
}

impl Access<'_> {
    /// How many bytes, at most 8.
    #[inline]
    pub fn size(&self) -> u32 {
        self.size
    }

    /// What is written, of a size above 0.
    #[inline]
    pub fn value(&self) -> u64 {
        let unused = u64::BITS.wrapping_sub(self.size.wrapping_mul(8));
        u64::from_le_bytes(*self.data)
            .wrapping_shl(unused)
            .wrapping_shr(unused)
    }

    /// Answers a read. The kernel goes by the size, and never looks at the bytes behind it.
    #[inline]
    pub fn answer(&mut self, value: u64) {
        *self.data = value.to_le_bytes();
    }

    /// What was stored, or is to be loaded: as many bytes as the access has.
    pub fn bytes(&mut self) -> &mut [u8] {
        let size = self.size as usize;
        self.data.get_mut(..size).unwrap_or_default()
    }
}

/// Accesses to a port, one after the other.
#[derive(Debug)]
pub struct PortAccess<'a> {
    /// The I/O port's address.
    pub port: u16,
    /// Bytes of one access.
    pub size: usize,
    /// The data of all; none if they are not within the vCPU's mapping.
    pub data: Option<&'a mut [u8]>,
    /// Direction.
    pub is_write: bool,
}

/// An exit with what belongs to it.
#[derive(Debug)]
pub enum Exit<'a> {
    /// An access to a device.
    Mmio(Access<'a>),
    /// An access to an IOCSR register.
    Iocsr(Access<'a>),
    /// What [`Rare::exit`] says.
    Rare(Rare<'a>),
}

/// The page after an exit that is not yet looked at: a value, so that the run loop's page
/// stays in a register of the processor.
#[derive(Debug)]
pub struct Rare<'a> {
    page: RunPage,
    exit: PhantomData<&'a mut RunPage>,
}

/// Any other exit. Apart, so that the two above stay in the processor's registers.
#[derive(Debug)]
pub enum RareExit<'a> {
    /// Accesses to a port; no LoongArch kernel reports them.
    Port(PortAccess<'a>),
    /// A hypercall that user space answers here.
    Hypercall(&'a mut u64),
    /// A breakpoint or a step.
    Debug,
    /// A signal is pending, or an interrupt could be injected.
    Interrupted,
    /// The guest shut down in a way that asks for a reset.
    Shutdown,
    /// The hardware gave a reason that the kernel does not know.
    UnknownToKvm(u64),
    /// The guest could not be entered, for this reason of the hardware's.
    FailedEntry(u64),
    /// KVM could not go on.
    InternalError {
        /// KVM_INTERNAL_ERROR_*.
        suberror: u32,
        /// What it says more.
        data: &'a [u64],
    },
    /// Off, by the guest's firmware interface.
    PowerOff,
    /// Reset, likewise.
    Reset,
    /// Crash, likewise.
    Crash,
    /// A system event that is not known here (KVM_SYSTEM_EVENT_*).
    UnknownSystemEvent(u32),
    /// The vCPU's dirty ring is full.
    DirtyRingFull,
    /// Memory is private where shared is needed, or the reverse.
    MemoryFault {
        /// KVM_MEMORY_EXIT_FLAG_*.
        flags: u64,
        /// Guest-physical address.
        address: u64,
        /// Bytes.
        size: u64,
    },
    /// A reason that is not known here.
    Unknown(u32),
}

/// Bytes of a vCPU's mapping that data of port accesses can be in: the run page and the
/// pages behind it.
const MAPPING: usize = 1 << 16;
/// Most words that an internal error has with it.
const INTERNAL_ERROR_WORDS: usize = 16;

impl RunPage {
    /// The exit after which KVM_RUN returned. The page is the exit's until it is dropped:
    /// the kernel does not touch it before the next KVM_RUN.
    #[inline(always)]
    pub fn exit(&mut self) -> Exit<'_> {
        match self.exit_reason() {
            exit_reason::MMIO => Exit::Mmio(self.access()),
            exit_reason::LOONGARCH_IOCSR => Exit::Iocsr(self.access()),
            _ => Exit::Rare(Rare {
                page: self.again(),
                exit: PhantomData,
            }),
        }
    }

    /// `mmio` and `iocsr_io`, which have the same shape.
    #[inline(always)]
    fn access(&mut self) -> Access<'_> {
        Access {
            address: self.u64_at(UNION),
            size: self.u32_at(UNION + 16).min(8),
            is_write: self.u8_at(UNION + 20) != 0,
            data: self.data_mut(UNION + 8),
        }
    }

    /// `io`.
    fn port_access(&mut self) -> PortAccess<'_> {
        let size = usize::from(self.u8_at(UNION + 1));
        let bytes = size.checked_mul(self.u32_at(UNION + 4) as usize);
        let start = usize::try_from(self.u64_at(UNION + 8)).ok();
        let place = start.zip(bytes).filter(|(start, bytes)| {
            let end = start.checked_add(*bytes);
            end.is_some_and(|end| end <= MAPPING)
        });
        PortAccess {
            is_write: self.u8_at(UNION) != 0,
            size,
            port: self.u16_at(UNION + 2),
            data: place.map(|(start, bytes)| self.bytes_mut(start, bytes)),
        }
    }
}

impl Rare<'_> {
    /// What the exit wants, with its data.
    pub fn exit(&mut self) -> RareExit<'_> {
        match self.page.exit_reason() {
            exit_reason::IO => RareExit::Port(self.page.port_access()),
            exit_reason::HYPERCALL => RareExit::Hypercall(self.page.word_mut(UNION + 56)),
            exit_reason::DEBUG => RareExit::Debug,
            exit_reason::IRQ_WINDOW_OPEN | exit_reason::INTR => RareExit::Interrupted,
            exit_reason::SHUTDOWN => RareExit::Shutdown,
            exit_reason::UNKNOWN => RareExit::UnknownToKvm(self.page.u64_at(UNION)),
            exit_reason::FAIL_ENTRY => RareExit::FailedEntry(self.page.u64_at(UNION)),
            exit_reason::INTERNAL_ERROR => {
                let words = (self.page.u32_at(UNION + 4) as usize).min(INTERNAL_ERROR_WORDS);
                RareExit::InternalError {
                    suberror: self.page.u32_at(UNION),
                    data: self.page.words(UNION + 8, words),
                }
            }
            exit_reason::SYSTEM_EVENT => match self.page.u32_at(UNION) {
                system_event::SHUTDOWN => RareExit::PowerOff,
                system_event::RESET => RareExit::Reset,
                system_event::CRASH | system_event::SEV_TERM => RareExit::Crash,
                event => RareExit::UnknownSystemEvent(event),
            },
            exit_reason::DIRTY_RING_FULL => RareExit::DirtyRingFull,
            exit_reason::MEMORY_FAULT => RareExit::MemoryFault {
                flags: self.page.u64_at(UNION),
                address: self.page.u64_at(UNION + 8),
                size: self.page.u64_at(UNION + 16),
            },
            reason => RareExit::Unknown(reason),
        }
    }
}
