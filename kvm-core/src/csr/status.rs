// SPDX-License-Identifier: GPL-2.0

//! ESTAT and GINTC. The lines HWI0 to HWI7 of the guest's ESTAT are not
//! latched there: they are GINTC's injected lines (`docs/lvz.md` 8.1, N-2).
//! User space, which has no GINTC, sees and sets them in ESTAT (Linux:
//! kvm/vcpu.c _kvm_getcsr, _kvm_setcsr).

use la_arch::csr::Estat;
use la_arch::lvz::Gintc;
use la_arch::Interrupt;

/// Distance of a line's bit in ESTAT from its bit in GINTC.
pub const LINE_SHIFT: u32 = Interrupt::HWI0.bit();
/// GINTC: the injected lines.
pub const GINTC_LINES: u64 = Interrupt::LINES >> LINE_SHIFT;
/// ESTAT: the lines that GINTC supplies (Linux KVM_ESTAT_EXTI_MASK).
pub const ESTAT_LINES: u64 = Interrupt::LINES;
/// ESTAT: interrupts that KVM sets and clears there (Linux KVM_ESTAT_INTI_MASK). The
/// NMI is none of them.
pub const ESTAT_DIRECT: u64 = Interrupt::SWI0.mask()
    | Interrupt::SWI1.mask()
    | Interrupt::PMI.mask()
    | Interrupt::TI.mask()
    | Interrupt::IPI.mask()
    | Interrupt::AVEC.mask();

/// The pair of registers, as the hardware holds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Guest ESTAT, without the lines.
    pub estat: u64,
    /// Root GINTC of the vCPU.
    pub gintc: u64,
}

/// ESTAT as user space sees it. What is queued for the vCPU comes into the registers
/// first ([`Taken::delivery`](crate::interrupt::Taken::delivery)): user space that
/// moves the guest has these registers alone, and the queue would be lost.
#[inline]
pub const fn get_estat(status: Status) -> u64 {
    status.estat & !ESTAT_LINES | (status.gintc & GINTC_LINES) << LINE_SHIFT
}

/// The registers after user space sets ESTAT to `value`. Bits that no ESTAT
/// has are dropped, and the message interrupt of a CPU without `msgint`.
#[inline]
pub const fn set_estat(status: Status, value: u64, msgint: bool) -> Status {
    let mut estat = value & !ESTAT_LINES & Estat::FIELDS;
    if !msgint {
        estat &= !Interrupt::AVEC.mask();
    }
    Status {
        estat,
        gintc: status.gintc & !GINTC_LINES | value >> LINE_SHIFT & GINTC_LINES,
    }
}

/// GINTC as user space sees it: the injected lines.
#[inline]
pub const fn get_gintc(status: Status) -> u64 {
    Gintc(status.gintc).hwis()
}

/// The registers after user space sets GINTC to `value`: only the injected
/// lines are its. Passing physical lines to the guest is not for it to ask.
#[inline]
pub const fn set_gintc(status: Status, value: u64) -> Status {
    Status {
        estat: status.estat,
        gintc: Gintc(status.gintc).with_hwis(value & GINTC_LINES).0,
    }
}
