// SPDX-License-Identifier: GPL-2.0
/* Defines the events of trace/kvm_la_trace.h, and calls of them for Rust. */

#define CREATE_TRACE_POINTS
#define CREATE_RUST_TRACE_POINTS
#include "kvm_la_trace.h"
