//! The source files that a product is made of: they decide whether an earlier
//! build still serves.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ignore::WalkBuilder;

/// The files below these paths of a checkout, in order, by their names in it:
/// all that its .gitignore files do not name.
pub(crate) fn list(workspace: &Path, paths: &[&str]) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    for source in paths {
        let walk = WalkBuilder::new(workspace.join(source))
            // Without the reader's own settings: they must not change the key.
            .standard_filters(false)
            .git_ignore(true)
            .require_git(false)
            .sort_by_file_name(|a, b| a.cmp(b))
            .build();
        for entry in walk {
            let entry = entry.with_context(|| format!("cannot list {source}"))?;
            if !entry.file_type().is_some_and(|kind| kind.is_file()) {
                continue;
            }
            let path = entry.path();
            let data = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let name = path.strip_prefix(workspace).unwrap_or(path).to_owned();
            files.push((name, data));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_products_are_no_sources() -> Result<()> {
        let dir = std::env::temp_dir().join(format!("xtask-sources-{}", std::process::id()));
        let paths = ["module", "core", "Cargo.lock"];
        for source in ["module", "core"] {
            fs::create_dir_all(dir.join(source))?;
            fs::write(dir.join(source).join("lib.rs"), source)?;
        }
        fs::write(dir.join("Cargo.lock"), "")?;
        fs::write(dir.join("module/.gitignore"), "*.o\n*.cmd\n/generated.rs\n")?;
        let before = list(&dir, &paths)?;
        for product in ["kvm.o", ".kvm.o.cmd", "generated.rs"] {
            fs::write(dir.join("module").join(product), "made")?;
        }
        assert_eq!(list(&dir, &paths)?, before);
        assert_eq!(before.len(), 4);
        fs::write(dir.join("module/new.c"), "int x;")?;
        assert_ne!(list(&dir, &paths)?, before);
        fs::remove_dir_all(dir)?;
        Ok(())
    }
}
