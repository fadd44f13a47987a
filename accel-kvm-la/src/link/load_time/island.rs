// SPDX-License-Identifier: GPL-2.0-or-later

//! A page near QEMU's code with a jump to each of our functions: the library
//! itself is usually too far away for a single branch.
//!
//! A stub is four instructions and the address it jumps to:
//!
//! ```text
//! pcaddi $t0, 4       # the address below
//! ld.d   $t0, $t0, 0
//! jirl   $zero, $t0, 0
//! nop
//! .dword function
//! ```
//!
//! `$t0` carries nothing across a call (LoongArch ELF psABI).

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::ptr::NonNull;

use la_arch::insn::Operands;
use la_arch::insn::integer::{ANDI, B, JIRL, LD_D, PCADDI};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

use super::gaps;

/// A temporary register.
const T0: u8 = 12;

/// Bytes of one stub.
const STUB: usize = 24;

/// How far a `b` reaches: 26 bits of words, signed.
const REACH: usize = 128 << 20;

/// The instruction `b` from one address to another, if it reaches.
pub(crate) fn branch(from: usize, to: usize) -> Option<u32> {
    let distance = to.wrapping_sub(from).cast_signed();
    let reach = isize::try_from(REACH).ok()?;
    if distance % 4 != 0 || !(-reach..reach).contains(&distance) {
        return None;
    }
    Some(B.encode(&Operands {
        imm: i32::try_from(distance / 4).ok()?,
        ..Operands::default()
    }))
}

/// One stub as it is in memory.
fn stub(function: usize) -> [u8; STUB] {
    let register = |imm| Operands {
        rd: T0,
        rj: T0,
        imm,
        ..Operands::default()
    };
    let jump = Operands {
        rd: 0,
        rj: T0,
        ..Operands::default()
    };
    let words = [
        PCADDI.encode(&register(4)),
        LD_D.encode(&register(0)),
        JIRL.encode(&jump),
        // The assembler's nop.
        ANDI.encode(&Operands::default()),
    ];
    let mut bytes = [0; STUB];
    let code = words.iter().flat_map(|word| word.to_le_bytes());
    let data = (function as u64).to_le_bytes();
    for (place, byte) in bytes.iter_mut().zip(code.chain(data)) {
        *place = byte;
    }
    bytes
}

/// The stubs, ready to be jumped to. They stay for the rest of the process.
pub(crate) struct Island {
    start: usize,
    count: usize,
}

impl Island {
    /// Makes the stubs of these functions within a branch of `code`, which is a part
    /// of `program`.
    pub(crate) fn new(
        code: &Range<usize>,
        program: &Range<usize>,
        functions: &[usize],
        page: usize,
    ) -> nix::Result<Self> {
        let bytes = functions
            .len()
            .saturating_mul(STUB)
            .checked_next_multiple_of(page)
            .and_then(NonZeroUsize::new)
            .ok_or(nix::Error::EINVAL)?;
        let memory = map_near(code, program, bytes, page)?;
        for (i, function) in functions.iter().enumerate() {
            let place = memory.as_ptr().cast::<[u8; STUB]>().wrapping_add(i);
            // SAFETY: the mapping is ours, writable and has room for all stubs.
            unsafe {
                place.write(stub(*function));
            }
        }
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_EXEC;
        // SAFETY: the whole of our own mapping, which nothing refers to yet.
        let executable = unsafe { mprotect(memory, bytes.get(), protection) };
        if let Err(error) = executable {
            // SAFETY: as above.
            let _ = unsafe { munmap(memory, bytes.get()) };
            return Err(error);
        }
        Ok(Self {
            start: memory.as_ptr().expose_provenance(),
            count: functions.len(),
        })
    }

    /// The address of a stub, by its index among the functions.
    pub(crate) fn stub(&self, index: usize) -> Option<usize> {
        (index < self.count).then(|| self.start + index * STUB)
    }
}

/// Writable memory from which, and to which, a branch reaches all of `code`.
fn map_near(
    code: &Range<usize>,
    program: &Range<usize>,
    bytes: NonZeroUsize,
    page: usize,
) -> nix::Result<NonNull<c_void>> {
    let window = code.end.saturating_sub(REACH)..code.start.saturating_add(REACH);
    let places = |mapped: &[Range<usize>]| {
        gaps::places(mapped, &window, code, bytes.get(), page).into_iter()
    };
    let program = std::slice::from_ref(program);
    // Mostly there is room just below the program. Else /proc tells where, or without it
    // what the loader knows must do: the program itself.
    let mut below = places(program).filter(|place| *place < code.start);
    below
        .find_map(|place| map_at(place, bytes))
        .or_else(|| {
            let mapped = gaps::mapped_below(window.end);
            let mapped = mapped.as_deref().unwrap_or(program);
            places(mapped).find_map(|place| map_at(place, bytes))
        })
        .ok_or(nix::Error::ENOMEM)
}

fn map_at(place: usize, bytes: NonZeroUsize) -> Option<NonNull<c_void>> {
    // SAFETY: an anonymous mapping that replaces nothing.
    let memory = unsafe {
        mmap_anonymous(
            NonZeroUsize::new(place),
            bytes,
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED_NOREPLACE,
        )
    }
    .ok()?;
    if memory.as_ptr().addr() == place {
        return Some(memory);
    }
    // A kernel older than the flag takes the address as a hint.
    // SAFETY: what was mapped just now.
    let _ = unsafe { munmap(memory, bytes.get()) };
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_reach_128_mib() {
        let at = 0x10_0000_0000;
        assert_eq!(branch(at, at), Some(0x5000_0000));
        assert_eq!(
            B.operands(branch(at, at + 0x1000).expect("near")).imm,
            0x400
        );
        assert_eq!(
            B.operands(branch(at, at - REACH).expect("near")).imm,
            -(1 << 25)
        );
        assert_eq!(branch(at, at + REACH), None);
        assert_eq!(branch(at, at - REACH - 4), None);
        assert_eq!(branch(at, at + 2), None);
        assert_eq!(
            branch(0, usize::MAX - 7).map(|b| B.operands(b).imm),
            Some(-2)
        );
    }

    #[test]
    fn a_stub_is_what_the_assembler_makes_of_it() {
        let bytes = stub(0x1122_3344_5566_7788);
        let expected: Vec<u8> = [0x1800_008c_u32, 0x28c0_018c, 0x4c00_0180, 0x0340_0000]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .chain(0x1122_3344_5566_7788_u64.to_le_bytes())
            .collect();
        assert_eq!(bytes.to_vec(), expected);
    }

    #[test]
    fn islands_are_near_and_full() {
        let page = 64 << 10;
        let function = islands_are_near_and_full as fn();
        let near = (function as *const ()).addr() / page * page;
        let code = near..near + page;
        let island = Island::new(&code, &code, &[0x1000, 0x2000], page).expect("room");
        let second = island.stub(1).expect("two stubs");
        assert!(branch(near, second).is_some());
        assert!(island.stub(2).is_none());
        let pointer = std::ptr::with_exposed_provenance::<[u8; STUB]>(second);
        // SAFETY: the island is mapped and readable for the rest of the process.
        assert_eq!(unsafe { pointer.read() }, stub(0x2000));
    }
}
