// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The KVM host's kernel, built from a kernel source package of Debian's.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Products;
use super::config::{self, Fragment};
use super::kernel_source::KernelSource;
use crate::cache::{Cache, Key};
use crate::progress::Step;
use crate::toolroot::{KERNEL_BUILD, KERNEL_SOURCE, ToolRoot};

/// A configuration: allnoconfig plus these fragments, the later ones winning.
pub(super) struct Config {
    /// What progress messages call the kernel.
    pub(super) title: &'static str,
    /// The product's name in the cache.
    pub(super) product: &'static str,
    /// Files of configs/.
    pub(super) fragments: &'static [Fragment],
}

/// The file of configs/ that every host kernel has.
pub(super) const FRAGMENT: Fragment = (
    "kvm-host.config",
    include_str!("../../../configs/kvm-host.config"),
);

const HOST: Config = Config {
    title: "KVM host kernel",
    product: "host-kernel",
    fragments: &[FRAGMENT],
};

/// The host kernel's products.
#[derive(Clone)]
pub(crate) struct HostKernel {
    dir: PathBuf,
    source: PathBuf,
    /// The module of its own KVM inside the build tree; none if that is built in.
    kvm: Option<&'static str>,
}

impl HostKernel {
    /// A kernel that was built elsewhere, in `build` of a directory.
    pub(crate) fn built(dir: &Path, source: &Path, kvm: Option<&'static str>) -> Self {
        Self {
            dir: dir.to_owned(),
            source: source.to_owned(),
            kvm,
        }
    }

    /// The kernel source tree.
    pub(crate) fn source(&self) -> &Path {
        &self.source
    }

    /// The product's name in the cache, which differs for every other kernel.
    pub(crate) fn name(&self) -> &[u8] {
        self.dir.file_name().unwrap_or_default().as_encoded_bytes()
    }

    /// The build tree, against which external modules are built.
    pub(crate) fn build(&self) -> PathBuf {
        self.dir.join("build")
    }

    /// The kernel as an ELF file.
    pub(crate) fn vmlinux(&self) -> PathBuf {
        self.build().join("vmlinux")
    }

    /// The kernel's own KVM module; none if KVM is built in.
    pub(crate) fn upstream_kvm(&self) -> Option<PathBuf> {
        self.kvm.map(|kvm| self.build().join(kvm))
    }
}

/// Builds the KVM host's kernel from a source if it is not there yet.
pub(super) fn make(
    cache: &Cache,
    (root, root_key): (&ToolRoot, &Key),
    source: &KernelSource,
    log: &Path,
) -> Result<HostKernel> {
    let source_key = source.add_to(root_key);
    make_with(&HOST, cache, root, (source.dir(), source_key), log)
}

impl Products {
    /// The kernel of another configuration from the host kernel's source, in a
    /// cache whose lock the caller holds.
    pub(super) fn other_host_kernel(&self, config: &Config, cache: &Cache) -> Result<HostKernel> {
        let log = self.cache.logs()?.join(format!("{}.log", config.product));
        // The host kernel's name stands for source, toolchain and first fragment.
        let key = Key::new(1).with("host kernel", self.host_kernel.name());
        let source = (self.host_kernel.source(), key);
        make_with(config, cache, &self.tools, source, &log)
    }
}

/// Builds the kernel of a configuration if it is not there yet, from the source
/// in a directory, whose key comes with it.
fn make_with(
    config: &Config,
    cache: &Cache,
    root: &ToolRoot,
    source: (&Path, Key),
    log: &Path,
) -> Result<HostKernel> {
    let (source, source_key) = source;
    let mut key = source_key.with("recipe", "2");
    for (_, fragment) in config.fragments {
        key = key.with("fragment", fragment);
    }
    let dir = cache.get_or_make(config.product, &key, |dir| {
        build(config, root, source, dir, log)
    })?;
    Ok(HostKernel::built(
        &dir,
        source,
        Some("arch/loongarch/kvm/kvm.ko"),
    ))
}

fn build(config: &Config, root: &ToolRoot, source: &Path, dir: &Path, log: &Path) -> Result<()> {
    let tree = dir.join("build");
    fs::create_dir(&tree)?;
    let options = config::for_kconfig(config.fragments);
    fs::write(tree.join("fragment.config"), options)?;
    let bound = root
        .clone()
        .with_bind(source, Path::new(KERNEL_SOURCE))
        .with_bind(&tree, Path::new(KERNEL_BUILD));
    let output = format!("O={KERNEL_BUILD}");
    let fragment = format!("KCONFIG_ALLCONFIG={KERNEL_BUILD}/fragment.config");
    // One more than there are CPUs: some wait for files.
    let jobs = std::thread::available_parallelism().map_or(1, |n| n.get() + 1);
    let run = |program: &str, before: &[&str], after: &[&str]| {
        let mut command = bound.command_in(Path::new(KERNEL_BUILD), program);
        command
            .args(before)
            .args(MAKE_VARIABLES)
            .arg(&output)
            .args(after);
        command
    };
    let mut step = Step::start(format!("{}: configuring", config.title));
    let configure = run("make", &["-C", KERNEL_SOURCE], &[&fragment, "allnoconfig"]);
    step.run(configure, log)?;
    let made = fs::read_to_string(tree.join(".config"))?;
    config::check(config.fragments, &made, source)?;
    step.done();
    let mut step = Step::start(format!("{}: building (some minutes)", config.title));
    let script = [
        "-c",
        BUILD_SCRIPT,
        "sh",
        &jobs.to_string(),
        "make",
        "-C",
        KERNEL_SOURCE,
    ];
    step.run(run("sh", &script, &[]), log)?;
    step.done();
    Ok(())
}

/// Builds the configured tree in the working directory: `sh JOBS MAKE...`.
const BUILD_SCRIPT: &str = include_str!("build-kernel.sh");

/// Variables of every make in the build tree; external modules must be
/// built with the same.
pub(crate) const MAKE_VARIABLES: &[&str] = &[
    "ARCH=loongarch",
    "CROSS_COMPILE=loongarch64-linux-gnu-",
    // The same source gives the same kernel for every user and machine.
    "KBUILD_BUILD_TIMESTAMP=1970-01-01",
    "KBUILD_BUILD_USER=kvm-la",
    "KBUILD_BUILD_HOST=kvm-la",
    // A warning does not tell its place in a macro: a twelfth of the C compiler's
    // time. KCFLAGS would go to bindgen too, whose clang does not know the option.
    "CC=loongarch64-linux-gnu-gcc -ftrack-macro-expansion=0",
];
