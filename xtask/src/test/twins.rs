// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A case of the suite `host`: the kernel runs what kvm-core tests. Each public
//! function and constant of kvm-core is named by the module or by kvm-core's own code
//! outside its tests; what tests alone name has a twin in the module, or no use.
//!
//! Names are compared as words, so one of two functions with the same name hides the
//! other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::report::Verdict;
use crate::setup::workspace;

/// Runs the case.
pub(super) fn check() -> Result<Verdict> {
    let root = workspace()?;
    let mut core = Vec::new();
    read_crate(&root.join("kvm-core/src/lib.rs"), &mut core)?;
    let mut module = Vec::new();
    read_crate(&root.join("kernel-module/src/kvm_la.rs"), &mut module)?;

    let named: BTreeSet<&str> = core.iter().chain(&module).flat_map(|s| s.named()).collect();
    let (mut public, mut twins) = (0, Vec::new());
    for source in &core {
        for name in source.public() {
            public += 1;
            if !named.contains(name) {
                let file = source.file.strip_prefix(&root).unwrap_or(&source.file);
                twins.push(format!("{}: {name}", file.display()));
            }
        }
    }
    ensure!(public > 100, "only {public} public names found in kvm-core");
    if !twins.is_empty() {
        bail!(
            "public in kvm-core, and named by its tests alone; let the module call it, or remove it:\n{}",
            twins.join("\n")
        );
    }
    println!("    {public} public functions and constants of kvm-core are in use");
    Ok(Verdict::Passed)
}

/// A source file without its comments and tests.
struct Source {
    file: PathBuf,
    text: String,
}

/// Reads the file of a module and, after it, those of its modules.
fn read_crate(root: &Path, sources: &mut Vec<Source>) -> Result<()> {
    let directory = root.parent().unwrap_or(root);
    read_modules(root, directory, sources)
}

/// As [`read_crate`], for a module whose own modules are in `directory`.
fn read_modules(file: &Path, directory: &Path, sources: &mut Vec<Source>) -> Result<()> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = without_tests(&text);
    let tokens: Vec<&str> = tokens(&text).collect();
    let modules: Vec<String> = tokens
        .windows(3)
        .filter(|three| three[0] == "mod" && three[2] == ";")
        .map(|three| three[1].to_owned())
        .collect();
    sources.push(Source {
        file: file.to_owned(),
        text,
    });
    for module in modules {
        let file = directory.join(format!("{module}.rs"));
        read_modules(&file, &directory.join(module), sources)?;
    }
    Ok(())
}

/// Drops comments and modules with `#[cfg(test)]`, formatted as rustfmt does.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines().map(without_comment);
    while let Some(line) = lines.next() {
        if line != "#[cfg(test)]" {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        let ends_at_once = |line: &str| line.ends_with(';') || line.ends_with('}');
        if lines.next().is_some_and(|item| !ends_at_once(item)) {
            for line in lines.by_ref() {
                if line == "}" {
                    break;
                }
            }
        }
    }
    kept
}

fn without_comment(line: &str) -> &str {
    line.find("//").map_or(line, |at| &line[..at]).trim_end()
}

/// Words, and characters that belong to none.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.split_inclusive(move |c| !is_word(c))
        .flat_map(move |piece| {
            let end = piece.find(|c| !is_word(c)).unwrap_or(piece.len());
            [&piece[..end], &piece[end..]]
        })
        .filter(|token| !token.trim().is_empty())
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

impl Source {
    /// Public functions and constants that are defined here.
    fn public(&self) -> Vec<&str> {
        let tokens: Vec<&str> = tokens(&self.text).collect();
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
    fn named(&self) -> Vec<&str> {
        let mut names = Vec::new();
        let (mut before, mut in_use) = ("", false);
        for token in tokens(&self.text) {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            file: PathBuf::new(),
            text: without_tests(text),
        }
    }

    #[test]
    fn public_functions_and_constants_are_found() {
        let text = "pub fn a() {}\npub const fn b() {}\npub unsafe fn c() {}\n\
             pub const D: u8 = 1;\npub(crate) fn e() {}\nfn f() {}\npub struct G;\n\
             impl G {\n    pub const unsafe fn h(&self) {}\n}\npub const $i: u8 = 1;\n";
        assert_eq!(source(text).public(), ["a", "b", "c", "D", "h"]);
    }

    #[test]
    fn tests_comments_and_exports_name_nothing() {
        let text = "pub use x::{a, b};\nfn c() {\n    d(); // e\n}\n#[cfg(test)]\nmod tests {\n\
             \x20   f();\n}\n#[cfg(test)]\nmod model;\nuse g::h;\n";
        let source = source(text);
        let mut names = source.named();
        names.retain(|name| name.len() == 1);
        assert_eq!(names, ["d", "g", "h"]);
    }
}
