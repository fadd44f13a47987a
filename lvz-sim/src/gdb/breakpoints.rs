// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The breakpoints that a debugger has set, by where they are: GDB sets all of them before it lets
//! the machine go on, and takes all of them away at the next stop.

use super::space;
use crate::cpu::Place;
use crate::engine::breakpoints::Breakpoints as Places;
use std::collections::BTreeMap;

/// A breakpoint that the debugger has set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Breakpoint {
    pub(super) address: u64,
    pub(super) hardware: bool,
}

/// All of them. Those of one place are of both kinds, or have other names for it.
#[derive(Debug, Default)]
pub(super) struct Breakpoints(BTreeMap<Place, Vec<Breakpoint>>);

impl Breakpoints {
    /// Adds one, unless it is there, and has the machine stop at it.
    pub(super) fn add(&mut self, breakpoint: Breakpoint, machine: &mut Places) {
        let place = space::place(breakpoint.address);
        let here = self.0.entry(place).or_default();
        if !here.contains(&breakpoint) {
            here.push(breakpoint);
        }
        machine.insert(place);
    }

    /// Takes one away, and has the machine not stop there if it was the last one of the place;
    /// whether it was there.
    pub(super) fn remove(&mut self, breakpoint: Breakpoint, machine: &mut Places) -> bool {
        let place = space::place(breakpoint.address);
        let Some(here) = self.0.get_mut(&place) else {
            return false;
        };
        let before = here.len();
        here.retain(|known| *known != breakpoint);
        let removed = here.len() < before;
        if here.is_empty() {
            self.0.remove(&place);
            machine.remove(place);
        }
        removed
    }

    /// Those of a place, the first one that was set first.
    pub(super) fn at(&self, place: Place) -> &[Breakpoint] {
        self.0.get(&place).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_stops_at_a_place_until_its_last_breakpoint_is_gone() {
        let physical = 0x0d04_0000_0000_1000;
        // The same place, by bits that no physical address has.
        let alias = physical | 1 << 60;
        let names = [(physical, false), (physical, true), (alias, false)]
            .map(|(address, hardware)| Breakpoint { address, hardware });
        let (mut breakpoints, mut machine) = (Breakpoints::default(), Places::default());
        for breakpoint in names.into_iter().chain(names) {
            breakpoints.add(breakpoint, &mut machine);
        }
        assert_eq!(breakpoints.at(Place::Physical(0x1000)), names);
        let mut only = Places::default();
        only.insert(Place::Physical(0x1000));
        for breakpoint in names {
            assert_eq!(machine, only);
            assert!(breakpoints.remove(breakpoint, &mut machine));
            assert!(!breakpoints.remove(breakpoint, &mut machine));
        }
        assert_eq!(machine, Places::default());
    }
}
