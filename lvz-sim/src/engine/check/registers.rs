// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The registers that compiled code works on.

use super::finding::{Finding, Place};
use crate::cpu::{Cpu, VReg};

/// A copy of them.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Registers {
    pub(super) pc: u64,
    pub(super) icount: u64,
    pub(super) gpr: [u64; 32],
    pub(super) vr: [VReg; 32],
    pub(super) fcc: u8,
    pub(super) fcsr: u32,
}

impl Registers {
    pub(super) fn of(cpu: &Cpu) -> Self {
        Registers {
            pc: cpu.pc,
            icount: cpu.icount,
            gpr: cpu.gpr,
            vr: cpu.vr,
            fcc: cpu.fcc,
            fcsr: cpu.fcsr,
        }
    }

    pub(super) fn put(&self, cpu: &mut Cpu) {
        cpu.pc = self.pc;
        cpu.icount = self.icount;
        cpu.inside = 0;
        cpu.gpr = self.gpr;
        cpu.vr = self.vr;
        cpu.fcc = self.fcc;
        cpu.fcsr = self.fcsr;
    }

    pub(super) fn value(&self, place: Place) -> u128 {
        match place {
            Place::Count => self.icount.into(),
            Place::Pc => self.pc.into(),
            Place::Gpr(r) => self.gpr[usize::from(r & 31)].into(),
            Place::Vr(r) => bytemuck::cast(self.vr[usize::from(r & 31)].0),
            Place::Fcc => self.fcc.into(),
            Place::Fcsr => self.fcsr.into(),
            Place::Memory(_) => 0,
        }
    }

    /// What `compiled` has otherwise after the first `end` instructions.
    pub(super) fn differences(&self, compiled: &Registers, end: usize) -> Vec<Finding> {
        if self == compiled {
            return Vec::new();
        }
        let places = [Place::Pc, Place::Count, Place::Fcc, Place::Fcsr]
            .into_iter()
            .chain((0..32).map(Place::Gpr))
            .chain((0..32).map(Place::Vr));
        places
            .map(|place| Finding {
                place,
                end,
                interpreted: self.value(place),
                compiled: compiled.value(place),
            })
            .filter(|finding| finding.interpreted != finding.compiled)
            .collect()
    }
}
