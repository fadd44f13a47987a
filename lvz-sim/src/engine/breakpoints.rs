// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Where a debugger's breakpoints are, in order: each question takes as long as a look-up, however
//! many there are.

use crate::cpu::Place;
use crate::world::World;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Places of instructions before which a CPU stops.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Breakpoints(BTreeSet<Place>);

impl Breakpoints {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a place, which may be there.
    pub(crate) fn insert(&mut self, place: Place) {
        self.0.insert(place);
    }

    /// Takes a place away, if it is there.
    pub(crate) fn remove(&mut self, place: Place) {
        self.0.remove(&place);
    }

    /// Whether one is in `bytes` bytes, at least one, from virtual address `pc` or physical
    /// address `pa` on, in whatever mode.
    pub(super) fn any_in(&self, pc: u64, pa: u64, bytes: u64) -> bool {
        let any = |from: Place, to: Place| self.0.range(from..=to).next().is_some();
        let virtual_ones = |at: RangeInclusive<u64>| {
            any(
                Place::Virtual(*at.start(), None),
                Place::Virtual(*at.end(), Some(World::Guest)),
            )
        };
        spans(pc, bytes).any(virtual_ones)
            || spans(pa, bytes)
                .any(|at| any(Place::Physical(*at.start()), Place::Physical(*at.end())))
    }

    /// The one at an instruction of a CPU that is in `world`; of more than one the one in both
    /// modes, which a debugger knows by the program counter.
    pub(super) fn at(&self, pc: u64, pa: u64, world: World) -> Option<Place> {
        [
            Place::Virtual(pc, None),
            Place::Virtual(pc, Some(world)),
            Place::Physical(pa),
        ]
        .into_iter()
        .find(|place| self.0.contains(place))
    }
}

/// The addresses of `bytes` bytes, at least one, which may go on at zero behind the last address.
fn spans(from: u64, bytes: u64) -> impl Iterator<Item = RangeInclusive<u64>> {
    let last = from.wrapping_add(bytes).wrapping_sub(1);
    let (first, second) = match last < from {
        true => (from..=u64::MAX, Some(0..=last)),
        false => (from..=last, None),
    };
    std::iter::once(first).chain(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(places: &[Place]) -> Breakpoints {
        let mut breakpoints = Breakpoints::default();
        for place in places {
            breakpoints.insert(*place);
        }
        breakpoints
    }

    #[test]
    fn each_mode_has_its_places() {
        let both = Place::Virtual(0x1000, None);
        let guest = Place::Virtual(0x1000, Some(World::Guest));
        let physical = Place::Physical(0x20_0000);
        let mut all = of(&[physical, guest, both, both]);
        assert_eq!(all.at(0x1000, 0x20_0000, World::Guest), Some(both));
        all.remove(both);
        assert_eq!(all.at(0x1000, 0x20_0000, World::Guest), Some(guest));
        assert_eq!(all.at(0x1000, 0x20_0000, World::Root), Some(physical));
        assert_eq!(all.at(0x1000, 0x20_0004, World::Root), None);
        all.remove(guest);
        all.remove(physical);
        assert!(all.is_empty());
    }

    #[test]
    fn stretches_have_those_between_their_ends() {
        for place in [
            Place::Virtual(0x1008, None),
            Place::Virtual(0x1008, Some(World::Root)),
            Place::Virtual(0x1008, Some(World::Guest)),
        ] {
            let one = of(&[place]);
            for (from, bytes, there) in [
                (0x1000, 8, false),
                (0x1000, 12, true),
                (0x1008, 1, true),
                (0x100c, 64, false),
                (u64::MAX - 3, 0x1009 + 4, true),
                (u64::MAX - 3, 0x1008 + 4, false),
            ] {
                assert_eq!(
                    one.any_in(from, 0x9000, bytes),
                    there,
                    "{from:#x} {bytes:#x}"
                );
                assert!(!one.any_in(0x9000, from, bytes), "{from:#x} {bytes:#x}");
            }
        }
        let physical = of(&[Place::Physical(0x1008)]);
        assert!(physical.any_in(0x9000, 0x1000, 12));
        assert!(!physical.any_in(0x1000, 0x9000, 12));
        assert!(!physical.any_in(0x9000, 0x1000, 8));
        assert!(!of(&[Place::GuestPhysical(0x1008)]).any_in(0x1000, 0x1000, 64));
    }
}
