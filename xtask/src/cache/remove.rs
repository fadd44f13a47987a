// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The removal of products and other directories of the cache.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Where a product is while it is not whole.
pub(super) fn partial(path: &Path) -> PathBuf {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    partial.into()
}

/// Removes a product.
pub(super) fn remove_product(path: &Path) -> Result<()> {
    remove_tree(&take_name(path)?)
}

/// Takes the name of a product away, so that an interrupted removal leaves none that looks
/// whole; where it is then, if it was there.
fn take_name(path: &Path) -> Result<PathBuf> {
    let partial = partial(path);
    remove_tree(&partial)?;
    check_nothing_mounted(path)?;
    match fs::rename(path, &partial) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot rename {}", path.display()))
        }
        _ => Ok(partial),
    }
}

/// Removes a directory, if it is there, with all that is in it.
pub(super) fn remove_tree(path: &Path) -> Result<()> {
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
    use super::super::Key;
    use super::super::tests::{cache, names};
    use super::*;

    #[test]
    fn an_interrupted_removal_leaves_no_product() -> Result<()> {
        let cache = cache("remove")?;
        let key = Key::new(1);
        let path = cache.make("thing-2.0", &key, |dir| {
            Ok(fs::create_dir(dir.join("tree"))?)
        })?;
        // What an earlier interruption left is in the way.
        fs::create_dir_all(partial(&path).join("half"))?;
        assert!(take_name(&path)?.join("tree").exists());
        assert!(cache.get("thing-2.0", &key).is_none());
        let lock = cache.lock()?;
        assert_eq!(names(cache.dir())?, ["lock"]);
        drop(lock);
        // It is gone already.
        remove_product(&path)?;
        remove_tree(cache.dir())
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
}
