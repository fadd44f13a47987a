// SPDX-License-Identifier: GPL-2.0

//! Tests of the routes.

use super::*;
use proptest::prelude::*;

const NO_MSI: Msi = Msi::new(0, 0, 0);

#[test]
fn default_table_is_one_to_one() {
    let table: Vec<_> = default_routes().collect();
    assert_eq!(table.len(), 64);
    for (n, (gsi, route)) in table.iter().enumerate() {
        assert_eq!(*gsi as usize, n);
        assert_eq!(*route, Route::Pin(Pin::new(*gsi).unwrap()));
    }
}

#[test]
fn pins_and_chips_are_checked() {
    let pin = |chip, pin| Route::from_user(uapi::KVM_IRQ_ROUTING_IRQCHIP, chip, pin, NO_MSI);
    assert!(pin(0, 63).is_ok());
    assert_eq!(pin(0, 64), Err(IntcError::Route));
    assert_eq!(pin(0, u32::MAX), Err(IntcError::Route));
    assert_eq!(pin(1, 0), Err(IntcError::Route));
    for kind in [0, 3, 4, 5, u32::MAX] {
        assert_eq!(
            Route::from_user(kind, 0, 0, NO_MSI),
            Err(IntcError::Route),
            "{kind}"
        );
    }
}

#[test]
fn message_data_is_a_vector() {
    let injection = |data| Msi::new(0x1000, 0, data).injection(None);
    assert_eq!(injection(0), Ok(Injection::Vector(0)));
    assert_eq!(injection(255), Ok(Injection::Vector(255)));
    assert_eq!(injection(256), Err(IntcError::Value));
    assert_eq!(injection(u32::MAX), Err(IntcError::Value));
}

#[test]
fn the_window_decides_before_the_data() {
    let mut dmsintc = Dmsintc::new();
    dmsintc
        .set_attr(uapi::DMSINTC_GRP_CTRL, 0, 0x1_0000_0000)
        .unwrap();
    dmsintc
        .set_attr(uapi::DMSINTC_GRP_CTRL, 1, 0x100_0000)
        .unwrap();
    let inside = Msi::new(0x5120, 1, u32::MAX);
    assert_eq!(
        inside.injection(Some(&dmsintc)),
        Ok(Injection::Message(Target {
            cpuid: 5,
            vector: 0x12
        }))
    );
    assert_eq!(inside.injection(None), Err(IntcError::Value));
    assert_eq!(
        Msi::new(0x5120, 0, 7).injection(Some(&dmsintc)),
        Ok(Injection::Vector(7))
    );
}

#[test]
fn a_message_has_no_falling_level() {
    let route = Route::Msi(Msi::new(0, 0, 3));
    assert_eq!(route.injection(true, None), Ok(Some(Injection::Vector(3))));
    assert_eq!(route.injection(false, None), Ok(None));
    let pin = Pin::new(9).unwrap();
    for level in [false, true] {
        assert_eq!(
            Route::Pin(pin).injection(level, None),
            Ok(Some(Injection::Pin(pin)))
        );
    }
}

proptest! {
    #[test]
    fn every_entry_is_answered(kind: u32, chip: u32, pin: u32, lo: u32, hi: u32, data: u32) {
        let msi = Msi::new(lo, hi, data);
        for kind in [kind, 1, 2] {
            if let Ok(route) = Route::from_user(kind, chip, pin, msi) {
                let result = route.injection(true, None);
                prop_assert_eq!(result.is_err(), kind == 2 && data > 255);
            }
        }
    }
}
