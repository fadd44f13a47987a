// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Guest exits as tools in the machine counted them by kvm.ko's tracepoints, beside
//! the simulator's own count of the run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;

use super::report::Verdict;
use crate::boot::read_stats;
use crate::said;

/// What the lines with counts begin with.
const MARKER: &str = "KVM-LA-COUNT";

/// A kind of exit: its cause as the simulator names it, the name of `perf kvm stat`
/// and the exception code (Linux, arch/loongarch/include/asm/loongarch.h, EXCCODE_*).
type Kind = (&'static [&'static str], &'static str, &'static str);

/// Kinds that all three tell apart. Sensitive instructions are one exception code, 22,
/// of which perf tells by the instruction what it was.
const KINDS: &[Kind] = &[
    (&["interrupt"], "interrupt", "0"),
    (&["load-fault"], "mem-read", "1"),
    (&["store-fault"], "mem-store", "2"),
    (&["fetch-fault"], "inst-fetch", "3"),
    (&["modify-fault"], "mem-modify", "4"),
    (&["fpu"], "fpu", "15"),
    (&["lsx"], "lsx", "16"),
    (&["hypercall"], "hypercall", "23"),
    (&["idle"], "idle", ""),
    (&["iocsr"], "iocsr", ""),
    (&["cpucfg"], "cpucfg", ""),
    (&["csr"], "csr", ""),
    (&["idle", "iocsr", "cpucfg", "csr", "cacop"], "", "22"),
];

/// How many exits of a kind a tool may miss. perf counts an exit when the guest is
/// entered again: of each vCPU the last has no end.
const MISSED_BY_PERF: u64 = 2;

/// Compares the counts in a console's log with the simulator's figures.
pub(super) fn compare(log: &Path, stats: &Path) -> Result<Verdict> {
    let console =
        fs::read_to_string(log).with_context(|| format!("cannot read {}", log.display()))?;
    let counts = counts(&console)?;
    let figures = read_stats(stats)?;
    let differences = differences(&counts, &figures["exits"])?;
    if !differences.is_empty() {
        bail!("{}", differences.join("; "));
    }
    Ok(Verdict::Passed)
}

/// The counts, by tool and by the tool's name of the kind.
fn counts(console: &str) -> Result<BTreeMap<(&str, &str), u64>> {
    said::all(console, "", MARKER)
        .map(|said| {
            let words: Vec<&str> = said.split(' ').collect();
            let [tool, kind, count] = words.as_slice() else {
                bail!("no count: {said}");
            };
            let count = count
                .parse()
                .map_err(|error| anyhow!("no count: {said}: {error}"))?;
            Ok(((*tool, *kind), count))
        })
        .collect()
}

/// What the tools counted otherwise than the simulator.
fn differences(counts: &BTreeMap<(&str, &str), u64>, exits: &Value) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (causes, perf, code) in KINDS {
        let simulator: u64 = causes
            .iter()
            .map(|cause| exits[cause]["count"].as_u64().unwrap_or(0))
            .sum();
        for (tool, kind, missed) in [("perf", perf, MISSED_BY_PERF), ("trace-cmd", code, 0)] {
            if kind.is_empty() {
                continue;
            }
            let counted = counts.get(&(tool, *kind)).copied().unwrap_or(0);
            if counted > simulator || simulator - counted > missed {
                found.push(format!(
                    "{tool} counts {counted} {kind}, the simulator {simulator}"
                ));
            }
        }
    }
    if !counts.keys().any(|(tool, _)| *tool == "perf")
        || !counts.keys().any(|(tool, _)| *tool == "trace-cmd")
    {
        bail!("a tool counted nothing");
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn counts_must_agree_but_for_the_last_exits() -> Result<()> {
        let console = "noise\nKVM-LA-COUNT perf mem-read 7\nKVM-LA-COUNT perf idle 3\n\
                       KVM-LA-COUNT trace-cmd 1 8\nKVM-LA-COUNT trace-cmd 22 3\n";
        let counts = counts(console)?;
        let exits = |reads| json!({"load-fault": {"count": reads}, "idle": {"count": 3}});
        assert!(differences(&counts, &exits(8))?.is_empty());
        assert_eq!(differences(&counts, &exits(11))?.len(), 2);
        assert_eq!(differences(&counts, &exits(6))?.len(), 2);
        Ok(())
    }

    #[test]
    fn no_count_is_no_success() {
        assert!(differences(&BTreeMap::new(), &json!({})).is_err());
        assert!(counts("KVM-LA-COUNT perf idle\n").is_err());
    }
}
