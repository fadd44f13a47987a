// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A case of the suite `host`: each `cargo run -p PACKAGE` of the Markdown files finds a program.

use anyhow::{Result, bail, ensure};

use super::packages::{Package, packages};
use super::report::{Verdict, detail};
use crate::setup::workspace;
use crate::sources::Sources;

impl Package {
    /// Whether `cargo run` knows which of its programs to run.
    fn runs(&self) -> bool {
        let programs = self.targets.iter().flat_map(|target| &target.kind);
        self.default_run.is_some() || programs.filter(|kind| *kind == "bin").count() == 1
    }
}

pub(super) fn check() -> Result<Verdict> {
    let packages = packages()?;
    let sources = Sources::read(&workspace()?, &[""])?;
    let (mut count, mut wrong) = (0, Vec::new());
    for (name, text) in sources.files() {
        if name.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        for package in named(&String::from_utf8_lossy(text)) {
            count += 1;
            let found = packages.iter().find(|known| known.name == package);
            if !found.is_some_and(Package::runs) {
                wrong.push(format!("{}: {package}", name.display()));
            }
        }
    }
    ensure!(count > 2, "only {count} packages found");
    if !wrong.is_empty() {
        bail!(
            "cargo run does not know what to run (default-run in Cargo.toml):\n{}",
            wrong.join("\n")
        );
    }
    detail(format_args!("{count} packages have a program"));
    Ok(Verdict::Passed)
}

/// The packages that a text's `cargo run` names without a program or an example.
fn named(text: &str) -> Vec<&str> {
    let commands = text.lines().filter_map(|line| {
        let (_, command) = line.split_once("cargo run ")?;
        command.split('`').next()?.split(" -- ").next()
    });
    let whole =
        commands.filter(|command| !["--bin", "--example"].iter().any(|o| command.contains(o)));
    whole
        .filter_map(|command| {
            let mut words = command.split_whitespace();
            words.find(|word| ["-p", "--package"].contains(word))?;
            words.next()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_commands() {
        let text = "    cargo run --release -p first -- run -p second\n\
                    cargo run --package third -- x\ncargo run -p fourth --bin x\n\
                    cargo run --release\ncargo test -p fifth\n`cargo run -p sixth` runs\n";
        assert_eq!(named(text), ["first", "third", "sixth"]);
    }
}
