// SPDX-License-Identifier: Apache-2.0 OR MIT

//! How much of a vector register an instruction works on.

use crate::cpu::{Cpu, Group, Step};
use la_arch::insn::{Encoding, lasx};

/// LSX or LASX. A register is one or two *halves* of 128 bits; most instructions
/// of LASX do to each half what their counterpart of LSX does to its only one.
pub(in crate::isa) trait Width {
    /// The feature.
    const GROUP: Group;
    /// Halves that its instructions read and write.
    const HALVES: usize;
    /// Checks that the unit is enabled.
    fn require(cpu: &mut Cpu) -> Step;
    /// What becomes of register `r` above the halves that were written.
    fn finish(cpu: &mut Cpu, r: u8);
}

/// 128 bits.
pub(in crate::isa) struct Lsx;
/// 256 bits.
pub(in crate::isa) struct Lasx;

impl Width for Lsx {
    const GROUP: Group = Group::Lsx;
    const HALVES: usize = 1;
    #[inline(always)]
    fn require(cpu: &mut Cpu) -> Step {
        cpu.require_lsx()
    }
    #[inline(always)]
    fn finish(cpu: &mut Cpu, r: u8) {
        cpu.written_below(r, 128);
    }
}

impl Width for Lasx {
    const GROUP: Group = Group::Lasx;
    const HALVES: usize = 2;
    #[inline(always)]
    fn require(cpu: &mut Cpu) -> Step {
        cpu.require_lasx()
    }
    #[inline(always)]
    fn finish(_: &mut Cpu, _: u8) {}
}

/// The instruction of LASX that is named like one of LSX, with an `x` before it.
#[allow(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it stops the build: all names are constants"
)]
pub(super) const fn counterpart(lsx: &Encoding) -> &'static Encoding {
    let wanted = lsx.name.as_bytes();
    let mut n = 0;
    while n < lasx::ALL.len() {
        let name = lasx::ALL[n].name.as_bytes();
        if name.len() == wanted.len() + 1 && name[0] == b'x' {
            let mut i = 0;
            while i < wanted.len() && name[i + 1] == wanted[i] {
                i += 1;
            }
            if i == wanted.len() {
                return &lasx::ALL[n];
            }
        }
        n += 1;
    }
    panic!("LASX has no such instruction")
}
