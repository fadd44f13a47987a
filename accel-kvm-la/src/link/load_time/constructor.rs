// SPDX-License-Identifier: GPL-2.0-or-later

//! The first code of the library that runs: before QEMU's own, and in whatever
//! other program the library may find itself.
//!
//! Only QEMU is touched. Its module initialisation calls back at stage 0
//! (`MODULE_INIT_MIGRATION`, include/qemu/module.h, the same in all series): by
//! then all classes are registered, the BQL is held, and no option has been
//! looked at.

use std::ffi::{c_int, c_void};

use super::image::{Image, function, symbol};
use super::{attach, environment};
use crate::qemu::log::say;

/// `MODULE_INIT_MIGRATION`.
const STAGE: c_int = 0;

type RegisterModuleInit = unsafe extern "C" fn(unsafe extern "C" fn(), c_int);

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: unsafe extern "C" fn() = construct;

/// # Safety
///
/// The loader calls it, once, before any thread is started.
unsafe extern "C" fn construct() {
    let Some(image) = Image::of_process() else {
        return;
    };
    let own = (construct as unsafe extern "C" fn() as *const c_void).addr();
    if image.contains(own) {
        // Linked into the program itself: others do what is needed.
        return;
    }
    let in_program = |name| symbol(name).filter(|address| image.is_code(*address));
    let (Some(_), Some(register)) = (
        in_program(c"kvm_arch_init"),
        in_program(c"register_module_init"),
    ) else {
        tell_if_qemu();
        return;
    };
    // SAFETY: by this function's contract there is only this thread.
    unsafe { environment::leave_preload_list() };
    // SAFETY: the exported function of this name has this type
    // (include/qemu/module.h).
    let register = unsafe { function::<RegisterModuleInit>(register) };
    // SAFETY: the function only keeps the callback in a list, which it sets up
    // itself if this is the first.
    unsafe { register(modules_ready, STAGE) };
}

/// QEMU's classes are registered.
unsafe extern "C" fn modules_ready() {
    if let Some(image) = Image::of_process() {
        attach(image);
    }
}

/// A QEMU without our symbols would go on without us: a user that asked for us is to
/// know. Other programs inherited the list of libraries, and hear nothing.
fn tell_if_qemu() {
    let path = Image::path();
    let is_qemu = path.file_name().is_some_and(|name| {
        name.as_encoded_bytes()
            .starts_with(b"qemu-system-loongarch64")
    });
    if is_qemu {
        say(&format!(
            "accel-kvm-la cannot go into {}: it exports no symbols, or has no KVM; this QEMU \
             goes on with its own accelerators\n",
            path.display()
        ));
    }
}
