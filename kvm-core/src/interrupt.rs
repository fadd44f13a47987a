// SPDX-License-Identifier: GPL-2.0

//! Interrupts on their way into a guest.
//!
//! User space and the interrupt controllers queue them in memory ([`Pending`]);
//! the vCPU takes them just before it enters the guest and writes them to
//! GCSR.ESTAT and GINTC ([`Delivery`]). No other CPU touches those registers
//! (`docs/lvz.md` 8.2, N-7, N-9; Linux arch/loongarch/kvm/interrupt.c).

use crate::csr::{get_estat, Status, ESTAT_DIRECT, ESTAT_LINES, LINE_SHIFT};
use crate::errno::EINVAL;
use core::sync::atomic::{AtomicU64, Ordering};
use la_arch::csr::Estat;
use la_arch::Interrupt;

/// An interrupt number that does not exist, or that this guest does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadInterrupt;

impl BadInterrupt {
    /// Positive errno: EINVAL.
    pub fn errno(self) -> i32 {
        EINVAL
    }
}

/// A change of one interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Becomes pending.
    Raise(Interrupt),
    /// No longer pending.
    Lower(Interrupt),
}

impl Request {
    /// Decodes KVM_INTERRUPT's argument: a positive number raises, a negative
    /// one lowers; software interrupt 0 cannot be named (Linux
    /// kvm_vcpu_ioctl_interrupt).
    ///
    /// # Errors
    ///
    /// [`BadInterrupt`] for 0, numbers out of range (the least i32 included),
    /// and AVEC for a guest without message interrupts.
    pub fn from_ioctl(irq: i32, has_msgint: bool) -> Result<Self, BadInterrupt> {
        match Interrupt::new(irq.unsigned_abs()) {
            None | Some(Interrupt::SWI0) => Err(BadInterrupt),
            Some(Interrupt::AVEC) if !has_msgint => Err(BadInterrupt),
            Some(interrupt) if irq > 0 => Ok(Self::Raise(interrupt)),
            Some(interrupt) => Ok(Self::Lower(interrupt)),
        }
    }
}

/// Queued changes of one vCPU's interrupts. Any CPU may change it at any time,
/// from interrupt context too, without a lock.
///
/// Bits 31:0 are to be raised, bits 63:32 lowered, never both for one
/// interrupt: the last request wins. Linux has two words, which two racing
/// requests can leave both set or both clear.
#[derive(Debug, Default)]
pub struct Pending(AtomicU64);

/// Changes taken from a [`Pending`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken(u64);

impl Pending {
    /// Nothing queued.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Queues a request, then the caller kicks the vCPU.
    pub fn queue(&self, request: Request) {
        match request {
            Request::Raise(interrupt) => self.raise(interrupt),
            Request::Lower(interrupt) => self.lower(interrupt),
        }
    }

    /// Queues `interrupt` as pending (Linux kvm_queue_irq).
    pub fn raise(&self, interrupt: Interrupt) {
        self.change(interrupt, 0, 32);
    }

    /// Queues `interrupt` as no longer pending (Linux kvm_dequeue_irq).
    pub fn lower(&self, interrupt: Interrupt) {
        self.change(interrupt, 32, 0);
    }

    fn change(&self, interrupt: Interrupt, set: u32, clear: u32) {
        let (set, clear) = (interrupt.mask() << set, interrupt.mask() << clear);
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            let new = old & !clear | set;
            match self
                .0
                .compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => old = now,
            }
        }
    }

    /// Takes everything; the vCPU's thread, interrupts off, after it has
    /// published that it is in guest mode. Costs a load when nothing is queued.
    pub fn take(&self) -> Taken {
        if self.0.load(Ordering::Relaxed) == 0 {
            return Taken::default();
        }
        Taken(self.0.swap(0, Ordering::AcqRel))
    }

    /// What is queued, left in place.
    pub fn peek(&self) -> Taken {
        Taken(self.0.load(Ordering::Acquire))
    }

    /// Drops everything (KVM_REG_LOONGARCH_VCPU_RESET).
    pub fn reset(&self) {
        self.0.store(0, Ordering::Release);
    }
}

impl Taken {
    /// Interrupts to be raised, as bits of ESTAT.IS.
    pub const fn raised(self) -> u64 {
        self.0 & 0xffff_ffff
    }

    /// Interrupts to be lowered.
    pub const fn lowered(self) -> u64 {
        self.0 >> 32
    }

    /// Nothing is to be done.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How to write the changes to the registers.
    pub const fn delivery(self) -> Delivery {
        let raise = self.raised();
        let lower = self.lowered();
        Delivery {
            estat_mask: (raise | lower) & ESTAT_DIRECT,
            estat_value: raise & ESTAT_DIRECT,
            gintc_mask: ((raise | lower) & ESTAT_LINES) >> LINE_SHIFT,
            gintc_value: (raise & ESTAT_LINES) >> LINE_SHIFT,
        }
    }
}

/// Register changes that inject interrupts. A mask of 0 means that the register
/// need not be touched.
///
/// Exchanging GCSR.ESTAT is not atomic against the guest's timer on silicon: an
/// expiry in between is overwritten (`docs/lvz.md` N-8; Linux kvm/interrupt.c
/// kvm_irq_deliver). Where `estat_mask` is not 0 read GCSR.TVAL before and after the
/// exchange and, if [`timer_raced`] says so, set TI by a second one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Bits of GCSR.ESTAT to replace (`gcsrxchg`).
    pub estat_mask: u64,
    /// By these.
    pub estat_value: u64,
    /// Bits of GINTC to replace.
    pub gintc_mask: u64,
    /// By these.
    pub gintc_value: u64,
}

impl Delivery {
    /// AVEC is raised: OR the pending vectors into GCSR.ISR0 to ISR3 first.
    pub const fn raises_avec(&self) -> bool {
        self.estat_value & Interrupt::AVEC.mask() != 0
    }

    /// ESTAT after the change.
    pub const fn estat(&self, old: u64) -> u64 {
        old & !self.estat_mask | self.estat_value
    }

    /// GINTC after the change; PIP and HC are kept.
    pub const fn gintc(&self, old: u64) -> u64 {
        old & !self.gintc_mask | self.gintc_value
    }
}

/// The guest's timer expired between two readings of TVAL: it counts down, so
/// it only grows by a reload or by the wrap of a one-shot expiry.
pub const fn timer_raced(before: u64, after: u64) -> bool {
    after > before
}

/// Interrupts the guest would see in ESTAT.IS after the next entry.
pub const fn pending_view(estat: u64, gintc: u64, queued: Taken) -> u64 {
    if queued.is_empty() {
        let estat = Estat(estat).is();
        return get_estat(Status { estat, gintc });
    }
    let delivery = queued.delivery();
    get_estat(Status {
        estat: delivery.estat(Estat(estat).is()),
        gintc: delivery.gintc(gintc),
    })
}

/// A halted vCPU must go on: an interrupt that ECFG.LIE enables is pending, in
/// the registers or queued. CRMD.IE does not matter to `idle`. Check it before
/// blocking: what is in the registers already is not queued any more, and an
/// interrupt that came with it would be slept over (`docs/lvz.md` Q-30). The
/// registers are the hardware's while the vCPU is loaded, else the saved ones.
pub const fn wakes(estat: u64, gintc: u64, queued: Taken, ecfg: u64) -> bool {
    pending_view(estat, gintc, queued) & ecfg & Interrupt::ALL != 0
}

#[cfg(test)]
mod tests;
