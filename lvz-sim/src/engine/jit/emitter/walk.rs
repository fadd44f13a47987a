// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Emits the blocks of a region, one after the other.

use super::super::layout::{self, Field};
use super::super::region::{Item, Part, Region};
use super::super::runtime::Helpers;
use super::{Emitter, Memories, Signatures, Target};
use crate::cpu::Op;
use cranelift_codegen::ir::{InstBuilder, types};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::FunctionBuilder;

impl<'a> Emitter<'a> {
    /// Emits `region`, whose instructions stay at `ops`, into `b`.
    pub(in super::super) fn emit(
        b: FunctionBuilder<'a>,
        signatures: Signatures,
        helpers: &'a Helpers,
        region: &'a Region,
        ops: &[Box<[Op]>],
        target: TargetFrontendConfig,
    ) {
        let mut e = Self::begin(b, signatures, helpers, region);
        for (at, part) in region.parts.iter().enumerate() {
            e.part(at, part, &ops[at]);
        }
        e.b.switch_to_block(e.back);
        e.b.ins().return_(&[]);
        e.b.seal_all_blocks();
        e.b.finalize(target);
    }

    fn begin(
        mut b: FunctionBuilder<'a>,
        signatures: Signatures,
        helpers: &'a Helpers,
        region: &'a Region,
    ) -> Self {
        let entry = b.create_block();
        b.append_block_params_for_function_params(entry);
        b.switch_to_block(entry);
        let params = b.block_params(entry);
        let (cpu, frame) = (params[0], params[1]);
        let gprs = std::array::from_fn(|_| b.declare_var(types::I64));
        let icount = b.declare_var(types::I64);
        let target = |part: &Part| Target {
            offset: part.offset,
            begin: b.create_block(),
            unstored: part.unstored,
        };
        let parts: Vec<Target> = region.parts.iter().map(target).collect();
        let back = b.create_block();
        b.set_cold_block(back);
        let memories = Memories::new(&mut b);
        let load = |b: &mut FunctionBuilder<'_>, base, field: Field| {
            b.ins().load(types::I64, memories.cpu, base, field.0)
        };
        let ram = load(&mut b, frame, layout::FRAME_RAM);
        let slots = load(&mut b, cpu, layout::SLOTS);
        let context = load(&mut b, cpu, layout::CONTEXT);
        let salt = b.ins().imul_imm_s(context, layout::SALT);
        let root_pc = load(&mut b, cpu, layout::PC);
        let count = load(&mut b, cpu, layout::ICOUNT);
        b.def_var(icount, count);
        let live = region.parts.first().map_or(0, |p| p.live);
        for r in (1..32u8).filter(|r| live & 1 << r != 0) {
            let value = load(&mut b, cpu, layout::gpr(r));
            b.def_var(gprs[usize::from(r)], value);
        }
        let mut e = Emitter {
            b,
            helpers,
            signatures,
            memories,
            gprs,
            icount,
            cpu,
            frame,
            ram,
            slots,
            context,
            salt,
            root_pc,
            root: region.parts.first().map_or(0, |p| p.offset),
            parts,
            back,
            distance: 0,
            next: 0,
            len: 0,
            op: std::ptr::null(),
            synced: false,
            unstored: 0,
            vectors: [None; 32],
            handled: false,
            open: Vec::new(),
        };
        let first = e.parts[0].begin;
        e.b.ins().jump(first, &[]);
        e
    }

    fn part(&mut self, at: usize, part: &Part, ops: &[Op]) {
        (self.synced, self.handled) = (false, false);
        self.unstored = part.unstored;
        self.open.clear();
        self.vectors = [None; 32];
        self.distance = part.offset.wrapping_sub(self.root) as i64;
        self.next = part.offset + 4 * part.items.len();
        self.len = part.items.len() as i64;
        self.b.switch_to_block(self.parts[at].begin);
        for (item, op) in part.items.iter().zip(ops) {
            self.op = op;
            match item.form {
                Some(form) => {
                    self.require(form.gate);
                    (form.emit)(self, &item.op);
                }
                None if item.ends => self.end(),
                None if item.light => self.light(item.writes()),
                None => self.handler(item),
            }
        }
        if !part.items.last().is_some_and(Item::leaves) {
            self.count();
            self.go(self.next);
        }
    }

    fn handler(&mut self, item: &Item) {
        self.step(item.writes());
        self.unstored = 0;
        self.vectors = [None; 32];
        (self.synced, self.handled) = (true, true);
    }
}
