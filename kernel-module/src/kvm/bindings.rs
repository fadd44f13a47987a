// SPDX-License-Identifier: GPL-2.0

//! What bindgen makes of the headers, and constants from the C compiler.
//!
//! Nothing else of the crate names a generated file. Kernel types that the
//! kernel crate knows are that crate's own.

#![allow(
    clippy::all,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unnecessary_transmutes,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

use kernel::ffi;
use pin_init::MaybeZeroable;

include!(concat!(env!("KVM_LA_OBJDIR"), "/bindings/generated.rs"));
include!(concat!(env!("KVM_LA_OBJDIR"), "/bindings/enumerators.rs"));

/// Constants that the C compiler evaluated.
pub(crate) mod constant {
    include!(concat!(env!("KVM_LA_OBJDIR"), "/bindings/constants.rs"));
}
