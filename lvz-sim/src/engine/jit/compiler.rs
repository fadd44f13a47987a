// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Machine code of one function after the other, by Cranelift. The code may be put
//! anywhere: what it refers to, it has by address.

use super::emitter::{Emitter, Signatures};
use super::error::JitError;
use super::layout;
use super::region::Region;
use super::runtime::Helpers;
use crate::cpu::Op;
use cranelift_codegen::ir::{
    AbiParam, Function, InstBuilder, MemFlagsData, Signature, UserFuncName, types,
};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa, TargetFrontendConfig};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{Context, control::ControlPlane};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

/// Whether Cranelift checks what it is given.
const VERIFY: &str = if cfg!(debug_assertions) {
    "true"
} else {
    "false"
};

/// A compiled region.
pub(super) struct Compiled {
    pub(super) code: Vec<u8>,
    /// Its instructions, to which the code refers: they must outlive it.
    pub(super) ops: Vec<Box<[Op]>>,
}

/// Cranelift for this computer.
pub(super) struct Compiler {
    isa: OwnedTargetIsa,
    context: Context,
    builder: FunctionBuilderContext,
}

impl Compiler {
    pub(super) fn new() -> Result<Self, JitError> {
        let host = |e: &dyn std::fmt::Display| JitError::Host(e.to_string());
        let mut flags = settings::builder();
        for (name, value) in [
            ("opt_level", "speed"),
            ("enable_verifier", VERIFY),
            ("unwind_info", "false"),
            // Tail calls need it.
            ("preserve_frame_pointers", "true"),
        ] {
            flags.set(name, value).map_err(|e| host(&e))?;
        }
        let isa = cranelift_native::builder()
            .map_err(|e| host(&e))?
            .finish(settings::Flags::new(flags))
            .map_err(|e| host(&e))?;
        Ok(Compiler {
            isa,
            context: Context::new(),
            builder: FunctionBuilderContext::new(),
        })
    }

    /// The signature of compiled regions: a CPU and a frame.
    fn region_signature() -> Signature {
        let mut signature = Signature::new(CallConv::Tail);
        signature
            .params
            .extend([AbiParam::new(types::I64), AbiParam::new(types::I64)]);
        signature
    }

    fn helper_signature(&self) -> Signature {
        let mut signature = Signature::new(self.isa.default_call_conv());
        signature
            .params
            .extend([AbiParam::new(types::I64), AbiParam::new(types::I64)]);
        signature.returns.push(AbiParam::new(types::I64));
        signature
    }

    /// Machine code of what `emit` builds.
    fn compile(
        &mut self,
        signature: Signature,
        emit: impl FnOnce(FunctionBuilder<'_>, TargetFrontendConfig),
    ) -> Result<Vec<u8>, JitError> {
        self.context.clear();
        self.context.func = Function::with_name_signature(UserFuncName::default(), signature);
        emit(
            FunctionBuilder::new(&mut self.context.func, &mut self.builder),
            self.isa.frontend_config(),
        );
        let compiled = self
            .context
            .compile(&*self.isa, &mut ControlPlane::default())
            .map_err(|e| JitError::Compile(Box::new(e.inner)))?;
        debug_assert!(compiled.buffer.relocs().is_empty());
        Ok(compiled.buffer.data().to_vec())
    }

    pub(super) fn region(
        &mut self,
        region: &Region,
        helpers: &Helpers,
    ) -> Result<Compiled, JitError> {
        let ops: Vec<Box<[Op]>> = region
            .parts
            .iter()
            .map(|part| part.items.iter().map(|item| item.op).collect())
            .collect();
        let helper = self.helper_signature();
        let code = self.compile(Self::region_signature(), |mut b, target| {
            let signatures = Signatures {
                region: b.import_signature(Self::region_signature()),
                helper: b.import_signature(helper),
                aside: b.import_signature(Self::aside_signature()),
            };
            Emitter::emit(b, signatures, helpers, region, &ops, target);
        })?;
        Ok(Compiled { code, ops })
    }

    /// The signature of functions that call helpers aside.
    fn aside_signature() -> Signature {
        let mut signature = Signature::new(CallConv::PreserveAll);
        signature
            .params
            .extend([AbiParam::new(types::I64), AbiParam::new(types::I64)]);
        signature
    }

    /// Calls a helper and changes no register, so that a call of it where code seldom
    /// comes has no register spilled elsewhere. The result goes into the frame.
    pub(super) fn aside(&mut self, helper: usize) -> Result<Vec<u8>, JitError> {
        let signature = self.helper_signature();
        self.compile(Self::aside_signature(), |mut b, target| {
            let entry = b.create_block();
            b.append_block_params_for_function_params(entry);
            b.switch_to_block(entry);
            let params = b.block_params(entry).to_vec();
            let signature = b.import_signature(signature);
            let helper = b.ins().iconst(types::I64, helper as i64);
            let call = b.ins().call_indirect(signature, helper, &params);
            let status = b.inst_results(call)[0];
            let flags = MemFlagsData::trusted();
            b.ins()
                .store(flags, status, params[0], layout::FRAME_STATUS.0);
            b.ins().return_(&[]);
            b.seal_all_blocks();
            b.finalize(target);
        })
    }

    /// The way in: `fn(code, cpu, frame)` of the host's convention.
    pub(super) fn way_in(&mut self) -> Result<Vec<u8>, JitError> {
        let mut signature = Signature::new(self.isa.default_call_conv());
        signature.params.extend([AbiParam::new(types::I64); 3]);
        self.compile(signature, |mut b, target| {
            let entry = b.create_block();
            b.append_block_params_for_function_params(entry);
            b.switch_to_block(entry);
            let params = b.block_params(entry).to_vec();
            let region = b.import_signature(Self::region_signature());
            b.ins().call_indirect(region, params[0], &params[1..]);
            b.ins().return_(&[]);
            b.seal_all_blocks();
            b.finalize(target);
        })
    }

    /// Goes on at `cpu.pc`, if the code there is known and nothing is due.
    /// `base` is the first byte of the memory for code.
    pub(super) fn dispatch(&mut self, base: *const u8) -> Result<Vec<u8>, JitError> {
        use cranelift_codegen::ir::condcodes::IntCC::*;
        let signature = Self::region_signature();
        self.compile(signature, |mut b, target| {
            let flags = MemFlagsData::trusted();
            let entry = b.create_block();
            b.append_block_params_for_function_params(entry);
            b.switch_to_block(entry);
            let (cpu, frame) = (b.block_params(entry)[0], b.block_params(entry)[1]);
            let region = b.import_signature(Self::region_signature());
            let (look, go, back) = (b.create_block(), b.create_block(), b.create_block());
            let load = |b: &mut FunctionBuilder<'_>, base, field: layout::Field| {
                b.ins().load(types::I64, flags, base, field.0)
            };
            let count = load(&mut b, cpu, layout::ICOUNT);
            let stop = load(&mut b, frame, layout::FRAME_STOP);
            let due = b.ins().icmp(UnsignedGreaterThanOrEqual, count, stop);
            let attention = b.ins().load(types::I8, flags, cpu, layout::ATTENTION.0);
            let due = b.ins().bor(due, attention);
            b.ins().brif(due, back, &[], look, &[]);

            b.switch_to_block(look);
            let pc = load(&mut b, cpu, layout::PC);
            let context = load(&mut b, cpu, layout::CONTEXT);
            let index = b.ins().ushr_imm_s(pc, 2);
            let salt = b.ins().ishl_imm_s(context, layout::JUMP_CONTEXT_SHIFT);
            let index = b.ins().bxor(index, salt);
            let index = b.ins().band_imm_s(index, layout::JUMP_MASK);
            let distance = b.ins().ishl_imm_s(index, layout::JUMP_SHIFT);
            let jumps = load(&mut b, frame, layout::FRAME_JUMPS);
            let jump = b.ins().iadd(jumps, distance);
            let generation = load(&mut b, frame, layout::FRAME_GENERATION);
            let fetches = load(&mut b, cpu, layout::FETCH_GENERATION);
            let key = b.ins().iadd(generation, fetches);
            let key = b.ins().ishl_imm_s(key, 12);
            let key = b.ins().bor(key, context);
            let held_pc = load(&mut b, jump, layout::JUMP_PC);
            let held_key = load(&mut b, jump, layout::JUMP_KEY);
            let code = b.ins().load(types::I32, flags, jump, layout::JUMP_CODE.0);
            let differs = b.ins().bxor(held_pc, pc);
            let other = b.ins().bxor(held_key, key);
            let differs = b.ins().bor(differs, other);
            let same = b.ins().icmp_imm_s(Equal, differs, 0);
            let compiled = b.ins().icmp_imm_s(NotEqual, code, 0);
            let ready = b.ins().band(same, compiled);
            b.ins().brif(ready, go, &[], back, &[]);

            b.switch_to_block(go);
            let code = b.ins().uextend(types::I64, code);
            let code = b.ins().iadd_imm_s(code, base as i64);
            b.ins().return_call_indirect(region, code, &[cpu, frame]);
            b.switch_to_block(back);
            b.ins().return_(&[]);
            b.seal_all_blocks();
            b.finalize(target);
        })
    }
}
