// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The first file systems of the KVM host and of the guest: cpio archives
//! (newc, what Linux unpacks) of busybox, an init script and little else.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use cpio::newc;

use crate::cache::{Cache, Key};
use crate::progress::Step;
use crate::setup::{DistributionKernel, Userland};
use crate::toolroot::ToolRoot;

const HOST_INIT: &str = include_str!("../../tests/guest/host-init");
const GUEST_INIT: &str = include_str!("../../tests/guest/guest-init");
/// The first process of a machine that goes on with a system on a disk.
pub(crate) const DISK_INIT: &str = include_str!("../../tests/guest/disk-init");
const WORKLOAD: &str = include_str!("../../tests/guest/workload.rs");
const WORKLOAD_UNITS: &str = include_str!("../../tests/guest/units.rs");
const WORKLOAD_COMPUTE: &str = include_str!("workload.rs");

/// The sources of the programs that guests run, main.rs first.
type Source = (&'static str, &'static str);
const WORKLOAD_SOURCES: &[Source] = &[
    ("main.rs", WORKLOAD),
    ("units.rs", WORKLOAD_UNITS),
    ("compute.rs", WORKLOAD_COMPUTE),
];
const STEADY_SOURCES: &[Source] = &[
    ("main.rs", include_str!("../../tests/guest/steady/main.rs")),
    (
        "counters.rs",
        include_str!("../../tests/guest/steady/counters.rs"),
    ),
    (
        "devices.rs",
        include_str!("../../tests/guest/steady/devices.rs"),
    ),
    (
        "registers.rs",
        include_str!("../../tests/guest/steady/registers.rs"),
    ),
    (
        "system.rs",
        include_str!("../../tests/guest/steady/system.rs"),
    ),
];

const DEBUGGEE_SOURCES: &[Source] = &[(
    "main.rs",
    include_str!("../../tests/guest/debuggee/main.rs"),
)];

const LOAD_SOURCES: &[Source] = &[
    ("main.rs", include_str!("../../tests/guest/load.rs")),
    ("compute.rs", WORKLOAD_COMPUTE),
];

/// The programs of guests: name and sources.
const PROGRAMS: &[(&str, &[Source])] = &[
    ("workload", WORKLOAD_SOURCES),
    ("steady", STEADY_SOURCES),
    ("debuggee", DEBUGGEE_SOURCES),
    ("load", LOAD_SOURCES),
];

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const DATA: u32 = 0o100_644;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// The archives.
#[derive(Clone)]
pub(crate) struct Initramfs {
    dir: PathBuf,
}

impl Initramfs {
    /// For a simulated machine that runs the host kernel.
    pub(crate) fn host(&self) -> PathBuf {
        self.dir.join("host.cpio")
    }

    /// For a simulated machine that runs the distribution's kernel, whose
    /// drivers are modules.
    pub(crate) fn host_with_modules(&self) -> PathBuf {
        self.dir.join("host-distribution.cpio")
    }

    /// For a guest, whatever its kernel.
    pub(crate) fn guest(&self) -> PathBuf {
        self.dir.join("guest.cpio")
    }

    /// For a guest that runs the distribution's kernel and wants its drivers.
    pub(crate) fn guest_with_modules(&self) -> PathBuf {
        self.dir.join("guest-distribution.cpio")
    }

    /// The product's name in the cache.
    pub(crate) fn name(&self) -> &[u8] {
        self.dir.file_name().unwrap_or_default().as_encoded_bytes()
    }

    /// The workload program, statically linked for LoongArch.
    pub(crate) fn workload(&self) -> PathBuf {
        self.dir.join("workload")
    }
}

/// Makes the archives if they are not there yet.
pub(crate) fn make(
    cache: &Cache,
    tools: &ToolRoot,
    userland: (&Userland, &Key),
    distribution: (&DistributionKernel, &Key),
    log: &Path,
) -> Result<Initramfs> {
    let (userland, key) = userland;
    let (distribution, distribution_key) = distribution;
    let mut key = key
        .clone()
        .with("initramfs recipe", "2")
        .with("host init", HOST_INIT)
        .with("guest init", GUEST_INIT)
        .with("distribution", distribution_key.hex());
    for (name, text) in PROGRAMS.iter().flat_map(|(_, sources)| *sources) {
        key = key.with("source", name).with("text", text);
    }
    let dir = cache.get_or_make("initramfs", &key, |dir| {
        let mut step = Step::start("initramfs: building");
        for (name, sources) in PROGRAMS {
            build_program(tools, dir, name, sources, &mut step, log)?;
        }
        let busybox = fs::read(userland.busybox())
            .with_context(|| format!("cannot read {}", userland.busybox().display()))?;

        let mut host = Archive::create(&dir.join("host.cpio"))?;
        host.base(&busybox, HOST_INIT)?;
        host.finish()?;

        let mut host = Archive::create(&dir.join("host-distribution.cpio"))?;
        host.base(&busybox, HOST_INIT)?;
        host.modules(&distribution.modules()?)?;
        host.finish()?;

        for (name, with_modules) in [("guest.cpio", false), ("guest-distribution.cpio", true)] {
            let mut guest = Archive::create(&dir.join(name))?;
            guest.base(&busybox, GUEST_INIT)?;
            for (program, _) in PROGRAMS {
                guest.file(program, PROGRAM, &fs::read(dir.join(program))?)?;
            }
            if with_modules {
                guest.modules(&distribution.modules()?)?;
            }
            guest.finish()?;
        }
        step.done();
        Ok(())
    })?;
    Ok(Initramfs { dir })
}

/// Makes the initial file system of a machine whose drivers are these modules, in the
/// order in which they are loaded.
pub(crate) fn with_modules(host: &Path, modules: &[PathBuf], target: &Path) -> Result<()> {
    let mut archive = Archive::create(target)?;
    archive.modules(modules)?;
    archive.finish()?;
    // Linux unpacks one archive after the other.
    let mut both = fs::read(host).with_context(|| format!("cannot read {}", host.display()))?;
    both.append(&mut fs::read(target)?);
    fs::write(target, both).with_context(|| format!("cannot write {}", target.display()))
}

/// Makes the initial file system of a machine whose system is on a disk.
pub(crate) fn for_disk(busybox: &Path, modules: &[PathBuf], target: &Path) -> Result<()> {
    let busybox =
        fs::read(busybox).with_context(|| format!("cannot read {}", busybox.display()))?;
    let mut archive = Archive::create(target)?;
    archive.base(&busybox, DISK_INIT)?;
    archive.modules(modules)?;
    archive.finish()
}

/// Makes the program `name` in `dir`, statically linked for LoongArch.
fn build_program(
    tools: &ToolRoot,
    dir: &Path,
    name: &str,
    sources: &[Source],
    step: &mut Step,
    log: &Path,
) -> Result<()> {
    let folder = format!("{name}-sources");
    fs::create_dir(dir.join(&folder))?;
    for (file, text) in sources {
        fs::write(dir.join(&folder).join(file), text)?;
    }
    let inside = Path::new("/kvm-la/initramfs");
    let bound = tools.clone().with_bind(dir, inside);
    let mut rustc = bound.command_in(inside, "rustc");
    rustc.args([
        "--edition",
        "2024",
        "--target",
        "loongarch64-unknown-linux-gnu",
    ]);
    rustc.args(["-C", "linker=loongarch64-linux-gnu-gcc"]);
    rustc.args([
        "-C",
        "target-feature=+crt-static",
        "-C",
        "strip=symbols",
        "-O",
    ]);
    rustc.args([&format!("{folder}/main.rs"), "-o", name]);
    step.run(rustc, log)
}

/// A cpio archive that is being written.
struct Archive {
    path: PathBuf,
    file: BufWriter<File>,
    entries: u32,
}

impl Archive {
    fn create(path: &Path) -> Result<Self> {
        let file =
            File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
            entries: 0,
        })
    }

    /// What both machines' archives have.
    fn base(&mut self, busybox: &[u8], init: &str) -> Result<()> {
        self.directory("bin")?;
        self.directory("dev")?;
        // The kernel opens this for init before any file system is mounted.
        self.entry("dev/console", CHARACTER_DEVICE, (5, 1), &[])?;
        self.file("bin/busybox", PROGRAM, busybox)?;
        self.file("init", PROGRAM, init.as_bytes())
    }

    /// Modules, and a file that names them in their order.
    fn modules(&mut self, modules: &[PathBuf]) -> Result<()> {
        self.directory("modules")?;
        let mut order = String::new();
        for module in modules {
            let name = module.file_name().unwrap_or_default().to_string_lossy();
            let data =
                fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
            self.file(&format!("modules/{name}"), DATA, &data)?;
            order.push_str(&name);
            order.push('\n');
        }
        self.file("modules/order", DATA, order.as_bytes())
    }

    fn directory(&mut self, name: &str) -> Result<()> {
        self.entry(name, DIRECTORY, (0, 0), &[])
    }

    fn file(&mut self, name: &str, mode: u32, data: &[u8]) -> Result<()> {
        self.entry(name, mode, (0, 0), data)
    }

    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), data: &[u8]) -> Result<()> {
        let Ok(size) = u32::try_from(data.len()) else {
            bail!("{name} is too large for a cpio archive");
        };
        // Owner root and time zero: the same content gives the same archive.
        let entry = newc::Builder::new(name)
            .ino(self.entries)
            .mode(mode)
            .nlink(1)
            .rdev_major(device.0)
            .rdev_minor(device.1);
        self.entries += 1;
        let mut writer = entry.write(&mut self.file, size);
        writer.write_all(data)?;
        writer.finish()?;
        Ok(())
    }

    fn finish(self) -> Result<()> {
        let file = newc::trailer(self.file)?;
        file.into_inner()
            .map_err(|error| error.into_error())
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn an_archive_reads_back() -> Result<()> {
        let path = std::env::temp_dir().join(format!("xtask-cpio-{}", std::process::id()));
        let mut archive = Archive::create(&path)?;
        archive.base(b"busybox", "#!init")?;
        archive.finish()?;
        let mut file = File::open(&path)?;
        let mut names = Vec::new();
        loop {
            let mut reader = newc::Reader::new(file)?;
            if reader.entry().is_trailer() {
                break;
            }
            let name = reader.entry().name().to_owned();
            if name == "dev/console" {
                assert_eq!(reader.entry().mode(), CHARACTER_DEVICE);
                assert_eq!(
                    (reader.entry().rdev_major(), reader.entry().rdev_minor()),
                    (5, 1)
                );
            }
            let mut data = Vec::new();
            reader.read_to_end(&mut data)?;
            if name == "bin/busybox" {
                assert_eq!(data, b"busybox");
            }
            names.push(name);
            file = reader.finish()?;
        }
        assert_eq!(names, ["bin", "dev", "dev/console", "bin/busybox", "init"]);
        fs::remove_file(path)?;
        Ok(())
    }
}
