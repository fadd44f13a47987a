// SPDX-License-Identifier: GPL-2.0

//! Message interrupts that go to a vCPU directly, without PCH-PIC and EIOINTC
//! (Linux kvm/intc/dmsintc.c, asm/irq.h, AVEC_*). The address of the message
//! names the vCPU and the vector; the vector waits in a bitmap until the vCPU
//! is entered, where it is merged into the guest's ISR0-3 CSRs.

use super::{uapi, IntcError};
use core::sync::atomic::{AtomicU64, Ordering};
use la_arch::avec::{CPU_BITS, CPU_SHIFT, VECTOR_SHIFT};

/// The controller of a VM: a window of message addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dmsintc {
    base: u64,
    size: u64,
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The CPU number ([`Vcpus::by_cpuid`](super::Vcpus::by_cpuid)); none of
    /// that number is -EINVAL.
    pub cpuid: u32,
    /// The vector to [`Pending::post`].
    pub vector: u8,
}

impl Dmsintc {
    /// A controller without a window: no message is its own.
    pub const fn new() -> Self {
        Self { base: 0, size: 0 }
    }

    /// Where the message to `address` goes; `None` if the address is outside
    /// the window. From any context.
    pub fn target(&self, address: u64) -> Option<Target> {
        // A base of zero is none: it was not set.
        let offset = address.checked_sub(self.base).filter(|_| self.base != 0)?;
        if offset >= self.size {
            return None;
        }
        Some(Target {
            cpuid: (address >> CPU_SHIFT) as u32 & self.cpu_mask(),
            vector: (address >> VECTOR_SHIFT) as u8,
        })
    }

    /// The bits of a CPU number: those below the lowest set bit of the base,
    /// at most 16. A base whose lowest bit is bit 12 leaves none.
    fn cpu_mask(&self) -> u32 {
        let bits = self.base.trailing_zeros().saturating_sub(CPU_SHIFT);
        (1 << bits.min(CPU_BITS)) - 1
    }

    /// How many bytes user space passes with an attribute. There is nothing
    /// to get.
    ///
    /// # Errors
    ///
    /// [`IntcError::Group`], [`IntcError::DmsAttribute`].
    pub fn attr_size(group: u32, attr: u64) -> Result<usize, IntcError> {
        if group != uapi::DMSINTC_GRP_CTRL {
            return Err(IntcError::Group);
        }
        match attr {
            uapi::DMSINTC_MSG_ADDR_BASE | uapi::DMSINTC_MSG_ADDR_SIZE => Ok(8),
            _ => Err(IntcError::DmsAttribute),
        }
    }

    /// Sets base or size, each once (zero leaves it unset).
    ///
    /// # Errors
    ///
    /// Those of [`Dmsintc::attr_size`]; [`IntcError::AlreadySet`];
    /// [`IntcError::Value`] for a base with a bit below the CPU number.
    pub fn set_attr(&mut self, group: u32, attr: u64, value: u64) -> Result<(), IntcError> {
        Self::attr_size(group, attr)?;
        let field = if attr == uapi::DMSINTC_MSG_ADDR_BASE {
            if self.base == 0 && value & ((1 << CPU_SHIFT) - 1) != 0 {
                return Err(IntcError::Value);
            }
            &mut self.base
        } else {
            &mut self.size
        };
        if *field != 0 {
            return Err(IntcError::AlreadySet);
        }
        *field = value;
        Ok(())
    }
}

/// The vectors that wait for a vCPU. Needs no lock.
///
/// Delivery: [`post`](Self::post), then raise [`Interrupt::AVEC`](la_arch::Interrupt::AVEC),
/// then kick. Entry: if the line was raised, [`take`](Self::take) and merge
/// into ISR0-3. In that order no vector is lost: one posted after the take
/// raises the line again.
#[derive(Debug, Default)]
pub struct Pending([AtomicU64; 4]);

impl Pending {
    /// Nothing waits.
    pub const fn new() -> Self {
        Self([
            AtomicU64::new(0),
            AtomicU64::new(0),
            AtomicU64::new(0),
            AtomicU64::new(0),
        ])
    }

    /// Adds a vector. From any context. Releases, so that what the sender
    /// wrote before is visible to the vCPU that takes the vector.
    ///
    /// # Errors
    ///
    /// [`IntcError::Target`] if the vCPU's guest does not have message
    /// interrupts (`msgint`): it has neither the line nor the registers (Linux
    /// 7.3 intc/dmsintc.c; before, the vector was kept and 0 returned).
    pub fn post(&self, vector: u8, msgint: bool) -> Result<(), IntcError> {
        if !msgint {
            return Err(IntcError::Target);
        }
        if let Some(word) = self.0.get(usize::from(vector >> 6)) {
            word.fetch_or(1 << (vector & 63), Ordering::Release);
        }
        Ok(())
    }

    /// Takes all vectors: what to OR into ISR0 to ISR3.
    #[must_use]
    pub fn take(&self) -> [u64; 4] {
        let mut words = [0; 4];
        for (out, word) in words.iter_mut().zip(&self.0) {
            // Most words are empty; a load leaves their line shared.
            if word.load(Ordering::Relaxed) != 0 {
                *out = word.swap(0, Ordering::Acquire);
            }
        }
        words
    }
}

#[cfg(test)]
mod tests;
