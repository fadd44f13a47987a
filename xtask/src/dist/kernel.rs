// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The package of a kernel for KVM hosts: the distribution's source and configuration,
//! but with KVM as a module, and our kvm.ko where modprobe finds it first.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::package::Contents;
use super::{Dist, copyright};
use crate::cache::{Cache, Key};
use crate::cargo::LOONG64;
use crate::kernel_module;
use crate::progress::Step;
use crate::setup::KernelOption;
use crate::setup::{self, MAKE_VARIABLES, Products, workspace};
use crate::sources::Sources;
use crate::toolroot::{KERNEL_BUILD, KERNEL_SOURCE};

/// The modules of the small kernel.
const MODULES: &str = include_str!("../../../configs/kernel-package.modules");

/// Configures, builds and installs.
const SCRIPT: &str = include_str!("build-kernel-package.sh");

/// The text by which packaging/ names the kernel's release.
const RELEASE: &str = "@RELEASE@";

/// Which of the configuration's modules a kernel has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Modules {
    /// All: thousands, which take hours.
    Full,
    /// Those of configs/kernel-package.modules.
    Minimal,
}

/// The contents of the package.
pub(super) fn contents(dist: &Dist, modules: Modules) -> Result<Contents> {
    // Hours under a lock of its own.
    let cache = dist.cache.apart("kernel")?;
    let dir = make(&setup::products(KernelOption::default())?, &cache, modules)?;
    let root = dir.join("root");
    let release = fs::read_to_string(dir.join("release"))?;
    let mut contents = Contents {
        folder: "linux-image-kvm-la",
        name: format!("linux-image-{release}"),
        architecture: LOONG64.architecture,
        files: Default::default(),
        copyright: copyright::of_sources("GPL-2.0-only", &[("la-arch", "MIT")])?,
        words: vec![(RELEASE, release)],
    };
    contents.add_tree(&root)?;
    Ok(contents)
}

/// The directory with the installed kernel, in `root`, and its `release`.
fn make(products: &Products, cache: &Cache, modules: Modules) -> Result<PathBuf> {
    let config = products.distribution_kernel.config();
    let config = fs::read(&config).with_context(|| format!("cannot read {}", config.display()))?;
    let module = Sources::read(&workspace()?, kernel_module::SOURCES)?;
    let mut key = Key::new(1)
        .with("tools", products.tools.name())
        .with(
            "source",
            products.host_kernel.source().as_os_str().as_encoded_bytes(),
        )
        .with("config", &config)
        .with("script", SCRIPT);
    if modules == Modules::Minimal {
        key = key.with("modules", MODULES);
    }
    let key = module.add_to(key);
    let product = match modules {
        Modules::Full => "kernel-full",
        Modules::Minimal => "kernel-minimal",
    };
    let dir = cache.product(product, &key, |dir| {
        fs::write(dir.join("config"), &config)?;
        if modules == Modules::Minimal {
            fs::write(dir.join("modules"), lsmod(MODULES))?;
        }
        build(products, cache, &module, dir)
    })?;
    Ok(dir)
}

fn build(products: &Products, cache: &Cache, module: &Sources, dir: &Path) -> Result<()> {
    let (build, tree) = (dir.join("build"), dir.join("tree"));
    fs::create_dir(&build)?;
    module.write(&tree)?;
    let log = cache.logs()?.join("kernel-package.log");
    fs::write(&log, b"").with_context(|| format!("cannot write {}", log.display()))?;
    let tools = products
        .tools
        .clone()
        .with_bind(products.host_kernel.source(), Path::new(KERNEL_SOURCE))
        .with_bind(&build, Path::new(KERNEL_BUILD))
        .with_bind(&tree, Path::new(kernel_module::INSIDE))
        .with_bind(dir, Path::new("/kvm-la/out"));
    let jobs = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut script = tools.command_in(Path::new(KERNEL_BUILD), "sh");
    script.args(["-c", SCRIPT, "sh", &jobs.to_string()]);
    script.args(["make", "-C", KERNEL_SOURCE, &format!("O={KERNEL_BUILD}")]);
    script.args(MAKE_VARIABLES);
    let mut step = Step::start("kernel of the package: building");
    step.run(script, &log)?;
    let release = fs::read_to_string(build.join("include/config/kernel.release"))?;
    fs::write(dir.join("release"), release.trim())?;
    for done in [&build, &tree] {
        fs::remove_dir_all(done).with_context(|| format!("cannot remove {}", done.display()))?;
    }
    step.done();
    Ok(())
}

/// A list of modules in the form in which lsmod prints it.
fn lsmod(list: &str) -> String {
    let mut text = String::from("Module Size Used by\n");
    for name in setup::packages(list) {
        text.push_str(&format!("{name} 0 0\n"));
    }
    text
}
