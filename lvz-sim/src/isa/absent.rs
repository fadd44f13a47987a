// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Instructions of the public opcode tables that no model has, each with the reason.
//! They are INE.

use la_arch::insn::Encoding;
use la_arch::insn::lbt as enc;

const SETTAG: &str = "what it tests in the tag word was measured for one value only";
const EXTENDED: &str = "its results were measured, its rounding mode and exceptions were not";

/// Them.
pub const ABSENT: &[(&Encoding, &str)] = &[
    (&enc::X86SETTAG, SETTAG),
    (&enc::FCVT_LD_D, EXTENDED),
    (&enc::FCVT_UD_D, EXTENDED),
    (&enc::FCVT_D_LD, EXTENDED),
];
