// SPDX-License-Identifier: Apache-2.0 OR MIT

//! One Debian package: a tree of files that are built already and a folder debian/,
//! of which dpkg-buildpackage and debhelper make it in the packaging root.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::identity::Identity;
use crate::cache::{Cache, Key};
use crate::progress::Step;
use crate::setup::workspace;
use crate::sources::Sources;
use crate::toolroot::ToolRoot;

/// The folder of the checkout that has each package's files for debian/.
const PACKAGING: &str = "packaging";

/// Where the tree is bound inside the root. A fixed place: some tools write it into
/// what they make.
const INSIDE: &str = "/kvm-la/package";

/// Where a folder's files have the maintainer.
const MAINTAINER: &str = "@MAINTAINER@";

/// What a package is made of.
pub(crate) struct Contents {
    /// Its folder in packaging/.
    pub(crate) folder: &'static str,
    pub(crate) name: String,
    /// The architecture that it is for, or `all`.
    pub(crate) architecture: &'static str,
    /// Files of the tree beside debian/.
    pub(crate) files: BTreeMap<PathBuf, Vec<u8>>,
    /// The text of debian/copyright.
    pub(crate) copyright: String,
    /// Words of the folder's files, and what stands for them.
    pub(crate) words: Vec<(&'static str, String)>,
}

impl Contents {
    /// Adds a file that was built.
    pub(crate) fn add(&mut self, name: impl AsRef<Path>, file: &Path) -> Result<()> {
        let data = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        self.files.insert(name.as_ref().to_owned(), data);
        Ok(())
    }

    /// Adds all files under a directory, by their names in it.
    pub(crate) fn add_tree(&mut self, dir: &Path) -> Result<()> {
        for entry in ignore::WalkBuilder::new(dir)
            .standard_filters(false)
            .build()
        {
            let entry = entry.with_context(|| format!("cannot list {}", dir.display()))?;
            if entry.file_type().is_some_and(|kind| kind.is_file()) {
                let name = entry.path().strip_prefix(dir).unwrap_or(entry.path());
                self.add(name, entry.path())?;
            }
        }
        Ok(())
    }

    /// The package's file; made if its contents, its identity or the packaging root
    /// are not those of an earlier one.
    pub(crate) fn build(
        &self,
        cache: &Cache,
        root: &ToolRoot,
        identity: &Identity,
    ) -> Result<PathBuf> {
        let debian = self.debian(identity)?;
        let mut key = Key::new(1)
            .with("root", root.name())
            .with("for", self.architecture);
        for (name, data) in self.files.iter().chain(&debian) {
            key = key
                .with("file", name.as_os_str().as_encoded_bytes())
                .with("data", data);
        }
        let file = format!(
            "{}_{}_{}.deb",
            self.name, identity.version, self.architecture
        );
        let product = format!("package-{}-{}", self.name, self.architecture);
        let dir = cache.product(&product, &key, |dir| {
            let log = cache.logs()?.join(format!("{product}.log"));
            fs::write(&log, b"").with_context(|| format!("cannot write {}", log.display()))?;
            let mut step = Step::start(format!("{file}: building"));
            let tree = dir.join("tree");
            for (name, data) in self.files.iter().chain(&debian) {
                write(&tree.join(name), data)?;
            }
            self.run(root, &tree, dir, &mut step, &log)?;
            if !dir.join(&file).is_file() {
                bail!("dpkg-buildpackage made no {file}, see {}", log.display());
            }
            fs::remove_dir_all(&tree)
                .with_context(|| format!("cannot remove {}", tree.display()))?;
            step.done();
            Ok(())
        })?;
        Ok(dir.join(file))
    }

    fn run(
        &self,
        root: &ToolRoot,
        tree: &Path,
        dir: &Path,
        step: &mut Step,
        log: &Path,
    ) -> Result<()> {
        let rules = tree.join("debian/rules");
        fs::set_permissions(&rules, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("cannot make {} executable", rules.display()))?;
        let root = root.clone().with_bind(dir, Path::new(INSIDE));
        let mut build = root.command_in(&Path::new(INSIDE).join("tree"), "dpkg-buildpackage");
        // Nothing is compiled here: what Build-Depends would bring for the target is
        // not in the root.
        build.args(["--build=binary", "--no-check-builddeps", "--no-sign"]);
        if self.architecture != "all" {
            build.args(["--host-arch", self.architecture]);
        }
        build.env("DEB_BUILD_OPTIONS", "noautodbgsym nocheck");
        step.run(build, log)
    }

    /// The files of debian/.
    fn debian(&self, identity: &Identity) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
        let folder = Path::new(PACKAGING).join(self.folder);
        let sources = Sources::read(&workspace()?, &[&folder.to_string_lossy()])?;
        let mut files = BTreeMap::new();
        for (name, data) in sources.files() {
            let name = name.strip_prefix(&folder).unwrap_or(name);
            let mut text = String::from_utf8_lossy(data).replace(MAINTAINER, &identity.maintainer);
            for (word, meaning) in &self.words {
                text = text.replace(word, meaning);
            }
            files.insert(Path::new("debian").join(name), text.into_bytes());
        }
        files.insert(
            "debian/changelog".into(),
            identity.changelog(self.folder)?.into_bytes(),
        );
        files.insert(
            "debian/copyright".into(),
            self.copyright.clone().into_bytes(),
        );
        Ok(files)
    }
}

fn write(path: &Path, data: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)
            .with_context(|| format!("cannot create {}", parent.display()))?;
    }
    fs::write(path, data).with_context(|| format!("cannot write {}", path.display()))
}
