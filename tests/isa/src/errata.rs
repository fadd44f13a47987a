//! Where QEMU is wrong against the manual, by name, each with the argument.
//!
//! An erratum does not excuse a difference: it corrects QEMU's outcome to what
//! the manual asks for, and the simulator has to agree with that.

use crate::case::{Case, Outcome};

/// One way in which QEMU is wrong.
#[derive(Clone, Copy, Debug)]
pub struct Erratum {
    /// Name, as reports use it.
    pub name: &'static str,
    /// Instructions that it is about.
    pub instructions: &'static [&'static str],
    /// What the manual says, what QEMU does, and how we know.
    pub argument: &'static str,
    /// Corrects QEMU's outcome; false if the case is not concerned.
    pub correct: fn(&Case, &mut Outcome) -> bool,
}

/// All that are known.
pub const ERRATA: &[Erratum] = &[];

/// Applies what concerns this case; returns the names.
pub fn correct(instruction: &str, case: &Case, outcome: &mut Outcome) -> Vec<&'static str> {
    ERRATA
        .iter()
        .filter(|e| e.instructions.contains(&instruction))
        .filter(|e| (e.correct)(case, outcome))
        .map(|e| e.name)
        .collect()
}
