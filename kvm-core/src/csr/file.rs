// SPDX-License-Identifier: GPL-2.0

//! The values of a vCPU's CSRs while they are not in the CPU, and of those
//! that are never there.

use super::table::{reset_value, Reset};
use la_arch::csr::{class, number as n, Class};
use la_arch::kvm::CSR_NUMBERS;

/// Numbers that have a value: the base registers, the windows, the counters,
/// the watchpoints, the debug registers.
const RANGES: [(u16, u16); 5] = [
    (0x000, 0x100),
    (0x180, 0x184),
    (0x200, 0x208),
    (0x300, 0x400),
    (0x500, 0x503),
];

const fn slots() -> usize {
    let mut total = 0;
    let mut i = 0;
    while i < RANGES.len() {
        total += (RANGES[i].1 - RANGES[i].0) as usize;
        i += 1;
    }
    total
}

// Each register of the table that holds a value has its place.
const _: () = {
    let mut number = 0;
    while number < CSR_NUMBERS {
        assert!(
            matches!(class(number), Class::Stateless | Class::Absent)
                || CsrFile::slot(number).is_some(),
            "RANGES lacks a CSR of the table"
        );
        number += 1;
    }
};

/// Numbers whose value in a new vCPU is not zero.
const NOT_ZERO_AT_FIRST: [u16; 3] = [n::CRMD, n::TID, n::CPUID];

// All others' is zero.
const _: () = {
    let mut number = 0;
    while number < CSR_NUMBERS {
        let mut zero = true;
        let mut i = 0;
        while i < NOT_ZERO_AT_FIRST.len() {
            zero &= NOT_ZERO_AT_FIRST[i] != number;
            i += 1;
        }
        let (Reset::Value(value) | Reset::Kept(value)) = reset_value(number, 1);
        assert!(
            (value == 0) == zero,
            "NOT_ZERO_AT_FIRST is not what it says"
        );
        number += 1;
    }
};

/// A vCPU's CSRs. Any number can be asked for; those without a value read
/// zero and are not written. All zero bytes are a valid file.
///
/// 4.1 KiB in place of upstream's 16 KiB.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct CsrFile {
    values: [u64; CsrFile::SLOTS],
}

impl CsrFile {
    /// Values in the file.
    pub const SLOTS: usize = slots();

    /// Position of CSR `number` in the file, in units of eight bytes from its
    /// start.
    #[inline]
    pub const fn slot(number: u16) -> Option<usize> {
        let mut before = 0;
        let mut i = 0;
        while i < RANGES.len() {
            let (first, end) = RANGES[i];
            if number >= first && number < end {
                return Some(before + (number - first) as usize);
            }
            before += (end - first) as usize;
            i += 1;
        }
        None
    }

    /// The file of a new vCPU.
    pub fn new(vcpu_id: u32) -> Self {
        let mut file = Self {
            values: [0; Self::SLOTS],
        };
        file.initialise(vcpu_id);
        file
    }

    /// Makes a file of zeros that of a new vCPU.
    pub fn initialise(&mut self, vcpu_id: u32) {
        for number in NOT_ZERO_AT_FIRST {
            let (Reset::Value(value) | Reset::Kept(value)) = reset_value(number, vcpu_id);
            self.set(number, value);
        }
    }

    /// Resets the vCPU's registers; see [`reset_value`] for what stays.
    pub fn reset(&mut self, vcpu_id: u32) {
        for number in Self::numbers() {
            if let Reset::Value(value) = reset_value(number, vcpu_id) {
                self.set(number, value);
            }
        }
    }

    /// The numbers that have a value, ascending.
    pub fn numbers() -> impl Iterator<Item = u16> {
        RANGES.into_iter().flat_map(|(first, end)| first..end)
    }

    /// Value of CSR `number`, zero if it has none.
    #[inline]
    pub fn get(&self, number: u16) -> u64 {
        Self::slot(number)
            .and_then(|slot| self.values.get(slot))
            .copied()
            .unwrap_or(0)
    }

    /// Sets CSR `number`, if it has a value.
    #[inline]
    pub fn set(&mut self, number: u16, value: u64) {
        if let Some(cell) = self.cell(number) {
            *cell = value;
        }
    }

    /// The value of CSR `number`, if it has one.
    #[inline(always)]
    pub fn cell(&mut self, number: u16) -> Option<&mut u64> {
        self.values.get_mut(Self::slot(number)?)
    }
}
