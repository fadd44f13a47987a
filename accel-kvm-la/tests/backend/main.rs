// SPDX-License-Identifier: GPL-2.0-or-later

//! The backend against a QEMU and a KVM inside the process: behaviour, numbers
//! of calls, and every call failing with every error it may have.

// A fake call of the kernel is one use of one argument, whatever it is of.
#![allow(clippy::multiple_unsafe_ops_per_block)]
// A helper of tests fails as a test does.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod errors;
mod exits;
mod failures;
mod fake;
mod life;
mod registers;
mod threads;
