// SPDX-License-Identifier: GPL-2.0-or-later

//! The accelerator's operations: slots of the class `kvm-accel-ops`, found by
//! the exported functions that the C backend put beside them.

use std::ffi::c_void;

use super::image::{Image, function};
use super::refusal::Refusal;
use super::symbols::address;

/// The class (accel/kvm/kvm-accel-ops.c).
const CLASS: &str = "kvm-accel-ops";

/// Bytes of a class that are looked at, at most.
const SIZE_MAX: usize = 4096;

type ClassByName = unsafe extern "C" fn(*const std::ffi::c_char) -> *mut c_void;

/// The slots, as indices of 64-bit words in the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    pub(crate) create_vcpu_thread: usize,
    pub(crate) kick_vcpu_thread: usize,
    pub(crate) cpu_thread_is_idle: usize,
    pub(crate) synchronize_post_reset: usize,
    pub(crate) synchronize_post_init: usize,
    pub(crate) synchronize_state: usize,
    pub(crate) synchronize_pre_loadvm: usize,
    pub(crate) update_guest_debug: usize,
}

impl Slots {
    /// The slot of a member of AccelOpsClass that the backend fills.
    pub(crate) fn by_name(&self, name: &str) -> Option<usize> {
        match name {
            "create_vcpu_thread" => Some(self.create_vcpu_thread),
            "kick_vcpu_thread" => Some(self.kick_vcpu_thread),
            "cpu_thread_is_idle" => Some(self.cpu_thread_is_idle),
            "synchronize_post_reset" => Some(self.synchronize_post_reset),
            "synchronize_post_init" => Some(self.synchronize_post_init),
            "synchronize_state" => Some(self.synchronize_state),
            "synchronize_pre_loadvm" => Some(self.synchronize_pre_loadvm),
            "update_guest_debug" => Some(self.update_guest_debug),
            _ => None,
        }
    }
}

/// Addresses that are looked for.
#[derive(Clone, Copy, Debug)]
struct Anchors {
    /// post_reset, post_init, state, pre_loadvm, handle_interrupt: neighbours.
    synchronize: [usize; 5],
    /// insert, remove, remove all: neighbours.
    breakpoints: [usize; 3],
}

impl Anchors {
    fn find() -> Result<Self, Refusal> {
        let breakpoint = |new, old| address(new).or_else(|_| address(old));
        Ok(Self {
            synchronize: [
                address("kvm_cpu_synchronize_post_reset")?,
                address("kvm_cpu_synchronize_post_init")?,
                address("kvm_cpu_synchronize_state")?,
                address("kvm_cpu_synchronize_pre_loadvm")?,
                address("generic_handle_interrupt")?,
            ],
            breakpoints: [
                breakpoint("kvm_insert_gdbstub_breakpoint", "kvm_insert_breakpoint")?,
                breakpoint("kvm_remove_gdbstub_breakpoint", "kvm_remove_breakpoint")?,
                breakpoint(
                    "kvm_remove_all_gdbstub_breakpoints",
                    "kvm_remove_all_breakpoints",
                )?,
            ],
        })
    }
}

/// The class object, with its slots.
pub(crate) struct Class {
    words: *mut usize,
    /// Where its slots are.
    pub(crate) slots: Slots,
}

impl Class {
    /// Finds the class, which every QEMU with KVM registers.
    pub(crate) fn find(image: &Image) -> Result<Self, Refusal> {
        let by_name = address("object_class_by_name")?;
        // SAFETY: the exported function of this name has this type
        // (include/qom/object.h).
        let by_name = unsafe { function::<ClassByName>(by_name) };
        // SAFETY: types are registered by now; a string that ends.
        let class = unsafe { by_name(c"kvm-accel-ops".as_ptr()) };
        if class.is_null() {
            return Err(Refusal::NoClass(CLASS));
        }
        // SAFETY: QOM takes classes from malloc (qom/object.c), so the allocator
        // knows how much of it may be read.
        let bytes = unsafe { libc::malloc_usable_size(class) }.min(SIZE_MAX);
        let words = class.cast::<usize>();
        let values: Vec<usize> = (0..bytes / 8)
            .map(|i| {
                // SAFETY: within the allocation; classes change only under the
                // BQL, which this thread holds.
                unsafe { words.wrapping_add(i).read() }
            })
            .collect();
        let slots = find(&values, &Anchors::find()?, |address| image.is_code(address))
            .ok_or(Refusal::Slots(CLASS))?;
        Ok(Self { words, slots })
    }

    /// Puts a function into a slot.
    ///
    /// # Safety
    ///
    /// `slot` is one of [`Self::slots`] and `function` has the type of that
    /// member.
    pub(crate) unsafe fn set(&self, slot: usize, function: usize) {
        // SAFETY: inside the class, which lives as long as the process; QEMU
        // reads it after this, in this thread or in threads that it creates.
        unsafe { self.words.wrapping_add(slot).write(function) };
    }
}

/// Recognises the slots among the words of a class.
fn find(words: &[usize], anchors: &Anchors, is_code: impl Fn(usize) -> bool) -> Option<Slots> {
    let only = |sequence: &[usize]| {
        let mut places = words
            .windows(sequence.len())
            .enumerate()
            .filter(|(_, window)| *window == sequence)
            .map(|(i, _)| i);
        let place = places.next()?;
        places.next().is_none().then_some(place)
    };
    let post_reset = only(&anchors.synchronize)?;
    let insert = only(&anchors.breakpoints)?;
    let slots = Slots {
        create_vcpu_thread: post_reset.checked_sub(3)?,
        kick_vcpu_thread: post_reset.checked_sub(2)?,
        cpu_thread_is_idle: post_reset.checked_sub(1)?,
        synchronize_post_reset: post_reset,
        synchronize_post_init: post_reset + 1,
        synchronize_state: post_reset + 2,
        synchronize_pre_loadvm: post_reset + 3,
        update_guest_debug: insert.checked_sub(1)?,
    };
    let word = |slot: usize| words.get(slot).copied();
    // The C backend has these and leaves kicking to the common code.
    let is_function = |slot| word(slot).is_some_and(&is_code);
    let as_expected = is_function(slots.create_vcpu_thread)
        && is_function(slots.cpu_thread_is_idle)
        && is_function(slots.update_guest_debug)
        && word(slots.kick_vcpu_thread) == Some(0);
    as_expected.then_some(slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANCHORS: Anchors = Anchors {
        synchronize: [0x1000, 0x1010, 0x1020, 0x1030, 0x1040],
        breakpoints: [0x2000, 0x2010, 0x2020],
    };

    fn is_code(address: usize) -> bool {
        (0x1000..0x4000).contains(&address)
    }

    /// AccelOpsClass of 11.1, of which the first 96 bytes are ObjectClass.
    fn class() -> Vec<usize> {
        let mut words = vec![0; 32];
        words[14] = 0x3000;
        words[16] = 0x3010;
        words[18] = 0x3020;
        words[19..24].copy_from_slice(&ANCHORS.synchronize);
        words[28] = 0x3030;
        words[29..32].copy_from_slice(&ANCHORS.breakpoints);
        words
    }

    #[test]
    fn slots_are_found_by_their_neighbours() {
        let slots = find(&class(), &ANCHORS, is_code).expect("slots");
        assert_eq!(slots.create_vcpu_thread * 8, 128);
        assert_eq!(slots.kick_vcpu_thread * 8, 136);
        assert_eq!(slots.synchronize_pre_loadvm * 8, 176);
        assert_eq!(slots.update_guest_debug * 8, 224);
        // 10.2 has one more member before the debug slots.
        let mut older = class();
        older.insert(27, 0x3040);
        let slots = find(&older, &ANCHORS, is_code).expect("slots");
        assert_eq!(slots.update_guest_debug * 8, 232);
    }

    #[test]
    fn other_classes_are_refused() {
        for (slot, value) in [(16, 0), (16, 0x9000), (17, 0x3000), (20, 0x1020), (30, 0)] {
            let mut words = class();
            words[slot] = value;
            assert_eq!(find(&words, &ANCHORS, is_code), None, "{slot}");
        }
        let mut twice = class();
        twice.extend(class());
        assert_eq!(find(&twice, &ANCHORS, is_code), None);
        assert_eq!(find(&[], &ANCHORS, is_code), None);
    }
}
