// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Where a flash keeps its contents: a file, or nowhere.
//!
//! Programming writes its bytes, at most 128 in one page of the file as firmware does it,
//! with one call. Erasing a block writes the whole new file beside the old one and renames
//! it over that, so a killed run leaves a block erased or as it was.

use super::contents::Block;
use super::geometry::{BLOCK, ERASED, FLASH_MAX};
use crate::platform::error::PlatformError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// The file of a flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlashConfig {
    /// Its path.
    pub path: PathBuf,
    /// Whether writes stay in memory, and the file as it is.
    pub volatile: bool,
}

/// A file that has the contents at all times, or none.
#[derive(Debug)]
pub(super) struct Store(Option<(PathBuf, File)>);

/// The contents at the start, and where they are kept.
pub(super) fn open(config: Option<&FlashConfig>) -> Result<(Vec<u8>, Store), PlatformError> {
    let Some(FlashConfig { path, volatile }) = config else {
        return Ok((vec![ERASED; FLASH_MAX], Store(None)));
    };
    let failed = |source| PlatformError::Flash {
        path: path.clone(),
        source,
    };
    // A link stays one.
    let place = fs::canonicalize(path).map_err(failed)?;
    let file = OpenOptions::new()
        .read(true)
        .write(!volatile)
        .open(&place)
        .map_err(failed)?;
    let mut contents = Vec::new();
    let most = FLASH_MAX as u64 + 1;
    (&file)
        .take(most)
        .read_to_end(&mut contents)
        .map_err(failed)?;
    let length = contents.len();
    if length == 0 || length > FLASH_MAX || !length.is_multiple_of(BLOCK) {
        return Err(PlatformError::FlashSize(path.clone()));
    }
    Ok((contents, Store((!volatile).then_some((place, file)))))
}

impl Store {
    /// Whether a file has the contents.
    pub(super) fn is_file(&self) -> bool {
        self.0.is_some()
    }

    /// Writes a few bytes.
    pub(super) fn write(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        match &self.0 {
            Some((_, file)) => file.write_all_at(bytes, offset as u64),
            None => Ok(()),
        }
    }

    /// Has the file hold these blocks, all of them at once.
    pub(super) fn replace(&mut self, blocks: &[Block]) -> io::Result<()> {
        let Some((path, file)) = &mut self.0 else {
            return Ok(());
        };
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        *file = replacement(path, file, &partial, blocks).inspect_err(|_| {
            // What is left of a failed attempt is of no use; that it may not be
            // removable either changes nothing.
            let _ = fs::remove_file(&partial);
        })?;
        Ok(())
    }

    /// What to say of an error.
    pub(super) fn failure(&self, error: &io::Error) -> String {
        let path = self.0.as_ref().map_or(Path::new(""), |(path, _)| path);
        format!(
            "firmware variables '{}': cannot write: {error}; what the machine writes is lost",
            path.display()
        )
    }
}

fn replacement(path: &Path, old: &File, partial: &Path, blocks: &[Block]) -> io::Result<File> {
    let new = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(partial)?;
    new.set_permissions(old.metadata()?.permissions())?;
    for (offset, block) in (0..).step_by(BLOCK).zip(blocks) {
        new.write_all_at(block, offset)?;
    }
    fs::rename(partial, path)?;
    Ok(new)
}
