// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What lvz-sim's list of ioctls says of the phases of `tests/guest/backend-bench.py`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow, bail};
use serde_json::Value;

use super::super::marks::{self, Call};
use super::requests;
use crate::said;

/// What the program's lines begin with that name the phases.
const MARKER: &str = "KVM-LA-BACKEND";

/// How often each request was made, by its number.
pub(super) type Counts = BTreeMap<u8, u64>;

/// One phase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Phase {
    /// Requests to any of KVM's files.
    pub(super) all: Counts,
    /// Of these the ones of vCPUs: to their files, or to make one and to find
    /// out what it may have.
    pub(super) vcpu: Counts,
    /// Instructions of the host.
    pub(super) instructions: u64,
}

/// How many requests those are.
pub(super) fn total(counts: &Counts) -> u64 {
    counts.values().sum()
}

/// The phases by name; of those with the same name the cheapest.
pub(super) fn phases(stats: &Value, console: &str) -> Result<BTreeMap<String, Phase>> {
    let calls = marks::calls(stats)?;
    let names: Vec<&str> = said::all(console, "", MARKER)
        .filter_map(|text| text.strip_prefix("phase ")?.split_once(' '))
        .map(|(_, name)| name)
        .collect();
    if names.is_empty() {
        bail!("the host named no phase");
    }
    let mut phases: BTreeMap<String, Phase> = BTreeMap::new();
    for (number, name) in names.iter().enumerate() {
        // A phase's begin has twice its number, its end one more.
        let begin = marks::position(&calls, 2 * number)?;
        let end = marks::position(&calls, 2 * number + 1)?;
        let inside = calls
            .get(begin..=end)
            .ok_or_else(|| anyhow!("the marks of {name} are the wrong way round"))?;
        let found = phase(inside);
        match phases.get(*name) {
            Some(known) if known.instructions <= found.instructions => {}
            _ => drop(phases.insert((*name).to_owned(), found)),
        }
    }
    Ok(phases)
}

/// What happened between the first and the last call, which are marks.
fn phase(calls: &[Call]) -> Phase {
    let mut phase = Phase::default();
    if let (Some(first), Some(last)) = (calls.first(), calls.last()) {
        phase.instructions = last.host_instructions - first.host_instructions;
    }
    let requests = || {
        calls
            .iter()
            .filter_map(|call| Some((call.file, requests::number(call.request)?)))
    };
    let files = |wanted: fn(u8) -> bool| -> BTreeSet<u64> {
        requests()
            .filter(|(_, number)| wanted(*number))
            .map(|(file, _)| file)
            .collect()
    };
    let vcpus = files(requests::is_vcpu_only);
    let vms = files(|number| number == requests::CREATE_VCPU);
    for (file, number) in requests() {
        *phase.all.entry(number).or_default() += 1;
        let of_vcpu = match number {
            requests::CREATE_VCPU | requests::GET_VCPU_MMAP_SIZE => true,
            requests::HAS_DEVICE_ATTR if vms.contains(&file) => true,
            _ => vcpus.contains(&file),
        };
        if of_vcpu {
            *phase.vcpu.entry(number).or_default() += 1;
        }
    }
    phase
}

#[cfg(test)]
mod tests {
    use super::super::super::marks::REQUEST as MARK;
    use super::*;
    use serde_json::json;

    fn call(at: u64, file: u64, request: u64, argument: u64) -> Value {
        json!({"instructions": at, "guest": 10, "arguments": [file, request, argument]})
    }

    #[test]
    fn calls_belong_to_the_phase_between_their_marks() {
        let stats = json!({"calls": [
            call(50, 7, 0xae80, 0),
            call(100, 3, MARK, 0),
            call(110, 5, 0xae41, 0),
            call(120, 7, 0x4010_aeac, 1),
            call(130, 5, 0x4018_aee3, 1),
            call(135, 9, 0x4018_aee3, 1),
            call(140, 7, 0xffff_ffff_ae80, 0),
            call(141, 1, 0x5401, 0),
            call(150, 3, MARK, 1),
            call(160, 7, 0xae80, 0),
        ]});
        let found = phases(&stats, "KVM-LA-BACKEND phase 0 read\r\n").unwrap_or_default();
        let read = &found["read"];
        assert_eq!(read.instructions, 50);
        assert_eq!(total(&read.all), 5);
        assert_eq!(
            read.vcpu,
            Counts::from([(0x41, 1), (0xac, 1), (0xe3, 1), (0x80, 1)])
        );
    }

    #[test]
    fn a_run_without_marks_is_no_measurement() {
        let stats = json!({"calls": [call(100, 3, MARK, 0)]});
        assert!(phases(&stats, "KVM-LA-BACKEND phase 0 read").is_err());
        assert!(phases(&stats, "").is_err());
        assert!(phases(&json!({}), "KVM-LA-BACKEND phase 0 read").is_err());
    }
}
