// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Sources of the checkout that are built inside the toolchain root: read once,
//! so that what is built is what the product's key was made from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ignore::WalkBuilder;

use crate::cache::Key;

/// Files by their names in the checkout, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sources(Vec<(PathBuf, Vec<u8>)>);

impl Sources {
    /// These files of the checkout and all files under these directories of it, `""` being all
    /// of it, that its .gitignore files do not name.
    pub(crate) fn read(workspace: &Path, directories: &[&str]) -> Result<Self> {
        let mut files = Vec::new();
        for directory in directories {
            let top = workspace.join(directory);
            top.metadata()
                .with_context(|| format!("cannot read {}", top.display()))?;
            // From the workspace down: the .gitignore files on the way count too.
            let walk = WalkBuilder::new(workspace)
                // Without the reader's own settings: they must not change the key.
                .standard_filters(false)
                .git_ignore(true)
                .require_git(false)
                .filter_entry(move |entry| {
                    let path = entry.path();
                    entry.file_name() != ".git" && (path.starts_with(&top) || top.starts_with(path))
                })
                .sort_by_file_name(|a, b| a.cmp(b))
                .build();
            for entry in walk {
                let entry = entry.with_context(|| format!("cannot list {directory}"))?;
                if !entry.file_type().is_some_and(|kind| kind.is_file()) {
                    continue;
                }
                let path = entry.path();
                let data =
                    fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
                let name = path.strip_prefix(workspace).unwrap_or(path).to_owned();
                files.push((name, data));
            }
        }
        Ok(Self(files))
    }

    /// The key with all of this in it.
    pub(crate) fn add_to(&self, mut key: Key) -> Key {
        for (name, data) in &self.0 {
            key = key.with("file", name.as_os_str().as_encoded_bytes());
            key = key.with("data", data);
        }
        key
    }

    /// The files' names and contents.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.0
            .iter()
            .map(|(name, data)| (name.as_path(), data.as_slice()))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(name, _)| name.as_path())
    }

    /// Writes all files under `tree`.
    pub(crate) fn write(&self, tree: &Path) -> Result<()> {
        for (name, data) in &self.0 {
            let path = tree.join(name);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)
                    .with_context(|| format!("cannot create {}", parent.display()))?;
            }
            fs::write(&path, data).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_products_are_no_sources() -> Result<()> {
        const DIRECTORIES: &[&str] = &["module", "core", "Cargo.lock"];
        let dir = std::env::temp_dir().join(format!("xtask-sources-{}", std::process::id()));
        for directory in ["module", "core"] {
            fs::create_dir_all(dir.join(directory))?;
            fs::write(dir.join(directory).join("lib.rs"), directory)?;
        }
        let module = dir.join("module");
        fs::write(module.join(".gitignore"), "*.o\n*.cmd\n/generated.rs\n")?;
        fs::write(dir.join(".gitignore"), "target/\n/core/made\n")?;
        fs::write(dir.join("Cargo.lock"), "")?;
        let before = Sources::read(&dir, DIRECTORIES)?;
        fs::create_dir_all(module.join("fuzz/target"))?;
        for product in [
            "module/kvm.o",
            "module/.kvm.o.cmd",
            "module/generated.rs",
            "module/fuzz/target/lib.rs",
            "core/made",
        ] {
            fs::write(dir.join(product), "made")?;
        }
        assert_eq!(Sources::read(&dir, DIRECTORIES)?, before);
        let names: Vec<_> = before.names().collect();
        let expected = [
            "module/.gitignore",
            "module/lib.rs",
            "core/lib.rs",
            "Cargo.lock",
        ];
        assert_eq!(names, expected.map(Path::new));
        assert!(Sources::read(&dir, &["none"]).is_err());
        fs::write(module.join("new.c"), "int x;")?;
        let after = Sources::read(&dir, DIRECTORIES)?;
        assert_ne!(after, before);
        assert_ne!(
            after.add_to(Key::new(1)).hex(),
            before.add_to(Key::new(1)).hex()
        );
        fs::remove_dir_all(dir)?;
        Ok(())
    }
}
