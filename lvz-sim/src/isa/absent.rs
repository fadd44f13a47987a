// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Instructions of the public opcode tables that no model has, each with the reason.
//! They are INE.

use la_arch::insn::Encoding;
use la_arch::insn::lbt as enc;

const MIPS: &str = "only that it is MIPS-style is public; LBT_MIPS is not announced";
const SETTAG: &str = "what it tests in the tag word was measured for one value only";
const EXTENDED: &str = "its results were measured, its rounding mode and exceptions were not";

/// Them.
pub const ABSENT: &[(&Encoding, &str)] = &[
    (&enc::LDL_W, MIPS),
    (&enc::LDR_W, MIPS),
    (&enc::LDL_D, MIPS),
    (&enc::LDR_D, MIPS),
    (&enc::STL_W, MIPS),
    (&enc::STR_W, MIPS),
    (&enc::STL_D, MIPS),
    (&enc::STR_D, MIPS),
    (&enc::X86SETTAG, SETTAG),
    (&enc::FCVT_LD_D, EXTENDED),
    (&enc::FCVT_UD_D, EXTENDED),
    (&enc::FCVT_D_LD, EXTENDED),
];
