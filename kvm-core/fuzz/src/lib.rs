// SPDX-License-Identifier: GPL-2.0

//! What the fuzz targets run, and `kvm-core/tests/fuzz.rs` over a fixed corpus:
//! each takes any bytes and panics only on a fault of kvm-core.

mod bytes;
mod controllers;
mod decode;
mod registers;
mod stage2;
mod timer;

pub use controllers::interrupt_controllers;
pub use decode::decoder;
pub use registers::registers;
pub use stage2::stage2;
pub use timer::timer;
