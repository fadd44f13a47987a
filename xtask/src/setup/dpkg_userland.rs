// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A Debian for the simulated machine to which packages can be installed: its dpkg
//! knows what it is made of. Made when a test asks for it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::debian::Tree;
use super::userland::{self, EXCLUDE, INCLUDE};
use super::{Products, packages};
use crate::cache::{Cache, Key};
use crate::progress::Step;
use crate::toolroot::ToolRoot;

const PACKAGES: &str = include_str!("../../../configs/dpkg-userland.packages");

/// Writes dpkg's database.
const RECORD: &str = include_str!("record-packages.sh");

/// The package of which a newer version is made, and the file that it has.
const QEMU: [&str; 2] = ["qemu-system-misc", "usr/bin/qemu-system-loongarch64"];

/// What mmdebstrap made dpkg leave out is left out of our packages too.
const SETTINGS: &str = "etc/dpkg/dpkg.cfg.d/99mmdebstrap";

/// The product.
pub(crate) struct DpkgUserland {
    dir: PathBuf,
}

impl DpkgUserland {
    /// The disk image.
    pub(crate) fn image(&self) -> PathBuf {
        self.dir.join("userland.ext2")
    }

    /// A package of QEMU with a higher version than the one in the image.
    pub(crate) fn newer_qemu(&self) -> PathBuf {
        self.dir.join("newer.deb")
    }
}

/// Makes the product in a cache if it is not there yet, with the tools of a root that
/// has dpkg.
pub(crate) fn make(products: &Products, cache: &Cache, root: &ToolRoot) -> Result<DpkgUserland> {
    let key = Key::new(1)
        .with("tools", products.tools.name())
        .with("userland recipe", userland::RECIPE)
        .with("packages", PACKAGES)
        .with("exclude", EXCLUDE.join(" "))
        .with("include", INCLUDE.join(" "))
        .with("record", RECORD);
    let dir = cache.product("dpkg-userland", &key, |dir| {
        let log = cache.logs()?.join("dpkg-userland.log");
        let tree = dir.join("tree");
        fs::create_dir(&tree)?;
        let mut step = Step::start("loong64 Debian with dpkg: fetching and unpacking packages");
        Tree {
            variant: "extract",
            architectures: "loong64",
            packages: &packages(PACKAGES),
            exclude: EXCLUDE,
            include: INCLUDE,
        }
        .make_with_archives(&tree, &mut step, &log)?;
        let inside = Path::new("/kvm-la/userland");
        let mut record = root.clone().with_bind(dir, inside).command_in(inside, "sh");
        record.args(["-c", RECORD, "sh"]).args(QEMU);
        step.run(record, &log)?;
        fs::remove_file(tree.join(SETTINGS))?;
        userland::configure(&tree)?;
        userland::make_image(&products.tools, dir, &mut step, &log)?;
        fs::remove_dir_all(&tree)?;
        step.done();
        Ok(())
    })?;
    Ok(DpkgUserland { dir })
}
