// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Addresses as a debugger names them. An address is a virtual one of the CPU's mode, unless bits
//! 59:48, which are all zeros or all ones in what software uses, name another space:
//!
//! | bits 59:48 | space | the rest |
//! | --- | --- | --- |
//! | 0xd01 | the host's virtual addresses | bits 63:60 and 47:0 |
//! | 0xd02 | the guest's virtual addresses | the same |
//! | 0xd03 | the guest's physical addresses | bits 47:0 |
//! | 0xd04 | physical addresses | bits 47:0 |

use crate::cpu::{Cpu, Place};
use crate::mem::Bus;
use crate::mmu::PA_MASK;
use crate::world::World;

/// What bits 59:48 are compared as.
const TAG_SHIFT: u32 = 48;
const TAG_MASK: u64 = 0xfff;
const HOST: u64 = 0xd01;
const GUEST: u64 = 0xd02;
const GUEST_PHYSICAL: u64 = 0xd03;
const PHYSICAL: u64 = 0xd04;

/// What an address of a debugger names.
pub(super) fn place(address: u64) -> Place {
    match address >> TAG_SHIFT & TAG_MASK {
        HOST => Place::Virtual(untagged(address), Some(World::Root)),
        GUEST => Place::Virtual(untagged(address), Some(World::Guest)),
        GUEST_PHYSICAL => Place::GuestPhysical(address & PA_MASK),
        PHYSICAL => Place::Physical(address & PA_MASK),
        _ => Place::Virtual(address, None),
    }
}

/// The address by which a debugger names a virtual address of `world`.
#[cfg(test)]
fn virtual_address(world: World, va: u64) -> u64 {
    let tag = match world {
        World::Root => HOST,
        World::Guest => GUEST,
    };
    va & !(TAG_MASK << TAG_SHIFT) | tag << TAG_SHIFT
}

/// A virtual address without its tag: bits 59:48 are zero in a direct mapping window, and repeat
/// bit 47 above the mapped upper half.
fn untagged(address: u64) -> u64 {
    let tag = TAG_MASK << TAG_SHIFT;
    match address >> 60 == 0xf && address >> 47 & 1 != 0 {
        true => address | tag,
        false => address & !tag,
    }
}

/// Where in physical memory a place is, seen from a CPU.
pub(super) fn physical(cpu: &Cpu, bus: &Bus, place: Place) -> Option<u64> {
    match place {
        Place::Virtual(va, world) => cpu.peek(bus, world.unwrap_or(cpu.world()), va),
        Place::GuestPhysical(gpa) => cpu.peek_stage2(bus, gpa),
        Place::Physical(pa) => Some(pa),
    }
}

/// The place `distance` bytes behind.
pub(super) fn behind(place: Place, distance: u64) -> Place {
    match place {
        Place::Virtual(va, world) => Place::Virtual(va.wrapping_add(distance), world),
        Place::GuestPhysical(gpa) => Place::GuestPhysical(gpa.wrapping_add(distance)),
        Place::Physical(pa) => Place::Physical(pa.wrapping_add(distance)),
    }
}

/// How far it is to the end of the smallest page.
pub(super) fn rest_of_page(place: Place) -> u64 {
    let (Place::Virtual(address, _) | Place::GuestPhysical(address) | Place::Physical(address)) =
        place;
    0x1000 - (address & 0xfff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_name_spaces() {
        for va in [
            0,
            0x1_2000_0000,
            0x9000_0000_0020_0000,
            0xffff_8000_0000_1000,
        ] {
            assert_eq!(place(va), Place::Virtual(va, None));
            for world in World::ALL {
                let tagged = virtual_address(world, va);
                assert_eq!(place(tagged), Place::Virtual(va, Some(world)));
            }
        }
        assert_eq!(place(0x0d04_0000_9000_0000), Place::Physical(0x9000_0000));
        assert_eq!(place(0x0d03_0000_0000_1000), Place::GuestPhysical(0x1000));
    }
}
