// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Loads and stores: the look-up in the software TLB, and the handler where that fails.

use super::super::layout::{self, Field};
use super::Emitter;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Type, Value, types};

impl Emitter<'_> {
    /// Where in this process the `size` bytes at `va` are. What follows is for a hit
    /// of the software TLB; the second block is for a miss.
    pub(super) fn find(&mut self, va: Value, size: u32, tag: Field) -> (Value, Block) {
        debug_assert!(size.is_power_of_two() && size <= 1 << layout::ALIGNMENT_BITS);
        let page = self.b.ins().ushr_imm_s(va, layout::DISTANCE_SHIFT);
        let mixed = self.b.ins().bxor(page, self.salt);
        let distance = self.b.ins().band_imm_s(mixed, layout::DISTANCE_MASK);
        let slot = self.b.ins().iadd(self.slots, distance);
        let held = self
            .b
            .ins()
            .load(types::I64, self.memories.soft_tlb, slot, tag.0);
        // An address that is not aligned has bits where tags have none.
        let wanted = self.b.ins().band_imm_s(va, !0xfff | (i64::from(size) - 1));
        let wanted = self.b.ins().bor(wanted, self.context);
        let same = self.b.ins().icmp(IntCC::Equal, held, wanted);
        let (hit, miss) = (self.b.create_block(), self.b.create_block());
        self.b.set_cold_block(miss);
        self.b.ins().brif(same, hit, &[], miss, &[]);
        self.b.switch_to_block(hit);
        let addend = self.b.ins().load(
            types::I64,
            self.memories.soft_tlb,
            slot,
            layout::SLOT_ADDEND.0,
        );
        let offset = self.b.ins().iadd(va, addend);
        (self.b.ins().iadd(self.ram, offset), miss)
    }

    /// Loads a value of type `ty` at `va`, which `write` puts into its register; the
    /// general registers in `written` are among those.
    pub(in super::super) fn load_with(
        &mut self,
        va: Value,
        ty: Type,
        written: u32,
        write: impl FnOnce(&mut Self, Value),
    ) {
        let (place, miss) = self.find(va, ty.bytes(), layout::SLOT_READ);
        let value = self.b.ins().load(ty, self.memories.ram, place, 0);
        let before = self.unstored;
        write(self, value);
        self.missed(miss, written, before);
    }

    /// Stores `value` at `va`.
    pub(in super::super) fn store(&mut self, va: Value, value: Value) {
        let size = self.b.func.dfg.value_type(value).bytes();
        let (place, miss) = self.find(va, size, layout::SLOT_WRITE);
        self.b.ins().store(self.memories.ram, value, place, 0);
        self.missed(miss, 0, self.unstored);
    }

    /// Ends the two ways of an access: a miss is the handler's. The general registers in
    /// `before` were not stored before the access.
    fn missed(&mut self, miss: Block, written: u32, before: u32) {
        let done = self.b.create_block();
        self.b.ins().jump(done, &[]);
        self.b.switch_to_block(miss);
        let after = std::mem::replace(&mut self.unstored, before);
        self.aside(written);
        self.b.ins().jump(done, &[]);
        self.unstored = after;
        self.b.switch_to_block(done);
    }

    /// Has the handler execute the instruction where code seldom comes, and goes on if it did.
    pub(super) fn aside(&mut self, written: u32) {
        self.sync();
        let status = self.call_aside(self.helpers.step_aside);
        self.go_on(status, written & !1);
    }
}
