// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Emits instructions as Cranelift's intermediate code: what the forms say it with, and
//! the region around them (`walk`).
//!
//! What a CPU has in memory is written where something looks at it: before a
//! handler, and at the ways out. These are `pc`, `icount`, and the general registers
//! that were written since they were last stored (`unstored`); a loop keeps those in
//! the computer's registers from one round to the next (`Part::unstored`).

mod accesses;
mod units;
mod vectors;
mod walk;

use super::layout::{self, Field};
use super::runtime::Helpers;
use crate::cpu::Op;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AliasRegionData, Block, InstBuilder, MemFlagsData, SigRef, Type, Value, types,
};
use cranelift_frontend::{FunctionBuilder, Variable};
use std::borrow::Cow;
use vectors::Vectors;

/// How a load fills its register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    /// With the sign.
    Signed,
    /// With zeroes.
    Zero,
}

/// The signatures of what compiled code calls.
pub(super) struct Signatures {
    /// Of compiled regions.
    pub(super) region: SigRef,
    /// Of the functions of `runtime`.
    pub(super) helper: SigRef,
    /// Of functions that call those aside.
    pub(super) aside: SigRef,
}

/// The unit that must be enabled (EUEN).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    Fp,
    Lsx,
}

/// Where a part of the region begins.
#[derive(Clone, Copy)]
struct Target {
    /// In memory.
    offset: usize,
    begin: Block,
    /// The general registers that need not have been stored before it.
    unstored: u32,
}

/// The state of an emission.
pub(super) struct Emitter<'a> {
    pub(super) b: FunctionBuilder<'a>,
    helpers: &'a Helpers,
    signatures: Signatures,
    memories: Memories,
    gprs: [Variable; 32],
    /// `cpu.icount` at the beginning of the block.
    icount: Variable,
    cpu: Value,
    frame: Value,
    /// The first byte of memory.
    ram: Value,
    /// The software TLB.
    slots: Value,
    /// The context in force, which no instruction inside a region changes.
    context: Value,
    salt: Value,
    /// The address of the first instruction.
    root_pc: Value,
    root: usize,
    parts: Vec<Target>,
    /// Returns to the engine.
    back: Block,
    /// Of the part that is being emitted: how far it is from the root, where the
    /// next instruction is, how many it has.
    distance: i64,
    next: usize,
    len: i64,
    /// The instruction that is being emitted, where it stays.
    op: *const Op,
    /// `pc` and `icount` are in memory.
    synced: bool,
    /// The general registers that may be newer than those in memory, one a bit.
    unstored: u32,
    /// The vector registers whose values are known.
    vectors: Vectors,
    /// A handler was called, which may have set `inside`.
    handled: bool,
    /// The units that were found enabled in this block.
    open: Vec<Gate>,
}

/// What loads and stores go to: three kinds of memory that are never one.
#[derive(Clone, Copy)]
struct Memories {
    cpu: MemFlagsData,
    soft_tlb: MemFlagsData,
    ram: MemFlagsData,
}

impl Memories {
    fn new(b: &mut FunctionBuilder<'_>) -> Self {
        let mut region = |user_id, description| {
            let data = AliasRegionData {
                user_id,
                description: Cow::Borrowed(description),
            };
            Some(b.func.dfg.alias_regions.insert(data))
        };
        Memories {
            cpu: MemFlagsData::trusted().with_alias_region(region(0, "cpu")),
            soft_tlb: MemFlagsData::trusted().with_alias_region(region(1, "soft TLB")),
            ram: MemFlagsData::new()
                .with_notrap()
                .with_alias_region(region(2, "memory")),
        }
    }
}

impl Emitter<'_> {
    /// General register `r`.
    pub(super) fn get(&mut self, r: u8) -> Value {
        match r & 31 {
            0 => self.b.ins().iconst(types::I64, 0),
            r => self.b.use_var(self.gprs[usize::from(r)]),
        }
    }

    /// Writes general register `r`.
    pub(super) fn set(&mut self, r: u8, value: Value) {
        if r & 31 != 0 {
            self.b.def_var(self.gprs[usize::from(r & 31)], value);
            self.unstored |= 1 << (r & 31);
        }
    }

    /// Puts those of the general registers in `set` into memory that may not be there.
    fn store_gprs(&mut self, set: u32) {
        let set = self.unstored & set;
        for r in (1..32u8).filter(|r| set & 1 << r != 0) {
            let value = self.get(r);
            self.put(layout::gpr(r), value);
        }
    }

    /// The address of `op`.
    pub(super) fn pc_of(&mut self, op: &Op) -> Value {
        self.pc(self.distance + 4 * i64::from(op.idx))
    }

    /// The address behind `op`.
    pub(super) fn next_pc(&mut self, op: &Op) -> Value {
        self.pc(self.distance + 4 * i64::from(op.idx) + 4)
    }

    /// An address by its distance from the region's first instruction.
    fn pc(&mut self, distance: i64) -> Value {
        self.b.ins().iadd_imm_s(self.root_pc, distance)
    }

    fn load_cpu(&mut self, ty: Type, field: Field) -> Value {
        self.b.ins().load(ty, self.memories.cpu, self.cpu, field.0)
    }

    fn put(&mut self, field: Field, value: Value) {
        self.b
            .ins()
            .store(self.memories.cpu, value, self.cpu, field.0);
    }

    /// Ends the block with a branch to the target of `op` if `condition` is true.
    pub(super) fn branch(&mut self, op: &Op, condition: Value) {
        self.count();
        let (taken, not_taken) = (self.b.create_block(), self.b.create_block());
        self.b.ins().brif(condition, taken, &[], not_taken, &[]);
        self.b.switch_to_block(taken);
        self.go(self.target(op));
        self.b.switch_to_block(not_taken);
        self.go(self.next);
    }

    /// Ends the block with a branch to the target of `op`.
    pub(super) fn jump(&mut self, op: &Op) {
        self.count();
        self.go(self.target(op));
    }

    /// Ends the block with a branch to an address.
    pub(super) fn jump_to(&mut self, target: Value) {
        self.count();
        self.leave(target);
    }

    fn target(&self, op: &Op) -> usize {
        (self.next - 4).wrapping_add_signed(4 * op.imm as isize)
    }

    /// The block's instructions have ended.
    fn count(&mut self) {
        self.store_vectors();
        if self.handled {
            let zero = self.b.ins().iconst(types::I64, 0);
            self.put(layout::INSIDE, zero);
        }
        let before = self.b.use_var(self.icount);
        let after = self.b.ins().iadd_imm_s(before, self.len);
        self.b.def_var(self.icount, after);
    }

    /// Goes on at `offset` in memory, counted from where this page is.
    fn go(&mut self, offset: usize) {
        let pc = self.pc(offset.wrapping_sub(self.root) as i64);
        let part = self.parts.iter().find(|part| part.offset == offset);
        let Some(&Target {
            begin,
            unstored: kept,
            ..
        }) = part
        else {
            self.leave(pc);
            return;
        };
        let before = self.unstored;
        self.store_gprs(!kept);
        self.unstored &= kept;
        let count = self.b.use_var(self.icount);
        let stop = self.b.ins().load(
            types::I64,
            self.memories.cpu,
            self.frame,
            layout::FRAME_STOP.0,
        );
        let due = self
            .b
            .ins()
            .icmp(IntCC::UnsignedGreaterThanOrEqual, count, stop);
        let out = self.b.create_block();
        self.b.set_cold_block(out);
        self.b.ins().brif(due, out, &[], begin, &[]);
        self.b.switch_to_block(out);
        self.leave(pc);
        self.unstored = before;
    }

    /// Leaves the region for the block at the address `pc`.
    fn leave(&mut self, pc: Value) {
        self.store_gprs(!0);
        self.put(layout::PC, pc);
        let count = self.b.use_var(self.icount);
        self.put(layout::ICOUNT, count);
        self.dispatch();
    }

    fn dispatch(&mut self) {
        let dispatch = self
            .b
            .ins()
            .iconst(types::I64, self.helpers.dispatch as i64);
        let arguments = [self.cpu, self.frame];
        self.b
            .ins()
            .return_call_indirect(self.signatures.region, dispatch, &arguments);
    }

    /// Completes what is in memory: the registers, and where the block began.
    fn sync(&mut self) {
        self.store_gprs(!0);
        self.store_vectors();
        if self.synced {
            return;
        }
        let pc = self.pc(self.distance);
        self.put(layout::PC, pc);
        let count = self.b.use_var(self.icount);
        self.put(layout::ICOUNT, count);
    }

    fn call(&mut self, helper: usize) -> Value {
        let helper = self.b.ins().iconst(types::I64, helper as i64);
        let op = self.b.ins().iconst(types::I64, self.op as i64);
        let arguments = [self.frame, op];
        let call = self
            .b
            .ins()
            .call_indirect(self.signatures.helper, helper, &arguments);
        self.b.inst_results(call)[0]
    }

    /// Calls a helper where code seldom comes.
    fn call_aside(&mut self, helper: usize) -> Value {
        let helper = self.b.ins().iconst(types::I64, helper as i64);
        let op = self.b.ins().iconst(types::I64, self.op as i64);
        let arguments = [self.frame, op];
        self.b
            .ins()
            .call_indirect(self.signatures.aside, helper, &arguments);
        let status = layout::FRAME_STATUS.0;
        self.b
            .ins()
            .load(types::I64, self.memories.cpu, self.frame, status)
    }

    /// Executes the instruction that ends the block by its handler.
    fn end(&mut self) {
        self.sync();
        self.call(self.helpers.end);
        self.dispatch();
    }

    /// Executes the instruction by its handler. The registers in `written` come
    /// from memory afterwards.
    fn step(&mut self, written: u32) {
        self.sync();
        let status = self.call(self.helpers.step);
        self.go_on(status, written);
    }

    /// Goes on behind the instruction if its handler did.
    fn go_on(&mut self, status: Value, written: u32) {
        let on = self.b.create_block();
        self.b.ins().brif(status, self.back, &[], on, &[]);
        self.b.switch_to_block(on);
        self.reload(written);
    }

    /// Takes general registers from memory.
    fn reload(&mut self, written: u32) {
        for r in (1..32u8).filter(|r| written & 1 << r != 0) {
            let value = self.load_cpu(types::I64, layout::gpr(r));
            self.b.def_var(self.gprs[usize::from(r)], value);
        }
    }

    /// Extends an integer to a register.
    pub(super) fn extend(&mut self, value: Value, extension: Extension) -> Value {
        match (self.b.func.dfg.value_type(value), extension) {
            (types::I64, _) => value,
            (_, Extension::Signed) => self.b.ins().sextend(types::I64, value),
            (_, Extension::Zero) => self.b.ins().uextend(types::I64, value),
        }
    }
}
