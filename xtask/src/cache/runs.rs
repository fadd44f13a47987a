// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The directories of runs: those of failures are kept for a while.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};

use super::is_old;
use super::remove::remove_tree;

/// Of the files of failed runs the newest are kept, up to the run with which they take this
/// many bytes of the disk.
const KEEP_OF_RUNS: u64 = 2 << 30;

/// A new directory for the files of one run, which the run removes if all
/// went well. Those of old failures go after some days, or when they take too much room.
pub(super) fn create(runs: &Path, name: &str) -> Result<PathBuf> {
    fs::create_dir_all(runs).with_context(|| format!("cannot create {}", runs.display()))?;
    remove_old_runs(runs, KEEP_OF_RUNS)?;
    for number in 0u32.. {
        let dir = runs.join(format!("{name}-{}-{number}", std::process::id()));
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot create {}", dir.display()));
            }
        }
    }
    Err(anyhow!("no free name in {}", runs.display()))
}

/// Removes the directories of runs that have ended: old ones, and all that are older than
/// the newest ones whose files take `limit` bytes.
fn remove_old_runs(runs: &Path, limit: u64) -> Result<()> {
    let mut newest_first = Vec::new();
    for entry in fs::read_dir(runs).with_context(|| format!("cannot list {}", runs.display()))? {
        let path = entry?.path();
        // Another run may just have removed its own.
        if let Ok(time) = path.metadata().and_then(|m| m.modified()) {
            newest_first.push((time, path));
        }
    }
    newest_first.sort_by(|a, b| b.cmp(a));
    let mut taken = 0u64;
    for (time, path) in newest_first {
        if !is_under_way(&path) && (is_old(time) || taken >= limit) {
            remove_tree(&path)?;
        } else {
            taken = taken.saturating_add(disk_usage(&path));
        }
    }
    Ok(())
}

/// Whether the process that a run's directory is named after is there.
fn is_under_way(run: &Path) -> bool {
    let name = run.file_name().and_then(|name| name.to_str());
    let process = name.and_then(|name| name.rsplit('-').nth(1));
    process.is_some_and(|process| Path::new("/proc").join(process).exists())
}

/// What the files of a directory take on the disk, in bytes; what cannot be read does not count.
fn disk_usage(dir: &Path) -> u64 {
    let files = ignore::WalkBuilder::new(dir)
        .standard_filters(false)
        .build();
    files
        .filter_map(|entry| entry.ok()?.metadata().ok())
        // In units of 512 bytes, whatever the file system's are (stat(2)).
        .map(|metadata| metadata.blocks() * 512)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{age, cache, names};
    use super::*;

    #[test]
    fn failed_runs_are_kept_for_a_week_and_up_to_a_size() -> Result<()> {
        let cache = cache("runs")?;
        let runs = cache.dir.join("runs");
        // No process has this number: the largest is 2^22 (proc_sys_kernel(5)).
        for (name, days) in [("new", 1), ("middle", 2), ("small", 3), ("old", 8)] {
            let run = runs.join(format!("{name}-4194305-0"));
            fs::create_dir_all(&run)?;
            fs::write(run.join("console"), vec![1; 1 << 16])?;
            age(&run, days)?;
        }
        let own = runs.join(format!("own-{}-0", std::process::id()));
        fs::create_dir(&own)?;
        age(&own, 30)?;
        remove_old_runs(&runs, 2 << 16)?;
        let own = own.file_name().unwrap_or_default().display().to_string();
        assert_eq!(names(&runs)?, ["middle-4194305-0", "new-4194305-0", &own]);
        remove_old_runs(&runs, 1)?;
        assert_eq!(names(&runs)?, ["new-4194305-0", &own]);
        fs::remove_dir_all(cache.dir)?;
        Ok(())
    }
}
