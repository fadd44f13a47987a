// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Contexts: everything besides the TLB that a translation depends on, as a
//! small number that the software TLB's tags hold: a multiple of [`UNIT`] below 0xff0.

use super::context_table::{LIMIT, UNIT};
use crate::cpu::{Cpu, Reading};
use crate::world::World;
use la_arch::csr::number;

impl Cpu {
    /// The context in force.
    #[inline(always)]
    pub(crate) fn soft_context(&self) -> u64 {
        debug_assert!(
            self.settled(),
            "an instruction changed its mode inside a block"
        );
        self.soft.contexts.current
    }

    /// Recomputes the context after a change of mode or address space.
    pub(crate) fn select_context(&mut self) {
        let csr = self.csr();
        let crmd = csr.crmd();
        let mapped = !csr.direct();
        let mut key = u64::from(self.in_guest()) | u64::from(mapped) << 1 | crmd.plv() << 2;
        if mapped {
            key |= csr.asid().asid() << 4;
        }
        if self.in_guest() {
            let stage2 = self.root().crmd();
            key |= self.root().gstat().gid() << 14
                | self.root().gtlbc().tgid() << 22
                | stage2.plv() << 30;
            if self.reads(Reading::Stage2Asid) {
                key |= self.root().asid().asid() << 48;
            }
        } else if mapped {
            key |= u64::from(self.root_lookup_gid()) << 22;
        }
        key |= self.soft.contexts.window_ids[self.world().index()] << 32;
        key |= u64::from(self.watch.data) << 62 | u64::from(self.watch.lookups) << 61;
        // Zero is the empty mark of `recent`.
        key |= 1 << 63;
        let slot = (key ^ key >> 4 ^ key >> 14 ^ key >> 22 ^ key >> 32) as usize % 64;
        let contexts = &mut self.soft.contexts;
        if contexts.recent[slot].0 != key {
            if contexts.by_key.len() as u64 >= LIMIT && !contexts.by_key.contains_key(&key) {
                contexts.by_key.clear();
                contexts.recent = [(0, 0); 64];
                self.soft.clear();
            }
            let contexts = &mut self.soft.contexts;
            let next = contexts.by_key.len() as u64 * UNIT;
            let id = *contexts.by_key.entry(key).or_insert(next);
            contexts.recent[slot] = (key, id);
        }
        self.soft.contexts.current = self.soft.contexts.recent[slot].1;
    }

    /// Gives DMW, MISC and RVACFG of `world` their number.
    pub(crate) fn select_windows(&mut self, world: World) {
        let csr = self.file(world);
        let dmw = |i| csr.raw(number::DMW0 + i);
        let windows = [
            dmw(0),
            dmw(1),
            dmw(2),
            dmw(3),
            csr.raw(number::MISC),
            csr.raw(number::RVACFG),
        ];
        let known = &mut self.soft.contexts.windows;
        let next = known.len() as u64;
        let id = *known.entry(windows).or_insert(next);
        if id >= 1 << 16 {
            // A program tries window settings without end: start afresh, with
            // both files' settings new.
            known.clear();
            self.soft.contexts.by_key.clear();
            self.soft.contexts.recent = [(0, 0); 64];
            self.soft.clear();
            self.soft.contexts.window_ids = [0; 2];
            self.select_windows(World::Guest);
            self.select_windows(World::Root);
            return;
        }
        self.soft.contexts.window_ids[world.index()] = id;
    }
}
