// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The device tree that a machine gets.

use super::config::BootConfig;
use super::dtb::{self, Chosen};
use super::error::{BootError, ImageError, failed};
use super::span::{FIRMWARE_END, Span};
use super::{fdt, image};
use crate::platform::Platform;

/// Where it is.
pub(super) const FDT: u64 = 0x10_0000;
const FDT_SIZE: u64 = FIRMWARE_END - FDT;

/// The machine's own device tree, or the one that `config` names.
pub(super) fn of(
    platform: &Platform,
    config: &BootConfig,
    memory: &[Span],
    command_line: &str,
    initrd: Option<Span>,
) -> Result<Vec<u8>, BootError> {
    let given = config.command_line.as_deref();
    let tree = match &config.device_tree {
        Some(path) => image::read(path, FDT_SIZE)
            .map_err(|error| match error {
                ImageError::TooLarge(_) => ImageError::TreeSize,
                error => error,
            })
            .and_then(|bytes| dtb::with_chosen(&bytes, Chosen { given, initrd }))
            .map_err(failed("device tree", path))?,
        None => fdt::build(&fdt::Machine {
            platform,
            memory,
            command_line,
            initrd,
        })?,
    };
    if tree.len() as u64 > FDT_SIZE {
        return Err(BootError::TreeSize(tree.len()));
    }
    Ok(tree)
}
