// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The cache of everything that `setup` makes.
//!
//! One directory a product, named after the product and a hash of all it is
//! made from. A product appears under its name only when it is complete: it is
//! made in a sibling directory and renamed, so an interrupted run leaves
//! nothing that a later run could mistake for a result.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, anyhow, bail};
use sha2::{Digest as _, Sha256};

/// Products of an older key are kept this long after their last use, so that
/// two branches with different inputs can share a cache.
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
    /// went well. Those of old failures go after some days.
    pub(crate) fn new_run(&self, name: &str) -> Result<PathBuf> {
        let runs = self.dir.join("runs");
        fs::create_dir_all(&runs).with_context(|| format!("cannot create {}", runs.display()))?;
        for entry in fs::read_dir(&runs)? {
            let path = entry?.path();
            let age = path
                .metadata()
                .and_then(|m| m.modified())
                .ok()
                .and_then(|time| SystemTime::now().duration_since(time).ok());
            if age.is_some_and(|age| age > KEEP_UNUSED) {
                remove_tree(&path)?;
            }
        }
        for number in 0u32.. {
            let dir = runs.join(format!("{name}-{}-{number}", std::process::id()));
            match fs::create_dir(&dir) {
                Ok(()) => return Ok(dir),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot create {}", dir.display()));
                }
            }
        }
        Err(anyhow!("no free name in {}", runs.display()))
    }

    /// Takes the lock under which products are made, waiting for another run or thread, and
    /// removes what interrupted runs left behind.
    pub(crate) fn lock(&self) -> Result<Lock> {
        let path = self.dir.join("lock");
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .read(true)
            .open(&path)
            .with_context(|| {
                format!(
                    "cannot write in the cache {}: XDG_CACHE_HOME names another folder for it",
                    self.dir.display()
                )
            })?;
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
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())?;
        // The tools that make products inherit the lock: if this process dies
        // before they do, the next run waits for them.
        rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty())
            .with_context(|| format!("cannot share {}", path.display()))?;
        let lock = Lock(file);
        self.remove_partial()?;
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

    /// Makes a product with `make`, which fills the directory it is given.
    /// The caller holds the lock.
    pub(crate) fn make(
        &self,
        name: &str,
        key: &Key,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let path = self.path(name, key);
        let partial = self.dir.join(format!("{name}-{}.partial", key.hex()));
        remove_tree(&partial)?;
        remove_tree(&path)?;
        fs::create_dir(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
        make(&partial)?;
        fs::write(partial.join(USED), b"")?;
        fs::rename(&partial, &path)
            .with_context(|| format!("cannot rename {}", partial.display()))?;
        self.remove_unused(name, &path)?;
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

    fn remove_unused(&self, name: &str, keep: &Path) -> Result<()> {
        let prefix = format!("{name}-");
        for path in self.entries()? {
            let is_older = path != keep
                && path
                    .file_name()
                    .and_then(|f| f.to_str())
                    .and_then(|f| f.strip_prefix(&prefix))
                    .is_some_and(|key| {
                        key.len() == 16 && key.bytes().all(|b| b.is_ascii_hexdigit())
                    });
            if !is_older {
                continue;
            }
            let last_use = path.join(USED).metadata().and_then(|m| m.modified());
            let unused_for = last_use
                .ok()
                .and_then(|time| SystemTime::now().duration_since(time).ok());
            if unused_for.is_some_and(|time| time > KEEP_UNUSED) {
                remove_tree(&path)?;
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

fn remove_tree(path: &Path) -> Result<()> {
    check_nothing_mounted(path)?;
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot remove {}", path.display())),
    }
}

/// Refuses to remove a directory in which something is mounted: that is the workstation's own.
fn check_nothing_mounted(path: &Path) -> Result<()> {
    let Ok(dir) = path.canonicalize() else {
        return Ok(());
    };
    let mounts = Path::new("/proc/self/mountinfo");
    let mounts = fs::read(mounts).with_context(|| format!("cannot read {}", mounts.display()))?;
    // The last to be mounted is the first to go.
    let mounted: Vec<String> = mounted_in(&mounts, &dir)
        .iter()
        .rev()
        .map(|place| place.display().to_string())
        .collect();
    if !mounted.is_empty() {
        bail!(
            "{} cannot be removed, as something is mounted there: run `umount {}`, then try again",
            path.display(),
            mounted.join(" ")
        );
    }
    Ok(())
}

/// What is mounted in a directory, by the lines of /proc/PID/mountinfo
/// (proc_pid_mountinfo(5)), in their order. The directory has no symbolic link in it.
fn mounted_in(mounts: &[u8], dir: &Path) -> Vec<PathBuf> {
    mounts
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .map(|field| PathBuf::from(OsString::from_vec(without_escapes(field))))
        .filter(|place| place.starts_with(dir))
        .collect()
}

/// A field of mountinfo, in which `\ooo` stands for a byte that would end it.
fn without_escapes(mut field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    while let Some((first, rest)) = field.split_first() {
        let octal = rest
            .get(..3)
            .filter(|_| *first == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(octal.unwrap_or(*first));
        field = rest
            .get(if octal.is_some() { 3 } else { 0 }..)
            .unwrap_or_default();
    }
    bytes
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

    #[test]
    fn what_is_mounted_in_a_directory_is_found() {
        let mounts = b"26 1 254:0 / / rw - ext4 /dev/vda rw\n\
            87 27 0:39 / /c\\040d/x.partial/dev/pts rw,relatime - devpts none rw\n\
            88 27 0:27 / /c\\040d/x.partial/dev/shm rw shared:3 - tmpfs tmpfs rw\n\
            89 27 0:27 / /c\\040d/x.partial-not rw - tmpfs tmpfs rw\n\
            90 27 0:27 / /c\\134 rw - tmpfs tmpfs rw\n";
        assert_eq!(
            mounted_in(mounts, Path::new("/c d/x.partial")),
            [
                Path::new("/c d/x.partial/dev/pts"),
                Path::new("/c d/x.partial/dev/shm")
            ]
        );
        assert_eq!(mounted_in(mounts, Path::new("/c\\")), [Path::new("/c\\")]);
        assert!(mounted_in(mounts, Path::new("/d")).is_empty());
    }

    #[test]
    fn where_something_is_mounted_nothing_is_removed() {
        let error = check_nothing_mounted(Path::new("/proc")).map_err(|error| error.to_string());
        assert!(
            error
                .as_ref()
                .is_err_and(|error| error.contains("run `umount ") && error.contains(" /proc`,")),
            "{error:?}"
        );
    }

    #[test]
    fn taking_the_lock_clears_up() -> Result<()> {
        let dir = std::env::temp_dir().join(format!("xtask-cache-lock-{}", std::process::id()));
        fs::create_dir_all(dir.join("thing-0123456789abcdef.partial/half"))?;
        fs::create_dir_all(dir.join("thing-0123456789abcdef"))?;
        let cache = Cache { dir: dir.clone() };
        let lock = cache.lock()?;
        let names = cache.entries()?;
        assert!(names.contains(&dir.join("thing-0123456789abcdef")));
        assert!(names.iter().all(|name| name.extension().is_none()));
        drop(lock);
        fs::remove_dir_all(dir)?;
        Ok(())
    }

    #[test]
    fn a_failed_make_leaves_no_product() -> Result<()> {
        let dir = std::env::temp_dir().join(format!("xtask-cache-test-{}", std::process::id()));
        fs::create_dir_all(&dir)?;
        let cache = Cache { dir: dir.clone() };
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
        assert_eq!(cache.get("thing", &key), Some(path));
        fs::remove_dir_all(dir)?;
        Ok(())
    }
}
