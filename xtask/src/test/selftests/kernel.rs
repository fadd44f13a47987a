//! KVM's selftests of the kernel source, built for LoongArch.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::programs::LINUX;
use crate::cache::Key;
use crate::progress::Step;
use crate::setup::{MAKE_VARIABLES, Products};
use crate::toolroot::KERNEL_SOURCE;

/// Where the product is bound inside the root.
const INSIDE: &str = "/kvm-la/selftests";

/// The directory that holds all programs by the names that the Makefile gives
/// them; built if the kernel, or the toolchain, is not that of an earlier build.
pub(super) fn build(products: &Products) -> Result<PathBuf> {
    let key = Key::new(1).with("kernel", products.host_kernel.name());
    let cache = &products.cache;
    let lock = cache.lock()?;
    let dir = match cache.get("kvm-selftests", &key) {
        Some(dir) => dir,
        None => cache.make("kvm-selftests", &key, |dir| compile(products, dir))?,
    };
    drop(lock);
    Ok(dir)
}

fn compile(products: &Products, dir: &Path) -> Result<()> {
    let log = products.cache.logs()?.join("kvm-selftests.log");
    // One build's lines, not those of all builds before it.
    std::fs::write(&log, b"").with_context(|| format!("cannot write {}", log.display()))?;
    let tools = products.kernel_tools().with_bind(dir, Path::new(INSIDE));
    let make = |directory: &str, arguments: &[&str]| {
        let mut make = tools.command_in(Path::new(INSIDE), "make");
        make.args(MAKE_VARIABLES)
            .args(["-C", directory])
            .args(arguments);
        make
    };
    let mut step = Step::start("KVM selftests: building");
    let headers = make(
        KERNEL_SOURCE,
        &[
            &format!("O={INSIDE}/headers"),
            &format!("INSTALL_HDR_PATH={INSIDE}/usr"),
            "headers_install",
        ],
    );
    std::fs::create_dir(dir.join("headers"))?;
    step.run(headers, &log)?;
    let jobs = std::thread::available_parallelism().map_or(1, |n| n.get());
    let programs = make(
        &format!("{KERNEL_SOURCE}/tools/testing/selftests/kvm"),
        &[
            &format!("-j{jobs}"),
            &format!("OUTPUT={INSIDE}"),
            &format!("KHDR_INCLUDES=-isystem {INSIDE}/usr/include"),
            // The host's userland is not the one that they are linked against.
            "LDFLAGS=-static",
        ],
    );
    step.run(programs, &log)?;
    let missing: Vec<&str> = LINUX
        .iter()
        .filter_map(|program| program.command.split(' ').next())
        .filter(|file| !dir.join(file).is_file())
        .collect();
    anyhow::ensure!(
        missing.is_empty(),
        "the kernel's selftests do not have {} any more: change the list",
        missing.join(", ")
    );
    step.done();
    Ok(())
}
