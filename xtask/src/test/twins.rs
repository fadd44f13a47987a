// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A case of the suite `host`: the kernel runs what kvm-core tests. Each public
//! function and constant of kvm-core is named by the module or by kvm-core's own code
//! outside its tests; what tests alone name has a twin in the module, or no use.
//!
//! Names are compared as words, so one of two functions with the same name hides the
//! other.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};

use super::report::{Verdict, detail};
use crate::rust_source::{Source, is_name, read_crate, tokens};
use crate::setup::workspace;

pub(super) fn check() -> Result<Verdict> {
    let root = workspace()?;
    let core = read_crate(&root.join("kvm-core/src/lib.rs"))?;
    let module = read_crate(&root.join("kernel-module/src/kvm_la.rs"))?;

    let named: BTreeSet<&str> = core.iter().chain(&module).flat_map(named).collect();
    let (mut count, mut twins) = (0, Vec::new());
    for source in &core {
        for name in public(source) {
            count += 1;
            if !named.contains(name) {
                let file = source.file.strip_prefix(&root).unwrap_or(&source.file);
                twins.push(format!("{}: {name}", file.display()));
            }
        }
    }
    ensure!(count > 100, "only {count} public names found in kvm-core");
    if !twins.is_empty() {
        bail!(
            "public in kvm-core, and named by its tests alone; let the module call it, or remove it:\n{}",
            twins.join("\n")
        );
    }
    detail(format_args!(
        "{count} public functions and constants of kvm-core are in use"
    ));
    Ok(Verdict::Passed)
}

/// Public functions and constants that are defined here.
fn public(source: &Source) -> Vec<&str> {
    let tokens: Vec<&str> = tokens(&source.code).collect();
    let mut names = Vec::new();
    for (at, _) in tokens.iter().enumerate().filter(|(_, t)| **t == "pub") {
        let mut rest = tokens[at + 1..].iter().copied();
        let mut kind = rest.next();
        let mut name = rest.next();
        while matches!(kind, Some("const" | "unsafe" | "fn")) {
            match name {
                // `const` or `unsafe` of a function.
                Some("unsafe" | "fn") => (kind, name) = (name, rest.next()),
                Some(word) if is_name(word) => {
                    names.push(word);
                    break;
                }
                _ => break,
            }
        }
    }
    names
}

/// Names that occur elsewhere than where they are defined or made public again.
fn named(source: &Source) -> Vec<&str> {
    let mut names = Vec::new();
    let (mut before, mut in_use) = ("", false);
    for token in tokens(&source.code) {
        in_use = if in_use {
            token != ";"
        } else {
            before == "pub" && token == "use"
        };
        if !in_use && is_name(token) && !matches!(before, "fn" | "const") {
            names.push(token);
        }
        before = token;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn source(text: &str) -> Source {
        Source::new(Path::new(""), Vec::new(), text)
    }

    #[test]
    fn public_functions_and_constants_are_found() {
        let text = "pub fn a() {}\npub const fn b() {}\npub unsafe fn c() {}\n\
             pub const D: u8 = 1;\npub(crate) fn e() {}\nfn f() {}\npub struct G;\n\
             impl G {\n    pub const unsafe fn h(&self) {}\n}\npub const $i: u8 = 1;\n";
        assert_eq!(public(&source(text)), ["a", "b", "c", "D", "h"]);
    }

    #[test]
    fn tests_comments_and_exports_name_nothing() {
        let text = "pub use x::{a, b};\nfn c() {\n    d(); // e\n}\n#[cfg(test)]\nmod tests {\n\
             \x20   f();\n}\n#[cfg(test)]\nmod model;\nuse g::h;\n";
        let source = source(text);
        let mut names = named(&source);
        names.retain(|name| name.len() == 1);
        assert_eq!(names, ["d", "g", "h"]);
    }
}
