//! `setup`: brings up everything that the other commands need.

mod debian;
mod debug_kernel;
mod distribution_kernel;
pub(crate) mod dpkg_userland;
mod host_kernel;
mod packaging;
mod toolchain;
mod userland;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::cache::Cache;
use crate::initramfs::{self, Initramfs};
use crate::machine::Drive;
use crate::toolroot::{KERNEL_BUILD, KERNEL_SOURCE, ToolRoot};

pub(crate) use distribution_kernel::{DISTRIBUTION_PARAMETERS, DistributionKernel};
pub(crate) use host_kernel::{HostKernel, MAKE_VARIABLES};
pub(crate) use packaging::{clean_root, packaging_root};
pub(crate) use userland::Userland;

/// Everything that `setup` makes.
#[derive(Clone)]
pub(crate) struct Products {
    /// The cache that holds it.
    pub(crate) cache: Cache,
    /// Cross toolchain and emulators.
    pub(crate) tools: ToolRoot,
    /// The KVM host's kernel, also the default guest kernel.
    pub(crate) host_kernel: HostKernel,
    /// The Debian userland of the simulated machine.
    pub(crate) userland: Userland,
    /// The distribution's own kernel.
    pub(crate) distribution_kernel: DistributionKernel,
    /// The first file systems of host and guest.
    pub(crate) initramfs: Initramfs,
}

/// Makes what is missing and returns where everything is.
pub(crate) fn products() -> Result<Products> {
    let cache = Cache::open()?;
    // One run at a time makes products; the lock is held only while this looks
    // and makes, not while the products are used.
    let lock = cache.lock()?;
    cache.remove_partial()?;
    let log = cache.logs()?.join("setup.log");
    let visible = visible(&cache)?;
    let (tools, key) = toolchain::make(&cache, &visible, &log)?;
    let (userland, userland_key) = userland::make(&cache, &tools, &key, &log)?;
    let (distribution_kernel, distribution_key) =
        distribution_kernel::make(&cache, &tools, &key, &log)?;
    let initramfs = initramfs::make(
        &cache,
        &tools,
        (&userland, &userland_key),
        (&distribution_kernel, &distribution_key),
        &log,
    )?;
    let host_kernel = host_kernel::make(&cache, &tools, &key, &log)?;
    drop(lock);
    let products = Products {
        cache,
        tools,
        host_kernel,
        userland,
        distribution_kernel,
        initramfs,
    };
    products.write_script()?;
    Ok(products)
}

impl Products {
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

    /// What tests of other crates are told, as environment variables.
    pub(crate) fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        let root = self.tools.dir();
        vec![
            ("KVM_LA_CACHE", self.cache.dir().to_owned()),
            ("KVM_LA_TOOLROOT", root.to_owned()),
            ("KVM_LA_TOOLROOT_RUN", Self::script()),
            ("KVM_LA_QEMU_USER", self.qemu_user()),
            ("KVM_LA_KERNEL_SOURCE", self.host_kernel.source().to_owned()),
            ("KVM_LA_KERNEL_BUILD", self.host_kernel.build()),
            ("KVM_LA_HOST_KERNEL", self.host_kernel.vmlinux()),
            ("KVM_LA_UPSTREAM_KVM", self.host_kernel.upstream_kvm()),
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
        ]
    }
}

/// The directories that tools of roots see at the same path as outside.
fn visible(cache: &Cache) -> Result<Vec<PathBuf>> {
    Ok(vec![
        cache.dir().to_owned(),
        workspace()?,
        std::env::temp_dir(),
    ])
}

/// The project's directory.
pub(crate) fn workspace() -> Result<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    dir.canonicalize()
        .with_context(|| format!("{} is gone", dir.display()))
}

/// The lines of a package list without comments.
fn packages(list: &str) -> Vec<String> {
    list.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}
