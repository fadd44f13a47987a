// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The compiler of hot blocks.
//!
//! A block that was interpreted often enough is compiled, with the blocks around
//! it that it leads to (`selection`). Compiled code does what the interpreter does,
//! instruction for instruction: blocks end where they end there, and between them
//! it looks whether time is up or something wants attention. What has no compiled
//! form (`forms`), and accesses that miss the software TLB, are left to the
//! interpreter's handlers.

mod beside;
mod compiler;
mod emitter;
mod error;
mod form;
mod forms;
mod frame;
mod layout;
pub(super) mod memory;
mod region;
mod runtime;
mod selection;

use super::check::replay::Replay;
use super::code::{BlockId, CodeCache};
use super::jumps::JumpCache;
use crate::cpu::{Cpu, Op};
use crate::isa;
use crate::isa::Decoder;
use crate::mem::Bus;
use beside::{Beside, Done, Job};
use compiler::{Compiled, Compiler};
pub use error::JitError;
pub(super) use frame::Bounds;
use frame::Frame;
use memory::{Code, CodeMemory};
use runtime::Helpers;

/// A block goes with a hot one if it was interpreted this fraction as often.
const WARM: u16 = 32;

/// A block that was interpreted so many times as often as a hot one is compiled even if the
/// compiler has had its share of the time: it has cost more than its code will.
const VERY_HOT: u16 = 4;

/// The names of the instructions without a compiled form, which their handlers execute.
pub fn without_form() -> impl Iterator<Item = &'static str> {
    isa::all()
        .filter(|insn| !forms::exists(insn.encoding))
        .map(|insn| insn.encoding.name)
}

/// When blocks are compiled, and how much is kept of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JitOptions {
    /// Executions after which a block is compiled.
    pub hot: u16,
    /// Bytes of machine code before all is thrown away.
    pub code: usize,
    /// The compiler has a thread of its own, and the machine goes on meanwhile. When a
    /// block's code is there then differs from run to run; what the machine does does not.
    pub beside: bool,
}

impl Default for JitOptions {
    fn default() -> Self {
        JitOptions {
            // With fewer the compiler works on what pays too late.
            hot: 8_000,
            code: 64 << 20,
            beside: true,
        }
    }
}

impl JitOptions {
    /// The sizes of code memory that are possible: there must be room for what is
    /// around the blocks.
    pub const CODE_SIZES: std::ops::RangeInclusive<usize> = 64 << 10..=1 << 30;
}

/// The compiler and what it has compiled.
pub(super) struct Jit {
    compiler: Compiler,
    /// Compiles on a thread of its own; `None` where the engine waits for its code.
    beside: Option<Beside>,
    memory: CodeMemory,
    helpers: Helpers,
    /// The way in; `None` after memory for code has failed, when all is interpreted.
    enter: Option<Code>,
    /// Instructions of compiled regions, which their code refers to.
    ops: Vec<Box<[Op]>>,
    /// A block is compiled when it has been interpreted this often.
    hot: u16,
    reported: bool,
}

impl Jit {
    /// A compiler whose code is checked or not.
    pub(super) fn new(options: JitOptions, checked: bool) -> Result<Self, JitError> {
        let mut compiler = Compiler::new()?;
        let mut memory = CodeMemory::new(options.code)?;
        let full = || JitError::Memory(std::io::ErrorKind::OutOfMemory.into());
        let enter = memory.add(&compiler.way_in()?)?.ok_or_else(full)?;
        let dispatch = memory
            .add(&compiler.dispatch(memory.base())?)?
            .ok_or_else(full)?;
        let helpers = Helpers::new(checked, memory.address(dispatch), |helper| {
            let aside = memory.add(&compiler.aside(helper)?)?.ok_or_else(full)?;
            Ok(memory.address(aside))
        })?;
        memory.keep();
        // A check compares what is compiled in the middle of its work.
        let beside = match options.beside && !checked {
            true => Beside::new(Compiler::new()?, helpers),
            false => None,
        };
        Ok(Jit {
            compiler,
            beside,
            memory,
            helpers,
            enter: Some(enter),
            ops: Vec::new(),
            hot: options.hot.max(1),
            reported: false,
        })
    }

    /// Counts a block that is interpreted, and has it compiled if it is hot; its code.
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
        if block.code.is_none() && !block.asked {
            self.ask(id, code, decoder);
        }
        code.block(id)?.code
    }

    /// Has the region around a block compiled, now or beside.
    #[cold]
    fn ask(&mut self, id: BlockId, code: &mut CodeCache, decoder: &Decoder) {
        let Some(root) = code.block(id) else {
            return;
        };
        let very_hot = root.heat >= self.hot.saturating_mul(VERY_HOT);
        if self.beside.as_ref().is_some_and(|b| b.is_full(very_hot)) {
            return;
        }
        let region = selection::around(root, code, decoder, self.hot / WARM);
        match &mut self.beside {
            Some(beside) => {
                // Meanwhile no other block of it asks for much the same code.
                for part in &region.parts {
                    code.set_asked(part.offset, true);
                }
                beside.ask(Job {
                    id,
                    epoch: code.epoch,
                    region,
                });
            }
            None => {
                let compiled = self.compiler.region(&region, &self.helpers);
                self.install(id, compiled, code);
            }
        }
    }

    /// Takes over what has been compiled beside.
    pub(super) fn collect(&mut self, code: &mut CodeCache) {
        while let Some(Done { job, compiled, .. }) = self.beside.as_mut().and_then(Beside::done) {
            // Numbers of blocks that were all dropped mean others now.
            if job.epoch == code.epoch {
                for part in &job.region.parts {
                    code.set_asked(part.offset, false);
                }
                self.install(job.id, compiled, code);
            }
        }
    }

    /// Gives a block its code. A block that cannot be compiled, which is a fault of
    /// this compiler, stays interpreted; without memory for code all does. The first
    /// error is reported.
    fn install(&mut self, id: BlockId, compiled: Result<Compiled, JitError>, code: &mut CodeCache) {
        let placed = compiled.and_then(|compiled| {
            let place = self.memory.add(&compiled.code)?;
            Ok(place.map(|place| (place, compiled.ops)))
        });
        match placed {
            Ok(Some((place, ops))) => {
                self.ops.extend(ops);
                if let Some(block) = code.block_mut(id) {
                    block.code = Some(place);
                }
            }
            Ok(None) => {
                code.forget_code();
                self.ops.clear();
                self.memory.clear();
            }
            Err(error) => {
                if let JitError::Memory(_) = error {
                    // What was there may not be executable any more.
                    code.forget_code();
                    self.enter = None;
                }
                if let Some(block) = code.block_mut(id) {
                    block.cool();
                }
                self.report(&error);
            }
        }
    }

    fn report(&mut self, error: &JitError) {
        if !std::mem::replace(&mut self.reported, true) {
            let what = match self.enter {
                Some(_) => "it is",
                None => "all instructions are",
            };
            crate::say!("lvz-sim: {error}: {what} interpreted");
        }
    }

    /// Runs compiled code from `cpu.pc` on, until the engine has to look.
    pub(super) fn enter(
        &self,
        code: Code,
        cpu: &mut Cpu,
        bus: &mut Bus,
        jumps: &JumpCache,
        bounds: Bounds,
        replay: Option<&mut Replay>,
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
            replay: replay.map_or(std::ptr::null_mut(), std::ptr::from_mut),
            status: 0,
        };
        // SAFETY: `enter` is the address of the compiled function of this type.
        let enter = unsafe {
            std::mem::transmute::<*const u8, unsafe extern "C" fn(*const u8, *mut Cpu, *mut Frame)>(
                self.memory.address(enter),
            )
        };
        // SAFETY: `code` is the address of a compiled region: `CodeMemory` is cleared
        // only together with all that name its code (`CodeCache::forget_code`). The
        // frame's pointers are those of exclusive borrows that are not used until
        // the call is over.
        unsafe { enter(self.memory.address(code), frame.cpu, &raw mut frame) };
    }
}
