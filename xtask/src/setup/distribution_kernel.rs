// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The distribution's own, unmodified loong64 kernel.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};

use super::debian::Tree;
use crate::cache::{Cache, Key};
use crate::progress::Step;
use crate::toolroot::ToolRoot;

/// The meta package that names the current kernel.
const PACKAGE: &str = "linux-image-loong64";

/// The drivers and file systems that the machines need, by module name. What
/// the kernel has built in is skipped.
const MODULES: &[&str] = &[
    "virtio_mmio",
    "virtio_pci",
    "virtio_blk",
    "virtio_console",
    "virtio_rng",
    "virtio_scsi",
    "sd_mod",
    "virtio_net",
    "virtio_balloon",
    "evdev",
    "9pnet_virtio",
    "9p",
    "ext4",
    "overlay",
];

/// What this kernel must be told at direct boot: without firmware nothing maps
/// the legacy ports that its keyboard controller driver touches.
pub(crate) const DISTRIBUTION_PARAMETERS: &str = "initcall_blacklist=i8042_init";

/// The distribution kernel's products.
#[derive(Clone)]
pub(crate) struct DistributionKernel {
    dir: PathBuf,
}

impl DistributionKernel {
    /// The kernel image as packaged: an EFI zboot file.
    pub(crate) fn vmlinuz(&self) -> PathBuf {
        self.dir.join("vmlinuz")
    }

    /// The product's name in the cache.
    pub(super) fn name(&self) -> &[u8] {
        self.dir.file_name().unwrap_or_default().as_encoded_bytes()
    }

    /// Its configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.join("config")
    }

    /// The modules that the machines need, uncompressed, in loading order.
    pub(crate) fn modules(&self) -> Result<Vec<PathBuf>> {
        let dir = self.dir.join("modules");
        let order = dir.join("order");
        let text = fs::read_to_string(&order)
            .with_context(|| format!("cannot read {}", order.display()))?;
        Ok(text.lines().map(|name| dir.join(name)).collect())
    }
}

/// Makes the product if it is not there yet.
pub(crate) fn make(
    cache: &Cache,
    root: &ToolRoot,
    root_key: &Key,
    log: &Path,
) -> Result<(DistributionKernel, Key)> {
    let key = root_key
        .clone()
        .with("distribution kernel recipe", "1")
        .with("package", PACKAGE)
        .with("modules", MODULES.join(" "));
    let dir = cache.get_or_make("distribution-kernel", &key, |dir| {
        let mut step = Step::start("distribution kernel: fetching and unpacking");
        let tree = dir.join("tree");
        fs::create_dir(&tree)?;
        Tree {
            variant: "extract",
            architectures: "loong64",
            packages: &[PACKAGE.to_owned()],
            exclude: &[],
            include: &[],
        }
        .make(&tree, &mut step, log)?;
        pick(root, dir, &tree)?;
        fs::remove_dir_all(&tree)?;
        step.done();
        Ok(())
    })?;
    Ok((DistributionKernel { dir }, key))
}

/// Keeps the kernel image and the modules named above, drops the rest.
fn pick(root: &ToolRoot, dir: &Path, tree: &Path) -> Result<()> {
    let versions = entries(&tree.join("usr/lib/modules"), |_| true)?;
    let [modules] = versions.as_slice() else {
        bail!(
            "{PACKAGE} brought {} module trees instead of one",
            versions.len()
        );
    };
    // The package ships the image beside its modules; older ones did in /boot.
    for (name, prefix) in [("vmlinuz", "vmlinuz-"), ("config", "config-")] {
        let beside = modules.join(name);
        let file = if beside.is_file() {
            beside
        } else {
            entries(&tree.join("boot"), |entry| entry.starts_with(prefix))?
                .pop()
                .ok_or_else(|| anyhow!("{PACKAGE} brought no {name}"))?
        };
        fs::copy(&file, dir.join(name))
            .with_context(|| format!("cannot copy {}", file.display()))?;
    }
    run_depmod(root, dir, modules)?;
    let dependencies = fs::read_to_string(modules.join("modules.dep"))?;
    let built_in = fs::read_to_string(modules.join("modules.builtin"))?;
    let order = load_order(&dependencies, &built_in, MODULES)?;
    let target = dir.join("modules");
    fs::create_dir(&target)?;
    let mut names = String::new();
    for path in order {
        let source = modules.join(&path);
        let name = format!("{}.ko", module_name(&path));
        decompress(root, dir, &source, &target.join(&name))?;
        names.push_str(&name);
        names.push('\n');
    }
    fs::write(target.join("order"), names)?;
    Ok(())
}

fn entries(dir: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if path
            .file_name()
            .and_then(|n| n.to_str())
            .is_some_and(&wanted)
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Writes modules.dep, which a configured package would have.
fn run_depmod(root: &ToolRoot, dir: &Path, modules: &Path) -> Result<()> {
    let inside = Path::new("/kvm-la/kernel");
    let bound = root.clone().with_bind(dir, inside);
    let version = modules
        .file_name()
        .ok_or_else(|| anyhow!("{} has no name", modules.display()))?;
    let output = bound
        .command_in(inside, "depmod")
        .args(["--basedir", "/kvm-la/kernel/tree/usr"])
        .arg(version)
        .output()?;
    if !output.status.success() {
        bail!(
            "depmod failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

fn decompress(root: &ToolRoot, dir: &Path, source: &Path, target: &Path) -> Result<()> {
    let program = match source.extension().and_then(|e| e.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        Some("ko") => {
            fs::copy(source, target)?;
            return Ok(());
        }
        _ => bail!("unknown compression of {}", source.display()),
    };
    let inside = Path::new("/kvm-la/kernel");
    let bound = root.clone().with_bind(dir, inside);
    let relative = source
        .strip_prefix(dir)
        .map_err(|_| anyhow!("{} is outside {}", source.display(), dir.display()))?;
    let status = bound
        .command_in(inside, program)
        .args(["-d", "-c"])
        .arg(relative)
        .stdout(fs::File::create(target)?)
        .status()?;
    if !status.success() {
        bail!("{program} cannot decompress {}", source.display());
    }
    Ok(())
}

/// The name that modprobe knows: no directory, no suffix, underscores.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    let name = file.split(".ko").next().unwrap_or(file);
    name.replace('-', "_")
}

/// The files to load for `wanted` in an order in which each finds what it
/// needs, from the texts of modules.dep and modules.builtin.
fn load_order(dependencies: &str, built_in: &str, wanted: &[&str]) -> Result<Vec<String>> {
    let mut files = HashMap::new();
    for line in dependencies.lines() {
        if let Some((path, needs)) = line.split_once(':') {
            let needs: Vec<&str> = needs.split_whitespace().collect();
            files.insert(module_name(path), (path.to_owned(), needs));
        }
    }
    let mut order: Vec<String> = Vec::new();
    for name in wanted {
        if let Some((path, needs)) = files.get(*name) {
            // modules.dep lists the farthest dependency last.
            for path in needs.iter().rev().copied().chain([path.as_str()]) {
                if !order.iter().any(|known| known == path) {
                    order.push(path.to_owned());
                }
            }
        } else if !built_in.lines().any(|line| module_name(line) == *name) {
            bail!("the distribution's kernel has no module {name}");
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::load_order;

    #[test]
    fn dependencies_come_first_and_once() -> anyhow::Result<()> {
        let dep = "kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz\n\
                   kernel/net/9p/9pnet.ko.xz:\n\
                   kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz\n";
        let order = load_order(
            dep,
            "kernel/fs/ext4/ext4.ko\n",
            &["9p", "9pnet_virtio", "ext4"],
        )?;
        assert_eq!(
            order,
            [
                "kernel/fs/netfs/netfs.ko.xz",
                "kernel/net/9p/9pnet.ko.xz",
                "kernel/fs/9p/9p.ko.xz",
                "kernel/net/9p/9pnet_virtio.ko.xz",
            ]
        );
        assert!(load_order(dep, "", &["ext4"]).is_err());
        Ok(())
    }
}
