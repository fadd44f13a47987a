// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Where things are: addresses that the QEMU process and the simulator share,
//! and the records that cases and results travel in.

use la_arch::insn::integer;

/// Distance between the code of two cases.
pub const SLOT: u64 = 64;
/// Driver code.
pub const TEXT: u64 = 0x10_0000;
/// Driver variables and the signal stack.
pub const DATA: u64 = 0x14_0000;
/// Size of [`DATA`].
pub const DATA_SIZE: u64 = 0x2_0000;
/// Writable memory that cases access.
pub const WINDOW: u64 = 0x2000_0000;
/// Size of [`WINDOW`]: two pages of 64 KiB, a page border at every page size.
pub const WINDOW_SIZE: u64 = 0x2_0000;
/// No memory, right behind the window.
pub const HOLE: u64 = WINDOW + WINDOW_SIZE;
/// Size of the [`HOLE`].
pub const HOLE_SIZE: u64 = 0x2_0000;
/// Memory that cases can read but not write.
pub const READ_ONLY: u64 = HOLE + HOLE_SIZE;
/// Size of [`READ_ONLY`].
pub const READ_ONLY_SIZE: u64 = 0x4000;
/// Case records.
pub const CASES: u64 = 0x3000_0000;
/// Result records.
pub const RESULTS: u64 = 0x4800_0000;
/// Code of the cases: [`SLOT`] bytes each, filled up with `break`. 128 MiB
/// around it, the reach of a branch, are free.
pub const CODE: u64 = 0x6000_0000;

/// What fills the code area, and what follows each case.
pub const FILLER: u32 = integer::BREAK.bits;

/// The parts of the window that are set before each case and compared after.
pub const HOT: [u64; 2] = [WINDOW + WINDOW_SIZE / 2 - HOT_SIZE / 2, HOLE - HOT_SIZE];
/// Size of each part.
pub const HOT_SIZE: u64 = 256;

/// Bytes of both parts.
pub const HOT_BYTES: usize = 2 * HOT_SIZE as usize;
/// Bytes of a context record: `struct sigcontext` of Linux
/// (arch/loongarch/include/uapi/asm/sigcontext.h) with one LASX context.
pub const CONTEXT_BYTES: usize = 1344;
/// Offset of the general registers in it.
pub const CONTEXT_GPR: usize = 8;
/// Offset of the head (magic and size) of the LASX context in it.
pub const CONTEXT_HEAD: usize = 272;
/// Offset of the vector registers in it.
pub const CONTEXT_VR: usize = 288;
/// Offset of the condition flags, one byte each.
pub const CONTEXT_FCC: usize = 1312;
/// Offset of FCSR0.
pub const CONTEXT_FCSR: usize = 1320;
/// `LASX_CTX_MAGIC`.
pub const LASX_MAGIC: u32 = 0x4153_5801;
/// Size of the LASX context with its head and what aligns it.
pub const LASX_SIZE: u32 = (CONTEXT_BYTES - CONTEXT_HEAD) as u32;
/// Offset of `uc_mcontext` in `struct ucontext`.
pub const UCONTEXT_MCONTEXT: i32 = 176;

/// Bytes that a result begins with: `siginfo_t`, or the exception of the bare machine.
pub const EXCEPTION_BYTES: usize = 32;
/// Bytes of a case record: context, window.
pub const CASE_BYTES: usize = CONTEXT_BYTES + HOT_BYTES;
/// Bytes of a result record: signal, context, window.
pub const RESULT_BYTES: usize = EXCEPTION_BYTES + CONTEXT_BYTES + HOT_BYTES;

/// The constant contents of [`READ_ONLY`].
pub fn read_only_bytes() -> Vec<u8> {
    (0..READ_ONLY_SIZE).map(read_only_byte).collect()
}

/// The address of the code of case number `index` in its batch.
pub fn slot(index: usize) -> u64 {
    CODE + index as u64 * SLOT
}

/// The address of byte number `at` of a window record.
pub fn hot_address(at: usize) -> u64 {
    HOT[at / HOT_SIZE as usize] + at as u64 % HOT_SIZE
}

/// The number of the byte at `address` in a window record.
pub fn hot_index(address: u64) -> Option<usize> {
    HOT.iter().enumerate().find_map(|(part, start)| {
        let offset = address.wrapping_sub(*start);
        (offset < HOT_SIZE).then_some(part * HOT_SIZE as usize + offset as usize)
    })
}

/// The contents of [`READ_ONLY`] at an offset.
pub fn read_only_byte(offset: u64) -> u8 {
    (offset as u8).wrapping_mul(0x9d).wrapping_add(7)
}
