// SPDX-License-Identifier: MIT

//! The LoongArch64 architecture in one place, without behaviour: CSR numbers
//! and fields, exception codes, the virtualization extension's registers and
//! instruction encodings, each with its source.
//!
//! ```
//! use la_arch::csr::{Crmd, number};
//!
//! // CRMD is CSR 0; after reset it has direct addressing on and nothing else.
//! assert_eq!(number::CRMD, 0);
//! assert!(Crmd(8).da());
//! ```
#![no_std]

pub mod avec;
pub mod cpucfg;
pub mod csr;
pub mod eiointc;
pub mod exception;
pub mod fcsr;
pub mod insn;
pub mod iocsr;
pub mod ipi;
pub mod kvm;
pub mod lvz;
pub mod one_reg;
pub mod page_table;
pub mod pch_pic;
mod register;
pub mod sync_regs;

pub use exception::{Exception, Interrupt};
