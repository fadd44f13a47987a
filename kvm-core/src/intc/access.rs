// SPDX-License-Identifier: GPL-2.0

//! A guest's access to a register block, cut into 64-bit registers and the
//! byte lanes that it touches.

/// A well-formed access: 1, 2, 4 or 8 bytes, aligned to its size, so that it
/// lies in one 64-bit register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    offset: u64,
    size: u32,
}

impl Access {
    /// Checks size and alignment; `None` if either is wrong.
    pub const fn new(offset: u64, size: u32) -> Option<Self> {
        if !matches!(size, 1 | 2 | 4 | 8) || offset & (size as u64 - 1) != 0 {
            return None;
        }
        Some(Self { offset, size })
    }

    /// Offset of the first byte.
    pub const fn offset(self) -> u64 {
        self.offset
    }

    /// Length in bytes.
    pub const fn size(self) -> u32 {
        self.size
    }

    /// Offset of the 64-bit register.
    pub const fn register(self) -> u64 {
        self.offset & !7
    }

    /// Lowest bit of the access in the register, 0 to 56.
    const fn shift(self) -> u32 {
        (self.offset & 7) as u32 * 8
    }

    /// The bits of the register that the access touches.
    pub const fn lanes(self) -> u64 {
        self.field() << self.shift()
    }

    /// The bits of a value that belong to the access.
    const fn field(self) -> u64 {
        match self.size {
            1 => 0xff,
            2 => 0xffff,
            4 => 0xffff_ffff,
            _ => u64::MAX,
        }
    }

    /// What a read returns, given the register; zero-extended.
    pub const fn extract(self, register: u64) -> u64 {
        (register >> self.shift()) & self.field()
    }

    /// The written value where it lies in the register; other bits are zero.
    pub const fn place(self, value: u64) -> u64 {
        (value & self.field()) << self.shift()
    }

    /// The register after a write.
    pub const fn merge(self, register: u64, value: u64) -> u64 {
        (register & !self.lanes()) | self.place(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_odd_sizes_and_misalignment() {
        for size in [0, 3, 5, 6, 7, 9, 16, u32::MAX] {
            assert_eq!(Access::new(0, size), None, "{size}");
        }
        assert_eq!(Access::new(2, 4), None);
        assert_eq!(Access::new(u64::MAX, 2), None);
        assert!(Access::new(u64::MAX, 1).is_some());
    }

    proptest! {
        /// Writing is storing little-endian bytes.
        #[test]
        fn merges_like_memory(register: u64, value: u64, offset in 0u64..64, log in 0u32..4) {
            let size = 1u32 << log;
            let offset = offset & !(u64::from(size) - 1);
            let access = Access::new(offset, size).unwrap();
            let mut bytes = register.to_le_bytes();
            let at = (offset % 8) as usize;
            bytes[at..at + size as usize].copy_from_slice(&value.to_le_bytes()[..size as usize]);
            let merged = access.merge(register, value);
            prop_assert_eq!(merged, u64::from_le_bytes(bytes));
            prop_assert_eq!(access.place(access.extract(merged)), merged & access.lanes());
        }
    }
}
