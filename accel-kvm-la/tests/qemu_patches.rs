// SPDX-License-Identifier: GPL-2.0-or-later

//! The C file in qemu-patches/ hands over what the backend asks for: a symbol
//! or a field that is added to one and not to the other is found here, long
//! before a QEMU is built.

// A helper of tests fails as a test does.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use accel_kvm_la::qemu::layout::Layout;
use accel_kvm_la::qemu::services::{Need, Services};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The file kvm-rust.c as the series leaves it; one patch adds it whole.
fn kvm_rust_c() -> String {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("qemu-patches")).expect("qemu-patches/") {
        let path = entry.expect("an entry").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "patch")
        {
            let text = std::fs::read_to_string(&path).expect("a patch");
            let start = text.find("\n+++ b/target/loongarch/kvm/kvm-rust.c\n");
            if let Some(start) = start {
                found.push(text[start + 1..].to_owned());
            }
        }
    }
    assert_eq!(found.len(), 1, "patches that change kvm-rust.c");
    let mut source = String::new();
    // After the two lines of the file's header and the one of the hunk's.
    for line in found[0].lines().skip(2) {
        match line.strip_prefix('+') {
            Some(line) => {
                source.push_str(line);
                source.push('\n');
            }
            None => break,
        }
    }
    source
}

/// First arguments of the macros with these names.
fn entries(source: &str, macros: &[&str]) -> BTreeSet<String> {
    let mut in_macro = false;
    source
        .lines()
        .filter_map(|line| {
            // What a macro is defined as is no entry.
            let defines = in_macro || line.starts_with("#define");
            in_macro = defines && line.ends_with('\\');
            if defines {
                return None;
            }
            let line = line.strip_prefix("    ")?;
            let (name, rest) = line.split_once('(')?;
            macros.contains(&name).then_some(rest)
        })
        .filter_map(|rest| rest.split([',', ')']).next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_symbol_is_handed_over() {
    let handed = entries(&kvm_rust_c(), &["FUNCTION", "VARIABLE"]);
    let known: BTreeSet<_> = Services::SYMBOLS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert!(handed.len() > 50);
    let unknown: Vec<_> = handed.difference(&known).collect();
    assert!(unknown.is_empty(), "unknown to the backend: {unknown:?}");
    for (name, need) in Services::SYMBOLS {
        assert!(
            handed.contains(*name) || *need == Need::Optional,
            "kvm-rust.c does not hand over {name}"
        );
    }
}

#[test]
fn every_field_is_handed_over() {
    let source = kvm_rust_c();
    let mut handed = entries(&source, &["FIELD_OF", "COMMON"]);
    if source.contains("\n    SINGLESTEP_FIELD(") {
        handed.insert("singlestep_flags".to_owned());
    }
    // The list is in the header, which has its own test.
    if source.contains("\n    KVM_LA_CSRS(CSR, CSRS)\n") {
        let registers = la_arch::csr::TABLE.iter().filter_map(|csr| csr.qemu);
        handed.extend(registers.map(|field| field.name.to_owned()));
    }
    let known: BTreeSet<_> = Layout::fields()
        .map(|field| field.name.to_owned())
        .collect();
    assert_eq!(handed, known);
}

/// Every function of the library that the file calls is in the header.
#[test]
fn every_call_is_in_the_header() {
    let header = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("include/accel-kvm-la.h"),
    )
    .expect("the header");
    let source = kvm_rust_c();
    let mut calls = 0;
    for (start, _) in source.match_indices("kvm_la_") {
        let name: String = source[start..]
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        // A name that only ends like one of the library's.
        if source[..start].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            continue;
        }
        calls += 1;
        assert!(header.contains(&format!("{name}(")), "{name}");
    }
    assert!(calls > 30, "{calls}");
}
