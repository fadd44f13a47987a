// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The files of a run, before anything is done to one: which it reads, and which it writes.

use crate::cli::RunArgs;
use crate::output::{Output, Place};
use crate::platform::virtio::disk::DriveMode;
use anyhow::{Error, Result, bail};
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Options whose file may be that of the other: it is read as a whole before it is replaced by
/// one of its kind.
const REPLACES: [(&str, &str); 2] = [("--dtb", "--dump-dtb"), ("--snapshot-in", "--snapshot-out")];

/// An error of an output.
pub(super) fn failure(what: &str, output: &Output, error: io::Error) -> Error {
    Error::new(error).context(format!("cannot write {what} to {output}"))
}

/// Whether no file is written that another option names too, and each result can be written.
///
/// # Errors
/// Two options with one file, or a result without a place.
pub(super) fn check(args: &RunArgs) -> Result<()> {
    let outputs = outputs(args);
    let named = inputs(args).into_iter().chain(
        outputs
            .iter()
            .filter_map(|(option, _, output)| Named::of(option, output.path()?, true)),
    );
    let named: Vec<Named> = named.collect();
    for (index, one) in named.iter().enumerate() {
        let others = named.iter().skip(index + 1);
        if let Some(other) = others.into_iter().find(|other| one.excludes(other)) {
            bail!(
                "{} and {} name the same file, '{}': give one of them another",
                one.option,
                other.option,
                one.path.display()
            );
        }
    }
    for (_, what, output) in &outputs {
        output
            .check()
            .map_err(|error| failure(what, output, error))?;
    }
    Ok(())
}

/// What is written of this run: the option, what it is, and where.
fn outputs(args: &RunArgs) -> Vec<(&'static str, &'static str, &Output)> {
    if let Some(tree) = &args.dump_dtb {
        // Then nothing runs.
        return vec![("--dump-dtb", TREE, tree)];
    }
    [
        ("--serial1", SECOND_PORT, &args.serial1),
        ("--stats", STATISTICS, &args.stats),
        ("--profile", PROFILE, &args.profile),
        ("--snapshot-out", SNAPSHOT, &args.snapshot_out),
    ]
    .into_iter()
    .filter_map(|(option, what, output)| Some((option, what, output.as_ref()?)))
    .collect()
}

/// What is written, in words.
pub(super) const TREE: &str = "the device tree";
pub(super) const SECOND_PORT: &str = "the second serial port's output";
pub(super) const STATISTICS: &str = "statistics";
pub(super) const PROFILE: &str = "the profile";
pub(super) const SNAPSHOT: &str = "the snapshot";

/// What is read, and files that the machine itself writes.
fn inputs(args: &RunArgs) -> Vec<Named> {
    let single = [
        ("--kernel", &args.kernel),
        ("--firmware", &args.firmware),
        ("--initrd", &args.initrd),
        ("--dtb", &args.dtb),
        ("--snapshot-in", &args.snapshot_in),
    ];
    let single = single
        .into_iter()
        .filter_map(|(option, path)| Named::of(option, path.as_deref()?, false));
    let load = args.load.iter();
    let load = load.filter_map(|file| Named::of("--load", &file.path, false));
    let symbols = args.symbols.iter();
    let symbols = symbols.filter_map(|file| Named::of("--symbols", file.path(), false));
    let variables = args.firmware_vars.iter();
    let variables =
        variables.filter_map(|file| Named::of("--firmware-vars", &file.path, !file.volatile));
    let drives = args.drive.iter();
    let drives = drives
        .filter_map(|drive| Named::of("--drive", &drive.path, drive.mode == DriveMode::ReadWrite));
    single
        .chain(load)
        .chain(symbols)
        .chain(variables)
        .chain(drives)
        .collect()
}

/// A file that an option names, other than a pipe, a character device, or where standard output
/// and standard error go anyway.
struct Named {
    option: &'static str,
    path: PathBuf,
    file: Identity,
    written: bool,
}

/// What two names of one file have in common.
#[derive(PartialEq, Eq)]
enum Identity {
    /// Device and inode.
    There(u64, u64),
    /// The number of a block device.
    Device(u64),
    /// Where it is going to be.
    New(PathBuf),
}

impl Named {
    fn of(option: &'static str, path: &Path, written: bool) -> Option<Self> {
        if written && matches!(Place::of(path), Ok(Place::Open(_))) {
            return None;
        }
        let file = match fs::metadata(path) {
            Ok(found) if found.is_file() => Identity::There(found.dev(), found.ino()),
            // A block device is one by whichever name.
            Ok(found) if found.file_type().is_block_device() => Identity::Device(found.rdev()),
            Ok(_) => return None,
            Err(_) => match Place::of(path) {
                Ok(Place::File(place)) => Identity::New(place),
                _ => return None,
            },
        };
        Some(Self {
            option,
            path: path.to_owned(),
            file,
            written,
        })
    }

    fn excludes(&self, other: &Self) -> bool {
        self.file == other.file
            && (self.written || other.written)
            && !REPLACES.contains(&(self.option, other.option))
    }
}
