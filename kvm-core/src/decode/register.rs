// SPDX-License-Identifier: GPL-2.0

//! Register operands.

/// The general registers of a vCPU, r0 to r31. Entry 0 is not trusted:
/// [`Gpr::read`] gives zero for r0 whatever it holds.
pub type Gprs = [u64; 32];

/// Number of a general register, 0 to 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gpr(u8);

impl Gpr {
    /// a0, first argument and result.
    pub const A0: Gpr = Gpr(4);

    /// Register `number`; bits above the low five are dropped.
    #[inline]
    pub const fn new(number: u32) -> Self {
        Gpr((number & 31) as u8)
    }

    /// 0 to 31.
    #[inline]
    pub const fn number(self) -> u8 {
        self.0 & 31
    }

    /// Its value in `gprs`; r0 is zero.
    #[inline]
    pub const fn read(self, gprs: &Gprs) -> u64 {
        match self.number() {
            0 => 0,
            n => gprs[(n & 31) as usize],
        }
    }

    /// Sets it in `gprs`; a write to r0 is dropped.
    #[inline]
    pub fn write(self, gprs: &mut Gprs, value: u64) {
        match self.number() {
            0 => {}
            n => gprs[(n & 31) as usize] = value,
        }
    }
}

/// Number of a floating-point or vector register, 0 to 31: the two files
/// share their storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fpr(u8);

impl Fpr {
    /// Register `number`; bits above the low five are dropped.
    #[inline]
    pub const fn new(number: u32) -> Self {
        Fpr((number & 31) as u8)
    }

    /// 0 to 31.
    #[inline]
    pub const fn number(self) -> u8 {
        self.0 & 31
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r0_is_zero_and_stays_so() {
        let mut gprs: Gprs = [7; 32];
        assert_eq!(Gpr::new(0).read(&gprs), 0);
        Gpr::new(32).write(&mut gprs, 9);
        assert_eq!(gprs, [7; 32]);
        Gpr::new(31).write(&mut gprs, 9);
        assert_eq!((gprs[31], Gpr::new(31).read(&gprs)), (9, 9));
        assert_eq!(Fpr::new(33).number(), 1);
    }
}
