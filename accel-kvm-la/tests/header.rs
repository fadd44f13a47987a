// SPDX-License-Identifier: GPL-2.0-or-later

//! The checked-in header is the one that cbindgen makes of the source, and a C
//! compiler takes it.

// A helper of tests fails as a test does.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Set to write the header instead of comparing it.
const UPDATE: &str = "KVM_LA_UPDATE_HEADER";

fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn header() -> PathBuf {
    package().join("include/accel-kvm-la.h")
}

/// The files with functions or types of the interface.
const SOURCES: [&str; 4] = [
    "src/hooks/arch.rs",
    "src/hooks/guest_debug.rs",
    "src/hooks/ops.rs",
    "src/link/in_tree.rs",
];

/// The registers of the table that QEMU has, as a list for C.
fn csrs() -> String {
    let mut list = String::from(
        "\n\n/*\n * Members of CPUSysState with the control and status registers that the \
         library\n * exchanges with KVM: ONE(member) for each, MANY(member, length) for an \
         array.\n */\n#define KVM_LA_CSRS(ONE, MANY)",
    );
    for field in la_arch::csr::TABLE.iter().filter_map(|csr| csr.qemu) {
        let entry = match field.length {
            Some(length) => format!("MANY({}, {length})", field.name),
            None => format!("ONE({})", field.name),
        };
        list.push_str(" \\\n    ");
        list.push_str(&entry);
    }
    list
}

fn generate() -> String {
    let mut config = cbindgen::Config::from_file(package().join("cbindgen.toml"))
        .expect("cbindgen.toml can be read");
    config
        .after_includes
        .get_or_insert_default()
        .push_str(&csrs());
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(package().join(source));
    }
    let mut text = Vec::new();
    builder
        .generate()
        .expect("the interface can be said in C")
        .write(&mut text);
    String::from_utf8(text).expect("cbindgen writes UTF-8")
}

#[test]
fn is_up_to_date() {
    let made = generate();
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(header(), made).expect("the header can be written");
        return;
    }
    let checked_in = std::fs::read_to_string(header()).unwrap_or_default();
    assert!(
        made == checked_in,
        "include/accel-kvm-la.h is not what cbindgen makes: run \
         `{UPDATE}=1 cargo test -p accel-kvm-la --test header` and commit it"
    );
}

/// Every exported function of the source is in the header: a file that
/// [`SOURCES`] forgets would be missing.
#[test]
fn has_every_exported_function() {
    let made = generate();
    let mut names = Vec::new();
    exported(&package().join("src"), &mut names);
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(made.contains(&format!("{name}(")), "{name} is missing");
    }
}

fn exported(directory: &Path, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            exported(&path, names);
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a source file");
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if line != "#[unsafe(no_mangle)]" {
                continue;
            }
            let function = lines.find(|line| line.contains("fn ")).expect("a function");
            let name = function
                .split("fn ")
                .nth(1)
                .and_then(|rest| rest.split('(').next());
            names.push(name.expect("a name").to_owned());
        }
    }
}

#[test]
fn is_valid_c() {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let output = Command::new(&compiler)
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"])
        .args(["-x", "c"])
        .arg(header())
        .output();
    match output {
        Ok(output) => assert!(
            output.status.success(),
            "{compiler} does not take the header: {}",
            String::from_utf8_lossy(&output.stderr)
        ),
        // Nothing else of this crate needs a C compiler.
        Err(error) => eprintln!("skipped: {compiler} cannot be run: {error}"),
    }
}
