// SPDX-License-Identifier: GPL-2.0-or-later

//! How many calls succeeded: a line `NAME TRIED SUCCEEDED` for each kind.

use std::collections::BTreeMap;

use super::{Outcome, calls};

/// Counts by kinds of calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(BTreeMap<String, (u64, u64)>);

impl Tally {
    /// Counts a call.
    pub(super) fn count(&mut self, name: &str, succeeded: bool) {
        match self.0.get_mut(name) {
            Some((tried, well)) => {
                *tried += 1;
                *well += u64::from(succeeded);
            }
            None => {
                self.0.insert(name.to_owned(), (1, succeeded.into()));
            }
        }
    }

    /// Adds another's counts.
    pub(super) fn add(&mut self, other: &Self) {
        for (name, (tried, well)) in &other.0 {
            let sum = self.0.entry(name.clone()).or_default();
            sum.0 += tried;
            sum.1 += well;
        }
    }

    /// Prints it so that it can be read back.
    pub(super) fn print(&self) {
        for (name, (tried, well)) in &self.0 {
            println!("{name} {tried} {well}");
        }
    }

    /// Reads what a worker printed.
    pub(super) fn read(text: &str) -> Outcome<Self> {
        let mut tally = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [name, tried, well] = words.as_slice() else {
                return Err(format!("a worker said: {line}").into());
            };
            tally
                .0
                .insert((*name).to_owned(), (tried.parse()?, well.parse()?));
        }
        Ok(tally)
    }

    /// There were as many calls as wanted, and they were not all nonsense:
    /// every call that can succeed here succeeded once, if there were enough.
    pub(super) fn check(&self, wanted: u64) -> Outcome {
        let sum = |of: fn(&(u64, u64)) -> u64| self.0.values().map(of).sum::<u64>();
        let (tried, well) = (sum(|counts| counts.0), sum(|counts| counts.1));
        println!("fuzz: {tried} calls were made, {well} succeeded");
        if tried < wanted {
            return Err(format!("{wanted} calls were wanted").into());
        }
        let never: Vec<&str> = calls::CALLS
            .iter()
            .filter(|call| call.succeeds)
            .map(|call| call.name)
            .filter(|name| self.0.get(*name).is_none_or(|(_, well)| *well == 0))
            .collect();
        if !never.is_empty() && wanted >= 50_000 {
            return Err(format!("these never succeeded: {}", never.join(", ")).into());
        }
        Ok(())
    }
}
