// SPDX-License-Identifier: MIT

//! Exception codes (Volume 1, table 7-8; LVZ's from `docs/lvz.md` 7.1).

/// ESTAT.Ecode and ESTAT.EsubCode of an exception that uses EENTRY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// ESTAT.Ecode.
    pub code: u8,
    /// ESTAT.EsubCode.
    pub sub: u16,
    /// Mnemonic of the manual.
    pub name: &'static str,
}

macro_rules! exceptions {
    ($($(#[$meta:meta])* $name:ident = $code:literal, $sub:literal;)*) => {
        impl Exception {
            $(
                $(#[$meta])*
                pub const $name: Exception =
                    Exception { code: $code, sub: $sub, name: stringify!($name) };
            )*
            /// All exceptions by code and subcode.
            pub const ALL: &'static [Exception] = &[$(Exception::$name),*];
        }
    };
}

exceptions! {
    /// Interrupt.
    INT = 0, 0;
    /// Page invalid for load.
    PIL = 1, 0;
    /// Page invalid for store.
    PIS = 2, 0;
    /// Page invalid for fetch.
    PIF = 3, 0;
    /// Page modification.
    PME = 4, 0;
    /// Page not readable.
    PNR = 5, 0;
    /// Page not executable.
    PNX = 6, 0;
    /// Page privilege illegal.
    PPI = 7, 0;
    /// Address error for fetch.
    ADEF = 8, 0;
    /// Address error for memory access.
    ADEM = 8, 1;
    /// Address alignment.
    ALE = 9, 0;
    /// Bound check.
    BCE = 10, 0;
    /// System call.
    SYS = 11, 0;
    /// Breakpoint.
    BRK = 12, 0;
    /// Instruction non-existent.
    INE = 13, 0;
    /// Instruction privilege.
    IPE = 14, 0;
    /// Floating point disabled.
    FPD = 15, 0;
    /// LSX disabled.
    SXD = 16, 0;
    /// LASX disabled.
    ASXD = 17, 0;
    /// Floating point exception.
    FPE = 18, 0;
    /// Vector floating point exception.
    VFPE = 18, 1;
    /// Watchpoint for fetch.
    WPEF = 19, 0;
    /// Watchpoint for memory access.
    WPEM = 19, 1;
    /// Binary translation disabled.
    BTD = 20, 0;
    /// Binary translation exception.
    BTE = 21, 0;
    /// Guest sensitive privileged resource.
    GSPR = 22, 0;
    /// Hypervisor call.
    HVC = 23, 0;
    /// Guest CSR software change.
    GCSC = 24, 0;
    /// Guest CSR hardware change.
    GCHC = 24, 1;
}

/// An interrupt: its bit in ESTAT.IS and ECFG.LIE (7.4.5, 7.4.6), below
/// [`Interrupt::COUNT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Interrupt(u8);

impl Interrupt {
    /// Software interrupt 0.
    pub const SWI0: Self = Self(0);
    /// Software interrupt 1.
    pub const SWI1: Self = Self(1);
    /// First of eight hardware lines.
    pub const HWI0: Self = Self(2);
    /// Performance counter overflow.
    pub const PMI: Self = Self(10);
    /// Timer.
    pub const TI: Self = Self(11);
    /// Inter-processor.
    pub const IPI: Self = Self(12);
    /// Non-maskable.
    pub const NMI: Self = Self(13);
    /// Message (advanced extended interrupt controller).
    pub const AVEC: Self = Self(14);

    /// How many there are (Linux: EXCCODE_INT_NUM).
    pub const COUNT: u32 = 15;
    /// All of them.
    pub const ALL: u64 = (1 << Self::COUNT) - 1;
    /// The eight hardware lines.
    pub const LINES: u64 = 0xff << Self::HWI0.bit();

    /// The interrupt of this bit, if there is one.
    pub const fn new(bit: u32) -> Option<Self> {
        if bit < Self::COUNT {
            Some(Self(bit as u8))
        } else {
            None
        }
    }

    /// Hardware line `pin` of eight; higher bits of `pin` are ignored.
    pub const fn hwi(pin: u8) -> Self {
        Self(Self::HWI0.0 + (pin & 7))
    }

    /// The number of its bit.
    #[inline(always)]
    pub const fn bit(self) -> u32 {
        self.0 as u32
    }

    /// Its bit.
    #[inline(always)]
    pub const fn mask(self) -> u64 {
        1 << self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupts_are_bits_below_their_count() {
        assert_eq!(Interrupt::new(Interrupt::COUNT), None);
        assert_eq!(Interrupt::new(u32::MAX), None);
        assert_eq!(Interrupt::new(14), Some(Interrupt::AVEC));
        assert_eq!(Interrupt::hwi(7 + 8), Interrupt::hwi(7));
        assert_eq!((Interrupt::LINES, Interrupt::ALL), (0x3fc, 0x7fff));
    }
}
