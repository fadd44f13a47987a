// SPDX-License-Identifier: GPL-2.0

//! The guest's countdown timer while it is not loaded.
//!
//! While a vCPU is loaded the hardware counts. Between `vcpu_put` and
//! `vcpu_load` the timer is a deadline in host time; if the vCPU sleeps, an
//! hrtimer wakes it there (`docs/lvz.md` 9.2, 9.3; Linux
//! arch/loongarch/kvm/timer.c). This module computes; the caller reads and
//! writes the CSRs with preemption off.
//!
//! What differs from Linux, and why:
//! - An expiry that passed while unloaded is put straight into the ESTAT value
//!   to be restored. Linux writes TVAL=0, lets the hardware expire again and
//!   waits two ticks where it must take that back; and a periodic one it queues
//!   even when the wake-up has queued it already. There is one expiry here, and
//!   nothing to wait for.
//! - After user space sets TCFG or TVAL (migration, reset) TVAL counts, not the
//!   deadline of whatever ran before; Linux takes a deadline of 0, that is an
//!   expiry long ago.
//! - No hrtimer is armed for a timer whose interrupt could not wake the guest.

use core::num::NonZeroU64;
use la_arch::csr::Tcfg;
use la_arch::Interrupt;

/// Width of TVAL: 48 bits (PRCFG1.TimerBits, `docs/lvz.md` Q-16).
pub const TVAL_MASK: u64 = (1 << 48) - 1;

/// ESTAT.IS and ECFG.LIE bit of the timer.
pub const TI: u64 = Interrupt::TI.mask();

/// A reload value below this many ticks may expire between the write of TCFG
/// and that of TVAL (10 microseconds at 100 MHz).
const SHORT: u64 = 1000;

const NSEC_PER_SEC: NonZeroU64 = match NonZeroU64::new(1_000_000_000) {
    Some(number) => number,
    None => NonZeroU64::MIN,
};

/// Frequency of the constant timer, which guest and host share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frequency(NonZeroU64);

impl Frequency {
    /// The highest frequency: above it a second in ticks times 1e9 would not
    /// fit 64 bits.
    pub const MAX_HZ: u64 = u64::MAX / NSEC_PER_SEC.get();

    /// A frequency in hertz, 1 to [`MAX_HZ`](Self::MAX_HZ); else None.
    pub const fn new(hz: u64) -> Option<Self> {
        match NonZeroU64::new(hz) {
            Some(nonzero) if hz <= Self::MAX_HZ => Some(Self(nonzero)),
            _ => None,
        }
    }

    /// The frequency for a host that keeps its time in ticks of the constant timer
    /// itself: then nothing is converted.
    pub const TICKS: Self = Self(NSEC_PER_SEC);

    /// Nanoseconds that `ticks` take, rounded up, so that a deadline is never
    /// early; saturates after 584 years. No 128-bit division, which the kernel
    /// lacks, and no scaling by powers of two, which costs Linux accuracy
    /// (`timer_hz >> 20`).
    #[inline]
    pub fn ticks_to_ns(self, ticks: u64) -> u64 {
        scale(ticks, self.0, NSEC_PER_SEC.get())
    }

    /// Ticks in `ns` nanoseconds, rounded up; saturates.
    #[inline]
    pub fn ns_to_ticks(self, ns: u64) -> u64 {
        scale(ns, NSEC_PER_SEC, self.0.get())
    }
}

/// `value * to / from`, rounded up, where `from * to` fits 64 bits.
#[inline]
fn scale(value: u64, from: NonZeroU64, to: u64) -> u64 {
    if from.get() == to {
        return value;
    }
    let product = (value % from).wrapping_mul(to);
    let rest = product / from + u64::from(product % from != 0);
    (value / from).saturating_mul(to).saturating_add(rest)
}

/// When an unloaded timer expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expiry {
    /// Disabled, or one-shot and expired before it was saved.
    Never,
    /// At this host time (CLOCK_MONOTONIC, nanoseconds).
    At(u64),
    /// TVAL ticks after the next load: set by user space.
    AfterLoad,
}

/// A one-shot timer that expired is recognised by TVAL above TCFG: it wraps
/// to all ones (manual volume 1, 7.6.2; `docs/lvz.md` T-6). A periodic one
/// is reloaded and never stands there.
fn is_spent(tcfg: u64, tval: u64) -> bool {
    !Tcfg(tcfg).periodic() && tval > tcfg
}

/// Ticks until a timer that runs interrupts its guest, by its registers. None if it does
/// not run, or TI is masked in `ecfg` (ECFG.LIE). Read TVAL before ESTAT: an expiry in
/// between shows there.
pub fn remaining(tcfg: u64, tval: u64, ecfg: u64) -> Option<u64> {
    let tval = tval & TVAL_MASK;
    (Tcfg(tcfg).en() && ecfg & TI != 0 && !is_spent(tcfg, tval)).then_some(tval)
}

/// The timer of a vCPU, as of its last `vcpu_put` or of the last register that
/// user space wrote. The vCPU's mutex protects it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    tcfg: u64,
    tval: u64,
    expiry: Expiry,
}

/// The register values that bring a timer back, to be written in the order of
/// the fields, after TCFG := 0 (so that no expiry of the old contents gets into
/// the ESTAT that is about to be written; `docs/lvz.md` T-12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restore {
    /// For GCSR.ESTAT: the saved one, with TI if the timer expired since. The
    /// saved copy must be replaced by it too.
    pub estat: u64,
    /// For GCSR.TCFG.
    pub tcfg: u64,
    /// For GCSR.TVAL.
    pub tval: u64,
    /// Then write GCSR.TICLR := 1: the short reload value that writing TCFG
    /// started may have expired before TVAL was written.
    pub clear_ti: bool,
}

impl Default for Timer {
    fn default() -> Self {
        Self::new()
    }
}

impl Timer {
    /// A disabled timer.
    pub const fn new() -> Self {
        Self {
            tcfg: 0,
            tval: 0,
            expiry: Expiry::Never,
        }
    }

    /// User space writes TCFG. TVAL is the remaining time from now on.
    pub fn set_tcfg(&mut self, tcfg: u64) {
        self.tcfg = tcfg & TVAL_MASK;
        self.expiry = Expiry::AfterLoad;
    }

    /// User space writes TVAL.
    pub fn set_tval(&mut self, tval: u64) {
        self.tval = tval & TVAL_MASK;
        self.expiry = Expiry::AfterLoad;
    }

    /// Takes over the hardware's TCFG and TVAL at host time `now` (`vcpu_put`).
    /// Read TVAL before ESTAT: an expiry in between is then seen twice, as a
    /// short rest and as TI, which is harmless, and not missed.
    #[inline]
    pub fn save(&mut self, frequency: Frequency, now: u64, tcfg: u64, tval: u64) {
        self.tcfg = tcfg;
        self.tval = tval & TVAL_MASK;
        self.expiry = if !Tcfg(tcfg).en() || is_spent(tcfg, self.tval) {
            Expiry::Never
        } else {
            Expiry::At(now.saturating_add(frequency.ticks_to_ns(self.tval)))
        };
    }

    /// The registers to write at host time `now` (`vcpu_load`). `estat` is the
    /// saved ESTAT.
    #[inline]
    pub fn restore(&self, frequency: Frequency, now: u64, estat: u64) -> Restore {
        let tcfg = Tcfg(self.tcfg);
        let (tval, expired) = match self.expiry {
            _ if !tcfg.en() => {
                return Restore {
                    estat,
                    tcfg: self.tcfg,
                    tval: self.tval,
                    clear_ti: false,
                };
            }
            // A spent one-shot timer goes on from where it stood, above TCFG.
            // Whether its interrupt is still pending is in ESTAT.
            Expiry::Never | Expiry::AfterLoad => (self.tval, false),
            Expiry::At(at) if now < at => {
                let ticks = frequency.ns_to_ticks(at - now);
                // Rounding up twice must not reach beyond what was saved.
                (ticks.min(self.tval), false)
            }
            Expiry::At(at) => {
                let late = frequency.ns_to_ticks(now - at);
                if tcfg.periodic() {
                    let period = (self.tcfg & Tcfg::FIELDS & !3).max(1);
                    (period - late % period, true)
                } else {
                    (TVAL_MASK.wrapping_sub(late) & TVAL_MASK, true)
                }
            }
        };
        // A one-shot timer so late that the count came down to TCFG again would
        // look as if it had not expired.
        let tval = if expired && !tcfg.periodic() && tval <= self.tcfg {
            TVAL_MASK
        } else {
            tval
        };
        let estat = if expired { estat | TI } else { estat };
        let reload = self.tcfg & TVAL_MASK & !3;
        Restore {
            estat,
            tcfg: self.tcfg,
            tval,
            clear_ti: estat & TI == 0 && reload < SHORT && tval >= SHORT,
        }
    }

    /// When to wake a vCPU that is about to sleep, host time. None if the timer
    /// does not run, or could not wake it: TI masked in `ecfg` (ECFG.LIE).
    /// Linux arms the hrtimer regardless, so that an offline CPU of a guest
    /// that left its timer running keeps waking.
    pub fn deadline(&self, ecfg: u64) -> Option<u64> {
        match self.expiry {
            Expiry::At(at) if ecfg & TI != 0 => Some(at),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
