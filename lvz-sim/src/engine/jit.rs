// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The compiler of hot blocks.
//!
//! A block that was interpreted often enough is compiled, with the blocks around
//! it that it leads to (`region`). Compiled code does what the interpreter does,
//! instruction for instruction: blocks end where they end there, and between them
//! it looks whether time is up or something wants attention. What has no compiled
//! form (`form`), and accesses that miss the software TLB, are left to the
//! interpreter's handlers.

mod emitter;
mod form;
mod layout;
mod memory;
mod region;
mod runtime;

use super::check::Check;
use super::code::{BlockId, CodeCache};
use super::execute::{Jump, JumpCache};
use crate::cpu::{Cpu, Op};
use crate::isa;
use crate::isa::Decoder;
use crate::mem::Bus;
use cranelift_codegen::ir::{
    AbiParam, Function, InstBuilder, MemFlagsData, Signature, UserFuncName, types,
};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa, TargetFrontendConfig};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{CodegenError, Context, control::ControlPlane};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use emitter::{Emitter, Signatures};
pub(super) use memory::Code;
use memory::CodeMemory;
use region::Region;
use runtime::Helpers;

/// A block goes with a hot one if it was interpreted this fraction as often.
const WARM: u16 = 32;

/// The names of the instructions without a compiled form, which their handlers execute.
pub fn without_form() -> impl Iterator<Item = &'static str> {
    isa::all()
        .filter(|insn| !form::exists(insn.encoding))
        .map(|insn| insn.encoding.name)
}

/// When blocks are compiled, and how much is kept of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JitOptions {
    /// Executions after which a block is compiled.
    pub hot: u16,
    /// Bytes of machine code before all is thrown away.
    pub code: usize,
}

impl Default for JitOptions {
    fn default() -> Self {
        JitOptions {
            // Then compiling takes less time than it saves.
            hot: 16_000,
            code: 64 << 20,
        }
    }
}

impl JitOptions {
    /// The sizes of code memory that are possible: there must be room for what is
    /// around the blocks.
    pub const CODE_SIZES: std::ops::RangeInclusive<usize> = 64 << 10..=1 << 30;
}

/// Whether Cranelift checks what it is given.
const VERIFY: &str = if cfg!(debug_assertions) {
    "true"
} else {
    "false"
};

/// How far compiled code goes on.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Bounds {
    /// The generation of the decoded code.
    pub(super) generation: u64,
    /// The instruction count at which the engine must look at the time.
    pub(super) stop: u64,
}

/// What compiled code is given beside the CPU.
#[repr(C)]
pub(super) struct Frame {
    bounds: Bounds,
    ram: *mut u8,
    jumps: *const Jump,
    cpu: *mut Cpu,
    bus: *mut Bus,
    /// Null where nothing is checked.
    check: *mut Check,
}

/// Code could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum JitError {
    /// Not a host that it compiles for.
    #[error("cannot make machine code for this computer ({0}): use --engine interpreter")]
    Host(String),
    /// No memory for code.
    #[error("cannot map memory for machine code ({0}): use --engine interpreter")]
    Memory(#[from] std::io::Error),
    /// Cranelift's error.
    #[error("cannot compile a block, which is interpreted: {0}")]
    Compile(Box<CodegenError>),
}

/// The compiler and what it has compiled.
pub(super) struct Jit {
    isa: OwnedTargetIsa,
    context: Context,
    builder: FunctionBuilderContext,
    memory: CodeMemory,
    helpers: Helpers,
    /// The way in; `None` after memory for code has failed, when all is interpreted.
    enter: Option<Code>,
    /// Instructions of compiled regions, which their code refers to.
    ops: Vec<Box<[Op]>>,
    /// A block is compiled when it has been interpreted this often.
    hot: u16,
    /// Whether and how the interpreter checks it.
    pub(super) check: Option<Box<Check>>,
    reported: bool,
}

impl Jit {
    /// A compiler whose code is checked or not.
    pub(super) fn new(options: JitOptions, checked: bool) -> Result<Self, JitError> {
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
        let mut jit = Jit {
            isa,
            context: Context::new(),
            builder: FunctionBuilderContext::new(),
            memory: CodeMemory::new(options.code)?,
            helpers: Helpers::new(checked),
            enter: None,
            ops: Vec::new(),
            hot: options.hot.max(1),
            check: checked.then(Box::default),
            reported: false,
        };
        jit.begin()?;
        Ok(jit)
    }

    /// Forgets all code but the two functions around it.
    fn begin(&mut self) -> Result<(), JitError> {
        self.enter = None;
        self.memory.clear();
        self.ops.clear();
        let enter = self.compile_enter()?;
        self.helpers.dispatch = self.compile_dispatch()?.0.as_ptr() as usize;
        self.enter = Some(enter);
        Ok(())
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

    /// Machine code of what `emit` builds; `None` if there is no room for it.
    fn compile(
        &mut self,
        signature: Signature,
        emit: impl FnOnce(FunctionBuilder<'_>, &Helpers, TargetFrontendConfig),
    ) -> Result<Option<Code>, JitError> {
        self.context.clear();
        self.context.func = Function::with_name_signature(UserFuncName::default(), signature);
        emit(
            FunctionBuilder::new(&mut self.context.func, &mut self.builder),
            &self.helpers,
            self.isa.frontend_config(),
        );
        let compiled = self
            .context
            .compile(&*self.isa, &mut ControlPlane::default())
            .map_err(|e| JitError::Compile(Box::new(e.inner)))?;
        debug_assert!(compiled.buffer.relocs().is_empty());
        Ok(self.memory.add(compiled.buffer.data())?)
    }

    fn full() -> JitError {
        JitError::Memory(std::io::ErrorKind::OutOfMemory.into())
    }

    /// The way in: `fn(code, cpu, frame)` of the host's convention.
    fn compile_enter(&mut self) -> Result<Code, JitError> {
        let mut signature = Signature::new(self.isa.default_call_conv());
        signature.params.extend([AbiParam::new(types::I64); 3]);
        self.compile(signature, |mut b, _, target| {
            let entry = b.create_block();
            b.append_block_params_for_function_params(entry);
            b.switch_to_block(entry);
            let params = b.block_params(entry).to_vec();
            let region = b.import_signature(Self::region_signature());
            b.ins().call_indirect(region, params[0], &params[1..]);
            b.ins().return_(&[]);
            b.seal_all_blocks();
            b.finalize(target);
        })?
        .ok_or_else(Self::full)
    }

    /// Goes on at `cpu.pc`, if the code there is known and nothing is due.
    fn compile_dispatch(&mut self) -> Result<Code, JitError> {
        use cranelift_codegen::ir::condcodes::IntCC::*;
        let signature = Self::region_signature();
        self.compile(signature, |mut b, _, target| {
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
            let index = b.ins().ushr_imm_s(pc, 2);
            let index = b.ins().band_imm_s(index, layout::JUMP_MASK);
            let distance = b.ins().ishl_imm_s(index, layout::JUMP_SHIFT);
            let jumps = load(&mut b, frame, layout::FRAME_JUMPS);
            let jump = b.ins().iadd(jumps, distance);
            let generation = load(&mut b, frame, layout::FRAME_GENERATION);
            let fetches = load(&mut b, cpu, layout::FETCH_GENERATION);
            let context = load(&mut b, cpu, layout::CONTEXT);
            let key = b.ins().iadd(generation, fetches);
            let key = b.ins().ishl_imm_s(key, 12);
            let key = b.ins().bor(key, context);
            let held_pc = load(&mut b, jump, layout::JUMP_PC);
            let held_key = load(&mut b, jump, layout::JUMP_KEY);
            let code = load(&mut b, jump, layout::JUMP_CODE);
            let differs = b.ins().bxor(held_pc, pc);
            let other = b.ins().bxor(held_key, key);
            let differs = b.ins().bor(differs, other);
            let same = b.ins().icmp_imm_s(Equal, differs, 0);
            let compiled = b.ins().icmp_imm_s(NotEqual, code, 0);
            let ready = b.ins().band(same, compiled);
            b.ins().brif(ready, go, &[], back, &[]);

            b.switch_to_block(go);
            b.ins().return_call_indirect(region, code, &[cpu, frame]);
            b.switch_to_block(back);
            b.ins().return_(&[]);
            b.seal_all_blocks();
            b.finalize(target);
        })?
        .ok_or_else(Self::full)
    }

    /// Counts a block that is interpreted, and compiles it if it is hot; its code.
    #[inline(always)]
    pub(super) fn warm(
        &mut self,
        id: BlockId,
        code: &mut CodeCache,
        decoder: &Decoder,
    ) -> Option<Code> {
        let block = code.block_mut(id)?;
        block.heat = block.heat.saturating_add(1);
        if block.heat < self.hot || self.enter.is_none() {
            return None;
        }
        if block.code.is_none() {
            self.compile_block(id, code, decoder);
        }
        code.block(id)?.code
    }

    /// Compiles the region around a block. A block that cannot be compiled, which is a
    /// fault of this compiler, stays interpreted; without memory for code all does. The
    /// first error is reported.
    fn compile_block(&mut self, id: BlockId, code: &mut CodeCache, decoder: &Decoder) {
        let compiled = match self.try_block(id, code, decoder) {
            Ok(Some(compiled)) => Some(compiled),
            Ok(None) => {
                code.forget_code();
                if let Err(error) = self.begin() {
                    self.report(&error);
                }
                None
            }
            Err(error) => {
                if let JitError::Memory(_) = error {
                    // What was there may not be executable any more.
                    code.forget_code();
                    self.enter = None;
                }
                self.report(&error);
                None
            }
        };
        if let Some(block) = code.block_mut(id) {
            block.code = compiled;
            if compiled.is_none() {
                block.heat = 0;
            }
        }
    }

    fn report(&mut self, error: &JitError) {
        if !std::mem::replace(&mut self.reported, true) {
            eprintln!("lvz-sim: {error}");
        }
    }

    /// The code of the region around a block; `None` if there is no room for it.
    fn try_block(
        &mut self,
        id: BlockId,
        code: &CodeCache,
        decoder: &Decoder,
    ) -> Result<Option<Code>, JitError> {
        let Some(root) = code.block(id) else {
            return Ok(None);
        };
        let region = Region::around(root, code, decoder, self.hot / WARM);
        let mut places = Vec::new();
        for part in &region.parts {
            let ops: Box<[Op]> = part.items.iter().map(|item| item.op).collect();
            places.push(ops.iter().map(std::ptr::from_ref).collect());
            self.ops.push(ops);
        }
        let helper = self.helper_signature();
        self.compile(Self::region_signature(), |mut b, helpers, target| {
            let signatures = Signatures {
                region: b.import_signature(Self::region_signature()),
                helper: b.import_signature(helper),
            };
            Emitter::emit(b, signatures, helpers, &region, &places, target);
        })
    }

    /// Runs compiled code from `cpu.pc` on, until the engine has to look.
    pub(super) fn enter(
        &self,
        code: Code,
        cpu: &mut Cpu,
        bus: &mut Bus,
        jumps: &JumpCache,
        bounds: Bounds,
        check: Option<&mut Check>,
    ) {
        let Some(enter) = self.enter else {
            return;
        };
        let mut frame = Frame {
            bounds,
            ram: bus.ram.base(),
            jumps: jumps.first(),
            cpu,
            bus,
            check: check.map_or(std::ptr::null_mut(), std::ptr::from_mut),
        };
        // SAFETY: `enter` is the address of the compiled function of this type.
        let enter = unsafe {
            std::mem::transmute::<*mut u8, unsafe extern "C" fn(*mut u8, *mut Cpu, *mut Frame)>(
                enter.0.as_ptr(),
            )
        };
        // SAFETY: `code` is the address of a compiled region: `CodeMemory` is cleared
        // only together with all that name its code (`CodeCache::forget_code`). The
        // frame's pointers are those of exclusive borrows that are not used until
        // the call is over.
        unsafe { enter(code.0.as_ptr(), frame.cpu, &raw mut frame) };
    }
}
