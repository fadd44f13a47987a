// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The package of the accelerator backend and its launcher.

use std::collections::BTreeMap;

use anyhow::Result;

use super::copyright;
use super::package::Contents;
use crate::backend;
use crate::cargo::LOONG64;
use crate::setup::{self, KernelOption, workspace};

/// The contents of the package.
pub(super) fn contents() -> Result<Contents> {
    let backend = backend::make(&setup::products(KernelOption::default())?)?;
    let mut contents = Contents {
        folder: "qemu-kvm-la",
        name: "qemu-kvm-la".to_owned(),
        architecture: LOONG64.architecture,
        files: BTreeMap::new(),
        copyright: copyright::of_program(&workspace()?, "accel-kvm-la", LOONG64.triple)?,
        words: Vec::new(),
    };
    contents.add("bin/qemu-kvm-la", &backend.launcher())?;
    contents.add("lib/libaccel_kvm_la.so", &backend.library())?;
    Ok(contents)
}
