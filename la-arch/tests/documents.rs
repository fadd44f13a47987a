// SPDX-License-Identifier: MIT

//! What the project's documents say of the architecture as this crate has it.

use la_arch::sync_regs::{SyncRegs, ALL, CSR, CSRS};

const MODULE: &str = include_str!("../../docs/module.md");

#[test]
fn the_document_has_the_sets_and_their_size() {
    let (_, rest) = MODULE.split_once("| bit | set |\n").expect("the table");
    let rows: Vec<&str> = rest
        .lines()
        .take_while(|line| line.starts_with('|'))
        .skip(1)
        .collect();
    let bits: Vec<u64> = rows
        .iter()
        .filter_map(|row| row.split('|').nth(1)?.trim().parse().ok())
        .collect();
    let all: Vec<u64> = (0..64).map(|n| 1 << n).filter(|b| ALL & b != 0).collect();
    assert_eq!(bits, all);
    let csrs = format!("| {CSR} | {} CSRs: ", CSRS.len());
    assert!(rows.iter().any(|row| row.starts_with(&csrs)), "{csrs}");
    let size = size_of::<SyncRegs>();
    let size = format!("{},{:03} of the 2,048 bytes", size / 1000, size % 1000);
    assert!(MODULE.contains(&size), "{size}");
}
