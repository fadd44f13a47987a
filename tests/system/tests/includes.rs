// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The bare-metal programs have the architecture's numbers from `include/csr.inc`, as an
//! assembler cannot read la-arch: here the two are compared.

use la_arch::Exception;
use la_arch::csr::TABLE;

const INCLUDED: &str = include_str!("../include/csr.inc");

/// Names and values of the lines `.equ NAME, VALUE`, as text.
fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    INCLUDED
        .lines()
        .filter_map(|line| line.strip_prefix(".equ ")?.split_once(", "))
}

/// A number, in decimal or hexadecimal.
fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[test]
fn csrs_have_the_numbers_of_the_table() {
    let mut compared = 0;
    for csr in TABLE {
        let family = csr.name.trim_end_matches('0');
        for (index, element) in csr.elements.iter().enumerate() {
            let name = match csr.elements.len() {
                1 => csr.name.to_owned(),
                _ => format!("{family}{index}"),
            };
            if let Some((_, value)) = lines().find(|(known, _)| *known == name) {
                assert_eq!(
                    number(value),
                    Some(u32::from(csr.number + element)),
                    "{name}"
                );
                compared += 1;
            }
        }
    }
    let csrs = lines().take_while(|(name, _)| !name.starts_with("EXC_"));
    assert_eq!(compared, csrs.count(), "la-arch's table lacks one of them");
}

#[test]
fn exceptions_have_the_codes_of_la_arch() {
    let mut compared = 0;
    for (name, value) in lines() {
        let Some(name) = name.strip_prefix("EXC_") else {
            continue;
        };
        let exception = Exception::ALL.iter().find(|known| known.name == name);
        let exception = exception.unwrap_or_else(|| panic!("la-arch has no exception {name}"));
        let sub = match exception.sub {
            0 => String::new(),
            sub => format!(" + ({sub} << 6)"),
        };
        assert_eq!(value, format!("{}{sub}", exception.code), "{name}");
        compared += 1;
    }
    assert!(compared > 20, "only {compared} exceptions found");
}
