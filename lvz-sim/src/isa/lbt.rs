// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Binary translation (LBT; docs/lbt.md has the source of each fact): scratch registers,
//! flags of x86 and Arm, the top of the x87 stack. All of it is enabled by EUEN.BTE.

pub(super) mod arm;
mod flags;
pub(super) mod integer;
pub(super) mod mips;
pub(super) mod state;
#[cfg(test)]
mod tests;
mod word;
pub(super) mod x86;
pub(super) mod x86_shift;
