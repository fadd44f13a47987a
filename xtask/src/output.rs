// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What is printed, and the files that results go to.
//!
//! `println!` and `eprintln!` of this crate stand in the place of the standard library's, which
//! panic if what they write to is full or has been closed.

use std::ffi::OsString;
use std::fmt::{self, Display};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context as _, Result, bail};

macro_rules! println {
    () => {
        $crate::output::print(&std::format_args!(""))
    };
    ($($argument:tt)*) => {
        $crate::output::print(&std::format_args!($($argument)*))
    };
}

macro_rules! eprintln {
    ($($argument:tt)*) => {
        $crate::output::complain(&std::format_args!($($argument)*))
    };
}

/// Prints a line, and ends the program if standard output takes none.
pub(crate) fn print(line: &fmt::Arguments<'_>) {
    if cfg!(test) {
        // Tests' lines are shown by the standard library's way alone, if they fail.
        std::println!("{line}");
        return;
    }
    let Err(error) = writeln!(io::stdout(), "{line}") else {
        return;
    };
    // A reader that has what it wants, such as `head`, closes the pipe.
    if error.kind() != ErrorKind::BrokenPipe {
        complain(&format_args!("error: cannot print what was found: {error}"));
    }
    process::exit(1);
}

/// Prints a line of what is not a result. If that fails, there is no other place to say it.
pub(crate) fn complain(line: &impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Refuses a file that could not be written, before there is something to write into it.
pub(crate) fn check(file: &Path) -> Result<()> {
    let cannot = || format!("cannot write {}: name another file", file.display());
    if file.file_name().is_none() || file.is_dir() {
        bail!(
            "cannot write '{}', which is no file: name one",
            file.display()
        );
    }
    match file.metadata() {
        Ok(_) => File::options()
            .append(true)
            .open(file)
            .map(drop)
            .with_context(cannot),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let partial = partial(file);
            File::create(&partial)
                .and_then(|_| fs::remove_file(&partial))
                .with_context(cannot)
        }
        Err(error) => Err(error).with_context(cannot),
    }
}

/// Writes a file as a whole: if that fails, what was there is left.
pub(crate) fn write(file: &Path, text: &str) -> Result<()> {
    write_all([(file, text)])
}

/// Writes files, all of them or none.
pub(crate) fn write_all<'a>(files: impl IntoIterator<Item = (&'a Path, &'a str)>) -> Result<()> {
    let mut written = Partial::default();
    for (file, text) in files {
        let cannot = || format!("cannot write {}", file.display());
        // A device or a pipe has no place in which another file could take its name.
        if file.metadata().is_ok_and(|meta| !meta.is_file()) {
            fs::write(file, text).with_context(cannot)?;
            continue;
        }
        let partial = partial(file);
        written.0.push((partial.clone(), file.to_owned()));
        fs::write(&partial, text).with_context(cannot)?;
    }
    written.rename()
}

/// Copies a file in the same way; its size.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<u64> {
    let partial = partial(to);
    let copied = Partial(vec![(partial.clone(), to.to_owned())]);
    let size = fs::copy(from, &partial)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    copied.rename()?;
    Ok(size)
}

/// Has `make` write a file in the same way, under the name that it is given.
pub(crate) fn make(file: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let partial = partial(file);
    let made = Partial(vec![(partial.clone(), file.to_owned())]);
    make(&partial)?;
    made.rename()
}

/// The name under which a file is written until it is whole.
fn partial(file: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(file.file_name().unwrap_or_default());
    name.push(format!(".{}", process::id()));
    file.with_file_name(name)
}

/// Files that are written, and what they are to be called. Those that are not renamed go.
#[derive(Default)]
struct Partial(Vec<(PathBuf, PathBuf)>);

impl Partial {
    fn rename(mut self) -> Result<()> {
        for (partial, file) in self.0.drain(..) {
            fs::rename(&partial, &file)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        for (partial, _) in &self.0 {
            // It may not have come to be.
            let _ = fs::remove_file(partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of a test's own, and the names of what is in it.
    fn directory(name: &str) -> Result<PathBuf> {
        let dir = std::env::temp_dir().join(format!("xtask-{name}-{}", process::id()));
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    fn names(dir: &Path) -> Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.push(entry?.file_name());
        }
        names.sort();
        Ok(names)
    }

    #[test]
    fn files_are_written_together_or_not_at_all() -> Result<()> {
        let dir = directory("output-all")?;
        let (one, two) = (dir.join("one"), dir.join("two"));
        write(&one, "old")?;
        // The second has a directory in its place that is not there.
        let bad = dir.join("nowhere/two");
        assert!(write_all([(&*one, "new"), (&*bad, "new")]).is_err());
        assert_eq!(fs::read_to_string(&one)?, "old");
        assert_eq!(names(&dir)?, ["one"]);
        write_all([(&*one, "new"), (&*two, "new")])?;
        assert!(copy(&dir, &one).is_err());
        assert!(copy(&one, &bad).is_err());
        assert_eq!(copy(&one, &two)?, 3);
        assert_eq!(names(&dir)?, ["one", "two"]);
        assert_eq!(fs::read_to_string(&one)?, "new");
        fs::remove_dir_all(dir)?;
        Ok(())
    }

    #[test]
    fn a_full_device_is_an_error() {
        assert!(write(Path::new("/dev/full"), "text").is_err());
        assert!(write(Path::new("/dev/null"), "text").is_ok());
    }

    #[test]
    fn what_cannot_be_written_is_refused_beforehand() -> Result<()> {
        let dir = directory("output-check")?;
        assert!(check(&dir).is_err());
        assert!(check(&dir.join("nowhere/file")).is_err());
        assert!(check(Path::new("/proc/nowhere")).is_err());
        assert!(check(Path::new("")).is_err());
        assert!(check(Path::new("/dev/stdout")).is_ok());
        let file = dir.join("file");
        check(&file)?;
        assert!(names(&dir)?.is_empty(), "a check leaves nothing behind");
        fs::write(&file, "kept")?;
        check(&file)?;
        assert_eq!(fs::read_to_string(&file)?, "kept");
        fs::remove_dir_all(dir)?;
        Ok(())
    }
}
