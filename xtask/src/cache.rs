// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The cache of everything that `setup` makes.
//!
//! One directory a product, named after the product and a hash of all it is
//! made from. A product appears under its name only when it is complete: it is
//! made in a sibling directory and renamed, so an interrupted run leaves
//! nothing that a later run could mistake for a result.

mod remove;
mod runs;

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, anyhow};
use sha2::{Digest as _, Sha256};

use remove::{partial, remove_product, remove_tree};

/// Products of an older key are kept this long after their last use, so that
/// two branches with different inputs can share a cache; and the files of failed runs.
const KEEP_UNUSED: Duration = Duration::from_secs(7 * 24 * 3600);

/// The file inside a product whose modification time is its last use.
const USED: &str = ".used";

/// What a product is made from, hashed.
#[derive(Clone, Default)]
pub(crate) struct Key(Sha256);

impl Key {
    /// An empty key; `recipe` is raised when the way the product is made changes.
    pub(crate) fn new(recipe: u32) -> Self {
        Self::default().with("recipe", recipe.to_string().as_bytes())
    }

    /// Adds one input. Label and length keep neighbouring inputs apart.
    pub(crate) fn with(mut self, label: &str, data: impl AsRef<[u8]>) -> Self {
        let data = data.as_ref();
        self.0.update(format!("{label}={}:", data.len()).as_bytes());
        self.0.update(data);
        self
    }

    /// The hash as it stands in a product's name.
    pub(crate) fn hex(&self) -> String {
        let digest = self.0.clone().finalize();
        digest.iter().take(8).map(|b| format!("{b:02x}")).collect()
    }
}

/// The right to make products of a cache.
///
/// Whatever program starts meanwhile inherits the file. So the lock is given back by
/// name: closing the file here would leave it with a simulator that another thread runs.
pub(crate) struct Lock(File);

impl Lock {
    /// Lets others make products.
    pub(crate) fn unlock(&self) -> Result<()> {
        self.0.unlock().context("cannot unlock the cache")
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // If this fails, the lock goes with the last program that has the file.
        let _ = self.0.unlock();
    }
}

/// The cache directory, `kvm-la` under the user's cache folder.
#[derive(Clone)]
pub(crate) struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// Opens the cache, creating its directory.
    pub(crate) fn open() -> Result<Self> {
        let base = match std::env::var_os("XDG_CACHE_HOME") {
            Some(dir) if Path::new(&dir).is_absolute() => PathBuf::from(dir),
            _ => {
                let home = std::env::var_os("HOME")
                    .filter(|home| !home.is_empty())
                    .ok_or_else(|| anyhow!("neither XDG_CACHE_HOME nor HOME is set"))?;
                PathBuf::from(home).join(".cache")
            }
        };
        let dir = base.join("kvm-la");
        fs::create_dir_all(&dir).with_context(|| {
            format!(
                "cannot create the cache {}: XDG_CACHE_HOME names another folder for it",
                dir.display()
            )
        })?;
        Ok(Self { dir })
    }

    /// The cache directory itself.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A cache inside this one with a lock of its own, for products that take so
    /// long that the making of other products should not wait for them.
    pub(crate) fn apart(&self, name: &str) -> Result<Self> {
        let dir = self.dir.join(name);
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(Self { dir })
    }

    /// A directory for logs, which are kept from run to run.
    pub(crate) fn logs(&self) -> Result<PathBuf> {
        let dir = self.dir.join("logs");
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(dir)
    }

    /// A new directory for the files of one run, which the run removes if all
    /// went well. Those of old failures go after some days, or when they take too much room.
    pub(crate) fn new_run(&self, name: &str) -> Result<PathBuf> {
        runs::create(&self.dir.join("runs"), name)
    }

    /// Takes the lock under which products are made, waiting for another run or thread, and
    /// removes what interrupted runs left behind and what has not been used for long.
    pub(crate) fn lock(&self) -> Result<Lock> {
        let path = self.dir.join("lock");
        let cannot_write = || {
            format!(
                "cannot write in the cache {}: XDG_CACHE_HOME names another folder for it",
                self.dir.display()
            )
        };
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .read(true)
            .open(&path)
            .with_context(cannot_write)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&path).unwrap_or_default();
                eprintln!(
                    "waiting for what else is set up (process {})",
                    holder.trim()
                );
                file.lock()
                    .with_context(|| format!("cannot lock {}", path.display()))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .with_context(cannot_write)?;
        // The tools that make products inherit the lock: if this process dies
        // before they do, the next run waits for them.
        rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty())
            .with_context(|| format!("cannot share {}", path.display()))?;
        let lock = Lock(file);
        self.remove_partial()?;
        self.remove_unused()?;
        Ok(lock)
    }

    /// Where the product of this name and key is, or will be.
    pub(crate) fn path(&self, name: &str, key: &Key) -> PathBuf {
        self.dir.join(format!("{name}-{}", key.hex()))
    }

    /// The finished product, if it is there; notes that it is used.
    pub(crate) fn get(&self, name: &str, key: &Key) -> Option<PathBuf> {
        let path = self.path(name, key);
        let used = path.join(USED);
        if !used.exists() {
            return None;
        }
        // Only the clean-up reads this time: a read-only cache is no reason to fail.
        let _ = fs::write(&used, b"");
        Some(path)
    }

    /// The product, made under the lock if it is not there yet, with `make`, which fills the
    /// directory it is given.
    pub(crate) fn product(
        &self,
        name: &str,
        key: &Key,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let _lock = self.lock()?;
        self.get_or_make(name, key, make)
    }

    /// The same for a caller that holds the lock.
    pub(crate) fn get_or_make(
        &self,
        name: &str,
        key: &Key,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        match self.get(name, key) {
            Some(path) => Ok(path),
            None => self.make(name, key, make),
        }
    }

    /// Makes a product, whether it is there or not. The caller holds the lock.
    pub(crate) fn make(
        &self,
        name: &str,
        key: &Key,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let path = self.path(name, key);
        let partial = partial(&path);
        remove_product(&path)?;
        fs::create_dir(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
        make(&partial)?;
        let used = partial.join(USED);
        fs::write(&used, b"").with_context(|| format!("cannot write {}", used.display()))?;
        fs::rename(&partial, &path)
            .with_context(|| format!("cannot rename {}", partial.display()))?;
        Ok(path)
    }

    /// Removes products that are not whole. The caller holds the lock.
    fn remove_partial(&self) -> Result<()> {
        for path in self.entries()? {
            if path.extension().is_some_and(|e| e == "partial") {
                remove_tree(&path)?;
            }
        }
        Ok(())
    }

    /// Removes products that have not been used for long. Of each name the last that was used
    /// stays, whatever its age: after a pause it is most likely the one that is asked for next.
    /// The caller holds the lock.
    fn remove_unused(&self) -> Result<()> {
        let mut products = Vec::new();
        for path in self.entries()? {
            let last_use = path.join(USED).metadata().and_then(|m| m.modified());
            if let (Some(name), Ok(last_use)) = (name_of(&path), last_use) {
                products.push((name.to_owned(), last_use, path));
            }
        }
        products.sort();
        let newer = products.iter().skip(1);
        for ((name, last_use, path), (next, ..)) in products.iter().zip(newer) {
            if name == next && is_old(*last_use) {
                remove_product(path)?;
            }
        }
        Ok(())
    }

    fn entries(&self) -> Result<Vec<PathBuf>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            entries.push(entry?.path());
        }
        Ok(entries)
    }
}

/// The name of the product in a directory; none if that is no product.
fn name_of(path: &Path) -> Option<&str> {
    let (name, key) = path.file_name()?.to_str()?.rsplit_once('-')?;
    (key.len() == 16 && key.bytes().all(|b| b.is_ascii_hexdigit())).then_some(name)
}

/// Whether a time is longer ago than unused things are kept.
fn is_old(time: SystemTime) -> bool {
    SystemTime::now()
        .duration_since(time)
        .is_ok_and(|age| age > KEEP_UNUSED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_depends_on_labels_and_boundaries() {
        let a = Key::new(1).with("x", "ab").with("y", "c");
        let b = Key::new(1).with("x", "a").with("y", "bc");
        let c = Key::new(2).with("x", "ab").with("y", "c");
        assert_ne!(a.hex(), b.hex());
        assert_ne!(a.hex(), c.hex());
        assert_eq!(a.hex(), Key::new(1).with("x", "ab").with("y", "c").hex());
    }

    /// A cache in a new directory.
    pub(super) fn cache(name: &str) -> Result<Cache> {
        let dir = std::env::temp_dir().join(format!("xtask-cache-{name}-{}", std::process::id()));
        remove_tree(&dir)?;
        fs::create_dir_all(&dir)?;
        Ok(Cache { dir })
    }

    /// Gives a file or directory a time so many days ago.
    pub(super) fn age(path: &Path, days: u64) -> Result<()> {
        let time = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
        Ok(File::open(path)?.set_modified(time)?)
    }

    pub(super) fn names(dir: &Path) -> Result<Vec<String>> {
        let names = fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().display().to_string()));
        let mut names = names.collect::<Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    #[test]
    fn taking_the_lock_clears_up() -> Result<()> {
        let cache = cache("lock")?;
        fs::create_dir_all(cache.dir.join("thing-0123456789abcdef.partial/half"))?;
        fs::create_dir_all(cache.dir.join("thing-0123456789abcdef"))?;
        let lock = cache.lock()?;
        assert_eq!(names(&cache.dir)?, ["lock", "thing-0123456789abcdef"]);
        drop(lock);
        fs::remove_dir_all(cache.dir)?;
        Ok(())
    }

    #[test]
    fn products_of_old_keys_go_a_week_after_their_last_use() -> Result<()> {
        let cache = cache("unused")?;
        // Name, recipe, days since its last use, whether it stays.
        let products = [
            ("module", 1, 0, true),
            ("module", 2, 6, true),
            ("module", 3, 8, false),
            ("module-of-2.0", 1, 9, false),
            ("module-of-2.0", 2, 8, true),
            ("root", 1, 400, true),
        ];
        let mut stay = vec!["coverage".to_owned(), "lock".to_owned()];
        for (name, recipe, days, stays) in products {
            let path = cache.make(name, &Key::new(recipe), |_| Ok(()))?;
            age(&path.join(USED), days)?;
            if stays {
                stay.push(path.file_name().unwrap_or_default().display().to_string());
            }
        }
        // What has a product's file but not its name is not the cache's.
        fs::create_dir(cache.dir.join("coverage"))?;
        fs::write(cache.dir.join("coverage").join(USED), b"")?;
        age(&cache.dir.join("coverage").join(USED), 30)?;
        stay.sort();
        let lock = cache.lock()?;
        assert_eq!(names(&cache.dir)?, stay);
        // Use is what counts.
        let used = cache.get("module", &Key::new(2));
        assert!(
            used.is_some_and(|path| path.join(USED).metadata().is_ok_and(|metadata| {
                metadata
                    .modified()
                    .is_ok_and(|time| time.elapsed().is_ok_and(|age| age.as_secs() < 60))
            }))
        );
        drop(lock);
        fs::remove_dir_all(cache.dir)?;
        Ok(())
    }

    #[test]
    fn a_failed_make_leaves_no_product() -> Result<()> {
        let cache = cache("make")?;
        let key = Key::new(1);
        let failed = cache.make("thing", &key, |tmp| {
            fs::write(tmp.join("half"), b"1")?;
            Err(anyhow!("interrupted"))
        });
        assert!(failed.is_err());
        assert!(cache.get("thing", &key).is_none());
        let path = cache.make("thing", &key, |tmp| Ok(fs::write(tmp.join("whole"), b"2")?))?;
        assert!(path.join("whole").exists());
        assert!(!path.join("half").exists());
        assert_eq!(cache.get("thing", &key), Some(path.clone()));
        let taken = cache.product("thing", &key, |_| Err(anyhow!("it is there")))?;
        assert_eq!(taken, path);
        fs::remove_dir_all(cache.dir)?;
        Ok(())
    }
}
