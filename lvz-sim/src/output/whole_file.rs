// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Files that are there whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, Seek as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tempfile::NamedTempFile;

/// What a new file may, as far as the process's mask allows.
const NEW: u32 = 0o666;

/// A new file in the directory of `place`, with a name that no other has, that is to be renamed
/// to it. It is readable and writable, and gone if it is dropped before.
///
/// # Errors
/// I/O errors.
pub(crate) fn beside(place: &Path) -> io::Result<NamedTempFile> {
    let directory = place.parent().unwrap_or(place);
    let new = tempfile::Builder::new()
        .prefix(".lvz-sim.")
        .suffix(".partial")
        .permissions(Permissions::from_mode(NEW))
        .tempfile_in(directory)?;
    if let Ok(before) = fs::metadata(place) {
        new.as_file().set_permissions(before.permissions())?;
    }
    Ok(new)
}

/// Has the regular file `place`, which may be missing, hold what `fill` writes.
///
/// # Errors
/// I/O errors, and those of `fill`.
pub(super) fn create(place: &Path, fill: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    match beside(place) {
        Ok(new) => {
            fill(new.as_file())?;
            replace(place, new)
        }
        // No new file can be there, but the old one may be writable.
        Err(error) => fill(&old(place).map_err(|_| error)?),
    }
}

/// Has `new` be the file `place`, or where it cannot take its name, as for a mount point, the
/// old one get its contents.
fn replace(place: &Path, new: NamedTempFile) -> io::Result<()> {
    let Err(failed) = new.persist(place) else {
        return Ok(());
    };
    let mut new = failed.file.as_file();
    new.rewind()?;
    let mut old = old(place).map_err(|_| failed.error)?;
    io::copy(&mut new, &mut old)?;
    Ok(())
}

/// The file `place`, emptied.
fn old(place: &Path) -> io::Result<File> {
    File::options().write(true).truncate(true).open(place)
}
