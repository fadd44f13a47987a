// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Root and guest, the two halves of a CPU with LVZ.

/// Whose a mode, a CSR file, a timer or an LL bit is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum World {
    /// The host's: what a CPU without LVZ has.
    #[default]
    Root,
    /// The guest's (GSTAT.VM).
    Guest,
}

impl World {
    /// Both, in the order of their pairs.
    pub(crate) const ALL: [World; 2] = [World::Root, World::Guest];

    /// The place in a pair of root's and the guest's.
    #[inline(always)]
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// That of a CPU whose GSTAT.VM is `vm`.
    pub(crate) fn of_vm(vm: bool) -> Self {
        if vm { World::Guest } else { World::Root }
    }
}
