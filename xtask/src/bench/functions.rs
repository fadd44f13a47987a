// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Exits by the function of the guest's kernel that they are in.

use std::collections::BTreeMap;

use serde_json::Value;

use super::boot::Exits;
use super::site_address;

/// Where the kernel's addresses begin.
const KERNEL: u64 = 1 << 63;

/// The simulator's sites by cause and function, as a kernel's System.map names it.
pub(super) fn by_function(stats: &Value, system_map: &str) -> BTreeMap<String, Exits> {
    let symbols = symbols(system_map);
    let mut found: BTreeMap<String, Exits> = BTreeMap::new();
    for (cause, sites) in stats["sites"].as_object().into_iter().flatten() {
        for (pc, site) in sites.as_object().into_iter().flatten() {
            let pc = site_address(pc).unwrap_or(0);
            let name = match symbols.range(..=pc).next_back() {
                Some((_, name)) if pc >= KERNEL => name,
                _ => "not the kernel's",
            };
            let exits = found.entry(format!("{cause} {name}")).or_default();
            exits.add(Exits::read(site));
        }
    }
    found
}

/// Functions by address.
fn symbols(system_map: &str) -> BTreeMap<u64, &str> {
    system_map
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let address = u64::from_str_radix(words.next()?, 16).ok()?;
            let is_code = matches!(words.next()?, "t" | "T" | "w" | "W");
            is_code.then_some((address, words.next()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sites_of_a_function_are_taken_together() {
        let site = |count: u64| json!({"count": count, "host_instructions": 10 * count});
        let stats = json!({"sites": {"idle": {
            "0x9000000000001004": site(1), "0x90000000000010fc": site(2),
            "0x9000000000001200": site(4), "0x1004": site(8),
        }}});
        let map = "9000000000001000 T first\n9000000000001080 D data\n9000000000001200 t second\n";
        let found = by_function(&stats, map);
        let count = |name: &str| found.get(name).map(|exits| exits.count);
        assert_eq!(count("idle first"), Some(3));
        assert_eq!(count("idle second"), Some(4));
        assert_eq!(count("idle not the kernel's"), Some(8));
    }
}
