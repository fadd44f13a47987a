// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A debugger's packets, and what a machine does for them.

mod attach;
mod back;
mod client;
mod ends;
pub(super) mod machines;
mod monitor;
mod stops;
