// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The CSRs of a CPU, as its instructions and the rest of it read and store them.

use super::csr_file::{Csrs, Register};
use super::{Cpu, CsrFile};
use crate::world::World;

impl Cpu {
    /// Root or guest mode.
    #[inline(always)]
    pub(crate) fn world(&self) -> World {
        self.csrs.world()
    }

    /// Whether the CPU is in guest mode (GSTAT.VM).
    #[inline(always)]
    pub fn in_guest(&self) -> bool {
        self.csrs.world() == World::Guest
    }

    /// The CSR file of `world`.
    #[inline(always)]
    pub(crate) fn file(&self, world: World) -> &CsrFile {
        self.csrs.file(world)
    }

    /// Root's CSR file.
    #[inline(always)]
    pub(crate) fn root(&self) -> &CsrFile {
        self.file(World::Root)
    }

    /// The guest's CSR file (GCSRs).
    #[inline(always)]
    pub(crate) fn guest(&self) -> &CsrFile {
        self.file(World::Guest)
    }

    /// The CSR file in force: the guest's in guest mode, else root's.
    #[inline(always)]
    pub(crate) fn csr(&self) -> &CsrFile {
        self.file(self.csrs.world())
    }

    /// Stores a register of `world` as it is, and has everything derived from it
    /// renewed.
    #[inline(always)]
    pub(crate) fn put_csr(&mut self, world: World, number: u16, value: u64) {
        if self.csrs.put(world, number, value) {
            self.attention = true;
        }
    }

    /// The same for a typed register.
    #[inline(always)]
    pub(crate) fn put<T: Register>(&mut self, world: World, value: T) {
        self.put_csr(world, T::NUMBER, value.into());
    }

    /// Switches between root and guest mode.
    pub(crate) fn switch_to(&mut self, world: World) {
        self.csrs.switch_to(world);
        self.attention = true;
    }

    /// Takes over the files and the mode of a snapshot.
    pub(crate) fn restore_csrs(&mut self, files: [CsrFile; 2], world: World) {
        self.csrs = Csrs::restored(files, world);
        self.attention = true;
    }

    /// Whether nothing that is derived from CSRs is out of date.
    #[inline(always)]
    pub(crate) fn settled(&self) -> bool {
        self.csrs.settled()
    }
}
