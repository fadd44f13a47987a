// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Which crates may be linked into what: the backend goes into QEMU, which is
//! GPL-2.0-or-later in part and GPL-2.0 in part; what a kernel compiles uses no crate
//! but this project's.

use anyhow::{Result, bail};
use spdx::Expression;

use super::report::Verdict;
use crate::cargo::LOONG64;
use crate::linked::linked;
use crate::setup::workspace;

/// Licences of what may be part of a GPL-2.0 program. Apache-2.0 is none: its terms on
/// patents are more than that licence allows.
const WITH_GPL2: &[&str] = &[
    "0BSD",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "GPL-2.0",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "ISC",
    "LGPL-2.1-or-later",
    "MIT",
    "Unlicense",
    "Zlib",
];

/// What a kernel compiles.
const IN_KERNEL: &[&str] = &["kvm-core", "la-arch"];

pub(super) fn run() -> Result<Verdict> {
    let workspace = workspace()?;
    for part in linked(&workspace, "accel-kvm-la", LOONG64.triple)? {
        let terms = part.terms()?;
        if !goes_with_gpl2(&terms) {
            bail!(
                "accel-kvm-la is linked with {} {}, whose licence is {terms}: QEMU cannot hold it",
                part.name,
                part.version
            );
        }
    }
    for package in IN_KERNEL {
        for part in linked(&workspace, package, LOONG64.triple)? {
            if part.source.is_some() {
                bail!("{package} uses the crate {}: a kernel has none", part.name);
            }
        }
    }
    Ok(Verdict::Passed)
}

fn goes_with_gpl2(terms: &Expression) -> bool {
    terms.evaluate(|requirement| {
        requirement
            .license
            .id()
            .is_some_and(|id| WITH_GPL2.contains(&id.name))
    })
}

#[cfg(test)]
mod tests {
    use super::goes_with_gpl2;
    use crate::linked::parse;

    #[test]
    fn a_choice_is_enough_and_apache_alone_is_not() -> anyhow::Result<()> {
        for (terms, may) in [
            ("MIT OR Apache-2.0", true),
            ("Apache-2.0/MIT", true),
            ("Apache-2.0", false),
            ("Apache-2.0 AND MIT", false),
            ("GPL-2.0-or-later", true),
            ("GPL-3.0-only", false),
        ] {
            assert_eq!(goes_with_gpl2(&parse(terms)?), may, "{terms}");
        }
        Ok(())
    }
}
