// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What an instruction needs from its surroundings, beyond register values.

use la_arch::insn::Encoding;
use lvz_sim::cpu::Group;

/// How a memory access gets its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// `rj` plus the first immediate times this.
    Offset(i64),
    /// `rj` plus `rk`.
    Index,
    /// `rj` alone.
    Plain,
    /// `rj` alone, compared with the bound in `rk`.
    Bound,
}

/// The kind of test that an instruction gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Registers and immediates only.
    Registers,
    /// Memory access of so many bytes.
    Access {
        /// How the address is formed.
        addressing: Addressing,
        /// Bytes.
        size: u64,
    },
    /// Jump or branch.
    Branch,
    /// Store-conditional of so many bytes: tested in sequences with its load.
    Conditional(u64),
}

/// Why an instruction is not compared with QEMU's user mode, and which suite
/// of `cargo xtask test` has it instead.
pub fn excluded(encoding: &Encoding, group: Group) -> Option<&'static str> {
    match encoding.name {
        "syscall" => Some("a process cannot see the exception: suite `system`"),
        // Without a debugger outside the CPU it is INE in both.
        "dbcl" => None,
        "rdtimel.w" | "rdtimeh.w" | "rdtime.d" => {
            Some("QEMU reads the host's clock: suite `system`")
        }
        "cpucfg" => Some("describes the model, which differs in LVZ: suite `system`"),
        _ => match group {
            Group::Privileged => Some("privileged: suite `system`"),
            Group::Lbt => {
                Some("QEMU has no binary translation: unit tests of lvz-sim, suite `system`")
            }
            Group::Lvz => Some("virtualization: suite `system`"),
            _ => None,
        },
    }
}

/// The shape of an instruction, from its name and operand format.
pub fn of(encoding: &Encoding) -> Shape {
    let name = encoding.name;
    let stem = name.split('.').next().unwrap_or(name);
    let size = access_size(name);
    let scaled = |scale| Shape::Access {
        addressing: Addressing::Offset(scale),
        size,
    };
    let access = |addressing| Shape::Access { addressing, size };
    match stem {
        "ld" | "st" | "fld" | "fst" | "vld" | "vst" | "xvld" | "xvst" => scaled(1),
        "ldptr" | "stptr" | "ll" => scaled(4),
        "sc" | "screl" => Shape::Conditional(size),
        "llacq" => access(Addressing::Plain),
        "vldrepl" | "vstelm" | "xvldrepl" | "xvstelm" => scaled(size as i64),
        "ldx" | "stx" | "fldx" | "fstx" | "vldx" | "vstx" | "xvldx" | "xvstx" => {
            access(Addressing::Index)
        }
        "ldgt" | "ldle" | "stgt" | "stle" | "fldgt" | "fldle" | "fstgt" | "fstle" => {
            access(Addressing::Bound)
        }
        "b" | "bl" | "jirl" | "beq" | "bne" | "blt" | "bge" | "bltu" | "bgeu" | "beqz" | "bnez"
        | "bceqz" | "bcnez" => Shape::Branch,
        _ if name.starts_with("am") => access(Addressing::Plain),
        _ => Shape::Registers,
    }
}

/// Bytes that a load or store moves.
fn access_size(name: &str) -> u64 {
    match name.rsplit('.').next().unwrap_or_default() {
        "b" | "bu" => 1,
        "h" | "hu" => 2,
        "w" | "wu" | "s" => 4,
        "d" | "du" => 8,
        // Whole vectors have no suffix.
        _ if name.starts_with('x') => 32,
        _ => 16,
    }
}
