// SPDX-License-Identifier: MIT

//! Fields of the CPUCFG words (Volume 1, 2.2.10.5) as masks, by word.

/// Word 1: instruction set and address widths.
pub mod word1 {
    /// Architecture: reduced LA32, LA32 or [`ARCH_LA64`].
    pub const ARCH: u32 = 3;
    /// [`ARCH`] of 64-bit CPUs.
    pub const ARCH_LA64: u32 = 2;
    /// Physical address bits, minus one.
    pub const PABITS: u32 = 0xff << 4;
    /// Virtual address bits, minus one.
    pub const VABITS: u32 = 0xff << 12;
    /// Unaligned accesses.
    pub const UAL: u32 = 1 << 20;
    /// CRC instructions.
    pub const CRC: u32 = 1 << 25;
    /// Message interrupts.
    pub const MSGINT: u32 = 1 << 26;
}

/// Word 2: instruction set extensions.
pub mod word2 {
    /// Basic floating point.
    pub const FP: u32 = 1 << 0;
    /// Single precision.
    pub const FP_SP: u32 = 1 << 1;
    /// Double precision.
    pub const FP_DP: u32 = 1 << 2;
    /// Version of the floating-point standard.
    pub const FP_VER: u32 = 7 << 3;
    /// 128-bit vectors.
    pub const LSX: u32 = 1 << 6;
    /// 256-bit vectors.
    pub const LASX: u32 = 1 << 7;
    /// Virtualization.
    pub const LVZ: u32 = 1 << 10;
    /// Constant frequency counter and timer.
    pub const LLFTP: u32 = 1 << 14;
    /// Version of the counter and timer.
    pub const LLFTP_VER: u32 = 7 << 15;
    /// x86 binary translation.
    pub const LBT_X86: u32 = 1 << 18;
    /// Arm binary translation.
    pub const LBT_ARM: u32 = 1 << 19;
    /// MIPS binary translation.
    pub const LBT_MIPS: u32 = 1 << 20;
    /// Binary translation of any of the three.
    pub const LBT: u32 = LBT_X86 | LBT_ARM | LBT_MIPS;
    /// Software page walking instructions.
    pub const LSPW: u32 = 1 << 21;
    /// Atomic memory access instructions.
    pub const LAM: u32 = 1 << 22;
    /// Hardware page table walker.
    pub const PTW: u32 = 1 << 24;
    /// Approximate reciprocal instructions.
    pub const FRECIPE: u32 = 1 << 25;
    /// 32-bit division ignores the upper halves.
    pub const DIV32: u32 = 1 << 26;
    /// Atomics on bytes and half-words.
    pub const LAM_BH: u32 = 1 << 27;
    /// Compare-and-swap.
    pub const LAMCAS: u32 = 1 << 28;
    /// `llacq` and `screl`.
    pub const LLACQ_SCREL: u32 = 1 << 29;
    /// `sc.q`.
    pub const SCQ: u32 = 1 << 30;
}

/// Word 3: memory order, caches and page walks.
pub mod word3 {
    /// Store fill buffer.
    pub const SFB: u32 = 1 << 1;
    /// Deepest page walk.
    pub const SPW_LVL: u32 = 7 << 8;
    /// Largest reduction of the virtual address.
    pub const RVAMAX: u32 = 0xf << 13;
    /// `dbar` has hints.
    pub const DBAR_HINTS: u32 = 1 << 17;
    /// All loads can be ordered.
    pub const ALDORDER_CAP: u32 = 1 << 18;
    /// All stores can be ordered.
    pub const ASTORDER_CAP: u32 = 1 << 19;
    /// Loads from the same address can be ordered.
    pub const SLDORDER_CAP: u32 = 1 << 22;
}

/// Word 6: performance counters.
pub mod word6 {
    /// Counters exist.
    pub const PMP: u32 = 1 << 0;
    /// Number of counters, minus one.
    pub const PMNUM: u32 = 0xf << 4;
    /// Position of [`PMNUM`].
    pub const PMNUM_SHIFT: u32 = 4;
    /// Bits of a counter, minus one.
    pub const PMBITS: u32 = 0x3f << 8;
    /// User mode can read them.
    pub const UPM: u32 = 1 << 14;
}
