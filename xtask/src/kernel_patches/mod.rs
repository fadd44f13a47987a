// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `kernel-patches`: the series for a kernel's tree, written from the patches in
//! kernel-patches/ and from the sources of this checkout, which stand nowhere
//! twice.
//!
//! A file `NNNN-*.patch` there is one patch of the series. `NNNN-*.sources` is
//! the message of one that adds sources: below the line `---`, where a patch has
//! its diff, each line is `SOURCE => TARGET`, a file, or with a `/` at the end of
//! both a directory.

mod sources;
pub(crate) mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::Args;

use crate::output;
use crate::setup::workspace;
use crate::sources::Sources;

#[derive(Args)]
pub(crate) struct Options {
    /// Where the patches go; it is made, and must not hold other patches
    /// [target/kernel-patches]
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let workspace = workspace()?;
    let directory = match &options.directory {
        Some(directory) => directory.clone(),
        None => workspace.join("target/kernel-patches"),
    };
    let series = Series::make(&workspace)?;
    for file in series.write(&directory)? {
        println!("{}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The patches by their file names, in order.
pub(crate) struct Series(BTreeMap<String, String>);

impl Series {
    /// Makes the series of a checkout.
    pub(crate) fn make(workspace: &Path) -> Result<Self> {
        let directory = workspace.join("kernel-patches");
        let mut patches = BTreeMap::new();
        for entry in fs::read_dir(&directory)
            .with_context(|| format!("cannot read {}", directory.display()))?
        {
            let path = entry?.path();
            let kind = path.extension().and_then(|kind| kind.to_str());
            if !matches!(kind, Some("patch" | "sources")) {
                continue;
            }
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let text = match kind {
                Some("sources") => {
                    with_sources(workspace, &text).with_context(|| format!("{}", path.display()))?
                }
                _ => text,
            };
            let name = path.with_extension("patch");
            let name = name
                .file_name()
                .and_then(|name| name.to_str())
                .ok_or_else(|| anyhow!("{} is not UTF-8", path.display()))?;
            patches.insert(name.to_owned(), text);
        }
        let series = Self(patches);
        series.check_numbers()?;
        Ok(series)
    }

    /// File name and subject of each patch have its number.
    fn check_numbers(&self) -> Result<()> {
        let total = self.0.len();
        for (number, (name, text)) in (1..).zip(&self.0) {
            ensure!(
                name.starts_with(&format!("{number:04}-"))
                    && text.contains(&format!("\nSubject: [PATCH {number}/{total}] ")),
                "kernel-patches/{name} is patch {number} of {total}: its name or subject differs"
            );
        }
        Ok(())
    }

    /// Writes the patches into a directory and returns the files in order.
    pub(crate) fn write(&self, directory: &Path) -> Result<Vec<PathBuf>> {
        ensure!(
            directory.is_dir() || !directory.exists(),
            "{} is no directory, and the patches go into one: name another",
            directory.display()
        );
        fs::create_dir_all(directory).with_context(|| {
            format!(
                "cannot make {}, the directory for the patches: name another",
                directory.display()
            )
        })?;
        for entry in fs::read_dir(directory)
            .with_context(|| format!("cannot read {}", directory.display()))?
        {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            // `git am *.patch` would take it too.
            ensure!(
                self.0.contains_key(&*name) || !name.ends_with(".patch"),
                "{}/{name} is not of this series: remove it or name another directory",
                directory.display()
            );
        }
        let files: Vec<PathBuf> = self.0.keys().map(|name| directory.join(name)).collect();
        let texts = self.0.values().map(String::as_str);
        output::write_all(files.iter().map(PathBuf::as_path).zip(texts))?;
        Ok(files)
    }

    /// The files of the kernel that the series changes.
    pub(crate) fn changed(&self) -> Vec<&str> {
        let mut files: Vec<&str> = self
            .0
            .values()
            .flat_map(|text| text.lines())
            .filter_map(|line| line.strip_prefix("--- a/"))
            .collect();
        files.sort_unstable();
        files.dedup();
        files
    }
}

/// The patch of a message that ends with a list of sources.
fn with_sources(workspace: &Path, text: &str) -> Result<String> {
    let (message, list) = text
        .split_once("\n---\n")
        .ok_or_else(|| anyhow!("no line --- ends the message"))?;
    let (author, rest) = message
        .split_once("\nSubject: ")
        .ok_or_else(|| anyhow!("no subject"))?;
    let mut files = Vec::new();
    for line in list.lines() {
        let (source, target) = line
            .split_once(" => ")
            .ok_or_else(|| anyhow!("not SOURCE => TARGET: {line}"))?;
        files.extend(targets(workspace, source, target)?);
    }
    let (mut stat, mut diff, mut lines) = (String::new(), String::new(), 0);
    for (target, text) in &files {
        let (addition, count) = sources::addition(target, text)?;
        stat.push_str(&format!(" {target} | {count}\n"));
        diff.push_str(&addition);
        lines += count;
    }
    Ok(format!(
        "{MAILBOX}{author}\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\
         Subject: {rest}\n---\n{stat} {} files changed, {lines} insertions(+)\n\n{diff}",
        files.len()
    ))
}

/// What a patch begins with, as git writes it.
const MAILBOX: &str = "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n";

/// The files of one line of a list: names in the kernel's tree, and texts.
fn targets(workspace: &Path, source: &str, target: &str) -> Result<Vec<(String, String)>> {
    ensure!(
        source.ends_with('/') == target.ends_with('/'),
        "{source} => {target}: one is a directory"
    );
    let mut texts = Vec::new();
    let mut tests = Vec::new();
    let sources = Sources::read(workspace, &[source])?;
    for (name, data) in sources.files() {
        let text = std::str::from_utf8(data)
            .with_context(|| format!("{} is not UTF-8", name.display()))?;
        let mut text = text.to_owned();
        if name.extension().is_some_and(|kind| kind == "rs") {
            let (kept, modules) = sources::without_tests(name, &text)?;
            text = kept;
            tests.extend(modules);
        }
        let rest = name
            .to_str()
            .and_then(|name| name.strip_prefix(source))
            .ok_or_else(|| anyhow!("{} is not under {source}", name.display()))?;
        texts.push((name, format!("{target}{rest}"), text));
    }
    texts.retain(|(name, ..)| !tests.iter().any(|test| name.starts_with(test)));
    ensure!(!texts.is_empty(), "{source}: no such source");
    Ok(texts
        .into_iter()
        .map(|(_, target, text)| (target, text))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of kernel-module/ for builds outside of the kernel's tree.
    const OUTSIDE: &[&str] = &[
        ".gitignore",
        "Kbuild",
        "Makefile",
        "generic/.gitkeep",
        "oldest-kernel",
        "requirements.mk",
    ];

    /// Those that have another name in the tree.
    const RENAMED: &[&str] = &["Makefile.tree", "include/asm/kvm_host.h"];

    #[test]
    fn nothing_of_the_module_is_forgotten() -> Result<()> {
        let workspace = workspace()?;
        let series = Series::make(&workspace)?;
        for (name, _) in Sources::read(&workspace, &["kernel-module"])?.files() {
            let name = name.strip_prefix("kernel-module")?.to_string_lossy();
            let line = format!("\n+++ b/arch/loongarch/kvm/rust/{name}\n");
            let there = series.0.values().any(|patch| patch.contains(&line));
            let elsewhere = OUTSIDE.contains(&&*name) || RENAMED.contains(&&*name);
            assert!(there || elsewhere, "kernel-module/{name}");
        }
        assert_eq!(series.changed().len(), 7, "{:?}", series.changed());
        Ok(())
    }

    #[test]
    fn another_series_is_not_mixed_in() -> Result<()> {
        let dir = std::env::temp_dir().join(format!("xtask-patches-{}", std::process::id()));
        let series = Series(BTreeMap::from([(
            "0001-a.patch".to_owned(),
            "a\n".to_owned(),
        )]));
        assert_eq!(series.write(&dir)?.len(), 1);
        assert_eq!(series.write(&dir)?.len(), 1);
        fs::write(dir.join("0002-old.patch"), "b\n")?;
        assert!(series.write(&dir).is_err());
        fs::remove_dir_all(dir)?;
        Ok(())
    }

    #[test]
    fn where_no_directory_can_be_one_is_wanted() -> Result<()> {
        let file = std::env::temp_dir().join(format!("xtask-no-directory-{}", std::process::id()));
        fs::write(&file, "kept")?;
        for (place, reason) in [
            (file.clone(), "is no directory, and the patches go into one"),
            (file.join("below"), "the directory for the patches"),
        ] {
            let error = Series(BTreeMap::new())
                .write(&place)
                .map_err(|e| e.to_string());
            assert!(
                error.as_ref().is_err_and(|error| error.contains(reason)),
                "{error:?}"
            );
        }
        assert_eq!(fs::read_to_string(&file)?, "kept");
        fs::remove_file(file)?;
        Ok(())
    }
}
