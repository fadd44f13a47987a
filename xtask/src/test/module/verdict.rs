// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a host said after a case.

use anyhow::{Result, anyhow, bail};

use super::super::report::detail;
use super::cases::Scale;
use crate::said;

/// What the script's lines begin with.
pub(super) const MARKER: &str = "KVM-LA-MODULE";

/// By how much a host's available memory may shrink, in KiB.
///
/// Between two measurements on a host that does nothing else, caches of the
/// kernel (partly used slabs on each CPU, page tables of the kernel) make some
/// hundred KiB of difference. The smallest thing that could be lost with each
/// VM, a page of 16 KiB, costs 8 to 16 MiB in any case of the full tier.
const MAY_SHRINK_KIB: i64 = 2048;

/// The same after the fuzzer, whose four processes work on four CPUs: 0.9 and 2.9
/// MiB were seen after 100,000 calls and 4.0 after ten times as many, 1.3 on
/// Linux's own module.
const FUZZED_MAY_SHRINK_KIB: i64 = 6 * 1024;

/// The same on a debug kernel. Its detectors keep records of what they have
/// seen; a page lost with each VM is what kmemleak is there to find.
const DEBUG_MAY_SHRINK_KIB: i64 = 24 * 1024;

/// An error that says what was wrong.
pub(super) fn judge(console: &str, scale: Scale, programs: &[&str]) -> Result<()> {
    let said = || said::all(console, "", MARKER);
    if let Some(reason) = said().find_map(|text| text.strip_prefix("failed: ")) {
        // The program's own last word says more than its command line.
        let why = console
            .lines()
            .map(str::trim)
            .rfind(|line| PROGRAMS.iter().any(|program| line.starts_with(program)));
        match why {
            Some(why) => bail!("{reason}: {why}"),
            None => bail!("{reason}"),
        }
    }
    let (before, after) = said()
        .find_map(|text| text.strip_prefix("memory ")?.split_once(' '))
        .and_then(|(before, after)| Some((before.parse::<i64>().ok()?, after.parse::<i64>().ok()?)))
        .ok_or_else(|| anyhow!("the host did not come to the end of its script"))?;
    detail(format_args!(
        "available memory {before} KiB before, {after} KiB after"
    ));
    let may_shrink = match scale {
        Scale::Debug => DEBUG_MAY_SHRINK_KIB,
        Scale::Ci | Scale::Full if programs.contains(&"fuzz") => FUZZED_MAY_SHRINK_KIB,
        Scale::Ci | Scale::Full => MAY_SHRINK_KIB,
    };
    let shrunk = before.saturating_sub(after);
    if shrunk > may_shrink {
        bail!("{shrunk} KiB of memory did not come back");
    }
    if !said().any(|text| text == "quiet") {
        bail!("the host did not look at its kernel's log");
    }
    Ok(())
}

/// What lines of programs begin with.
const PROGRAMS: &[&str] = &[
    "churn: ",
    "kill-vmm: ",
    "fuzz: ",
    "hostile: ",
    "compute: ",
    "kvm-lifecycle: ",
    "irqfd-storm: ",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaks_complaints_and_silence_are_failures() {
        let of = |console: &str, programs: &[&str]| judge(console, Scale::Full, programs);
        let judge = |console: &str| of(console, &["churn"]);
        let quiet = "KVM-LA-MODULE quiet\r\n";
        let memory = "KVM-LA-MODULE memory 700000 699900\r\n";
        assert!(judge(&format!("{memory}{quiet}")).is_ok());
        assert!(judge(memory).is_err());
        assert!(judge(quiet).is_err());
        let lost = format!("KVM-LA-MODULE memory 700000 697000\n{quiet}");
        assert!(judge(&lost).is_err());
        assert!(of(&lost, &["fuzz"]).is_ok());
        assert!(
            of(
                &format!("KVM-LA-MODULE memory 700000 690000\n{quiet}"),
                &["fuzz"]
            )
            .is_err()
        );
        let failed =
            format!("{memory}kill-vmm: round 7: no\nKVM-LA-MODULE failed: kill-vmm 100 1\n{quiet}");
        let error = judge(&failed).map_err(|error| error.to_string());
        assert_eq!(
            error,
            Err("kill-vmm 100 1: kill-vmm: round 7: no".to_owned())
        );
    }
}
