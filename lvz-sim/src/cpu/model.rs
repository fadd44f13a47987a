//! CPU models and their switchable features: what CPUCFG says.

use crate::isa::Insn;

/// A CPU model with its features.
#[derive(Clone, Debug)]
pub struct Model {
    /// CPUCFG words.
    pub cpucfg: [u32; 21],
}

impl Model {
    /// Whether the model has the instruction.
    pub fn implements(&self, insn: &Insn) -> bool {
        !insn.encoding.v1_1
    }
}
