// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The Debian userland of the simulated machine, as a tree and as a disk image.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};

use super::debian::Tree;
use super::packages;
use crate::cache::{Cache, Key};
use crate::progress::Step;
use crate::toolroot::ToolRoot;

/// What a userland is made of.
pub(super) struct Contents {
    /// What progress messages call it.
    pub(super) title: &'static str,
    /// The product's name in the cache.
    pub(super) product: &'static str,
    /// Files of configs/ that list its packages.
    pub(super) packages: &'static [&'static str],
    /// What of the excluded paths it has nevertheless.
    pub(super) include: &'static [&'static [&'static str]],
    /// Symbolic links that maintainer scripts would have made: target and path.
    pub(super) links: &'static [(&'static str, &'static str)],
}

/// The package list that every userland has.
pub(super) const PACKAGES: &str = include_str!("../../../configs/userland.packages");

const HOST: Contents = Contents {
    title: "loong64 userland",
    product: "userland",
    packages: &[PACKAGES],
    include: &[INCLUDE],
    links: &[],
};

/// Other QEMU targets, and what only accelerated graphics would load.
pub(super) const EXCLUDE: &[&str] = &[
    "/usr/bin/qemu-*",
    "/usr/share/qemu/*",
    "/usr/lib/*/libLLVM*",
    "/usr/lib/*/libgallium*",
    "/usr/lib/*/libz3*",
    "/usr/lib/systemd/*",
    "/usr/share/zoneinfo/*",
];
/// Exceptions in every userland.
pub(super) const INCLUDE: &[&str] = &[
    "/usr/bin/qemu-system-loongarch64",
    // QEMU looks for these even where nothing uses them.
    "/usr/share/qemu/keymaps/en-us",
    "/usr/share/qemu/efi-virtio.rom",
    "/usr/share/qemu/edk2-loongarch64*",
    "/usr/share/zoneinfo/UTC",
    "/usr/share/zoneinfo/Etc*",
    "/usr/share/zoneinfo/tzdata.zi",
    "/usr/share/zoneinfo/America*",
    "/usr/share/zoneinfo/Europe*",
];

/// Raised when [`configure`] or [`make_image`] changes.
pub(super) const RECIPE: &str = "2";

/// The image's label.
const LABEL: &str = "kvm-la-userland";

/// Room beyond what the tree takes, in MiB. The machine mounts it read-only.
const SLACK_MIB: u64 = 48;

/// The userland's products.
#[derive(Clone)]
pub(crate) struct Userland {
    dir: PathBuf,
}

impl Userland {
    /// The product's name in the cache, which differs for every other userland.
    pub(super) fn name(&self) -> &[u8] {
        self.dir.file_name().unwrap_or_default().as_encoded_bytes()
    }

    /// The tree that the image is made of.
    pub(crate) fn tree(&self) -> PathBuf {
        self.dir.join("tree")
    }

    /// The ext2 image.
    pub(crate) fn image(&self) -> PathBuf {
        self.dir.join("userland.ext2")
    }

    /// The statically linked busybox.
    pub(crate) fn busybox(&self) -> PathBuf {
        self.tree().join("usr/bin/busybox")
    }
}

/// Makes the userland if it is not there yet.
pub(crate) fn make(
    cache: &Cache,
    root: &ToolRoot,
    root_key: &Key,
    log: &Path,
) -> Result<(Userland, Key)> {
    // The versions that the package lists of the toolchain root name decide
    // here too, hence its key.
    make_with(&HOST, cache, root, root_key, log)
}

/// Makes a userland if it is not there yet, from package lists whose key comes
/// with them.
pub(super) fn make_with(
    contents: &Contents,
    cache: &Cache,
    root: &ToolRoot,
    key: &Key,
    log: &Path,
) -> Result<(Userland, Key)> {
    let include = contents.include.concat();
    let key = key
        .clone()
        .with("userland recipe", RECIPE)
        .with("packages", contents.packages.concat())
        .with("exclude", EXCLUDE.join(" "))
        .with("include", include.join(" "));
    let key = contents.links.iter().fold(key, |key, (target, path)| {
        key.with("link", target).with("at", path)
    });
    let title = contents.title;
    let dir = cache.get_or_make(contents.product, &key, |dir| {
        let tree = dir.join("tree");
        fs::create_dir(&tree)?;
        let mut step = Step::start(format!("{title}: fetching and unpacking packages"));
        let mut list = packages(&contents.packages.concat());
        list.push(python_test_suite(root)?);
        Tree {
            variant: "extract",
            architectures: "loong64",
            packages: &list,
            exclude: EXCLUDE,
            include: &include,
        }
        .make(&tree, &mut step, log)?;
        configure(&tree)?;
        for (target, path) in contents.links {
            let path = tree.join(path);
            if path.symlink_metadata().is_ok_and(|there| there.is_dir()) {
                // Empty: a package wants it to exist.
                fs::remove_dir(&path)
                    .with_context(|| format!("cannot replace {}", path.display()))?;
            }
            link(target, &path)?;
        }
        step.done();
        let mut step = Step::start(format!("{title}: making the disk image"));
        make_image(root, dir, &mut step, log)?;
        step.done();
        Ok(())
    })?;
    Ok((Userland { dir }, key))
}

/// The name of the package with the tests of the userland's python3: it carries
/// the version, which the package lists know.
fn python_test_suite(root: &ToolRoot) -> Result<String> {
    let output = root
        .command_in(Path::new("/"), "apt-cache")
        .args(["show", "--no-all-versions", "python3:loong64"])
        .output()
        .context("cannot run apt-cache in the toolchain root")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text
        .lines()
        .find_map(|line| line.strip_prefix("Depends: "))
        .and_then(|depends| {
            depends
                .split(", ")
                .find_map(|item| item.split_whitespace().next()?.strip_prefix("python3."))
        })
        .map(|minor| {
            minor
                .chars()
                .take_while(char::is_ascii_digit)
                .collect::<String>()
        })
        .filter(|minor| !minor.is_empty())
        .ok_or_else(|| anyhow!("the package lists name no version of python3:loong64"))?;
    Ok(format!("libpython3.{version}-testsuite"))
}

/// Does by hand the little that the packages' maintainer scripts would have
/// done and that programs miss.
pub(super) fn configure(tree: &Path) -> Result<()> {
    for name in ["passwd", "group"] {
        let master = tree.join(format!("usr/share/base-passwd/{name}.master"));
        fs::copy(&master, tree.join("etc").join(name))
            .with_context(|| format!("cannot copy {}", master.display()))?;
    }
    fs::write(
        tree.join("etc/hosts"),
        "127.0.0.1 localhost kvm-host\n::1 localhost\n",
    )?;
    fs::write(tree.join("etc/hostname"), "kvm-host\n")?;
    fs::write(tree.join("etc/fstab"), "")?;
    // The mirror that the tree came from is nothing the machine could reach.
    for file in ["etc/apt/sources.list", "etc/resolv.conf"] {
        fs::write(tree.join(file), "")?;
    }
    link("mawk", &tree.join("usr/bin/awk"))?;
    link("/proc/self/mounts", &tree.join("etc/mtab"))?;
    link("/usr/share/zoneinfo/Etc/UTC", &tree.join("etc/localtime"))?;
    for dir in [
        "share", "lower", "mnt", "root", "tmp", "run", "proc", "sys", "dev", "var/tmp",
    ] {
        fs::create_dir_all(tree.join(dir))?;
    }
    for dir in ["tmp", "var/tmp"] {
        fs::set_permissions(tree.join(dir), fs::Permissions::from_mode(0o1777))?;
    }
    // The lists served the choice of packages; the machine has no network.
    for dir in ["var/lib/apt/lists", "var/cache/apt"] {
        let dir = tree.join(dir);
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
    }
    // Device nodes come from the machine's own devtmpfs.
    let dev = tree.join("dev");
    fs::remove_dir_all(&dev)?;
    fs::create_dir(&dev)?;
    Ok(())
}

fn link(target: &str, path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot replace {}", path.display()));
        }
        _ => {}
    }
    symlink(target, path).with_context(|| format!("cannot make {}", path.display()))
}

/// What the files of `dir`'s tree take, in MiB.
pub(super) fn size_mib(root: &ToolRoot, dir: &Path) -> Result<u64> {
    let inside = Path::new("/kvm-la/userland");
    let bound = root.clone().with_bind(dir, inside);
    let output = bound
        .command_in(inside, "du")
        .args(["--summarize", "--apparent-size", "--block-size=1M", "tree"])
        .output()?;
    String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .ok_or_else(|| anyhow!("du gave no size of the userland"))
}

pub(super) fn make_image(root: &ToolRoot, dir: &Path, step: &mut Step, log: &Path) -> Result<()> {
    let size = size_mib(root, dir)?;
    let inside = Path::new("/kvm-la/userland");
    let bound = root.clone().with_bind(dir, inside);
    let mut mke2fs = bound.command_in(inside, "mke2fs");
    mke2fs.args(["-q", "-t", "ext2", "-L", LABEL, "-d", "tree", "-m", "0"]);
    // Fixed identity and times: the same tree gives the same image, and the same
    // simulated run.
    mke2fs.args(["-E", "hash_seed=6b766d2d-6c61-4000-8000-000000000001"]);
    mke2fs.args(["-U", "6b766d2d-6c61-4000-8000-000000000002", "-b", "4096"]);
    mke2fs.env("E2FSPROGS_FAKE_TIME", "1700000000");
    mke2fs.arg("userland.ext2");
    // A tenth for inodes and block tails.
    mke2fs.arg(format!("{}M", size + size / 10 + SLACK_MIB));
    step.run(mke2fs, log)
}
