// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Has `path` hold `contents`.
///
/// # Errors
/// I/O errors; what was there before is there still.
pub(crate) fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    create(path, |mut file| file.write_all(contents))
}

/// Has `path` hold what `fill` writes: into a file beside it, which is renamed to it when it is
/// complete. What is no regular file, as a pipe or a terminal, gets it as it comes.
///
/// # Errors
/// I/O errors, and those of `fill`; what was there before is there still.
pub(crate) fn create(path: &Path, fill: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    // A link stays one.
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let before = fs::metadata(&place).ok();
    if before.as_ref().is_some_and(|found| !found.is_file()) {
        return fill(&File::create(&place)?);
    }
    let mut partial = place.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let file = File::create(&partial)?;
    let whole = match before {
        Some(before) => file.set_permissions(before.permissions()),
        None => Ok(()),
    };
    whole
        .and_then(|()| fill(&file))
        .and_then(|()| fs::rename(&partial, &place))
        .inspect_err(|_| {
            // What is left of a failed attempt is of no use; that it may not be removable
            // either changes nothing.
            let _ = fs::remove_file(&partial);
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_that_cannot_be_completed_is_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let broken = |mut file: &File| {
            file.write_all(b"a part")?;
            Err(io::ErrorKind::StorageFull.into())
        };
        assert!(create(&path, broken).is_err());
        assert!(names(directory.path()).is_empty());
        write(&path, b"whole").unwrap();
        assert!(create(&path, broken).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(names(directory.path()), ["file"]);
    }

    #[test]
    fn links_stay_and_devices_are_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        write(&file, b"first").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, b"second").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"second");
        write(Path::new("/dev/null"), b"gone").unwrap();
    }
}
