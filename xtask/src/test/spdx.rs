// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A case of the suite `host`: each source file says in its first lines what licence it is
//! under, a licence whose text is in `LICENSES/`, and of a crate that others link or copy
//! the crate's own.

use std::path::Path;

use anyhow::{Result, bail, ensure};

use super::report::{Verdict, detail};
use crate::setup::workspace;
use crate::sources::Sources;

/// What stands before a licence's expression.
const TAG: &str = "SPDX-License-Identifier: ";

/// Files by their ending, or by their whole name.
const ENDINGS: &[&str] = &[
    "rs", "c", "h", "S", "inc", "ld", "py", "sh", "awk", "mk", "dkms", "postinst",
];
const NAMES: &[&str] = &[
    "Kbuild",
    "Makefile",
    "Makefile.tree",
    "meson.build",
    "meson_options.txt",
    "rules",
];

/// Licences whose text is there.
const KNOWN: &[&str] = &[
    "GPL-2.0",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "MIT",
    "Apache-2.0 OR MIT",
];

/// Folders whose files have one licence.
const FOLDERS: &[(&str, &str)] = &[
    ("accel-kvm-la", "GPL-2.0-or-later"),
    ("kernel-module", "GPL-2.0"),
    ("kvm-core", "GPL-2.0"),
    ("la-arch", "MIT"),
    ("lvz-sim", "Apache-2.0 OR MIT"),
    ("xtask", "Apache-2.0 OR MIT"),
];

pub(super) fn check() -> Result<Verdict> {
    let sources = Sources::read(&workspace()?, &[""])?;
    let (mut count, mut wrong) = (0, Vec::new());
    for (name, data) in sources.files() {
        if !is_source(name, data) {
            continue;
        }
        count += 1;
        if let Err(reason) = judge(name, &String::from_utf8_lossy(data)) {
            wrong.push(format!("{}: {reason}", name.display()));
        }
    }
    ensure!(count > 500, "only {count} source files found");
    if !wrong.is_empty() {
        bail!("source files and their licences:\n{}", wrong.join("\n"));
    }
    detail(format_args!("{count} source files name their licence"));
    Ok(Verdict::Passed)
}

/// Whether it is code, by its name or because a program is named to run it.
fn is_source(name: &Path, data: &[u8]) -> bool {
    let file = name.file_name().and_then(|file| file.to_str());
    let ending = name.extension().and_then(|ending| ending.to_str());
    data.starts_with(b"#!")
        || file.is_some_and(|file| NAMES.contains(&file))
        || ending.is_some_and(|ending| ENDINGS.contains(&ending))
}

/// What is wrong with what a file says.
fn judge(name: &Path, text: &str) -> Result<(), String> {
    let line = text.lines().take(3).find_map(|line| line.split_once(TAG));
    let Some((_, rest)) = line else {
        return Err(format!("no {}in its first lines", TAG.trim_end()));
    };
    let licence = rest.trim_end_matches(['*', '/', '-', '>', ' ']);
    if !KNOWN.contains(&licence) {
        return Err(format!("{licence} is none of {}", KNOWN.join(", ")));
    }
    let folder = FOLDERS.iter().find(|(folder, _)| name.starts_with(folder));
    match folder {
        Some((folder, wanted)) if licence != *wanted => {
            Err(format!("{licence}, where {folder} is {wanted}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_judged_by_folder() {
        let judged = |name: &str, text: &str| judge(Path::new(name), text);
        assert!(judged("la-arch/src/a.rs", "// SPDX-License-Identifier: MIT\n").is_ok());
        assert!(judged("la-arch/src/a.rs", "// SPDX-License-Identifier: GPL-2.0\n").is_err());
        assert!(judged("tests/a.h", "/* SPDX-License-Identifier: MIT */\n").is_ok());
        assert!(judged("tests/a", "#!/bin/sh\n# SPDX-License-Identifier: X11\n").is_err());
        assert!(judged("tests/a.rs", "fn a() {}\n").is_err());
    }

    #[test]
    fn sources_are_known_by_name_and_by_their_first_line() {
        let known = |name: &str, data: &str| is_source(Path::new(name), data.as_bytes());
        assert!(known("a/b.rs", "") && known("a/Kbuild", "") && known("a/b", "#!/bin/sh\n"));
        assert!(!known("a/b.md", "") && !known("a/b.config", "# a\n"));
    }
}
