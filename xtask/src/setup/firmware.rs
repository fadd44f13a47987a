// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The disk that firmware boots: the distribution's own boot loader, kernel and system. Made
//! when a test asks for it, with tools in a root of their own.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::debian::Tree;
use super::extra::Extra;
use super::userland;
use super::{CannotBeHad, Products, packages, visible};
use crate::cache::Key;
use crate::initramfs;
use crate::progress::Step;
use crate::toolroot::ToolRoot;

/// The folder in the cache, with a lock of its own.
const FOLDER: &str = "firmware";
/// The disk's name there.
const DISK: &str = "firmware-disk";

const TOOLS: &str = include_str!("../../../configs/firmware.packages");
const SYSTEM: &str = include_str!("../../../configs/disk.packages");
const CONFIGURE: &str = include_str!("configure-disk.sh");

/// Other QEMU targets, what only accelerated graphics would load, and drivers: those that
/// are needed are in the initial file system.
const EXCLUDE: &[&str] = &[
    "/usr/bin/qemu-*",
    "/usr/share/qemu/*",
    "/usr/lib/*/libLLVM*",
    "/usr/lib/*/libgallium*",
    "/usr/lib/*/libz3*",
    "/usr/share/zoneinfo/*",
    "/usr/lib/modules/*/kernel/*",
];
/// The driver by which the system reaches the firmware's variables.
const INCLUDE: &str = "/usr/lib/modules/*/kernel/fs/efivarfs/*";

const SECTOR: u64 = 512;
const MIB: u64 = 1 << 20;
/// Where the EFI system partition begins, and its size.
const ESP_START: u64 = MIB;
const ESP_SIZE: u64 = 64 * MIB;
const ROOT_START: u64 = ESP_START + ESP_SIZE;
/// Room for the second partition table.
const TABLE_SIZE: u64 = MIB;
/// Room beyond what the system takes, in MiB.
const SLACK_MIB: u64 = 64;

/// systemd-boot, where every firmware looks for a loader, and where a boot entry can point.
const LOADER: &str = "usr/lib/systemd/boot/efi/systemd-bootloongarch64.efi";
const FALLBACK: &str = "::/EFI/BOOT/BOOTLOONGARCH64.EFI";
const NAMED: &str = "::/EFI/systemd/systemd-bootloongarch64.efi";

/// What the loader starts.
const LOADER_CONFIGURATION: &str = "timeout 0\n";
const ENTRY: &str = "title Debian\nlinux /vmlinuz\ninitrd /initrd.img\n\
                     options root=/dev/vda2 rw console=ttyS0\n";

/// What of the excluded paths the disk has nevertheless.
fn include() -> Vec<&'static str> {
    [userland::INCLUDE, &[INCLUDE]].concat()
}

impl Products {
    /// Debian's UEFI firmware for LoongArch's `virt` board.
    pub(crate) fn firmware_code(&self) -> PathBuf {
        self.firmware_file("QEMU_EFI.fd")
    }

    /// Its variables as they are at first, to be copied.
    pub(crate) fn firmware_variables(&self) -> PathBuf {
        self.firmware_file("QEMU_VARS.fd")
    }

    fn firmware_file(&self, name: &str) -> PathBuf {
        let folder = self.tools.dir().join("usr/share/qemu-efi-loongarch64");
        folder.join(name)
    }

    /// The disk, whose changes a machine is to keep in memory, made if it is not there yet;
    /// [`CannotBeHad`] without a network.
    pub(crate) fn firmware_disk(&self) -> Result<PathBuf> {
        let tools = self.firmware_tools()?;
        let cache = self.cache.apart(FOLDER)?;
        let dir = cache.product(DISK, &self.disk_key(), |dir| self.make_disk(dir, &tools))?;
        Ok(disk_in(&dir))
    }

    /// The disk, if it is there.
    pub(crate) fn firmware_disk_if_made(&self) -> Option<PathBuf> {
        let cache = self.cache.apart(FOLDER).ok()?;
        let dir = cache.get(DISK, &self.disk_key())?;
        Some(disk_in(&dir))
    }

    fn disk_key(&self) -> Key {
        Key::new(1)
            .with("tools", self.tools.name())
            .with("list", TOOLS)
            .with("packages", SYSTEM)
            .with("exclude", EXCLUDE.join(" "))
            .with("include", include().join(" "))
            .with("configure", CONFIGURE)
            .with("init", initramfs::DISK_INIT)
            .with("kernel", self.distribution_kernel.name())
            .with("guest", self.initramfs.name())
            .with("entry", ENTRY)
            .with("loader", LOADER_CONFIGURATION)
    }

    /// mtools, fdisk and iasl, made if they are not there yet; [`CannotBeHad`] without a
    /// network.
    pub(crate) fn firmware_tools(&self) -> Result<ToolRoot> {
        let dir = Extra {
            folder: FOLDER,
            product: "firmware-tools",
            key: Key::new(1).with("packages", TOOLS),
            contents: "tools for firmware",
            missing: CannotBeHad("the tools of configs/firmware.packages cannot be had"),
            tree: Tree {
                variant: "apt",
                architectures: "amd64",
                packages: &packages(TOOLS),
                exclude: &[],
                include: &[],
            },
        }
        .get(&self.cache)?;
        let visible = visible(&self.cache)?;
        Ok(ToolRoot::new(
            &dir,
            &visible.each_ref().map(PathBuf::as_path),
        ))
    }

    fn make_disk(&self, dir: &Path, tools: &ToolRoot) -> Result<()> {
        let log = self.cache.logs()?.join("firmware.log");
        let tree = dir.join("tree");
        fs::create_dir(&tree)?;
        let mut step = Step::start("firmware: fetching and unpacking the disk's system");
        self.make_tree(&tree, tools, &mut step, &log)?;
        step.done();

        let mut step = Step::start("firmware: making the disk");
        let initrd = dir.join("initrd.img");
        let modules = self.distribution_kernel.modules()?;
        initramfs::for_disk(&tree.join("usr/bin/busybox"), &modules, &initrd)?;
        let esp = self.make_esp(dir, (&tree, &initrd), tools, &mut step, &log)?;
        let root = self.make_root(dir, &mut step, &log)?;
        join(dir, esp, root, tools, &mut step, &log)?;
        for file in [
            "esp.img",
            "root.img",
            "initrd.img",
            "partitions",
            "loader",
            "entry",
        ] {
            fs::remove_file(dir.join(file))?;
        }
        fs::remove_dir_all(&tree)?;
        step.done();
        Ok(())
    }

    /// The files of the root file system, with what the disk's guest needs.
    fn make_tree(&self, tree: &Path, tools: &ToolRoot, step: &mut Step, log: &Path) -> Result<()> {
        Tree {
            variant: "extract",
            architectures: "loong64",
            packages: &packages(SYSTEM),
            exclude: EXCLUDE,
            include: &include(),
        }
        .make(tree, step, log)
        .map_err(|error| {
            CannotBeHad("the packages of configs/disk.packages cannot be had").or(error)
        })?;
        userland::configure(tree)?;
        let mut configure = tools.command("sh")?;
        configure.args(["-c", CONFIGURE, "sh"]).arg(tree);
        step.run(configure, log)?;
        let guest = tree.join("root/guest");
        fs::create_dir_all(&guest)?;
        let kernel = self.distribution_kernel.vmlinuz();
        for (file, name) in [(&kernel, "kernel"), (&self.initramfs.guest(), "initrd")] {
            fs::copy(file, guest.join(name))
                .with_context(|| format!("cannot copy {}", file.display()))?;
        }
        Ok(())
    }

    /// The EFI system partition: the loader, what it reads, kernel and initial file system.
    fn make_esp(
        &self,
        dir: &Path,
        (tree, initrd): (&Path, &Path),
        tools: &ToolRoot,
        step: &mut Step,
        log: &Path,
    ) -> Result<File> {
        let image = dir.join("esp.img");
        File::create(&image)?.set_len(ESP_SIZE)?;
        let (loader, entry) = (dir.join("loader"), dir.join("entry"));
        File::create(&loader)?.write_all(LOADER_CONFIGURATION.as_bytes())?;
        File::create(&entry)?.write_all(ENTRY.as_bytes())?;
        let mut mformat = tools.command("mformat")?;
        mformat
            .arg("-i")
            .arg(&image)
            .args(["-F", "-N", "6b766d2d", "-v", "ESP", "::"]);
        step.run(mformat, log)?;
        let mut mmd = tools.command("mmd")?;
        mmd.arg("-i").arg(&image);
        mmd.args(["::/EFI", "::/EFI/BOOT", "::/EFI/systemd", "::/loader"]);
        mmd.arg("::/loader/entries");
        step.run(mmd, log)?;
        let kernel = self.distribution_kernel.vmlinuz();
        for (source, target) in [
            (&tree.join(LOADER), FALLBACK),
            (&tree.join(LOADER), NAMED),
            (&loader, "::/loader/loader.conf"),
            (&entry, "::/loader/entries/debian.conf"),
            (&kernel, "::/vmlinuz"),
            (&initrd.to_owned(), "::/initrd.img"),
        ] {
            let mut mcopy = tools.command("mcopy")?;
            mcopy.arg("-i").arg(&image).arg(source).arg(target);
            step.run(mcopy, log)?;
        }
        Ok(File::open(image)?)
    }

    /// The root file system.
    fn make_root(&self, dir: &Path, step: &mut Step, log: &Path) -> Result<File> {
        let size = userland::size_mib(&self.tools, dir)?;
        let mut mke2fs = self.tools.command("mke2fs")?;
        mke2fs.args([
            "-q", "-t", "ext4", "-L", "root", "-m", "0", "-b", "4096", "-d",
        ]);
        mke2fs.arg(dir.join("tree")).arg(dir.join("root.img"));
        mke2fs.arg(format!("{}M", size + size / 10 + SLACK_MIB));
        step.run(mke2fs, log)?;
        Ok(File::open(dir.join("root.img"))?)
    }
}

/// The disk in its product's directory.
fn disk_in(dir: &Path) -> PathBuf {
    dir.join("disk.img")
}

/// Makes `disk.img` in `dir` of its two partitions.
fn join(
    dir: &Path,
    esp: File,
    root: File,
    tools: &ToolRoot,
    step: &mut Step,
    log: &Path,
) -> Result<()> {
    let disk = File::create(dir.join("disk.img"))?;
    let root_size = root.metadata()?.len();
    disk.set_len(ROOT_START + root_size + TABLE_SIZE)?;
    let table = format!(
        "label: gpt\nlabel-id: 6b766d2d-6c61-4000-8000-000000000003\n\
         start={}, size={}, type=U, uuid=6b766d2d-6c61-4000-8000-000000000004\n\
         start={}, size={}, type=L, uuid=6b766d2d-6c61-4000-8000-000000000005\n",
        ESP_START / SECTOR,
        ESP_SIZE / SECTOR,
        ROOT_START / SECTOR,
        root_size / SECTOR,
    );
    let script = dir.join("partitions");
    fs::write(&script, table)?;
    let mut sfdisk = tools.command("sh")?;
    sfdisk.args(["-c", "sfdisk --quiet \"$1\" <\"$2\"", "sh"]);
    sfdisk.arg(dir.join("disk.img")).arg(&script);
    step.run(sfdisk, log)?;
    for (mut part, start) in [(esp, ESP_START), (root, ROOT_START)] {
        let mut disk = OpenOptions::new().write(true).open(dir.join("disk.img"))?;
        disk.seek(SeekFrom::Start(start))?;
        std::io::copy(&mut part, &mut disk)?;
    }
    Ok(())
}
