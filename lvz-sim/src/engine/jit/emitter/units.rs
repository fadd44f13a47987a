// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Floating point and LSX: their registers, their gates, and handlers that work on
//! registers alone.

use super::super::layout;
use super::{Emitter, Gate};
use crate::fp;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};

impl Emitter<'_> {
    /// Executes the instruction by its handler, which works on registers alone.
    pub(super) fn light(&mut self, written: u32) {
        self.store_gprs(!0);
        self.unstored = 0;
        self.release_vectors();
        let status = self.call(self.helpers.light);
        let (traps, on) = (self.b.create_block(), self.b.create_block());
        self.b.set_cold_block(traps);
        self.b.ins().brif(status, traps, &[], on, &[]);
        self.b.switch_to_block(traps);
        self.trap();
        self.b.switch_to_block(on);
        self.reload(written);
    }

    /// Has the handler of the instruction raise its exception.
    fn trap(&mut self) {
        self.sync();
        self.call(self.helpers.step);
        self.b.ins().jump(self.back, &[]);
    }

    /// Emits `fast` for when `condition` is true; else the handler, which works on
    /// vector registers alone, executes the instruction.
    pub(in super::super) fn or_light(&mut self, condition: Value, fast: impl FnOnce(&mut Self)) {
        // Both ways begin and end with them in memory.
        self.release_vectors();
        let [plain, other, done] = [(); 3].map(|()| self.b.create_block());
        self.b.set_cold_block(other);
        self.b.ins().brif(condition, plain, &[], other, &[]);
        self.b.switch_to_block(plain);
        fast(self);
        self.release_vectors();
        self.b.ins().jump(done, &[]);
        self.b.switch_to_block(other);
        let unstored = self.unstored;
        self.light(0);
        self.unstored = unstored;
        self.b.ins().jump(done, &[]);
        self.b.switch_to_block(done);
    }

    /// Looks whether a unit is enabled, which nothing changes inside a block; if it is not,
    /// the handler raises the exception.
    pub(super) fn require(&mut self, gate: Option<Gate>) {
        let Some(gate) = gate.filter(|gate| !self.open.contains(gate)) else {
            return;
        };
        let field = match gate {
            Gate::Fp => layout::FP_GATE,
            Gate::Lsx => layout::LSX_GATE,
        };
        let closed = self.load_cpu(types::I8, field);
        let (refused, on) = (self.b.create_block(), self.b.create_block());
        self.b.set_cold_block(refused);
        self.b.ins().brif(closed, refused, &[], on, &[]);
        self.b.switch_to_block(refused);
        self.trap();
        self.b.switch_to_block(on);
        self.open.push(gate);
    }

    /// The condition flags.
    pub(in super::super) fn fcc(&mut self) -> Value {
        self.load_cpu(types::I8, layout::FCC)
    }

    /// Writes condition flag `c`.
    pub(in super::super) fn set_condition(&mut self, c: u8, flag: Value) {
        let c = i64::from(c & 7);
        let flags = self.fcc();
        let kept = self.b.ins().band_imm_s(flags, !(1 << c));
        let bit = self.b.ins().ishl_imm_s(flag, c);
        let flags = self.b.ins().bor(kept, bit);
        self.put(layout::FCC, flags);
    }

    /// Whether FCSR0 has rounding to nearest and no exception enabled.
    pub(in super::super) fn rounds_to_nearest(&mut self) -> Value {
        let fcsr = self.load_cpu(types::I32, layout::FCSR);
        let fields = self.b.ins().band_imm_s(fcsr, fp::MODE_AND_ENABLES);
        self.b.ins().icmp_imm_s(IntCC::Equal, fields, 0)
    }

    /// Ends an operation that raises nothing, or inexact if that is one: FCSR0's Cause
    /// and Flags.
    pub(in super::super) fn set_cause(&mut self, inexact: Option<Value>) {
        let fcsr = self.load_cpu(types::I32, layout::FCSR);
        let mut fcsr = self.b.ins().band_imm_s(fcsr, fp::ALL_BUT_CAUSE);
        if let Some(inexact) = inexact {
            let flag = self.b.ins().uextend(types::I32, inexact);
            let both = self.b.ins().imul_imm_s(flag, fp::INEXACT_CAUSE_AND_FLAG);
            fcsr = self.b.ins().bor(fcsr, both);
        }
        self.put(layout::FCSR, fcsr);
    }
}
