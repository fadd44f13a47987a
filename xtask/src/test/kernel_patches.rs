// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `kernel-patches`: the series of kernel-patches/ goes into the kernel's
//! tree, changes nothing while its option is off, and with it gives a kernel that
//! runs guests, whether KVM is a module or built in.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::report::{Report, Verdict, detail};
use super::{Context, Tier};
use crate::kernel_patches::Series;
use crate::kernel_patches::tree::{Choice, Tree, objects};
use crate::nested::{Guest, Nested, Stack};
use crate::setup::{HostKernel, Products, workspace};
use crate::toolroot::KERNEL_SOURCE;

/// How long a host with a guest may take.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// What is compiled anew with the option off: all that includes a header of KVM is
/// among it.
const COMPARED: &[&str] = &["arch/loongarch", "virt"];

/// A symbol of the world switch in Rust, and one of the world switch in C.
const RUST_SYMBOL: &str = " kvm_la_switch_enter";
const C_SYMBOL: &str = " kvm_exc_entry";

/// The case that puts the series into a tree, and those that work there.
const GIT_AM: &str = "git-am";
const RUSTFMT: &str = "rustfmt";
const OFF: &str = "off";
const MODULE: &str = "module";
const BUILT_IN: &str = "built-in";

/// Runs the suite. It builds three kernels, and none in CI.
pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    let products = &context.products;
    report.case("checkpatch", || checkpatch(products));
    let in_tree = [GIT_AM, RUSTFMT, OFF, MODULE, BUILT_IN];
    if !context.runs(Tier::Full) || !in_tree.iter().any(|name| report.wants(name)) {
        return Ok(());
    }
    let dir = products.cache.new_run("kernel-patches")?;
    let mut tree = None;
    let failed = report.failures();
    report.case(GIT_AM, || {
        tree = Some(Tree::make(products, &dir)?);
        Ok(Verdict::Passed)
    });
    let tree = match tree {
        Some(tree) => tree,
        // The case was not asked for; if it failed, its remains are in the way.
        None if report.failures() == failed => Tree::make(products, &dir)?,
        None => return Ok(()),
    };
    report.case(RUSTFMT, || rustfmt(&tree));
    report.case(OFF, || off(products, &tree));
    report.case(MODULE, || boot(context, &tree, Choice::Module, &dir));
    report.case(BUILT_IN, || boot(context, &tree, Choice::BuiltIn, &dir));
    if report.failures() == failed {
        tree.remove()?;
    }
    Ok(())
}

/// Kinds of complaints that checkpatch.pl leaves out, each with the reason.
const LET_PASS: &[(&str, &str)] = &[
    (
        "FILE_PATH_CHANGES",
        "the last patch has the entry of MAINTAINERS",
    ),
    (
        "COMPLEX_MACRO",
        "a macro that declares an event has no value",
    ),
];

/// The kernel's own rules for patches, the module's sources among them.
fn checkpatch(products: &Products) -> Result<Verdict> {
    let inside = Path::new("/kvm-la/series");
    let dir = products.cache.new_run("checkpatch")?;
    let patches = Series::make(&workspace()?)?.write(&dir)?;
    let patches = patches
        .iter()
        .filter_map(|patch| Some(inside.join(patch.file_name()?)));
    let tools = products.kernel_tools().with_bind(&dir, inside);
    let ignored: Vec<&str> = LET_PASS.iter().map(|(kind, _)| *kind).collect();
    let output = tools
        .command_in(Path::new(KERNEL_SOURCE), "perl")
        .args([
            "scripts/checkpatch.pl",
            "--terse",
            "--no-summary",
            "--show-types",
        ])
        .arg(format!("--ignore={}", ignored.join(",")))
        .args(patches)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && said.trim().is_empty(),
        "checkpatch.pl says:\n{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    Ok(Verdict::Passed)
}

/// The kernel's own settings, on the crates and all their modules.
fn rustfmt(tree: &Tree<'_>) -> Result<Verdict> {
    let output = tree
        .tools(&tree.source())
        .command_in(Path::new(KERNEL_SOURCE), "rustfmt")
        .args(["--check", "--config-path", ".rustfmt.toml"])
        .args(
            ["la_arch/lib.rs", "kvm_core/lib.rs", "src/kvm_la.rs"]
                .map(|root| format!("arch/loongarch/kvm/rust/{root}")),
        )
        .output()?;
    ensure!(
        output.status.success(),
        "rustfmt says:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(Verdict::Passed)
}

/// Without the option every object, vmlinux and kvm.ko are the same bytes.
fn off(products: &Products, tree: &Tree<'_>) -> Result<Verdict> {
    let before = products.host_kernel.build();
    let after = tree.build(Choice::Off, COMPARED)?.build();
    let mut names = vec!["vmlinux".into(), "arch/loongarch/kvm/kvm.ko".into()];
    for directory in COMPARED {
        let objects = objects(&before.join(directory))?;
        ensure!(
            objects == self::objects(&after.join(directory))?,
            "{directory} does not have the same objects"
        );
        names.extend(objects.iter().map(|name| Path::new(directory).join(name)));
    }
    ensure!(names.len() > 50, "only {} files to compare", names.len());
    for name in &names {
        let read = |build: &Path| {
            let path = build.join(name);
            fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        if read(&before)? != read(&after)? {
            bail!(
                "{} differs from that of the kernel without the series",
                name.display()
            );
        }
    }
    detail(format_args!("{} files are the same bytes", names.len()));
    fs::remove_dir_all(after)?;
    Ok(Verdict::Passed)
}

/// A guest to its init on the kernel's own KVM, under QEMU's own backend.
fn boot(context: &Context, tree: &Tree<'_>, choice: Choice, dir: &Path) -> Result<Verdict> {
    let kernel = tree.build(choice, &[])?;
    check_symbols(&kernel, choice)?;
    let products = context.products.with_built(kernel.clone());
    let nested = Nested {
        kvm: Stack::Upstream,
        accel: Stack::Upstream,
        host_smp: 2,
        kernel_irqchip: true,
        guests: vec![Guest {
            smp: 2,
            ..Guest::default()
        }],
        interactive: false,
        copy_share: false,
    };
    let run = dir.join(match choice {
        Choice::BuiltIn => "boot-built-in",
        _ => "boot-module",
    });
    let machine = nested.machine(&products, &run.join("share"))?;
    let log = run.join("console.log");
    nested.pass(&machine, &context.simulator, &log, LIMIT)?;
    fs::remove_dir_all(kernel.build())?;
    Ok(Verdict::Passed)
}

/// The KVM that is there is the one in Rust: it is in vmlinux or not at all, and the
/// other's world switch is gone.
fn check_symbols(kernel: &HostKernel, choice: Choice) -> Result<()> {
    let map = kernel.build().join("System.map");
    let map = fs::read_to_string(&map).with_context(|| format!("cannot read {}", map.display()))?;
    let has = |symbol: &str| map.lines().any(|line| line.ends_with(symbol));
    ensure!(
        has(RUST_SYMBOL) == (choice == Choice::BuiltIn),
        "vmlinux has KVM in Rust: {}",
        has(RUST_SYMBOL)
    );
    ensure!(!has(C_SYMBOL), "vmlinux has the world switch in C");
    Ok(())
}
