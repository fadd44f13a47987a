// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What exits cost, from the simulator's figures by address.

use anyhow::{Result, bail};
use serde_json::Value;

use super::super::site_address;
use super::classes::Class;
use super::guest::{Programs, Symbols};

/// What one class cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cost {
    pub(super) count: u64,
    /// Median, or what a page costs, and what refills add to it.
    pub(super) median: f64,
    pub(super) refills: f64,
    /// Median of the first use of the FPU that follows, of classes that have it.
    pub(super) fpu: f64,
    pub(super) p99: u64,
    /// The median by what it was for; interrupts are those that came in between.
    pub(super) kernel: f64,
    pub(super) user: f64,
    pub(super) interrupts: f64,
}

impl Cost {
    /// The figure of the row.
    pub(super) fn figure(&self) -> f64 {
        self.median + self.refills + self.fpu
    }
}

/// The cost of one, of which there are as many as there should be.
pub(super) fn class_cost(stats: &Value, class: &Class, programs: &Programs) -> Result<Cost> {
    let symbols = programs.symbols(class.program)?;
    let mut cost = cost(stats, class, &symbols)?;
    if class.then_fpu {
        let site = symbols.address(&format!("{}_use", class.symbol))?;
        let (uses, median) = median_at(stats, "fpu", site);
        if uses < class.count {
            bail!(
                "{}: {uses} first uses of the FPU instead of {}",
                class.name,
                class.count
            );
        }
        cost.fpu = median;
    }
    if cost.count < class.count {
        bail!(
            "{}: {} exits instead of {}",
            class.name,
            cost.count,
            class.count
        );
    }
    Ok(cost)
}

fn cost(stats: &Value, class: &Class, symbols: &Symbols) -> Result<Cost> {
    let start = symbols.address(class.symbol)?;
    let end = match class.end {
        Some(end) => symbols.address(end)?,
        None => start + 4,
    };
    let mut sites = sites(stats, class.cause, start, end);
    let count = sites.iter().map(|site| site.count).sum();
    // One site's median, or the median site's.
    sites.sort_by_key(|site| site.median);
    let mut seen = 0;
    let middle = sites.iter().find(|site| {
        seen += site.count;
        seen * 2 >= count
    });
    let of = |part: fn(&Site) -> u64| middle.map_or(0, part) as f64;
    let (median, divisor) = match class.pages {
        Some(pages) => {
            let spent: u64 = sites.iter().map(|site| site.spent).sum();
            (spent as f64 / pages as f64, pages)
        }
        None => (of(|site| site.median), u64::max(count, 1)),
    };
    Ok(Cost {
        count,
        median,
        fpu: 0.0,
        refills: refills(stats, start, end) / divisor as f64,
        p99: sites.iter().map(|site| site.p99).max().unwrap_or(0),
        kernel: of(|site| site.kernel),
        user: of(|site| site.user),
        interrupts: of(|site| site.interrupts),
    })
}

/// How many exits of one cause there were at an address, and what one cost: the
/// median.
pub(in super::super) fn median_at(stats: &Value, cause: &str, address: u64) -> (u64, f64) {
    sites(stats, cause, address, address + 4)
        .first()
        .map_or((0, 0.0), |site| (site.count, site.median as f64))
}

/// Instructions of the TLB refills between two addresses.
fn refills(stats: &Value, start: u64, end: u64) -> f64 {
    sites(stats, "refill", start, end)
        .iter()
        .map(|site| (site.count * site.median) as f64)
        .sum()
}

/// The simulator's figures for one address.
pub(super) struct Site {
    pub(super) count: u64,
    median: u64,
    p99: u64,
    /// All of them, but for interrupts that came in between.
    spent: u64,
    /// The median's parts.
    kernel: u64,
    user: u64,
    interrupts: u64,
}

/// Those of one cause between two addresses.
pub(super) fn sites(stats: &Value, cause: &str, start: u64, end: u64) -> Vec<Site> {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    stats["sites"][cause]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(pc, _)| site_address(pc).is_some_and(|pc| (start..end).contains(&pc)))
        .map(|(_, site)| Site {
            count: number(&site["count"]),
            median: number(&site["host_instructions_p50"]),
            p99: number(&site["host_instructions_p99"]),
            spent: number(&site["host"]["kernel"]) + number(&site["host"]["user"]),
            kernel: number(&site["host_p50"]["kernel"]),
            user: number(&site["host_p50"]["user"]),
            interrupts: number(&site["host_p50"]["interrupts"]),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::classes::{class, touches};
    use super::*;
    use serde_json::json;

    fn site(count: u64, median: u64) -> Value {
        json!({
            "count": count,
            "host_instructions_p50": median,
            "host_instructions_p99": median,
            "host_p50": {"kernel": median, "user": 0, "interrupts": 0},
            "host": {"kernel": count * median, "user": 0, "interrupts": 0},
        })
    }

    #[test]
    fn sites_of_a_range_are_taken_together() {
        let stats = json!({"sites": {
            "fetch-fault": {"0x100": site(1, 50), "0x200": site(1, 70), "0x204": site(1, 60),
                            "0x300": site(1, 9)},
            "refill": {"0x200": site(3, 20), "0x400": site(1, 20)},
        }});
        let found = sites(&stats, "fetch-fault", 0x100, 0x300);
        assert_eq!(found.len(), 3);
        assert_eq!(refills(&stats, 0x100, 0x300), 60.0);
        assert!(sites(&stats, "idle", 0, u64::MAX).is_empty());
    }

    #[test]
    fn a_fault_may_be_of_several_pages() -> Result<()> {
        let stats = json!({"sites": {
            "store-fault": {"0x100": site(4, 700)},
            "refill": {"0x100": site(8, 16)},
        }});
        let symbols = Symbols::parse("0000000000000100 T site_fill\n");
        let figure =
            |class: Class| Ok::<_, anyhow::Error>(cost(&stats, &class, &symbols)?.figure());
        let each = class("x", "store-fault", "x", "site_fill", 4);
        assert_eq!(figure(each)?, 732.0);
        let page = touches("x", "store-fault", "x", "site_fill", 64);
        assert_eq!(figure(page)?, 45.75);
        Ok(())
    }
}
