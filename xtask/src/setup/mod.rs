// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `setup`: brings up everything that the other commands need.

mod clients;
mod config;
mod debian;
mod debug_kernel;
mod debuggers;
mod distribution_kernel;
pub(crate) mod dpkg_userland;
mod extra;
mod firmware;
mod host_kernel;
mod kernel_packages;
mod kernel_source;
mod lint;
mod mirror;
mod packaging;
mod pages;
mod series;
mod toolchain;
mod userland;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread::{self, ScopedJoinHandle};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::cache::{Cache, Key};
use crate::initramfs::{self, Initramfs};
use crate::machine::{Drive, Simulator};
use crate::toolroot::{KERNEL_BUILD, KERNEL_SOURCE, ToolRoot};

pub(crate) use debuggers::debuggers_here;
pub(crate) use distribution_kernel::{DISTRIBUTION_PARAMETERS, DistributionKernel};
pub(crate) use host_kernel::{HostKernel, MAKE_VARIABLES};
pub(crate) use kernel_source::CannotBeHad;
pub(crate) use lint::LintTools;
pub(crate) use packaging::{clean_root, packaging_root};
pub(crate) use pages::Pages;
pub(crate) use series::{KernelOption, Series};
pub(crate) use userland::Userland;

use kernel_source::Wanted;

/// Everything that `setup` makes.
#[derive(Clone)]
pub(crate) struct Products {
    /// The cache that holds it.
    pub(crate) cache: Cache,
    /// Cross toolchain and emulators.
    pub(crate) tools: ToolRoot,
    /// The toolchain root's key.
    tools_key: Key,
    /// The series of the KVM host's kernel.
    pub(crate) series: Series,
    /// The KVM host's kernel, also the default guest kernel.
    pub(crate) host_kernel: HostKernel,
    /// The Debian userland of the simulated machine.
    pub(crate) userland: Userland,
    /// The distribution's own kernel.
    pub(crate) distribution_kernel: DistributionKernel,
    /// The first file systems of host and guest.
    pub(crate) initramfs: Initramfs,
}

/// Makes what is missing and returns where everything is, with the kernel that is
/// asked for.
///
/// The kernel needs the toolchain alone, and nothing here needs the kernel: what
/// is fetched and what is compiled goes on at the same time.
pub(crate) fn products(kernel: KernelOption) -> Result<Products> {
    mirror::from_environment()?;
    let cache = Cache::open()?;
    // One run at a time makes products; the lock is held only while this looks
    // and makes, not while the products are used.
    let lock = cache.lock()?;
    let log = cache.logs()?.join("setup.log");
    let visible = visible(&cache)?;
    let visible = visible.each_ref().map(PathBuf::as_path);
    let is_first_run = !toolchain::is_made(&cache);
    let products = thread::scope(|scope| {
        let simulator = is_first_run.then(|| {
            let log = log.with_file_name("lvz-sim.log");
            scope.spawn(move || Simulator::compile(&log))
        });
        let (tools, tools_key) = toolchain::make(&cache, &visible, &log)?;
        let wanted = kernel_source::wanted(kernel, &tools)?;
        let (host, machines) = thread::scope(|scope| {
            let host = scope.spawn(|| make_kernel(&cache, (&tools, &tools_key), wanted));
            let machines = make_machines(&cache, (&tools, &tools_key), &log).and_then(|machines| {
                if !matches!(wanted, Wanted::Default) {
                    // Another series is made under a lock of its own, by tools that
                    // have inherited this one.
                    lock.unlock()?;
                }
                Ok(machines)
            });
            (join(host), machines)
        });
        let (host, machines, ()) = all(host, machines, simulator.map_or(Ok(()), join))?;
        let (host_kernel, series) = host;
        let (userland, distribution_kernel, initramfs) = machines;
        anyhow::Ok(Products {
            cache: cache.clone(),
            tools,
            tools_key,
            series,
            host_kernel,
            userland,
            distribution_kernel,
            initramfs,
        })
    })?;
    products.write_script()?;
    Ok(products)
}

/// What the machines have besides the KVM host's kernel.
fn make_machines(
    cache: &Cache,
    (tools, key): (&ToolRoot, &Key),
    log: &Path,
) -> Result<(Userland, DistributionKernel, Initramfs)> {
    let (userland, userland_key) = userland::make(cache, tools, key, log)?;
    let (distribution, distribution_key) = distribution_kernel::make(cache, tools, key, log)?;
    let initramfs = initramfs::make(
        cache,
        tools,
        (&userland, &userland_key),
        (&distribution, &distribution_key),
        log,
    )?;
    Ok((userland, distribution, initramfs))
}

/// The KVM host's kernel, and its series. The caller holds the cache's lock, under
/// which the default series is made.
fn make_kernel(
    cache: &Cache,
    tools: (&ToolRoot, &Key),
    wanted: Wanted,
) -> Result<(HostKernel, Series)> {
    let log = cache.logs()?.join("host-kernel.log");
    if matches!(wanted, Wanted::Default) {
        return make_kernel_in(cache, tools, wanted, &log);
    }
    // Runs that want the other products need not wait for this one.
    let cache = cache.apart("series")?;
    let _lock = cache.lock()?;
    make_kernel_in(&cache, tools, wanted, &log)
}

fn make_kernel_in(
    cache: &Cache,
    tools: (&ToolRoot, &Key),
    wanted: Wanted,
    log: &Path,
) -> Result<(HostKernel, Series)> {
    let source = kernel_source::make(cache, tools.0, wanted, log)?;
    let kernel = host_kernel::make(cache, tools, &source, log)?;
    Ok((kernel, source.series()))
}

fn join<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread
        .join()
        .unwrap_or_else(|_| Err(anyhow!("a thread of setup died")))
}

/// All three results, or one error that has the text of all that failed.
fn all<A, B, C>(a: Result<A>, b: Result<B>, c: Result<C>) -> Result<(A, B, C)> {
    match (a, b, c) {
        (Ok(a), Ok(b), Ok(c)) => Ok((a, b, c)),
        (a, b, c) => {
            let errors = [a.err(), b.err(), c.err()];
            let texts: Vec<String> = errors.iter().flatten().map(|e| format!("{e:#}")).collect();
            bail!("{}", texts.join("; "))
        }
    }
}

impl Products {
    /// The same products with a kernel that is built already in the host's place.
    pub(crate) fn with_built(&self, host_kernel: HostKernel) -> Self {
        Self {
            host_kernel,
            ..self.clone()
        }
    }

    /// Whether the KVM host's kernel is of the series that is the default.
    pub(crate) fn is_default_series(&self) -> Result<bool> {
        Ok(self.series == kernel_source::default_series(&self.tools)?)
    }

    /// The same products with the kernel of another series: the default one if theirs is
    /// another, and otherwise the newest that can be had.
    pub(crate) fn with_other_series(&self) -> Result<Self> {
        self.with_kernel(if self.is_default_series()? {
            Wanted::Other
        } else {
            Wanted::Default
        })
    }

    /// The same products with another kernel in the place of the host's; built if it
    /// is not there yet.
    fn with_kernel(&self, wanted: Wanted) -> Result<Self> {
        let lock = match wanted {
            Wanted::Default => Some(self.cache.lock()?),
            Wanted::Series(_) | Wanted::Other => None,
        };
        let (host_kernel, series) =
            make_kernel(&self.cache, (&self.tools, &self.tools_key), wanted)?;
        drop(lock);
        Ok(Self {
            series,
            host_kernel,
            ..self.clone()
        })
    }

    /// Tools of the toolchain root that see the host kernel's source and build
    /// trees at the paths under which the kernel was built.
    pub(crate) fn kernel_tools(&self) -> ToolRoot {
        self.tools
            .clone()
            .with_bind(self.host_kernel.source(), Path::new(KERNEL_SOURCE))
            .with_bind(&self.host_kernel.build(), Path::new(KERNEL_BUILD))
    }

    /// The userland's disk as the machines have it.
    pub(crate) fn userland_drive(&self) -> Drive {
        Drive {
            path: self.userland.image(),
            writable: false,
        }
    }

    /// qemu-loongarch64, linked statically: it runs outside the root too.
    pub(crate) fn qemu_user(&self) -> PathBuf {
        self.tools.dir().join("usr/bin/qemu-loongarch64")
    }

    /// The script that runs a tool of the toolchain root. It names the project's
    /// directory, of which several may share the cache: each has its own.
    pub(crate) fn script() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/toolroot-run")
    }

    fn write_script(&self) -> Result<()> {
        let text = self.kernel_tools().script()?;
        let script = Self::script();
        if fs::read_to_string(&script).is_ok_and(|old| old == text) {
            return Ok(());
        }
        if let Some(dir) = script.parent() {
            fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        }
        // Another process may be running the old one: replace, do not rewrite.
        let partial = script.with_extension(std::process::id().to_string());
        fs::write(&partial, text)?;
        fs::set_permissions(&partial, fs::Permissions::from_mode(0o755))?;
        fs::rename(&partial, &script).with_context(|| format!("cannot write {}", script.display()))
    }

    /// Where products are, as environment variables for the tests of other crates.
    pub(crate) fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        let root = self.tools.dir();
        let mut products = vec![
            ("KVM_LA_CACHE", self.cache.dir().to_owned()),
            ("KVM_LA_TOOLROOT", root.to_owned()),
            ("KVM_LA_TOOLROOT_RUN", Self::script()),
            ("KVM_LA_QEMU_USER", self.qemu_user()),
            ("KVM_LA_KERNEL_SOURCE", self.host_kernel.source().to_owned()),
            ("KVM_LA_KERNEL_BUILD", self.host_kernel.build()),
            ("KVM_LA_HOST_KERNEL", self.host_kernel.vmlinux()),
            (
                "KVM_LA_UPSTREAM_KVM",
                self.host_kernel.upstream_kvm().unwrap_or_default(),
            ),
            (
                "KVM_LA_DISTRIBUTION_KERNEL",
                self.distribution_kernel.vmlinuz(),
            ),
            ("KVM_LA_USERLAND", self.userland.image()),
            ("KVM_LA_USERLAND_TREE", self.userland.tree()),
            ("KVM_LA_HOST_INITRD", self.initramfs.host()),
            (
                "KVM_LA_HOST_MODULES_INITRD",
                self.initramfs.host_with_modules(),
            ),
            ("KVM_LA_GUEST_INITRD", self.initramfs.guest()),
            ("KVM_LA_WORKLOAD", self.initramfs.workload()),
            ("KVM_LA_FIRMWARE", self.firmware_code()),
            ("KVM_LA_FIRMWARE_VARS", self.firmware_variables()),
        ];
        let disk = self.firmware_disk_if_made();
        products.extend(disk.map(|disk| ("KVM_LA_FIRMWARE_DISK", disk)));
        products
    }
}

/// The directories that tools of roots see at the same path as outside.
fn visible(cache: &Cache) -> Result<[PathBuf; 3]> {
    Ok([cache.dir().to_owned(), workspace()?, std::env::temp_dir()])
}

/// The project's directory.
pub(crate) fn workspace() -> Result<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    dir.canonicalize()
        .with_context(|| format!("{} is gone", dir.display()))
}

/// The lines of a package list without comments.
pub(crate) fn packages(list: &str) -> Vec<String> {
    list.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}
