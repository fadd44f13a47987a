// SPDX-License-Identifier: GPL-2.0

//! Tests of the message interrupts.

use super::*;
use proptest::prelude::*;

const GROUP: u32 = uapi::DMSINTC_GRP_CTRL;

fn window(base: u64, size: u64) -> Dmsintc {
    let mut dmsintc = Dmsintc::new();
    dmsintc
        .set_attr(GROUP, uapi::DMSINTC_MSG_ADDR_BASE, base)
        .unwrap();
    dmsintc
        .set_attr(GROUP, uapi::DMSINTC_MSG_ADDR_SIZE, size)
        .unwrap();
    dmsintc
}

#[test]
fn address_names_cpu_and_vector() {
    // QEMU's virt machine: VIRT_DINTC_BASE 0x2FE00000, VIRT_DINTC_SIZE 0x100000.
    let dmsintc = window(0x2fe0_0000, 0x10_0000);
    let target = |address| dmsintc.target(address);
    assert_eq!(
        target(0x2fe0_0000 | 0x7f << 12 | 0xa5 << 4),
        Some(Target {
            cpuid: 0x7f,
            vector: 0xa5
        })
    );
    assert_eq!(target(0x2fdf_ffff), None);
    assert_eq!(target(0x2ff0_0000), None);
    assert_eq!(target(0x2fef_fff0).map(|t| t.vector), Some(255));
    assert_eq!(target(u64::MAX), None);
}

#[test]
fn attributes_follow_upstream() {
    let mut dmsintc = Dmsintc::new();
    let base = uapi::DMSINTC_MSG_ADDR_BASE;
    let size = uapi::DMSINTC_MSG_ADDR_SIZE;
    assert_eq!(Dmsintc::attr_size(GROUP, 2), Err(IntcError::DmsAttribute));
    assert_eq!(Dmsintc::attr_size(0, base), Err(IntcError::Group));
    assert_eq!(dmsintc.set_attr(GROUP, base, 0x1800), Err(IntcError::Value));
    assert_eq!(dmsintc.target(0), None);
    assert_eq!(dmsintc.set_attr(GROUP, base, 0x4000), Ok(()));
    assert_eq!(
        dmsintc.set_attr(GROUP, base, 0x8000),
        Err(IntcError::AlreadySet)
    );
    assert_eq!(
        dmsintc.set_attr(GROUP, base, 0x8001),
        Err(IntcError::AlreadySet)
    );
    assert_eq!(dmsintc.target(0x4000), None);
    assert_eq!(dmsintc.set_attr(GROUP, size, 0x1000), Ok(()));
    assert_eq!(
        dmsintc.set_attr(GROUP, size, 0x2000),
        Err(IntcError::AlreadySet)
    );
    assert!(dmsintc.target(0x4fff).is_some());
}

#[test]
fn an_unset_base_is_no_window() {
    let mut dmsintc = Dmsintc::new();
    dmsintc
        .set_attr(GROUP, uapi::DMSINTC_MSG_ADDR_SIZE, u64::MAX)
        .unwrap();
    assert_eq!(dmsintc.target(0x1000), None);
}

#[test]
fn a_base_of_one_page_leaves_one_cpu() {
    let dmsintc = window(0x1000, 0x1000);
    assert_eq!(
        dmsintc.target(0x1ff0),
        Some(Target {
            cpuid: 0,
            vector: 255
        })
    );
}

#[test]
fn errors_are_upstreams() {
    let errno = [
        (IntcError::DmsAttribute, 6),
        (IntcError::AlreadySet, 14),
        (IntcError::Group, 22),
        (IntcError::Attribute, 22),
        (IntcError::Vcpu, 22),
        (IntcError::Value, 22),
        (IntcError::Route, 22),
        (IntcError::Target, 22),
    ];
    for (error, number) in errno {
        assert_eq!(error.errno(), number, "{error:?}");
    }
}

/// A guest without message interrupts gets none (report 10).
#[test]
fn a_guest_without_message_interrupts_is_no_target() {
    let pending = Pending::new();
    for vector in [0, 63, 64, 255] {
        assert_eq!(pending.post(vector, false), Err(IntcError::Target));
    }
    assert_eq!(pending.take(), [0; 4]);
    assert_eq!(pending.post(255, true), Ok(()));
    assert_eq!(pending.take(), [0, 0, 0, 1 << 63]);
}

proptest! {
    #[test]
    fn takes_what_was_posted(vectors in prop::collection::vec(any::<u8>(), 0..40)) {
        let pending = Pending::new();
        for &vector in &vectors {
            prop_assert_eq!(pending.post(vector, true), Ok(()));
        }
        let taken = pending.take();
        for vector in 0..=255u8 {
            let bit = taken[usize::from(vector / 64)] >> (vector % 64) & 1 == 1;
            prop_assert_eq!(bit, vectors.contains(&vector));
        }
        prop_assert_eq!(pending.take(), [0; 4]);
    }

    #[test]
    fn any_window_and_address_is_answered(base: u64, size: u64, address: u64) {
        let base = base & !0xfff;
        let target = window(base, size).target(address);
        let inside = base != 0 && (u128::from(base)..u128::from(base) + u128::from(size))
            .contains(&u128::from(address));
        prop_assert_eq!(target.is_some(), inside);
        prop_assert!(target.is_none_or(|t| t.cpuid < 1 << 16));
    }
}
