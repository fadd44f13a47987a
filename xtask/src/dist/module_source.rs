// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The package with the module's source, which DKMS builds where it is installed.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use super::copyright;
use super::package::Contents;
use crate::setup::workspace;
use crate::sources::Sources;

/// What the module is built of.
const SOURCES: &[&str] = &["kernel-module", "kvm-core/src", "la-arch/src"];

/// The contents of the package.
pub(super) fn contents() -> Result<Contents> {
    let sources = Sources::read(&workspace()?, SOURCES)?;
    let files = sources
        .files()
        // Of use in a checkout only.
        .filter(|(name, _)| name.file_name().is_some_and(|name| name != ".gitignore"))
        .map(|(name, data)| (Path::new("source").join(name), data.to_owned()));
    Ok(Contents {
        folder: "kvm-la-dkms",
        name: "kvm-la-dkms".to_owned(),
        architecture: "all",
        files: files.collect::<BTreeMap<_, _>>(),
        copyright: copyright::of_sources("GPL-2.0-only", &[("la-arch", "MIT")])?,
        words: Vec::new(),
    })
}
