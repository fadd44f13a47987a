// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The output of scripts that make many checks. Each check prints a line of its own:
//! a marker, then `passed NAME` or `failed NAME: WHY`.

use std::path::Path;

use anyhow::{Result, bail};

use super::report::{Verdict, detail};
use crate::said;

/// The verdict on a script whose output is kept in `log`: each failure is printed.
pub(super) fn verdict(output: &str, marker: &str, log: &Path) -> Result<Verdict> {
    let (passed, failures) = judge(output, marker);
    for failure in &failures {
        detail(format_args!("{failure}, see {}", log.display()));
    }
    if passed == 0 && failures.is_empty() {
        bail!("the script checked nothing, see {}", log.display());
    }
    Ok(Verdict::Counted {
        passed,
        failed: u64::try_from(failures.len())?,
        skipped: 0,
    })
}

/// How many checks passed, and which failed.
fn judge(output: &str, marker: &str) -> (u64, Vec<String>) {
    let mut passed = 0;
    let mut failures = Vec::new();
    for text in said::all(output, "", marker) {
        if text.starts_with("passed ") {
            passed += 1;
        } else if let Some(failure) = text.strip_prefix("failed ") {
            failures.push(failure.to_owned());
        }
    }
    (passed, failures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_check_is_counted() {
        let output = "KVM-LA-X passed probe\nKVM-LA-X failed help: they differ\n";
        let failures = vec!["help: they differ".to_owned()];
        assert_eq!(judge(output, "KVM-LA-X"), (1, failures));
        assert_eq!(judge("nothing", "KVM-LA-X"), (0, vec![]));
        assert!(verdict("nothing", "KVM-LA-X", Path::new("log")).is_err());
    }
}
