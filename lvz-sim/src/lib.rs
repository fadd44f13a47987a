// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A LoongArch64 system simulator with the virtualization extension (LVZ), as a library:
//! build a machine, run it until a condition holds, look at it.
//!
//! ```
//! use lvz_sim::la_arch::csr::number;
//! use lvz_sim::{End, Simulation};
//!
//! // A program for physical address 0x200000. A kernel or hypervisor is an ELF file:
//! // `.kernel("hypervisor.elf")`.
//! let words: [u32; 8] = [
//!     0x02c0_a804, // addi.d  $a0, $zero, 42
//!     0x0500_c024, // gcsrwr  $a0, 0x30          SAVE0 of the guest
//!     0x143f_c005, // lu12i.w $a1, 0x1fe00       the UART
//!     0x02c1_a006, // addi.d  $a2, $zero, 'h'
//!     0x2907_80a6, // st.b    $a2, $a1, 0x1e0
//!     0x1420_1c05, // lu12i.w $a1, 0x100e0       power
//!     0x02c0_d006, // addi.d  $a2, $zero, 0x34
//!     0x2900_70a6, // st.b    $a2, $a1, 0x1c     off
//! ];
//! let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
//!
//! let mut machine = Simulation::builder()
//!     .cpu("la464".parse()?)
//!     .memory(256 << 20)
//!     .program(0x20_0000, bytes)
//!     .build()?;
//!
//! // One instruction, and what it did.
//! assert_eq!(machine.step(0), None);
//! assert_eq!((machine.pc(0), machine.register(0, 4)), (Some(0x20_0004), Some(42)));
//! machine.step(0);
//! assert_eq!(machine.guest_csr(0, number::SAVE0), Some(42));
//!
//! // A snapshot, from which another machine goes on with the same future (a dev-dependency:
//! // tempfile).
//! let directory = tempfile::tempdir()?;
//! let file = directory.path().join("snapshot");
//! machine.save(&file)?;
//! let mut twin = Simulation::builder().memory(256 << 20).snapshot(file).build()?;
//!
//! // Until it powers off, or something else that is waited for, or a limit.
//! let end = machine.run_until(|machine| machine.uart().ends_with(b"panic"), 1_000_000);
//! assert_eq!(end, End::PowerOff(0));
//! assert_eq!(machine.uart(), b"h");
//! assert_eq!(twin.run(1_000_000), End::PowerOff(0));
//! assert_eq!(twin.state_hash(), machine.state_hash());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is documented here is the public interface, and follows semantic versioning
//! (README.md). Other modules are there for this project's own program and tests: they change
//! with every version.

#![warn(unreachable_pub)]

#[doc(hidden)]
pub mod boot;
mod calls;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod cpu;
#[doc(hidden)]
pub mod disassembly;
#[doc(hidden)]
pub mod engine;
mod finding;
mod fp;
#[doc(hidden)]
pub mod gdb;
#[doc(hidden)]
pub mod isa;
mod leaving;
mod lock;
#[doc(hidden)]
pub mod map;
#[doc(hidden)]
pub mod mem;
mod mmu;
#[doc(hidden)]
pub mod one_line;
mod output;
#[doc(hidden)]
pub mod platform;
mod profile;
mod report;
#[doc(hidden)]
pub mod run;
mod simulation;
mod size;
mod snapshot;
#[doc(hidden)]
pub mod standard_error;
mod stats;
mod symbols;
#[doc(hidden)]
pub mod trace;
mod world;

pub use cpu::{LvzReadings, Model, ModelError, ReadingError};
pub use finding::{Finding, Rule};
pub use la_arch;
pub use simulation::{Builder, End, Error, Simulation};
