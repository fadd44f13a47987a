// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Where a run's results go: a file, or standard output.

mod place;
mod whole_file;

pub(crate) use place::{Place, standard_output};
pub(crate) use whole_file::beside;

use rustix::fs::{Access, access};
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A file that is written, as an option names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// `-`: standard output.
    Standard,
    /// Any other name.
    File(PathBuf),
}

impl From<OsString> for Output {
    fn from(name: OsString) -> Self {
        match name == "-" {
            true => Self::Standard,
            false => Self::File(name.into()),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard => f.write_str("standard output"),
            Self::File(path) => write!(f, "'{}'", path.display()),
        }
    }
}

impl Output {
    /// The file's path; standard output has none.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Standard => None,
            Self::File(path) => Some(path),
        }
    }

    fn place(&self) -> io::Result<Place> {
        match self {
            Self::Standard => Ok(Place::Open(standard_output()?)),
            Self::File(path) => Place::of(path),
        }
    }

    /// Has it hold `contents`, as [`Output::create`] does.
    ///
    /// # Errors
    /// I/O errors.
    pub(crate) fn write(&self, contents: &[u8]) -> io::Result<()> {
        self.create(|mut file| file.write_all(contents))
    }

    /// Has it hold what `fill` writes. A regular file is replaced when that is complete; where
    /// its directory cannot be written to, the file itself is written. A pipe, a device or an
    /// open file of this process gets it as it comes.
    ///
    /// # Errors
    /// I/O errors, and those of `fill`. A file that would have been replaced is as it was.
    pub(crate) fn create(&self, fill: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
        match self.place()? {
            Place::Open(file) => fill(&file),
            Place::Through(path) => fill(&append(&path)?),
            Place::File(path) => whole_file::create(&path, fill),
        }
    }

    /// Opens it for what comes bit by bit. A regular file is emptied.
    ///
    /// # Errors
    /// I/O errors.
    pub(crate) fn stream(&self) -> io::Result<File> {
        match self.place()? {
            Place::Open(file) => Ok(file),
            Place::Through(path) => append(&path),
            Place::File(path) => File::create(path),
        }
    }

    /// Whether it can be written, as far as that is known without writing.
    ///
    /// # Errors
    /// Why it cannot.
    pub(crate) fn check(&self) -> io::Result<()> {
        match self.place()? {
            Place::Open(_) => Ok(()),
            Place::Through(path) => Ok(access(&path, Access::WRITE_OK)?),
            Place::File(path) => {
                let directory = path.parent().unwrap_or(&path);
                let replaced = access(directory, Access::WRITE_OK | Access::EXEC_OK);
                match path.exists() && replaced.is_err() {
                    true => Ok(access(&path, Access::WRITE_OK)?),
                    false => Ok(replaced?),
                }
            }
        }
    }
}

/// Opens what is there, of which nothing gets lost.
fn append(path: &Path) -> io::Result<File> {
    File::options().append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn output(path: &Path) -> Output {
        Output::from(path.as_os_str().to_owned())
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_that_cannot_be_completed_is_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let broken = |mut file: &File| {
            file.write_all(b"a part")?;
            Err(io::ErrorKind::StorageFull.into())
        };
        assert!(output(&path).create(broken).is_err());
        assert!(names(directory.path()).is_empty());
        output(&path).write(b"whole").unwrap();
        assert!(output(&path).create(broken).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(names(directory.path()), ["file"]);
    }

    #[test]
    fn another_file_beside_it_stays() {
        let directory = tempfile::tempdir().unwrap();
        let other = directory.path().join("file.partial");
        fs::write(&other, b"kept").unwrap();
        output(&directory.path().join("file"))
            .write(b"new")
            .unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"kept");
        assert_eq!(names(directory.path()), ["file", "file.partial"]);
    }

    /// A directory with room for a short name below the longest path that there is.
    #[test]
    fn where_no_other_file_can_be_the_file_is_written_itself() {
        let directory = tempfile::tempdir().unwrap();
        let mut deep = directory.path().canonicalize().unwrap();
        while deep.as_os_str().len() < 4088 {
            let left = 4088 - deep.as_os_str().len() - 1;
            deep.push("d".repeat(if left > 200 { 100 } else { left }));
            fs::create_dir(&deep).unwrap();
        }
        let file = deep.join("file");
        assert!(output(&file).write(b"new").is_err());
        fs::write(&file, b"much of an old one").unwrap();
        output(&file).write(b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(names(&deep), ["file"]);
    }

    #[test]
    fn permissions_are_those_of_other_files() {
        let directory = tempfile::tempdir().unwrap();
        let [usual, new] = ["usual", "new"].map(|name| directory.path().join(name));
        fs::write(&usual, b"").unwrap();
        output(&new).write(b"first").unwrap();
        assert_eq!(mode(&new), mode(&usual));
        fs::set_permissions(&new, fs::Permissions::from_mode(0o640)).unwrap();
        output(&new).write(b"second").unwrap();
        assert_eq!(mode(&new), 0o640);
    }

    #[test]
    fn links_stay_and_devices_are_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let [file, link, missing, dangling] =
            ["file", "link", "missing", "dangling"].map(|name| directory.path().join(name));
        output(&file).write(b"first").unwrap();
        symlink("file", &link).unwrap();
        symlink(&missing, &dangling).unwrap();
        for (link, file) in [(&link, &file), (&dangling, &missing)] {
            output(link).check().unwrap();
            output(link).write(b"second").unwrap();
            assert!(fs::symlink_metadata(link).unwrap().is_symlink());
            assert_eq!(fs::read(file).unwrap(), b"second");
        }
        output(Path::new("/dev/null")).write(b"gone").unwrap();
    }

    #[test]
    fn an_open_file_of_this_process_is_appended_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        fs::write(&path, b"log\n").unwrap();
        let open = File::options().append(true).open(&path).unwrap();
        let own = format!("/proc/self/fd/{}", open.as_raw_fd());
        output(Path::new(&own)).write(b"figures\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"log\nfigures\n");
        let link = directory.path().join("link");
        symlink(&own, &link).unwrap();
        output(&link)
            .stream()
            .unwrap()
            .write_all(b"more\n")
            .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"log\nfigures\nmore\n");
        fs::remove_file(&path).unwrap();
        output(&link).write(b"even if it is deleted").unwrap();
        assert_eq!(names(directory.path()), ["link"]);
    }

    #[test]
    fn what_cannot_be_written_is_known_before() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        output(&file).check().unwrap();
        assert!(names(directory.path()).is_empty());
        fs::write(&file, b"").unwrap();
        output(&file).check().unwrap();
        for bad in [file.join("below"), directory.path().join("gone/file")] {
            assert!(output(&bad).check().is_err(), "{}", bad.display());
        }
        assert!(output(directory.path()).check().is_err());
        let circle = directory.path().join("circle");
        symlink("circle", &circle).unwrap();
        assert!(output(&circle).check().is_err());
    }
}
