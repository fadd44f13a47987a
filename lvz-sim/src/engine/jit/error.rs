// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What can go wrong with compiling.

use cranelift_codegen::CodegenError;

/// Code could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum JitError {
    /// Not a host that it compiles for.
    #[error("cannot make machine code for this computer ({0})")]
    Host(String),
    /// No memory for code.
    #[error("cannot have memory for machine code ({0})")]
    Memory(#[from] std::io::Error),
    /// Cranelift's error.
    #[error("cannot compile a block ({0})")]
    Compile(Box<CodegenError>),
}
