// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Tests of the arithmetic: named cases, and properties against the host and an independent
//! implementation.

mod apfloat;
mod cases;
mod conversions;
mod host;
mod numbers;
