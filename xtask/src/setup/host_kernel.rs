//! The KVM host's kernel, built from the distribution's kernel source package.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};

use super::Products;
use crate::cache::{Cache, Key};
use crate::progress::Step;
use crate::toolroot::{KERNEL_BUILD, KERNEL_SOURCE, ToolRoot};

/// A configuration: allnoconfig plus these fragments, the later ones winning.
pub(super) struct Config {
    /// What progress messages call the kernel.
    pub(super) title: &'static str,
    /// The product's name in the cache.
    pub(super) product: &'static str,
    /// Files of configs/ and what is in them.
    pub(super) fragments: &'static [(&'static str, &'static str)],
}

/// The file of configs/ that every host kernel has.
pub(super) const FRAGMENT: (&str, &str) = (
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
}

impl HostKernel {
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

    /// The kernel's own KVM module, in C.
    pub(crate) fn upstream_kvm(&self) -> PathBuf {
        self.build().join("arch/loongarch/kvm/kvm.ko")
    }
}

/// The version-independent name of the source archive inside the root.
fn source_archive(root: &Path) -> Result<PathBuf> {
    let dir = root.join("usr/src");
    let mut archives = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("linux-source-") && name.contains(".tar.") {
            archives.push(path);
        }
    }
    match archives.as_slice() {
        [archive] => Ok(archive.clone()),
        [] => bail!("no linux-source archive in {}", dir.display()),
        _ => bail!("more than one linux-source archive in {}", dir.display()),
    }
}

/// Unpacks the source and builds the kernel, each if it is not there yet.
pub(crate) fn make(
    cache: &Cache,
    root: &ToolRoot,
    root_key: &Key,
    log: &Path,
) -> Result<HostKernel> {
    let source_key = root_key.clone().with("source", "1");
    let source = match cache.get("linux-source", &source_key) {
        Some(source) => source,
        None => cache.make("linux-source", &source_key, |dir| {
            let mut step = Step::start("kernel source: unpacking");
            let archive = source_archive(root.dir())?;
            let archive = archive
                .strip_prefix(root.dir())
                .map_err(|_| anyhow!("{} is outside the root", archive.display()))?;
            let bound = root.clone().with_bind(dir, Path::new(KERNEL_SOURCE));
            let mut tar = bound.command_in(Path::new("/"), "tar");
            tar.args(["--extract", "--use-compress-program=xz -T0"]);
            tar.args(["--strip-components=1", "--no-same-owner"]);
            tar.arg("--directory").arg(KERNEL_SOURCE);
            tar.arg("--file").arg(Path::new("/").join(archive));
            step.run(tar, log)?;
            step.done();
            Ok(())
        })?,
    };
    make_with(&HOST, cache, root, (&source, source_key), log)
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
    let dir = match cache.get(config.product, &key) {
        Some(dir) => dir,
        None => cache.make(config.product, &key, |dir| {
            build(config, root, source, dir, log)
        })?,
    };
    Ok(HostKernel {
        dir,
        source: source.to_owned(),
    })
}

fn build(config: &Config, root: &ToolRoot, source: &Path, dir: &Path, log: &Path) -> Result<()> {
    let tree = dir.join("build");
    fs::create_dir(&tree)?;
    let texts: Vec<&str> = config.fragments.iter().map(|(_, text)| *text).collect();
    fs::write(tree.join("fragment.config"), texts.concat())?;
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
    check_config(config, &fs::read_to_string(tree.join(".config"))?)?;
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

/// What make is told on every run in the build tree; external modules must be
/// built with the same.
pub(crate) const MAKE_VARIABLES: &[&str] = &[
    "ARCH=loongarch",
    "CROSS_COMPILE=loongarch64-linux-gnu-",
    // The same source gives the same kernel, whoever builds it.
    "KBUILD_BUILD_TIMESTAMP=1970-01-01",
    "KBUILD_BUILD_USER=kvm-la",
    "KBUILD_BUILD_HOST=kvm-la",
    // A warning does not tell its place in a macro: a twelfth of the C compiler's
    // time. KCFLAGS would go to bindgen too, whose clang does not know the option.
    "CC=loongarch64-linux-gnu-gcc -ftrack-macro-expansion=0",
];

/// Kconfig drops an option whose dependencies are not met without a word: a
/// kernel without it would fail much later, and less plainly.
fn check_config(config: &Config, made: &str) -> Result<()> {
    for (name, fragment) in config.fragments {
        let dropped: Vec<&str> = fragment
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("CONFIG_"))
            .filter(|wanted| !made.lines().any(|line| line == *wanted))
            .collect();
        if !dropped.is_empty() {
            bail!(
                "this kernel version does not take these options of configs/{name}: {}",
                dropped.join(" ")
            );
        }
    }
    Ok(())
}
