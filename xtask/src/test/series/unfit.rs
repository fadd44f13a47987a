// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Kernel trees that no kvm.ko can be built against: kernel-module's Makefile says
//! why, in one line.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::super::report::Verdict;
use crate::setup::{Products, workspace};

/// What the Makefile looks at, in a tree that fits.
const FIT: &[(&str, &str)] = &[
    ("Makefile", "modules:\n\t@echo fit\n"),
    (
        "include/config/auto.conf",
        "CONFIG_LOONGARCH=y\nCONFIG_RUST=y\nCONFIG_KVM=m\n",
    ),
    ("include/config/kernel.release", "7.10.1-some\n"),
    ("virt/kvm/kvm_main.c", ""),
    ("Module.symvers", ""),
    ("rust/bindings/bindings_generated.rs", ""),
];

/// A tree: the file that differs, what it holds if it is there at all, and what the
/// line must name.
type Unfit = (&'static str, Option<&'static str>, &'static [&'static str]);

const UNFIT: &[Unfit] = &[
    ("Makefile", None, &["no kernel build directory", "KDIR=DIR"]),
    (
        "Makefile",
        Some("include /nonexistent/headers/Makefile\n"),
        &[
            "/nonexistent/headers has no virt/kvm/kvm_main.c",
            "KDIR=DIR",
        ],
    ),
    (
        "include/config/auto.conf",
        None,
        &["include/config/auto.conf", "configure and build"],
    ),
    (
        "include/config/auto.conf",
        Some("CONFIG_X86=y\nCONFIG_RUST=y\nCONFIG_KVM=m\n"),
        &["another architecture", "KDIR=DIR"],
    ),
    (
        "include/config/auto.conf",
        Some("CONFIG_LOONGARCH=y\nCONFIG_KVM=m\n"),
        &["CONFIG_RUST=y", "build that kernel again"],
    ),
    (
        "include/config/auto.conf",
        Some("CONFIG_LOONGARCH=y\nCONFIG_RUST=y\n"),
        &["lacks CONFIG_KVM=m", "build that kernel again"],
    ),
    (
        "include/config/auto.conf",
        Some("CONFIG_LOONGARCH=y\nCONFIG_RUST=y\nCONFIG_KVM=y\n"),
        &["CONFIG_KVM=y", "set CONFIG_KVM=m"],
    ),
    (
        "include/config/auto.conf",
        Some(
            "CONFIG_LOONGARCH=y\nCONFIG_RUST=y\nCONFIG_KVM=m\n\
             CONFIG_RUSTC_VERSION_TEXT=\"rustc 1.0.1 (other)\"\n",
        ),
        &["built by rustc 1.0.1 (other)", "RUSTC=FILE"],
    ),
    (
        "include/config/kernel.release",
        Some("5.10.1\n"),
        &["Linux 5.10.1", "or later is needed"],
    ),
    (
        "virt/kvm/kvm_main.c",
        None,
        &["virt/kvm/kvm_main.c", "full source tree"],
    ),
    (
        "Module.symvers",
        None,
        &["Module.symvers is missing", "build the kernel"],
    ),
    (
        "rust/bindings/bindings_generated.rs",
        None,
        &["bindings_generated.rs is missing", "build the kernel"],
    ),
];

/// Runs the Makefile on each tree, and on one that fits.
pub(super) fn check(products: &Products) -> Result<Verdict> {
    let run = products.cache.new_run("unfit")?;
    let tree = run.join("fit");
    write(&tree, None)?;
    let (is_built, text) = make(products, &tree)?;
    ensure!(
        is_built && text.lines().any(|line| line == "fit"),
        "a tree that fits was refused: {text}"
    );
    for (number, unfit) in UNFIT.iter().enumerate() {
        let tree = run.join(number.to_string());
        write(&tree, Some(unfit))?;
        let (is_built, text) = make(products, &tree)?;
        let (file, _, names) = unfit;
        ensure!(!is_built, "a tree without a proper {file} was taken");
        ensure!(
            text.lines().count() == 1 && names.iter().all(|name| text.contains(name)),
            "a tree without a proper {file} should end in one line with {names:?}: {text}"
        );
    }
    fs::remove_dir_all(&run)?;
    Ok(Verdict::Passed)
}

fn write(tree: &Path, unfit: Option<&Unfit>) -> Result<()> {
    fs::create_dir(tree)?;
    for (file, text) in FIT {
        let text = match unfit {
            Some((other, text, _)) if other == file => *text,
            _ => Some(*text),
        };
        let Some(text) = text else { continue };
        let file = tree.join(file);
        fs::create_dir_all(file.parent().context("a file has a directory")?)?;
        fs::write(file, text)?;
    }
    Ok(())
}

/// Whether make succeeded, and all that it printed.
fn make(products: &Products, tree: &Path) -> Result<(bool, String)> {
    let module = workspace()?.join("kernel-module");
    let output = products
        .tools
        .command_in(&module, "make")
        .arg(format!("KDIR={}", tree.display()))
        .output()
        .context("cannot run make in the toolchain root")?;
    let text = [output.stdout, output.stderr].concat();
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    ))
}
