// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Where a flash keeps its contents: a file, or nowhere.
//!
//! Programming writes its bytes, at most 128 in one page of the file as firmware does it,
//! with one call. Erasing a block writes the whole new file beside the old one and renames
//! it over that, so a killed run leaves a block erased or as it was. Only where its directory cannot
//! be written to the file is written itself.

use super::contents::Block;
use super::geometry::{BLOCK, ERASED, FLASH_MAX};
use crate::lock::{InUse, Use, lock};
use crate::output;
use crate::platform::error::PlatformError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

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
    let what = match volatile {
        true => Use::Read,
        false => Use::Write,
    };
    lock(&file, what).map_err(|InUse| PlatformError::InUse("firmware variables", path.clone()))?;
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
        match output::beside(path) {
            Ok(new) => *file = replacement(path, new, blocks)?,
            // No new file can be there: the old one is written, which takes a while.
            Err(_) => write_blocks(file, blocks)?,
        }
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

fn write_blocks(file: &File, blocks: &[Block]) -> io::Result<()> {
    (0..)
        .step_by(BLOCK)
        .zip(blocks)
        .try_for_each(|(offset, block)| file.write_all_at(block, offset))
}

fn replacement(path: &Path, new: NamedTempFile, blocks: &[Block]) -> io::Result<File> {
    write_blocks(new.as_file(), blocks)?;
    // Nothing else can have it open yet.
    let _ = lock(new.as_file(), Use::Write);
    Ok(new.persist(path)?)
}
