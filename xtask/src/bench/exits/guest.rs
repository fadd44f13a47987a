// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The guest programs of bench `exits` (`tests/guest/exits.S`), assembled, and
//! where in them the exits are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::cache::Key;
use crate::progress::Step;
use crate::setup::Products;

const SOURCE: &str = include_str!("../../../../tests/guest/exits.S");

/// Where the cache's directory is bound while tools work in it.
const INSIDE: &str = "/kvm-la/exits";

/// Name, preprocessor option and address of each program. The addresses keep
/// the programs' exits apart.
const PROGRAMS: &[(&str, &str, &str)] = &[
    ("small", "-DSMALL", "0x1000000"),
    ("huge", "-DHUGE", "0x1800000"),
    ("log", "-DLOG", "0x2000000"),
    ("idle", "-DIDLE", "0x2800000"),
    ("user", "-DUSER", "0x3000000"),
    ("anew", "-DFILL", "0x3800000"),
    ("present", "-DFILL", "0x4000000"),
    ("sleep", "-DSLEEP", "0x4800000"),
    ("units", "-DUNITS", "0x5000000"),
    ("folios", "-DFILL", "0x5800000"),
];

pub(in super::super) struct Programs {
    dir: PathBuf,
}

impl Programs {
    /// Builds them, if their source has changed.
    pub(in super::super) fn build(products: &Products) -> Result<Self> {
        let cache = &products.cache;
        let key = Key::new(1)
            .with("toolchain", products.tools.name())
            .with("source", SOURCE)
            .with("programs", format!("{PROGRAMS:?}"));
        let dir = cache.product("exits-guest", &key, |dir| {
            let mut step = Step::start("exits-guest: building");
            fs::write(dir.join("exits.S"), SOURCE)?;
            let log = cache.logs()?.join("setup.log");
            let inside = Path::new(INSIDE);
            let tools = products.tools.clone().with_bind(dir, inside);
            for (name, define, address) in PROGRAMS {
                let mut gcc = tools.command_in(inside, "loongarch64-linux-gnu-gcc");
                gcc.args(["-nostdlib", "-static", "-no-pie", "-mno-relax", define]);
                // Everything is in memory that the program may write to.
                gcc.args(["-Wl,--build-id=none", "-Wl,-N"]);
                gcc.arg(format!("-Wl,-Ttext={address}"));
                gcc.args(["exits.S", "-o", &file_name(name)]);
                step.run(gcc, &log)?;
                let mut nm = tools.command_in(inside, "loongarch64-linux-gnu-nm");
                nm.arg(file_name(name));
                let output = nm.output().context("cannot run nm")?;
                ensure!(
                    output.status.success(),
                    "nm of {} ended with {}: {}",
                    file_name(name),
                    output.status,
                    String::from_utf8_lossy(&output.stderr).trim()
                );
                fs::write(dir.join(format!("{name}.symbols")), output.stdout)?;
            }
            step.done();
            Ok(())
        })?;
        Ok(Self { dir })
    }

    /// The programs' files by their names in the machine's shared folder.
    pub(in super::super) fn files(&self) -> impl Iterator<Item = (String, PathBuf)> + '_ {
        PROGRAMS.iter().map(|(name, ..)| {
            let name = file_name(name);
            (name.clone(), self.dir.join(name))
        })
    }

    /// The symbols of a program.
    pub(in super::super) fn symbols(&self, name: &str) -> Result<Symbols> {
        let file = self.dir.join(format!("{name}.symbols"));
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Symbols::parse(&text))
    }
}

fn file_name(program: &str) -> String {
    format!("exits-{program}.elf")
}

/// Addresses by name.
pub(in super::super) struct Symbols(BTreeMap<String, u64>);

impl Symbols {
    /// Reads what nm prints: address, type, name.
    pub(super) fn parse(text: &str) -> Self {
        let symbol = |line: &str| {
            let mut words = line.split_whitespace();
            let address = u64::from_str_radix(words.next()?, 16).ok()?;
            Some((words.nth(1)?.to_owned(), address))
        };
        Self(text.lines().filter_map(symbol).collect())
    }

    /// The address of a symbol.
    pub(in super::super) fn address(&self, name: &str) -> Result<u64> {
        self.0
            .get(name)
            .copied()
            .ok_or_else(|| anyhow!("tests/guest/exits.S has no symbol {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_read() {
        let symbols = Symbols::parse(
            "0000000001000040 T site_csr\n                 U other\n0000000001000080 t x\n",
        );
        assert_eq!(symbols.address("site_csr").ok(), Some(0x100_0040));
        assert_eq!(symbols.address("x").ok(), Some(0x100_0080));
        assert!(symbols.address("other").is_err());
    }
}
