// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a debugger watches: loads and stores are stopped before they have an effect. The
//! machine has no part in it; its own watchpoints are in `watch`.

use crate::world::World;

/// Where something that a debugger names is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A virtual address, in one of the modes or in both.
    Virtual(u64, Option<World>),
    /// A guest's physical address.
    GuestPhysical(u64),
    /// A physical address.
    Physical(u64),
}

/// Bytes that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) place: Place,
    /// In bytes, at least 1.
    pub(crate) length: u64,
    pub(crate) loads: bool,
    pub(crate) stores: bool,
}

/// A load or store, or its part in one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Touch {
    pub(crate) va: u64,
    /// What stage 1 makes of it: in guest mode the guest's physical address.
    pub(crate) guest: u64,
    pub(crate) pa: u64,
    pub(crate) size: u64,
    pub(crate) store: bool,
}

/// An access to what is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WatchHit {
    pub(crate) watched: Watched,
    pub(crate) touch: Touch,
}

impl Watched {
    pub(super) fn is_touched(&self, touch: &Touch, world: World) -> bool {
        let counts = if touch.store { self.stores } else { self.loads };
        let (first, at) = match self.place {
            Place::Virtual(at, mode) if mode.is_none_or(|mode| mode == world) => (touch.va, at),
            Place::GuestPhysical(at) if world == World::Guest => (touch.guest, at),
            Place::Physical(at) => (touch.pa, at),
            Place::Virtual(..) | Place::GuestPhysical(_) => return false,
        };
        // Of two ranges that overlap, one has the other's first byte.
        counts && (at.wrapping_sub(first) < touch.size || first.wrapping_sub(at) < self.length)
    }
}
