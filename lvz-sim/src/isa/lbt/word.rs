// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Numbers of `W` bits in the low bits of a `u64`.

/// The low `W` bits.
#[inline(always)]
pub(super) fn low<const W: u32>(value: u64) -> u64 {
    value & u64::MAX >> (64 - W)
}

/// The highest of the `W` bits.
#[inline(always)]
pub(super) fn top<const W: u32>(value: u64) -> bool {
    value >> (W - 1) & 1 != 0
}

/// The number with its sign.
#[inline(always)]
pub(super) fn signed<const W: u32>(value: u64) -> i64 {
    (value << (64 - W)) as i64 >> (64 - W)
}

/// Bit `n`; none above 63 is set.
#[inline(always)]
pub(super) fn bit(value: u64, n: u32) -> bool {
    value.checked_shr(n).unwrap_or(0) & 1 != 0
}

/// How far an x86 shift or rotation of `W` bits goes: five bits of the count, six for
/// doublewords.
#[inline(always)]
pub(super) fn count<const W: u32>(count: u64) -> u32 {
    (count & if W == 64 { 63 } else { 31 }) as u32
}

#[inline(always)]
pub(super) fn rotate_right<const W: u32>(value: u64, n: u32) -> u64 {
    match n % W {
        0 => value,
        n => low::<W>(value >> n | value << (W - n)),
    }
}

/// Rotates the `W` bits and a carry above them to the right.
#[inline(always)]
pub(super) fn rotate_through<const W: u32>(value: u64, carry: bool, n: u32) -> u64 {
    let n = n % (W + 1);
    let ring = u128::from(carry) << W | u128::from(value);
    low::<W>((ring >> n | ring << (W + 1 - n)) as u64)
}
